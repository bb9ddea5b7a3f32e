//! `serve -- PROGRAM`: what it inherits, what reaches it, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use portal_testkit::{Signal, signal};

use crate::orgs::{self, Org};
use crate::support::{Home, Ran};
#[cfg(target_os = "linux")]
use crate::support::{first_line, wait_until};
#[cfg(target_os = "linux")]
use crate::terminal::Terminal;

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
    for (program, word, status) in
        [("no-such-program", "no-such-program", 127), ("/", "/", 126), ("", "''", 127)]
    {
        let ran = home.run(&["serve", "--", program]);
        let error = format!("error: cannot run {word}: ");
        assert!(ran.status == status && ran.stderr.starts_with(&error), "{ran:?}");
    }
}

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

#[cfg(target_os = "linux")]
#[test]
fn program_of_killed_server_is_killed() {
    let home = Home::new();
    let script = "trap '' HUP INT TERM; echo $$; while :; do sleep 0.05; done";
    let mut command = home.command(&["serve", "--", "sh", "-c", script]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let program = first_line(process.stdout.as_mut().unwrap());
    let is_alive = || {
        let status = std::fs::read_to_string(format!("/proc/{program}/status"));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    assert!(is_alive());
    process.kill().unwrap();
    process.wait().unwrap();
    wait_until(|| !is_alive());
}

/// The server may end before its program has begun.
#[cfg(target_os = "linux")]
#[test]
fn program_of_ended_server_does_not_begin() {
    let home = Home::new();
    let ended = std::process::Command::new("sh").args(["-c", ":"]).spawn().unwrap();
    let id = ended.id().to_string();
    ended.wait_with_output().unwrap();
    let ran = home.run(&["serve", "tethered", &id, "--", "touch", "begun"]);
    assert_eq!(ran.status, 130, "{ran:?}");
    assert!(!home.path().join("begun").exists());
}

#[test]
fn program_is_led_to_org_of_seed() {
    let home = Home::new();
    let serve = |orgs: &[Org], arguments: &[&str]| {
        std::fs::write(home.path().join("seed.toml"), orgs::seed(orgs)).unwrap();
        let serve = ["serve", "--seed", "seed.toml", "--listen", "127.0.0.1:0"];
        home.run(&[&serve, arguments, &["--", "env"]].concat())
    };
    let (one, two) = ([Org::new("acme")], [Org::new("acme"), Org::new("beta")]);
    for (orgs, arguments, client) in [
        (&one[..], &[][..], Some("1000.CLIENT.acme")),
        (&one, &["--org", "acme"], Some("1000.CLIENT.acme")),
        (&two, &[], None),
        (&two, &["--org", "beta"], Some("1000.CLIENT.beta")),
    ] {
        let ran = serve(orgs, arguments);
        assert_eq!(ran.status, 0, "{ran:?}");
        let id = ran.stdout.lines().find_map(|line| line.strip_prefix("PORTAL_CLIENT_ID="));
        assert_eq!(id, client, "{arguments:?}");
    }
    let ran = serve(&two, &["--org", "gamma", "--data", "kept"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert_eq!(
        ran.stderr,
        "error: the server has no org called \"gamma\"; there are acme, beta\n\
         hint: pass `--org` with one of them\n"
    );
    assert!(!home.path().join("kept").exists());
}
