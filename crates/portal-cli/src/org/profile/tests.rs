use std::fs;

use portal_model::{DataCenter, Org, Secret};
use tempfile::TempDir;

use super::*;

fn profile(hosts: Hosts) -> Profile {
    Profile {
        entry: Entry {
            ca_file: None,
            hosts,
            client_id: "1000.ABC".to_owned(),
            org: Some(Org::new("7000").named(Some("Acme Inc.".to_owned()))),
        },
        secrets: secrets("hush-token"),
    }
}

fn secrets(refresh_token: &str) -> Secrets {
    Secrets { client_secret: Secret::new("hush-client"), refresh_token: Secret::new(refresh_token) }
}

fn in_europe() -> Profile {
    profile(Hosts::of(DataCenter::Eu))
}

fn elsewhere() -> Profile {
    let url = "http://127.0.0.1:8780".to_owned();
    profile(Hosts::at(url.clone(), url))
}

fn failure<T: std::fmt::Debug>(result: Result<T, impl Into<Failure>>) -> String {
    result.unwrap_err().into().report.message
}

#[test]
fn profile_round_trips_until_removed() {
    let home = TempDir::new().unwrap();
    let directory = home.path().join("made/portal");
    for (name, profile) in [("acme", in_europe()), ("be.ta", elsewhere()), ("acme", elsewhere())] {
        store(&directory, name, &profile).unwrap();
        assert_eq!(Profiles::load(&directory).unwrap().get(name).unwrap(), profile);
    }
    remove(&directory, "acme").unwrap();
    let profiles = Profiles::load(&directory).unwrap();
    assert_eq!(profiles.entries().keys().collect::<Vec<_>>(), ["be.ta"]);
    let refusal = failure(profiles.get("acme"));
    assert_eq!(refusal, "there is no profile \"acme\"; there is only be.ta");
    assert!(!fs::read_to_string(credentials_path(&directory)).unwrap().contains("[acme]"));
}

#[test]
fn config_change_keeps_comments_and_order() {
    let home = TempDir::new().unwrap();
    let path = config_path(home.path());
    let written = "# Our clients.\n[profile.zeta] # the oldest\nclient_id = \"1\" # theirs\n\
                   data_center = \"us\"\n\n# The next.\n[profile.acme]\ndata_center = \"in\" # for now\n\
                   client_id = \"2\"\n";
    fs::write(&path, written).unwrap();
    store(home.path(), "acme", &in_europe()).unwrap();
    store(home.path(), "beta", &elsewhere()).unwrap();
    remove(home.path(), "beta").unwrap();
    let expected = written
        .replace("\"in\"", "\"eu\"")
        .replace("\"2\"\n", "\"1000.ABC\"\norg_id = \"7000\"\norg_name = \"Acme Inc.\"\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn invalid_config_is_reported_with_line() {
    let home = TempDir::new().unwrap();
    for (text, expected) in [
        ("[profile.a]\nclient_id = \"1\"\nregion = \"eu\"\n", "config.toml, line 3: unknown field"),
        ("[profile.a]\nclient_id = 1\n", "config.toml, line 2: invalid type"),
        ("[profile.a\n", "config.toml, line 1: "),
        ("[profile.a]\nclient_id = \"1\"\n", "config.toml, line 1: expected either"),
        (
            "[profile.a]\nclient_id = \"1\"\ndata_center = \"uk\"\n",
            "config.toml, line 1: unknown data center \"uk\": expected",
        ),
    ] {
        fs::write(config_path(home.path()), text).unwrap();
        let refusal = failure(Profiles::load(home.path()));
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn credentials_error_shows_no_secret() {
    let home = TempDir::new().unwrap();
    store(home.path(), "acme", &in_europe()).unwrap();
    let path = credentials_path(home.path());
    let good = fs::read_to_string(&path).unwrap();
    for broken in [
        good.replace("\"hush-token\"", "\"hush-token"),
        good.replace("refresh_token", "hush_key"),
        good.replace("refresh_token", "hush_key = 1\nrefresh_token"),
        good.replace("\"hush-token\"", "[\"hush-token\"]"),
        format!("refresh_token = \"hush-token\"\n{good}"),
        format!("{good}\n[acme]\nclient_secret = \"hush\"\n"),
        format!("hush{good}"),
    ] {
        fs::write(&path, &broken).unwrap();
        let refusal = failure(Profiles::load(home.path()).unwrap().get("acme"));
        assert!(
            refusal.contains("credentials.toml, line ") && !refusal.contains("hush"),
            "{refusal}"
        );
    }
}

#[cfg(unix)]
#[test]
fn secrets_that_others_can_read_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = TempDir::new().unwrap();
    store(home.path(), "acme", &in_europe()).unwrap();
    let path = credentials_path(home.path());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let refusal = |path: &Path, mode| {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let refusal = failure(Profiles::load(home.path()).unwrap().get("acme"));
        fs::set_permissions(path, before).unwrap();
        refusal
    };
    for mode in [0o640, 0o604, 0o660, 0o602] {
        let refusal = refusal(&path, mode);
        assert!(refusal.contains(&format!("(mode {mode:04o})")), "{refusal}");
        assert!(refusal.contains("chmod 600"), "{refusal}");
    }
    // Who changes the hosts has the secrets sent.
    for (path, mode) in [(config_path(home.path()), 0o666), (home.path().to_owned(), 0o777)] {
        let refusal = refusal(&path, mode);
        assert!(refusal.starts_with("everybody on this machine can change "), "{refusal}");
        assert!(refusal.ends_with(&format!("`chmod o-w {}`", path.display())), "{refusal}");
    }
    assert!(Profiles::load(home.path()).unwrap().get("acme").is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(failure(store(home.path(), "beta", &elsewhere())).contains("chmod 600"));
}

#[test]
fn concurrently_stored_profiles_are_all_kept() {
    let home = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let directory = home.path();
            scope.spawn(move || store(directory, &format!("p{number}"), &in_europe()).unwrap());
        }
    });
    let profiles = Profiles::load(home.path()).unwrap();
    assert!((0..8).all(|number| profiles.get(&format!("p{number}")).is_ok()));
}

