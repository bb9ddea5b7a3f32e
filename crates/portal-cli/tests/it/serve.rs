//! `serve`, and the rest of the resource on it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[cfg(unix)]
use portal_testkit::{Signal, signal};
use serde_json::json;

use crate::orgs::{self, Org};
#[cfg(unix)]
use crate::raw::authorization;
use crate::raw::send;
use crate::support::{Home, Ran, Served, wait_until};
#[cfg(target_os = "linux")]
use crate::terminal::Terminal;

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
fn list_get_and_rename_say_what_is_there() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let ran = server.run(&home, &["list"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.starts_with("There is no portal in the org at http://127.0.0.1:"));
    server.run(&home, &["create", NAME]);

    let ran = server.run(&home, &["list", "--output", "json"]);
    assert_eq!(ran.json()[0]["name"], NAME);
    let ran = server.run(&home, &["list", "PORTALSAPITEST100", "--output", "json"]);
    assert_eq!((ran.status, &ran.json()[0]["active"]), (0, &json!(true)));
    let ran = server.run(&home, &["list", "Absent100"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.starts_with("error: there is no portal Absent100"), "{ran:?}");

    let timing =
        ["--timeout", "2s", "--processing-time", "1s", "--list-lag", "0s", "--deadline", "20s"];
    let rename = [&["rename", NAME, "AcmeCustomers"][..], &timing].concat();
    let ran = server.run(&home, &rename);
    assert_eq!(ran.stdout, "PortalsAPItest100 is named AcmeCustomers now\n");
    let ran = server.run(&home, &["rename", NAME, "AcmeCustomers2"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("the org has no portal of that name"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("hint: run `portal list` to see the org's portals\n"), "{ran:?}");
    let ran = server.run(&home, &["rename", "AcmeCustomers", "a b", "--output", "json"]);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (2, &json!("invalid")));
}

#[test]
fn lost_rename_is_verified() {
    let home = Home::new();
    let faults = ["--fault", "PUT committed:drop", "--fault", "GET request:429:1/2"];
    let server = Served::start(&home, &faults);
    server.run(&home, &["create", NAME]);
    let timing =
        ["--timeout", "2s", "--processing-time", "1s", "--list-lag", "0s", "--deadline", "20s"];
    let rename = [&["rename", NAME, "AcmeCustomers"][..], &timing].concat();
    let ran = server.run(&home, &rename);
    assert_eq!(ran.status, 0, "{ran:?}");
    let mut lists = [(); 2].map(|()| server.run(&home, &["list"]));
    lists.sort_by_key(|ran| ran.status);
    assert!(lists[0].stdout.starts_with("AcmeCustomers"), "{lists:?}");
    assert_eq!(lists[1].status, 6, "{lists:?}");
}

#[test]
fn missing_permission_is_named_for_administrator() {
    let (home, clerk) =
        (Home::new(), [Org { permissions: &["manage_portal"], ..Org::new("acme") }]);
    let server = orgs::serve(&home, &clerk, &[]);
    assert_eq!(server.listening.get("client_secret"), None, "a seed's secrets are not told");
    let ran = Ran::of(home.command(&["create", NAME]).envs(clerk[0].environment(server.url())));
    assert_eq!(ran.status, 3);
    crate::support::golden("create-no-permission", &ran.stderr);
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
fn port_in_use_creates_no_file() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let address = server.url().trim_start_matches("http://");
    let ran = home.run(&["serve", "--listen", address, "--data", "kept"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains(address) && ran.stderr.contains("in use"), "{}", ran.stderr);
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
    assert!(ran.stderr.starts_with("error: data/registry.sqlite is not a registry"), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert_eq!(std::fs::read_dir(home.path().join("data")).unwrap().count(), 1);
}

#[test]
fn invalid_fault_shows_grammar() {
    let ran = Home::new().run(&["serve", "--fault", "POST nowhere:drop"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("[METHOD ]POINT:ACTION[:WHICH]"), "{}", ran.stderr);
}

#[test]
fn plain_http_beyond_loopback_is_refused() {
    let home = Home::new();
    let ran = home.run(&["serve", "--listen", "0.0.0.0:0", "--data", "kept"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert_eq!(
        ran.stderr,
        "error: plain HTTP on 0.0.0.0:0 would expose tokens on the network: expected a loopback \
         address\nhint: listen on 127.0.0.1, pass \
                    `--tls-cert` and `--tls-key`, or pass `--behind-proxy` if a proxy terminates TLS\n"
    );
    assert!(!home.path().join("kept").exists());
}

#[test]
fn behind_proxy_start_says_what_tokens_are_for() {
    let home = Home::new();
    let hint = "Tokens are for https:// and the host of each request (`--public-url`)";
    for (variable, is_told) in [("", true), ("https://portals.example", false)] {
        let mut command = home.command(&["serve", "--listen", "0.0.0.0:0", "--behind-proxy"]);
        if !variable.is_empty() {
            command.env("PORTAL_PUBLIC_URL", variable);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let line = first_line(process.stdout.as_mut().unwrap());
        let url = line.trim().trim_start_matches("Listening on ").to_owned();
        // The note is one write, and the server serves after it.
        assert!(refused_token(&url).contains("invalid_client"));
        process.kill().unwrap();
        process.wait().unwrap();
        let note = std::io::read_to_string(process.stderr.take().unwrap()).unwrap();
        assert_eq!(note.contains(hint), is_told, "{note}");
    }
}

/// The response to a request for a token with a wrong secret.
fn refused_token(url: &str) -> String {
    let form = "grant_type=refresh_token&client_id=1000.GUESS&client_secret=a&refresh_token=b";
    send(url, "POST /oauth/v2/token", &[], form).body
}

#[test]
fn guessed_secrets_leave_one_line() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    for _ in 0..50 {
        refused_token(server.url());
    }
    let log = server.log();
    assert_eq!(log.matches("a request for a token was refused").count(), 1, "{log}");
}

#[test]
fn localhost_is_both_families() {
    let home = Home::new();
    let admin = ["--admin-listen", "localhost:0"];
    let server = Served::start(&home, &[&["--listen", "localhost:0"][..], &admin].concat());
    let has_both = std::net::TcpListener::bind("[::1]:0").is_ok();
    for url in [server.url(), server.listening["admin"].as_str().unwrap()] {
        for host in ["127.0.0.1", "[::1]"] {
            if host == "127.0.0.1" || has_both {
                let url = url.replace("127.0.0.1", host);
                let response = request(&url, "GET", "/nowhere", "localhost");
                assert!(response.starts_with("HTTP/1.1 404"), "{url}: {response}");
            }
        }
    }
}

#[test]
fn behind_proxy_shows_reachable_url() {
    let home = Home::new();
    let server = Served::start(&home, &["--listen", "0.0.0.0:0", "--behind-proxy"]);
    assert!(server.url().starts_with("http://127.0.0.1:"), "{}", server.url());
    let response = request(server.url(), "GET", "/nowhere", "portals.example");
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
}

#[test]
fn loopback_serves_allowed_hosts_only() {
    let home = Home::new();
    let server = Served::start(&home, &["--allow-host", "portals.example"]);
    for (host, status) in [("portals.example", 404), ("evil.example", 421), ("localhost", 404)] {
        let response = request(server.url(), "GET", "/nowhere", host);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {response}");
    }
}

#[cfg(unix)]
#[test]
fn incomplete_heads_beyond_limit_are_displaced() {
    use std::io::Write as _;
    let home = Home::new();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 128 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_portal")]);
    let server = Served::start_by(limited, &home, &[]);
    let address = server.url().trim_start_matches("http://");
    let halves: Vec<_> = (0..160)
        .map(|_| {
            let mut half = std::net::TcpStream::connect(address).unwrap();
            half.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
            half
        })
        .collect();
    let response = request(server.url(), "GET", "/nowhere", address);
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    drop(halves);
    // Without PORTAL_LOG.
    let log = server.log();
    for event in ["the limit on open files bounds the connections", "connection limit reached"] {
        let mut lines = log.lines().filter(|line| line.contains(event));
        let logged: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(logged["level"], "WARN", "{log}");
        crate::schema::check(&["serve", "--log", "json"].map(str::to_owned), &logged);
        assert_eq!(lines.next(), None, "{log}");
    }
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

/// A server with an open request, whose response is delayed beyond any test.
#[cfg(unix)]
fn with_open_request(home: &Home, arguments: &[&str]) -> (Served, std::net::TcpStream) {
    use std::io::{Read as _, Write as _};
    let fault = ["--fault", "TOKEN request:delay=10m"];
    let server = Served::start(home, &[&fault, arguments].concat());
    let address = server.url().trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /oauth/v2/token HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server has the head then, and waits for the body.
    stream.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).unwrap();
    stream.write_all(b"x").unwrap();
    (server, stream)
}

#[cfg(unix)]
#[test]
fn shutdown_that_cuts_requests_off_is_one_line_on_stderr() {
    let home = Home::new();
    let (server, _open) = with_open_request(&home, &["--shutdown-timeout", "100ms"]);
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    assert_eq!(status, Some(0), "{log}");
    let line = "shutdown timed out: closing connections with open requests";
    assert_eq!(log.matches(line).count(), 1, "{log}");
}

#[cfg(unix)]
#[test]
fn second_signal_ends_shutdown() {
    let home = Home::new();
    let (server, _open) = with_open_request(&home, &[]);
    server.signal(Signal::TERM);
    let address = server.url().trim_start_matches("http://").to_owned();
    wait_until(|| std::net::TcpStream::connect(&address).is_err());
    server.signal(Signal::INT);
    assert_eq!(server.wait().0, Some(130));
}

#[cfg(unix)]
#[test]
fn half_head_does_not_delay_shutdown() {
    use std::io::Write as _;
    let home = Home::new();
    let server = Served::start(&home, &["--shutdown-timeout", "10m"]);
    let address = server.url().trim_start_matches("http://");
    let mut half = std::net::TcpStream::connect(address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn sighup_shuts_down_unless_ignored() {
    for (disposition, is_ignored) in
        [("--default-signal=HUP", false), ("--ignore-signal=HUP", true)]
    {
        let home = Home::new();
        let mut env = Command::new("env");
        env.args([disposition, env!("CARGO_BIN_EXE_portal")]);
        let server = Served::start_by(env, &home, &[]);
        server.signal(Signal::HUP);
        if is_ignored {
            let response = request(server.url(), "GET", "/nowhere", "localhost");
            assert!(response.starts_with("HTTP/1.1 404"), "{response}");
            server.signal(Signal::TERM);
        }
        assert_eq!(server.wait().0, Some(0));
    }
}

/// The table of limits in the README of portal-http names flags that exist, with their defaults.
#[test]
fn documented_limits_have_their_flags() {
    let help = Home::new().run(&["serve", "--help"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = include_str!("../../../portal-http/README.md")
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("| `--"));
    let mut flags = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (default, flag) = (cells[2].replace(' ', ""), cells[3].trim_matches('`'));
        assert!(help.contains(&format!("{flag} <")), "{flag}");
        assert!(help.contains(&format!("[default: {default}]")), "{flag}: {default}");
        flags += 1;
    }
    assert_eq!(flags, 2);
}

#[cfg(unix)]
#[test]
fn sigterm_exits_0_and_stdout_has_one_line() {
    let home = Home::new();
    let mut serve = home
        .command(&["serve", "--listen", "127.0.0.1:0", "--log", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = serve.stdout.take().unwrap();
    let line = first_line(&mut stdout);
    assert!(line.starts_with("Listening on http://127.0.0.1:"), "{line}");
    let address = line.trim().trim_start_matches("Listening on http://");
    let response = request(address, "GET", "/nowhere?token=hush", address);
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    signal(&serve, Signal::TERM);
    let rest = std::io::read_to_string(stdout).unwrap();
    let ran = Ran::from(serve.wait_with_output().unwrap());
    assert_eq!((ran.status, rest.as_str()), (0, ""));
    let call: serde_json::Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(call["code"], "INVALID_URL_PATTERN");
    assert_eq!(call["path"], "/nowhere");
    assert!(!ran.stderr.contains("hush"));
}

/// Reads no further than the line, so that the rest can be read later.
fn first_line(reader: &mut impl std::io::Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while reader.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// The response to a request without a token.
fn request(url: &str, method: &str, path: &str, host: &str) -> String {
    use std::io::Write as _;
    let address = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        .unwrap();
    std::io::read_to_string(stream).unwrap()
}

#[test]
fn server_speaks_tls_and_takes_renewed_certificate() {
    let home = Home::new();
    let fixture = |name: &str| {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../portal-http/tests/it/server/tls/");
        format!("{directory}{name}")
    };
    let install = |name: &str| {
        for end in ["pem", "key"] {
            let path = home.path().join(format!("tls.{end}"));
            std::fs::copy(fixture(&format!("{name}.{end}")), path).unwrap();
        }
    };
    install("first");
    let server = Served::start(&home, &["--tls-cert", "tls.pem", "--tls-key", "tls.key"]);
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let list = |trusted: &str| server.run(&home, &["list", "--ca-file", &fixture(trusted)]);
    let listed = list("first.pem");
    assert_eq!(listed.status, 0, "{listed:?}");
    assert_ne!(list("second.pem").status, 0);
    install("second");
    wait_until(|| list("second.pem").status == 0);
}

#[test]
fn each_reason_to_keep_certificate_is_told_and_its_expiry() {
    let home = Home::new();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../portal-http/tests/it/server/tls/");
    let install = |end: &str, from: &str| {
        std::fs::copy(format!("{directory}{from}.{end}"), home.path().join(format!("tls.{end}")))
            .unwrap();
    };
    install("pem", "expired");
    install("key", "expired");
    let server = Served::start(&home, &["--tls-cert", "tls.pem", "--tls-key", "tls.key"]);
    let expired = "warning: the certificate expired at 2025-06-01T00:00:00Z: renew it\n";
    wait_until(|| server.log().contains(expired));
    install("pem", "first");
    let keeps = "warning: the server keeps its certificate: ";
    wait_until(|| server.log().contains(&format!("{keeps}tls.key: expected the private key")));
    std::fs::write(home.path().join("tls.pem"), "nothing").unwrap();
    wait_until(|| server.log().contains(&format!("{keeps}tls.pem: expected certificates")));
    install("pem", "first");
    install("key", "first");
    wait_until(|| server.log().contains("the certificate was replaced\n"));
    assert_eq!(server.log().matches(keeps).count(), 2, "{}", server.log());
    assert_eq!(server.log().matches("renew it").count(), 1, "{}", server.log());
}

#[test]
fn certificate_without_its_key_is_one_sentence() {
    let home = Home::new();
    std::fs::write(home.path().join("tls.pem"), "nothing").unwrap();
    let ran = home.run(&["serve", "--tls-cert", "tls.pem", "--tls-key", "tls.pem"]);
    let expected = "error: tls.pem: expected certificates in PEM form, found none\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (2, expected));
}

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

#[cfg(unix)]
#[test]
fn program_beside_server_decides_exit_status() {
    let home = Home::new();
    let portal = env!("CARGO_BIN_EXE_portal");
    let script = format!("{portal} create AcmePortal && {portal} list --output json; exit 7");
    let ran = home.run(&["serve", "--", "sh", "-c", &script]);
    assert_eq!(ran.status, 7, "{ran:?}");
    assert!(ran.stdout.starts_with("AcmePortal was created\n{"), "{ran:?}");
    let ran = home.run(&["serve", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(ran.status, 128 + 15, "{ran:?}");
    // As a shell reports them.
    for (program, status) in [("no-such-program", 127), ("/", 126)] {
        let ran = home.run(&["serve", "--", program]);
        let error = format!("error: cannot run {program}: ");
        assert!(ran.status == status && ran.stderr.starts_with(&error), "{ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn program_inherits_no_way_to_another_org() {
    let home = Home::new();
    let seed = "[[org]]\nname = \"Acme\"\n";
    std::fs::write(home.path().join("seed.toml"), seed).unwrap();
    for (arguments, has_org) in [(&[][..], true), (&["--seed", "seed.toml"], false)] {
        let serve = ["serve", "--admin-listen", "none"];
        let mut command = home.command(&[&serve, arguments, &["--", "env"]].concat());
        for name in [
            "PORTAL_PROFILE",
            "PORTAL_DATA_CENTER",
            "PORTAL_API_DOMAIN",
            "PORTAL_ACCOUNTS_URL",
            "PORTAL_CLIENT_ID",
            "PORTAL_CLIENT_SECRET",
            "PORTAL_REFRESH_TOKEN",
            "PORTAL_ACCESS_TOKEN",
            "PORTAL_ADMIN_URL",
        ] {
            command.env(name, "of-another-org");
        }
        let ran = Ran::of(&mut command);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(!ran.stdout.contains("of-another-org"), "{}", ran.stdout);
        assert!(ran.stdout.contains("PORTAL_API_DOMAIN=http://127.0.0.1:"), "{}", ran.stdout);
        assert_eq!(ran.stdout.contains("PORTAL_CLIENT_ID="), has_org, "{}", ran.stdout);
    }
}

#[cfg(target_os = "linux")]
#[portal_testkit::needs(setsid)]
#[test]
fn terminal_interrupts_program_and_kill_reaches_it() {
    let home = Home::new();
    let script = "trap 'echo hung up; exit 4' HUP; trap 'echo ended; exit 3' TERM; \
                  trap 'echo interrupted' INT; echo ready; kill -s $0 $PPID; \
                  while :; do sleep 0.05; done";
    for (signal, status, said) in [("TERM", 3, "ended"), ("HUP", 4, "hung up")] {
        let command = home.command(&["serve", "--", "sh", "-c", script, signal]);
        let mut terminal = Terminal::start(&command, 80);
        terminal.expect("ready");
        let (exit, rest) = terminal.wait();
        assert!(exit == status && rest.contains(said), "{exit} {rest}");
    }
    // It hears of Ctrl-C from the terminal, and only once.
    let script = "trap 'echo interrupted; exit 5' INT; trap 'echo ended' TERM; echo ready; \
                  while :; do sleep 0.05; done";
    let mut terminal = Terminal::start(&home.command(&["serve", "--", "sh", "-c", script]), 80);
    terminal.expect("ready");
    terminal.interrupt();
    let (exit, rest) = terminal.wait();
    assert!(exit == 5 && rest.contains("interrupted") && !rest.contains("ended"), "{exit} {rest}");
}

#[cfg(unix)]
#[test]
fn signal_is_passed_on_to_program() {
    let home = Home::new();
    let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let mut command = home.command(&["serve", "--", "sh", "-c", script]);
    let mut process =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    signal(&process, Signal::TERM);
    assert_eq!(lines.next().unwrap().unwrap(), "asked");
    assert_eq!(process.wait().unwrap().code(), Some(3));
}

#[test]
fn log_names_portal_and_fault() {
    let home = Home::new();
    let fault = "POST committed:drop";
    let mut command = home.command(&["serve", "--listen", "0", "--log", "text", "--fault", fault]);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(
        stderr.next().unwrap(),
        "Serving 1 org with 0 portals, gone when it ends (`--data DIR` keeps them)"
    );
    assert_eq!(stderr.next().unwrap(), "Fault: POST committed:drop");
    let environment = home.run(&["serve", "env", "--output", "json"]).json().remove(0);
    let mut create = home.command(&["create", "AcmePortal"]);
    let variables = environment.as_object().unwrap();
    create.envs(variables.iter().map(|(name, value)| (name, value.as_str().unwrap())));
    assert!(create.output().unwrap().status.success());
    let line = stderr.find(|line| line.contains("no response")).unwrap();
    let (time, rest) = line.split_once("Z POST ").unwrap();
    assert!(time.len() == "12:34:56.789".len() && time.contains(':'), "{line}");
    assert!(rest.starts_with("/crm/v7/settings/portals  no response  "), "{line}");
    assert!(rest.ends_with("  Default org  AcmePortal  fault POST committed:drop"), "{line}");
    process.kill().unwrap();
    process.wait().unwrap();
}
