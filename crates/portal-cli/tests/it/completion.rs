//! What shells complete, asked as their scripts ask, and in real shells.

#[cfg(target_os = "linux")]
use std::process::Command;

#[cfg(target_os = "linux")]
use portal_testkit::needs;

use crate::orgs::{Org, Orgs, write_profiles};
use crate::support::{Home, Ran};
#[cfg(target_os = "linux")]
use crate::terminal::Terminal;

/// A home with the profiles acme and beta.
fn home() -> Home {
    let home = Home::new();
    write_profiles(&home, "http://127.0.0.1:9", &[Org::new("acme"), Org::new("beta")]);
    home
}

/// The candidates for the last of `words`.
fn candidates(home: &Home, words: &[&str]) -> Vec<String> {
    let mut command = home.command(&[&["--", "portal"], words].concat());
    // PowerShell's and fish's protocol: a line for each, with a description after a tab.
    let ran = Ran::of(command.env("PORTAL_COMPLETE", "powershell"));
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
    ran.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn values_are_completed_that_only_portal_knows() {
    let home = home();
    std::fs::write(home.path().join("portals.csv"), "profile,name\n").unwrap();
    for (words, expected) in [
        (&["list", "--profile", ""][..], &["acme", "beta"][..]),
        (&["list", "--profile", "ac"], &["acme"]),
        (&["list", "--profile=be"], &["--profile=beta"]),
        (&["profiles", "rename", "b"], &["beta"]),
        (&["logout", "--profile", "a"], &["acme"]),
        (&["list", "--profile", "po"], &[]),
        (&["list", "--data-center", "c"], &["cn", "ca"]),
        (&["list", "--api-version", ""], &["v4", "v5", "v6", "v7", "v8"]),
        (&["explain", "NO_"], &["NO_PERMISSION"]),
        (&["batch", "po"], &["portals.csv"]),
        (&["schema", "hist"], &["history"]),
        (&["help", "ren"], &["rename"]),
        (&["chec"], &["check"]),
    ] {
        assert_eq!(candidates(&home, words), expected, "{words:?}");
    }
    assert!(!candidates(&home, &[""]).contains(&"admin".to_owned()));
}

#[test]
fn unfinished_names_are_completed_for_recover() {
    let orgs = Orgs::start(vec![Org::new("acme")], &["--fault", "POST committed:delay=60s"]);
    orgs.kill_create("acme");
    assert_eq!(candidates(&orgs.home, &["recover", "Ac"]), ["AcmePortal"]);
    assert_eq!(candidates(&orgs.home, &["history", "Ac"]), ["AcmePortal"]);
}

#[test]
fn completion_leaves_nothing_behind() {
    let home = Home::new();
    for words in [["recover", ""], ["logout", "--profile"], ["explain", ""]] {
        candidates(&home, &words);
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn variable_of_completion_alone_changes_nothing() {
    let home = Home::new();
    let mut command = home.command(&["create", "--local", "AcmePortal"]);
    let ran = Ran::of(command.env("PORTAL_COMPLETE", "bash"));
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "AcmePortal was created\n"), "{ran:?}");
}

#[test]
fn every_shell_gets_script() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = home.run(&["completions", shell]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(ran.stdout.contains("PORTAL_COMPLETE"), "{shell}: {}", ran.stdout);
    }
}

/// Types lines with tabs in a shell. What a line prints shows what it was completed to.
#[cfg(target_os = "linux")]
fn use_in(shell: &[&str], source: &str) {
    let home = home();
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_portal")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).env("PATH", path).env("HOME", home.path()).current_dir(home.path());
    let mut terminal = Terminal::start(&command, 80);
    terminal.line(source);
    for (typed, printed) in [
        ("portal profiles show ac\t", "1000.CLIENT.acme"),
        ("portal explain NO_PERM\t", "What to do"),
        ("portal chec\tMyPortal", "MyPortal is possible"),
        ("portal list --data-center e\t --ca-file nowhere", "no org selected"),
    ] {
        terminal.line(typed);
        terminal.expect(printed);
    }
}

#[cfg(target_os = "linux")]
#[needs(bash, setsid)]
#[test]
fn bash_completes() {
    use_in(&["bash", "--norc", "--noprofile", "-i"], "source <(portal completions bash)");
}

#[cfg(target_os = "linux")]
#[needs(zsh, setsid)]
#[test]
fn zsh_completes() {
    let source = "autoload -U compinit && compinit -u -D; source <(portal completions zsh)";
    use_in(&["zsh", "--no-rcs", "-i"], source);
}

#[cfg(target_os = "linux")]
#[needs(fish, setsid)]
#[test]
fn fish_completes() {
    use_in(&["fish", "--no-config", "-i"], "portal completions fish | source");
}
