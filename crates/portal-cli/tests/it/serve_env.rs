//! `serve env` and `serve profiles`: what `portal serve` says of itself to a shell, to other commands, and
//! to nobody else.

#[cfg(unix)]
use std::io::{BufRead as _, BufReader};
#[cfg(unix)]
use std::process::{Command, Stdio};

#[cfg(unix)]
use portal_testkit::needs;

use crate::orgs::{self, Org};
use crate::raw::send;
use crate::support::{Home, Ran, Served};

#[test]
fn environment_of_running_server_is_printed() {
    let home = Home::new();
    let none = home.run(&["serve", "env"]);
    assert!(none.status == 2 && none.stderr.contains("no `portal serve`"), "{none:?}");
    let server = Served::start(&home, &[]);
    let printed = home.run(&["serve", "env"]);
    let admin = ("PORTAL_ADMIN_URL", server.listening["admin"].as_str().unwrap());
    let variables = server.environment().into_iter().chain([admin]);
    let others = "PORTAL_PROFILE PORTAL_DATA_CENTER PORTAL_ORG_ID PORTAL_ACCESS_TOKEN";
    let unset = format!(
        "command -v unset >/dev/null && unset {others}\n\
         command -v unset >/dev/null || set -e {others}\n"
    );
    let lines = variables.map(|(name, value)| format!("export {name}={value}\n"));
    let mut lines = std::iter::once(unset).chain(lines).collect::<Vec<_>>().concat();
    lines += "export PORTAL_SERVER=";
    assert_eq!(printed.status, 0);
    assert!(printed.stdout.starts_with(&lines), "{printed:?}");
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    let second = Served::start(&home, &[]);
    let which = home.run(&["serve", "env"]);
    assert!(
        which.status == 2 && which.stderr.contains("2 servers run, on the ports "),
        "{which:?}"
    );
    let json = home.run(&["serve", "env", "--port", &port, "--output", "json"]).json();
    assert_eq!(json[0]["PORTAL_API_DOMAIN"], server.url());
    // A server that is killed cannot clean up after itself.
    second.kill();
    assert_eq!(home.run(&["serve", "env"]).status, 0);
}

/// Creates that would need ten minutes if the server were as slow as any.
const IMPATIENT: [&str; 5] = ["create", "--deadline", "30s", "--timeout", "5s"];

/// What `serve env` says of a server.
fn environment(home: &Home, server: &Served) -> Vec<(String, String)> {
    let port = server.url().rsplit_once(':').unwrap().1;
    let ran = home.run(&["serve", "env", "--port", port, "--output", "json"]);
    let object = ran.json().remove(0);
    let variables = object.as_object().unwrap().iter();
    variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn times_of_server_are_those_of_its_address_only() {
    let home = Home::new();
    let (fast, other) = (Served::start(&home, &[]), Served::start(&home, &[]));
    let create = |server: &Served, name: &str| {
        let mut command = home.command_elsewhere(&[&IMPATIENT[..], &[name]].concat());
        command.envs(server.environment());
        command
    };
    let of_fast = environment(&home, &fast);
    let ran = Ran::of(create(&fast, "FirstPortal").envs(of_fast.iter().cloned()));
    assert_eq!(ran.status, 0, "{ran:?}");
    // Another server, of which the environment says nothing.
    let (_, file) = of_fast.iter().find(|(name, _)| name == "PORTAL_SERVER").unwrap();
    let ran = Ran::of(create(&other, "SecondPortal").env("PORTAL_SERVER", file));
    assert_eq!(ran.status, 2, "{ran:?}");
    // And the next one at that address.
    let url = fast.url().to_owned();
    fast.kill();
    let address = url.trim_start_matches("http://");
    let next = Served::start(&home, &["--listen", address]);
    let ran = Ran::of(create(&next, "ThirdPortal").env("PORTAL_SERVER", file));
    assert_eq!(ran.status, 2, "{ran:?}");
}

#[test]
fn fault_that_delays_effects_is_waited_for() {
    let home = Home::new();
    let faults = ["--fault", "POST request:delay=1m:@9", "--fault", "GET request:stale=20s:@9"];
    let server = Served::start(&home, &faults);
    let mut command = home.command_elsewhere(&[&IMPATIENT[..], &["AcmePortal"]].concat());
    let ran = Ran::of(command.envs(environment(&home, &server)));
    assert_eq!(ran.status, 2, "{ran:?}");
}

/// Nothing is known of a server that was switched to be slow but that it is slow.
#[test]
fn fault_switched_on_later_is_waited_for() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let admin = server.listening["admin"].as_str().unwrap();
    let create = |name: &str| {
        let mut command = home.command_elsewhere(&[&IMPATIENT[..], &[name]].concat());
        Ran::of(command.envs(environment(&home, &server)))
    };
    assert_eq!(create("FirstPortal").status, 0);
    for faults in
        [r#"{"once":["POST request:delay=1m:@9"]}"#, r#"{"faults":["GET request:stale=1m:@9"]}"#]
    {
        assert_eq!(send(admin, "POST /api/faults", &[], faults).status, 200);
        let ran = create("SecondPortal");
        assert!(ran.status == 2 && ran.stderr.contains("deadline"), "{ran:?}");
    }
    assert_eq!(send(admin, "POST /api/reset", &[], "").status, 200);
    assert_eq!(create("FirstPortal").status, 0);
}

#[test]
fn variable_shortens_no_proof_about_another_machine() {
    let home = Home::new();
    for (variable, flag) in
        [("PORTAL_PROCESSING_TIME", "--processing-time"), ("PORTAL_LIST_LAG", "--list-lag")]
    {
        let create = |arguments: &[&str]| {
            let arguments = [&["create", "AcmePortal", "--yes"], arguments].concat();
            let mut command = home.command_elsewhere(&arguments);
            for (name, value) in [
                ("PORTAL_API_DOMAIN", "https://portal.invalid"),
                ("PORTAL_ACCOUNTS_URL", "https://portal.invalid"),
                ("PORTAL_ACCESS_TOKEN", "1000.a.b"),
                (variable, "1s"),
            ] {
                command.env(name, value);
            }
            Ran::of(&mut command)
        };
        let ran = create(&[]);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("error: {variable} is 1s, expected ")), "{ran:?}");
        let ran = create(&[flag, "1s"]);
        assert!(!ran.stderr.contains(variable), "{ran:?}");
    }
}

