//! What `serve` keeps, where, and what it does once it can't.

use std::process::Command;

use crate::orgs::{self, Org};
use crate::raw::send;
#[cfg(unix)]
use crate::raw::{authorization, request};
#[cfg(target_os = "linux")]
use crate::support::Ran;
use crate::support::{Home, Served};

const NAME: &str = "PortalsAPItest100";

#[test]
fn acknowledged_portal_survives_power_cut() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "kept"]);
    assert_eq!(server.run(&home, &["create", NAME]).status, 0);
    let before = server.listening.clone();
    server.kill();
    let server = Served::start(&home, &["--data", "kept"]);
    assert_eq!(server.listening["refresh_token"], before["refresh_token"]);
    assert!(server.run(&home, &["list"]).stdout.starts_with(NAME));
}

#[cfg(unix)]
#[test]
fn server_with_removed_data_ends() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "kept"]);
    assert_eq!(server.run(&home, &["create", NAME]).status, 0);
    std::fs::remove_dir_all(home.path().join("kept")).unwrap();
    let timing =
        ["--timeout", "2s", "--processing-time", "1s", "--list-lag", "0s", "--deadline", "20s"];
    let rename = [&["rename", NAME, "AcmeCustomers"][..], &timing].concat();
    let ran = server.run(&home, &rename);
    assert_ne!(ran.status, 0, "{ran:?}");
    let (status, stderr) = server.wait();
    // 74 rather than 1: nobody reads the JSON of the error.
    assert_eq!(status, Some(74), "{stderr}");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(
        errors,
        ["error: kept/registry.sqlite or its log was removed or replaced while open: \
          restore both and restart"]
    );
}

#[cfg(unix)]
#[test]
fn server_with_older_data_copied_over_ends() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "kept"]);
    assert_eq!(server.run(&home, &["create", NAME]).status, 0);
    let copy = |from: &str, to: &str| {
        let copied = Command::new("cp").args(["-r", from, to]).current_dir(home.path()).status();
        assert!(copied.unwrap().success());
    };
    copy("kept", "older");
    assert_eq!(server.run(&home, &["create", "--allow-another", "SecondPortal"]).status, 0);
    copy("older/.", "kept");
    // Acknowledged before, and not there any more.
    let authorization = authorization_or_failure(&server);
    assert_eq!(authorization, None);
    let (status, stderr) = server.wait();
    assert_eq!(status, Some(74), "{stderr}");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(errors[0].contains("was overwritten while open"), "{stderr}");
}

/// The header with a token, unless the server does not grant one.
#[cfg(unix)]
fn authorization_or_failure(server: &Served) -> Option<String> {
    let text = |key: &str| server.listening[key].as_str().unwrap();
    let (client, secret) = (text("client_id"), text("client_secret"));
    let form = format!(
        "grant_type=refresh_token&client_id={client}&client_secret={secret}&refresh_token={}",
        text("refresh_token")
    );
    let granted = send(server.url(), "POST /oauth/v2/token", &[], &form);
    granted.json()["access_token"].as_str().map(str::to_owned)
}

#[cfg(unix)]
#[test]
fn server_whose_folder_is_gone_is_not_ready() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "kept"]);
    let admin = server.listening["admin"].as_str().unwrap().to_owned();
    assert_eq!(send(&admin, "GET /readyz", &[], "").status, 200);
    std::fs::rename(home.path().join("kept"), home.path().join("moved")).unwrap();
    // 503, unless the server has ended before it is sent.
    let response = request(&admin, "GET", "/readyz", "localhost");
    assert!(!response.contains(" 200 "), "{response}");
    let (status, stderr) = server.wait();
    assert_eq!(status, Some(74), "{stderr}");
}

#[cfg(unix)]
#[test]
fn files_that_others_can_use_are_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../portal-http/tests/it/server/tls/");
    for end in ["pem", "key"] {
        std::fs::copy(format!("{directory}first.{end}"), home.path().join(format!("tls.{end}")))
            .unwrap();
    }
    std::fs::write(home.path().join("seed.toml"), orgs::seed(&[Org::new("acme")])).unwrap();
    std::fs::create_dir(home.path().join("kept")).unwrap();
    let arguments =
        ["--data", "kept", "--seed", "seed.toml", "--tls-cert", "tls.pem", "--tls-key", "tls.key"];
    let warnings = |modes: [u32; 3]| {
        for (file, mode) in ["tls.key", "seed.toml", "kept"].iter().zip(modes) {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(home.path().join(file), mode).unwrap();
        }
        let server = Served::start(&home, &arguments);
        let log = server.log();
        let warnings = log.lines().filter_map(|line| line.strip_prefix("warning: everybody on "));
        warnings.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(warnings([0o600, 0o644, 0o755]), [""; 0]);
    assert_eq!(warnings([0o640, 0o664, 0o770]), [""; 0], "of a group of one's own");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--seed", "/dev/stdin", "--", "true"];
    let ran = home.run_with(&serve, &orgs::seed(&[Org::new("acme")]));
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "a pipe is nobody's");
    assert_eq!(
        warnings([0o644, 0o666, 0o777]),
        [
            "this machine can read tls.key: run `chmod 600 tls.key`",
            "this machine can change seed.toml: run `chmod go-w seed.toml`",
            "this machine can change kept: run `chmod 700 kept`",
        ]
    );
}

