//! What `--help` says, as a whole.

use crate::support::{Home, golden};

/// Every command, as `portal --help` lists them, and what it does not list.
fn commands() -> Vec<String> {
    let help = Home::new().run(&["--help"]).stdout;
    let list = help.split_once("Commands:\n").unwrap().1;
    list.lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .chain(["backup", "admin"].map(str::to_owned))
        .collect()
}

#[test]
fn help_fits_screen() {
    let ran = Home::new().run(&["--help"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.lines().count() <= 24, "{}", ran.stdout);
    golden("help", &ran.stdout);
}

#[test]
fn help_has_examples_and_fits_80_columns() {
    let home = Home::new();
    for command in commands() {
        let ran = home.run(&[&command, "--help"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{command}");
        let has_example = ["Example", "Examples"]
            .iter()
            .any(|title| ran.stdout.contains(&format!("{title}:\n  portal {command}")));
        assert!(has_example, "{command}");
        for line in ran.stdout.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        golden(&format!("help-{command}"), &ran.stdout);
    }
}

#[test]
fn unknown_option_exits_with_2() {
    let ran = Home::new().run(&["check", "--nonsense"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("--nonsense"), "{}", ran.stderr);
}