/// Runs a script in a shell that has a way to another org, and a portal of the server in the end.
#[cfg(unix)]
fn eval_in(shell: &[&str]) {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_portal")).parent().unwrap();
    let script = "eval \"$(portal serve env)\"; portal create -q AcmePortal && env";
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(script).env_clear().current_dir(home.path());
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).env("HOME", home.path());
    command.env("PORTAL_PROFILE", "real").env("PORTAL_ACCESS_TOKEN", "1000.real.token");
    command.env("HTTPS_PROXY", "http://127.0.0.1:9");
    let ran = Ran::of(&mut command);
    assert_eq!((ran.status, &*ran.stderr), (0, ""), "{shell:?}: {ran:?}");
    assert!(ran.stdout.starts_with("AcmePortal was created\n"), "{shell:?}: {ran:?}");
    assert!(ran.stdout.contains("\nNO_PROXY=localhost,127.0.0.1,::1\n"), "{shell:?}: {ran:?}");
    assert!(!ran.stdout.contains("PORTAL_PROFILE"), "{shell:?}: {ran:?}");
    assert_eq!(server.requests("/crm/v7/settings/portals"), 2, "{}", server.log());
}

#[cfg(unix)]
#[test]
fn posix_shell_reads_environment() {
    eval_in(&["sh", "-euc"]);
}

#[cfg(unix)]
#[needs(bash)]
#[test]
fn bash_reads_environment() {
    eval_in(&["bash", "--norc", "-euo", "pipefail", "-c"]);
    eval_in(&["bash", "--posix", "-euc"]);
}

#[cfg(unix)]
#[needs(zsh)]
#[test]
fn zsh_reads_environment() {
    eval_in(&["zsh", "-f", "-euc"]);
}

#[cfg(unix)]
#[needs(fish)]
#[test]
fn fish_reads_environment() {
    eval_in(&["fish", "--no-config", "-c"]);
}

