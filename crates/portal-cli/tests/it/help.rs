//! What `--help` says, as a whole.

use crate::support::{Home, golden};
#[cfg(target_os = "linux")]
use crate::terminal::Terminal;

/// Every command, as `portal --help` lists them; of the last ones it has only the names.
fn commands() -> Vec<String> {
    let help = Home::new().run(&["--help"]).stdout;
    let list = help.split_once(" explains:\n").unwrap().1;
    list.lines()
        .take_while(|line| !line.is_empty())
        .flat_map(|line| match line.trim_start().split_once("  ") {
            Some((command, _)) => vec![command.to_owned()],
            None => line.split(',').map(|command| command.trim().to_owned()).collect(),
        })
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
        let has_example = ran.stdout.contains(&format!("Examples:\n  portal {command}"));
        assert!(has_example, "{command}");
        for line in ran.stdout.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        golden(&format!("help-{command}"), &ran.stdout);
    }
}

/// The flags that stand for a variable: flag, variable, command.
const VARIABLES: [(&str, &str, &str); 8] = [
    ("--profile", "PORTAL_PROFILE", "list"),
    ("--data-center", "PORTAL_DATA_CENTER", "list"),
    ("--api-domain", "PORTAL_API_DOMAIN", "list"),
    ("--accounts-url", "PORTAL_ACCOUNTS_URL", "list"),
    ("--client-id", "PORTAL_CLIENT_ID", "list"),
    ("--processing-time", "PORTAL_PROCESSING_TIME", "create"),
    ("--list-lag", "PORTAL_LIST_LAG", "create"),
    ("--database-url", "PORTAL_DATABASE_URL", "serve"),
];

#[test]
fn flag_with_variable_names_it() {
    let home = Home::new();
    for (flag, variable, command) in VARIABLES {
        let help = home.run(&[command, "--help"]).stdout;
        let (_, after) = help.split_once(&format!("  {flag} <")).expect(flag);
        let own = after.split("\n      --").next().unwrap();
        let words = own.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("[env: {variable}]")), "{flag}: {words}");
    }
}

#[test]
fn help_of_changing_commands_has_every_section() {
    let home = Home::new();
    for command in ["create", "batch", "recover", "rename"] {
        let help = home.run(&[command, "--help"]).stdout;
        for section in ["\nExit status:\n", "\nEnvironment:\n", "\nExamples:\n"] {
            assert!(help.contains(section), "{command}: {section}");
        }
    }
}

#[test]
fn short_help_fits_screen() {
    let home = Home::new();
    for command in commands() {
        let help = home.run(&[&command, "-h"]).stdout;
        assert!(help.lines().count() <= 24, "{command}: {help}");
        golden(&format!("help-{command}-short"), &help);
    }
}

#[cfg(target_os = "linux")]
#[portal_testkit::needs(setsid)]
#[test]
fn help_fits_terminal_of_any_width() {
    let home = Home::new();
    let help = |command: &str, columns| {
        let command = home.command(&[command, "--help"]);
        Terminal::start(&command, columns).wait().1
    };
    for command in commands() {
        let usual = help(&command, 80);
        for columns in [40, 200] {
            let text = help(&command, columns);
            assert!(text.split_whitespace().eq(usual.split_whitespace()), "{command}: {text}");
            for line in text.lines() {
                let width = line.chars().count();
                let is_one_word = line.split_whitespace().count() == 1;
                assert!(width <= columns.into() || is_one_word, "{command}: {line}");
            }
            if command == "create" {
                golden(&format!("help-create-{columns}"), &text);
            }
        }
        assert_eq!(usual, home.run(&[&command, "--help"]).stdout);
    }
}

#[test]
fn unknown_option_exits_with_2() {
    let ran = Home::new().run(&["check", "--nonsense"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("--nonsense"), "{}", ran.stderr);
}