/// With a program there is somebody who waits.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn full_disk_with_program_fails() {
    let home = Home::new();
    let library = home.path().join("full_disk.so");
    let source =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../portal-store/tests/it/full_disk/full_disk.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", source, "-ldl", "-o"]).arg(&library);
    assert!(compiler.status().unwrap().success());
    let data = home.path().join("data");
    let mut command = home.command(&["serve", "--data", "data", "--", "true"]);
    command.env("LD_PRELOAD", &library).env("FULL_DISK_ROOT", &data);
    command.env("FULL_DISK_FLAG", home.path().join("flag"));
    std::fs::write(home.path().join("flag"), "").unwrap();
    let ran = Ran::of(&mut command);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.starts_with("error: the disk is full under "), "{ran:?}");
}

/// `ulimit -f` makes files full where a full disk would.
#[cfg(unix)]
#[test]
fn writes_that_fail_are_one_line_on_stderr() {
    let home = Home::new();
    let mut limited = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_portal")]);
    let server = Served::start_by(limited, &home, &["--data", "data"]);
    let authorization = authorization(&server);
    let create = |number: u32| {
        let body = format!("{{\"portals\":[{{\"name\":\"Portal{number}\"}}]}}");
        send(server.url(), "POST /crm/v7/settings/portals", &[&authorization], &body).status
    };
    let failed = (0..2000).map(create).find(|status| *status != 200).expect("the disk gets full");
    assert_eq!([failed, create(2000)], [500, 500]);
    let log = server.log();
    assert_eq!(log.matches("the registry failed: responding with 500").count(), 1, "{log}");
}

#[test]
fn lost_log_requires_accept_loss() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "kept"]);
    assert_eq!(server.run(&home, &["create", NAME]).status, 0);
    server.kill();
    std::fs::remove_file(home.path().join("kept/registry.sqlite-wal")).unwrap();
    let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--data", "kept"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("registry.sqlite has lost "), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    let server = Served::start(&home, &["--data", "kept", "--accept-loss"]);
    assert_eq!(server.run(&home, &["list"]).stdout, "");
}

#[test]
fn backup_of_running_server_can_be_served() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "kept"]);
    assert_eq!(server.run(&home, &["create", NAME]).status, 0);
    let ran = home.run(&["admin", "backup", "--data", "kept", "copy"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "Backed up kept to copy\n"), "{ran:?}");
    let ran = home.run(&["admin", "backup", "--data", "kept", "copy"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.starts_with("error: copy already exists"), "{ran:?}");
    server.kill();

    std::fs::create_dir(home.path().join("restored")).unwrap();
    std::fs::copy(home.path().join("copy"), home.path().join("restored/registry.sqlite")).unwrap();
    let server = Served::start(&home, &["--data", "restored"]);
    assert!(server.run(&home, &["list"]).stdout.starts_with(NAME));
}

#[test]
fn differing_seed_is_refused_unless_it_replaces() {
    let home = Home::new();
    orgs::serve(&home, &[Org::new("acme")], &["--data", "kept"]).kill();
    let rotated = orgs::seed(&[Org::new("acme")]).replace("hush-secret-acme", "rotated");
    std::fs::write(home.path().join("seed.toml"), rotated).unwrap();
    let arguments = ["--data", "kept", "--seed", "seed.toml"];
    let ran = home.run(&[&["serve", "--listen", "127.0.0.1:0"][..], &arguments].concat());
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert_eq!(
        ran.stderr,
        "error: the seed file differs from what kept keeps, where client 1000.CLIENT.acme has a different \
         secret\nhint: pass `--seed-replaces` to take the seed's values and revoke the rest\n"
    );
    Served::start(&home, &[&arguments[..], &["--seed-replaces"]].concat()).kill();
    Served::start(&home, &arguments).kill();
}

#[test]
fn invalid_seed_names_line_and_creates_no_file() {
    let home = Home::new();
    std::fs::write(home.path().join("seed.toml"), "[[org]]\nnam = \"Acme\"\n").unwrap();
    let ran =
        home.run(&["serve", "--listen", "127.0.0.1:0", "--data", "kept", "--seed", "seed.toml"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("seed.toml") && ran.stderr.contains("line 2"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(!home.path().join("kept").exists());
}

#[test]
fn unwritable_data_directory_is_one_sentence() {
    let home = Home::new();
    std::fs::write(home.path().join("file"), "").unwrap();
    let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--data", "file/kept"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.starts_with("error: data directory file/kept is not writable: "), "{ran:?}");
}

#[test]
fn foreign_data_directory_gets_no_credentials() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("data")).unwrap();
    std::fs::write(home.path().join("data/registry.sqlite"), "a letter, ".repeat(500)).unwrap();
    let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    let file = std::path::Path::new("data").join("registry.sqlite");
    let why = format!("error: {} is not a registry", file.display());
    assert!(ran.stderr.starts_with(&why), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert_eq!(std::fs::read_dir(home.path().join("data")).unwrap().count(), 1);
}