#[test]
fn misleading_profile_name_is_refused() {
    for name in ["acme", "acme-eu_2.test", "7"] {
        check_name(name).unwrap();
    }
    for name in ["", "-x", "--yes", "acme eu", "a,b", "a/b", "ä", &"a".repeat(65)] {
        assert!(check_name(name).is_err(), "{name:?}");
    }
}

#[test]
fn stray_copies_are_removed_by_next_change() {
    let home = TempDir::new().unwrap();
    let left = ["credentials.toml.new", "config.toml.new"].map(|name| home.path().join(name));
    for path in &left {
        fs::write(path, "refresh_token = \"hush\"").unwrap();
    }
    store(home.path(), "acme", &in_europe()).unwrap();
    assert!(left.iter().all(|path| !path.exists()));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 3, "two files and their lock");
}

#[test]
fn profiles_sharing_token_are_found() {
    let home = TempDir::new().unwrap();
    let other = Profile { secrets: secrets("hush-other"), ..in_europe() };
    for (name, profile) in
        [("acme", in_europe()), ("beta", in_europe()), ("other", other), ("zeta", elsewhere())]
    {
        store(home.path(), name, &profile).unwrap();
    }
    let profiles = Profiles::load(home.path()).unwrap();
    assert_eq!(profiles.sharing_token("acme").unwrap(), ["beta"]);
    assert_eq!(profiles.sharing_token("other").unwrap(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn change_keeps_mode_and_links_of_config() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = TempDir::new().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (dotfiles, directory) = (home.path().join("dotfiles"), home.path().join("portal"));
    fs::create_dir(&dotfiles).unwrap();
    fs::create_dir(&directory).unwrap();
    // As a repository of dotfiles has it, before it has a file.
    symlink("../dotfiles/portal.toml", config_path(&directory)).unwrap();
    store(&directory, "acme", &in_europe()).unwrap();
    assert_eq!(mode(&dotfiles.join("portal.toml")), 0o600);
    fs::set_permissions(dotfiles.join("portal.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    store(&directory, "beta", &elsewhere()).unwrap();
    assert!(fs::symlink_metadata(config_path(&directory)).unwrap().is_symlink());
    assert_eq!(mode(&dotfiles.join("portal.toml")), 0o644);
    assert_eq!(mode(&credentials_path(&directory)), 0o600);
    assert_eq!(Profiles::load(&directory).unwrap().entries().len(), 2);
}
