//! What `portal serve` says of itself to a program and a shell, and to nobody else.

#[cfg(unix)]
use std::process::Command;

#[cfg(unix)]
use portal_testkit::needs;

use crate::raw::{authorization, send};
use crate::support::{Home, Ran, Served};

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

#[cfg(unix)]
#[test]
fn program_inherits_only_what_server_sets() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--", "env"]);
    command.env("PORTAL_DATABASE_URL_OF_ANOTHER", "postgres://u:hush@db/");
    command.env("PORTAL_TLS_KEY_OF_ANOTHER", "hush").env("PORTAL_PROFILE", "hush");
    command.env("PORTAL_LOG", "warn").env("PORTAL_STATE_DIR", home.path().join("state"));
    command.env("https_proxy", "http://127.0.0.1:9").env("NO_PROXY", "intranet.example");
    let ran = Ran::of(&mut command);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(!ran.stdout.contains("hush"), "{}", ran.stdout);
    let names = ran.stdout.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let mut names: Vec<_> = names.filter(|name| name.starts_with("PORTAL_")).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "PORTAL_ACCOUNTS_URL",
            "PORTAL_ADMIN_URL",
            "PORTAL_API_DOMAIN",
            "PORTAL_CLIENT_ID",
            "PORTAL_CLIENT_SECRET",
            "PORTAL_REFRESH_TOKEN",
            "PORTAL_SERVER",
            "PORTAL_STATE_DIR",
        ]
    );
    for name in ["NO_PROXY", "no_proxy"] {
        let line = format!("\n{name}=intranet.example,localhost,127.0.0.1,::1\n");
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
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

/// Every spelling that a client finds for a secret, in a request that the server logs and records.
#[test]
fn no_secret_is_logged_or_recorded() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let authorization = authorization(&server);
    let text = |key: &str| server.listening[key].as_str().unwrap();
    let (secret, token) = (text("client_secret"), text("refresh_token"));
    let escaped = token.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    for target in [
        format!("POST /oauth/v2/token&refresh_token={token}&client_secret={secret}"),
        format!("POST /oauth/v2/token%3Fclient_secret={secret}"),
        format!("POST //oauth/v2/token/revoke/{secret}"),
        format!("POST /oauth/v2/token/{escaped}"),
        format!("GET /crm/v7/settings/portals/{token}?page={token}"),
        format!("GET /crm/v7/org;client-secret={secret}"),
        format!("GET /{secret}?token={token}"),
    ] {
        send(server.url(), &target, &[&authorization], "");
    }
    for body in [
        format!("{{\"portals\":[{{\"name\":\"{token}\"}}]}}"),
        format!("{{\"header\":[{{\"key\":\"Authorization\",\"value\":\"{secret}\"}}]}}"),
        format!("{{\"%73ecret\":\"{secret}\"}}"),
        format!("Bearer {token}"),
        format!("client_secret={secret}"),
        format!("%74oken={escaped}"),
        format!("a letter, {secret}, and no more"),
        token.chars().flat_map(|c| [c, '\0']).collect(),
    ] {
        send(server.url(), "POST /crm/v7/settings/portals", &[&authorization], &body);
        send(server.url(), "POST /oauth/v2/token", &["Content-Type: text/plain"], &body);
    }
    let odd = [format!("X-Key: {secret}"), format!("User-Agent: curl {token}")];
    send(server.url(), "GET /", &[&odd[0], &odd[1]], "");
    let access_token = authorization.rsplit_once(' ').unwrap().1;
    let interleaved: String = token.chars().flat_map(|c| [c, '\0']).collect();
    let shown = server.log() + &server.recorded();
    for secret in [secret, token, access_token, &escaped, &interleaved] {
        assert!(!shown.contains(secret), "{secret} is in\n{shown}");
    }
}