#[test]
fn server_that_keeps_nothing_is_new_org_each_time() {
    let home = Home::new();
    let create = |server: &Served, name: &str| {
        let ran = server.run(&home, &["create", name, "--ensure"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (0, &*format!("{name} was created\n")));
    };
    let server = Served::start(&home, &[]);
    let address = server.url().trim_start_matches("http://").to_owned();
    create(&server, "FirstPortal");
    server.kill();
    let server = Served::start(&home, &["--listen", &address]);
    create(&server, "FirstPortal");
    let admin = server.listening["admin"].as_str().unwrap();
    assert_eq!(send(admin, "POST /api/reset", &[], "").status, 200);
    create(&server, "FirstPortal");
    server.kill();
    // The same is true of a data directory that was removed.
    let arguments = ["--listen", &address, "--data", "kept"];
    for _ in 0..2 {
        let server = Served::start(&home, &arguments);
        create(&server, "FirstPortal");
        server.kill();
        std::fs::remove_dir_all(home.path().join("kept")).unwrap();
    }
}

#[test]
fn environment_is_of_org_that_is_named() {
    let home = Home::new();
    let orgs = [Org::new("acme"), Org::new("beta")];
    let server = orgs::serve(&home, &orgs, &[]);
    let ran = home.run(&["serve", "env"]);
    assert_eq!(ran.status, 2);
    assert_eq!(
        ran.stderr,
        "error: expected the name of an org; there are acme, beta\n\
         hint: pass `--org` with one of them\n"
    );
    let ran = home.run(&["serve", "env", "--org", "beta", "--output", "json"]);
    assert_eq!(ran.json()[0]["PORTAL_REFRESH_TOKEN"], *orgs[1].refresh_token());
    server.kill();
    // Of the only one.
    let _server = orgs::serve(&home, &orgs[..1], &[]);
    let ran = home.run(&["serve", "env", "--output", "json"]);
    assert_eq!(ran.json()[0]["PORTAL_CLIENT_ID"], *orgs[0].client_id());
}

/// What a start says leads to the orgs, whatever they are called.
#[cfg(unix)]
#[test]
fn start_with_seed_says_how_to_reach_it() {
    let home = Home::new();
    let seed = orgs::seed(&[Org::new("acme"), Org::new("beta")]);
    let seed = seed.replace("name = \"acme\"", "name = \"it's acme\"");
    std::fs::write(home.path().join("seed.toml"), seed).unwrap();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--seed", "seed.toml"]);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said = |start: &str| lines.find_map(|line| Some(line.strip_prefix(start)?.to_owned()));
    let eval = said("In another terminal: ").unwrap();
    let profiles = said("A profile for each org: ").unwrap();
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_portal")).parent().unwrap();
    let script = format!("{eval} && {profiles} && portal list && portal list --profile beta");
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).env_clear().current_dir(home.path()).env("HOME", home.path());
    shell.env("PATH", format!("{}:{}", directory.display(), std::env::var("PATH").unwrap()));
    let ran = Ran::of(&mut shell);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("it-s-acme"), "{ran:?}");
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn profiles_of_seeded_orgs_rehearse_doctor_and_batch() {
    let home = Home::new();
    let mut orgs = Org::many(3);
    orgs[1].permissions = &["manage_portal"];
    let server = orgs::serve(&home, &orgs, &[]);
    let ran = home.run(&["serve", "profiles", "--output", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let profiles: Vec<_> = ran.json().iter().map(|it| it["profile"].clone()).collect();
    assert_eq!(profiles, ["org000", "org001", "org002"]);
    assert_eq!(ran.json()[2]["org"]["name"], "org002");
    let ran = home.run(&["doctor"]);
    assert!(ran.stdout.contains("org001") && ran.stdout.contains("not permitted"), "{ran:?}");
    std::fs::write(
        home.path().join("portals.csv"),
        "profile,name\norg000,Portal000\norg002,Portal002\n",
    )
    .unwrap();
    let ran = home.run(&["batch", "portals.csv", "--yes"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    // The same again, against the next server.
    server.kill();
    let server = orgs::serve(&home, &orgs, &[]);
    assert_eq!(home.run(&["serve", "profiles"]).status, 0);
    assert_eq!(home.run(&["doctor", "--profile", "org000"]).status, 0);
    server.kill();
}

#[test]
fn orgs_without_refresh_token_get_no_profile() {
    let home = Home::new();
    let seed = home.path().join("codes.toml");
    std::fs::write(
        &seed,
        "[[org]]\nname = \"acme\"\n\n[[org.user]]\nname = \"Admin\"\nemail = \"admin@acme.example\"\n\
         permissions = [\"manage_portal\", \"manage_portal_users\"]\n[[org.user.credential]]\n\
         client_id = \"1000.ACME\"\nclient_secret = \"0123456789abcdef0123\"\nscopes = [\"ZohoCRM.settings.clientportal.ALL\"]\n\
         grant_code = \"1000.0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef\"\n",
    )
    .unwrap();
    let _server = Served::start(&home, &["--seed", seed.to_str().unwrap()]);
    let ran = home.run(&["serve", "profiles"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.starts_with("error: no profile is stored: 1 org at http://"), "{ran:?}");
}

#[test]
fn profile_of_another_server_is_not_replaced() {
    let home = Home::new();
    let orgs = [Org::new("acme"), Org::new("beta")];
    let _server = orgs::serve(&home, &orgs, &[]);
    orgs::write_profiles(&home, "https://portals.example", &orgs[1..]);
    let ran = home.run(&["serve", "profiles"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert_eq!(
        ran.stderr,
        "error: there is a profile beta, for an org at https://portals.example\n\
         hint: run `portal profiles rename beta NEW` first\n"
    );
    let listed = home.run(&["profiles", "--output", "json"]).json();
    assert_eq!(listed.len(), 1, "nothing was stored: {listed:?}");
}
