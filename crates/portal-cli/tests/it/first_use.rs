//! What people who tried the command for the first time stumbled over: each is a test, or a decision
//! with its reason.

use std::path::Path;

use serde_json::json;

use crate::orgs::{Org, Orgs};
use crate::support::Home;
#[cfg(target_os = "linux")]
use crate::terminal::Terminal;

/// What was found, and the tests that fail if it comes back.
const TESTED: [(&str, &[&str]); 30] = [
    ("a limit of the org is shown as such", &["limit_of_org_hints_at_no_flag_that_was_given"]),
    ("declining a batch leaves nothing", &["declined_batch_shows_plan_and_keeps_nothing"]),
    ("the scopes of a login suffice to rename", &["login_on_terminal_asks_for_missing_values"]),
    ("a rename asks on a live host", &["rename_on_live_host_wants_new_name_typed"]),
    ("a login to another org asks", &["login_over_profile_of_another_org_asks"]),
    ("a finished batch says that nothing was sent", &["every_org_gets_its_portal_once"]),
    ("a batch can be read from stdin", &["faults_and_stdin_and_json_work"]),
    ("a dry run shows each row", &["declined_batch_shows_plan_and_keeps_nothing"]),
    ("commands in hints can be run", &["hints_name_profile", "hints_about_doubt_can_be_run"]),
    (
        "waiting shows what, how long and what next",
        &["waiting_is_shown_in_one_place_that_is_redrawn"],
    ),
    (
        "text fits the terminal",
        &["help_fits_terminal_of_any_width", "create_on_live_host_wants_name_typed"],
    ),
    ("a dumb terminal gets lines", &["batch_on_dumb_terminal_writes_line_per_row"]),
    ("doctor tries again, and has a verdict", &["undetermined_check_is_retried_then_fails"]),
    ("a report leaves out what did not begin", &["limit_and_max_failures_leave_rows_not_begun"]),
    ("help is a command", &["help_is_command"]),
    ("one guess for a mistyped command", &["hint_names_best_guess_only"]),
    ("logout names who else loses the token", &["logout_asks_before_others_lose_their_token"]),
    ("a server says what it serves", &["log_names_portal_and_fault"]),
    ("a secret as a flag is explained", &["hint_names_best_guess_only"]),
    ("flags without effect are refused", &["flag_without_effect_is_refused"]),
    (
        "exit statuses tell causes apart",
        &["unusable_file_exits_2", "rename_to_name_in_use_reports_owner"],
    ),
    ("positions are those of the text", &["check_prints_one_json_object_per_name"]),
    (
        "Ctrl-C leaves what recovery settles",
        &["ctrl_c_while_waiting_leaves_create_to_recover", "second_ctrl_c_leaves_rows_in_doubt"],
    ),
    ("the log has time, name and fault", &["log_names_portal_and_fault"]),
    (
        "a port alone is an address",
        &["log_names_portal_and_fault", "plain_http_beyond_loopback_is_refused"],
    ),
    (
        "variables are in the help",
        &["flag_with_variable_names_it", "filter_that_logs_nothing_is_warned_of"],
    ),
    ("values are completed", &["values_are_completed_that_only_portal_knows", "bash_completes"]),
    (
        "manual pages are complete",
        &["every_page_has_usual_sections_in_order", "groff_accepts_every_page"],
    ),
    (
        "long lists and open quotes",
        &["long_list_of_broken_rules_is_counted", "open_quote_at_end_is_problem"],
    ),
    ("a home that does not exist is not created", &["home_that_does_not_exist_is_not_created"]),
];

/// What stays as it was found, and why.
const DECIDED: [(&str, &str); 6] = [
    (
        "`list` of a missing portal exits 1",
        "it failed; `kind` is `not_found`, and 4 is for what exists",
    ),
    (
        "a column `Notes` refuses the file",
        "it may be a misspelt `fallback`, and creates are for good",
    ),
    ("unknown PORTAL_ variables are ignored", "programs of other people have that prefix, too"),
    ("Ctrl-C ends a create at once, a batch drains", "one create is settled by recovery as well"),
    ("without HOME the system's home is used", "it is the user's; an absent one is refused"),
    ("doctor's look at the clock is a 404 in a log", "any response has a date, and needs no token"),
];

#[test]
fn every_finding_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut folders = vec![root.join("src"), root.join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    for (finding, tests) in TESTED {
        for test in tests {
            assert!(sources.contains(&format!("fn {test}()")), "{finding}: {test}");
        }
    }
    assert!(DECIDED.iter().all(|(finding, why)| !finding.is_empty() && !why.is_empty()));
}

#[test]
fn limit_of_org_hints_at_no_flag_that_was_given() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    assert_eq!(orgs.run(&["create", "FirstPortal", "--profile", "acme"]).status, 0);
    let another = ["create", "SecondPortal", "--profile", "acme", "--allow-another"];
    let ran = orgs.run(&[&another[..], &["--output", "json"]].concat());
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(ran.json()[0]["error"]["code"], json!("LIMIT_REACHED"));
    assert!(!ran.stderr.contains("--allow-another"), "{ran:?}");
}

#[test]
fn help_is_command() {
    let home = Home::new();
    for command in [&["create"][..], &["admin", "user"]] {
        let help = home.run(&[&["help"], command].concat());
        assert_eq!((help.status, help.stderr.as_str()), (0, ""));
        assert_eq!(help.stdout, home.run(&[command, &["--help"]].concat()).stdout);
    }
}

#[test]
fn flag_without_effect_is_refused() {
    let home = Home::new();
    for (arguments, message) in [
        (&["create", "--local", "AcmePortal", "--journal", "x"][..], "unexpected argument"),
        (&["create", "--local", "AcmePortal", "--retry"], "unexpected argument"),
        (&["create", "--local", "AcmePortal", "--timeout", "0s"], "expected more than 0"),
        (&["create", "--local", "AcmePortal", "--deadline", "0s"], "expected more than 0"),
        (&["check", "--allow-another", "AcmePortal"], "unexpected argument"),
        (&["recover", "--timeout", "5s"], "unexpected argument"),
        (&["batch", "p.csv", "--limit", "0"], "expected a number of at least 1"),
        (&["batch", "p.csv", "--limit", "one"], "expected a number of at least 1"),
        (&["batch", "p.csv", "--limit", "1.5"], "expected a number of at least 1"),
        (&["batch", "p.csv", "--max-failures", "0"], "expected a number of at least 1"),
        (&["batch", "p.csv", "--jobs", "0"], "0 is not in 1..=256"),
    ] {
        let ran = home.run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(message) && !ran.stderr.contains("did you mean"), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn unusable_file_exits_2() {
    let home = Home::new();
    for arguments in [
        &["serve", "--listen", "0", "--seed", "absent.toml"][..],
        &["batch", "absent.csv"],
        &["rehearse", "absent.csv"],
        &["batch", "absent.csv", "--dry-run"],
    ] {
        let ran = home.run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.starts_with("error: cannot read "), "{ran:?}");
    }
}

#[test]
fn mistyped_fault_gets_best_guess() {
    let ran = Home::new().run(&["serve", "--listen", "0", "--fault", "POST commited:drop"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("unexpected \"commited\", did you mean \"committed\"?"), "{ran:?}");
    assert!(ran.stderr.lines().next().unwrap().len() < 120, "{ran:?}");
}

#[test]
fn filter_that_logs_nothing_is_warned_of() {
    let home = Home::new();
    for (filter, is_warned) in
        [("nonsense", true), ("debug", false), ("portal_http=debug", false), ("=", true)]
    {
        let mut command = home.command(&["check", "AcmePortal"]);
        let ran = crate::support::Ran::of(command.env("PORTAL_LOG", filter));
        assert_eq!((ran.status, ran.stderr.contains("PORTAL_LOG")), (0, is_warned), "{filter}");
    }
}

#[cfg(unix)]
#[test]
fn home_that_does_not_exist_is_not_created() {
    let home = Home::new();
    let absent = home.path().join("absent");
    for arguments in [&["create", "--local", "AcmePortal"][..], &["recover"], &["profiles"]] {
        let ran = crate::support::Ran::of(home.command(arguments).env("HOME", &absent));
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stderr.contains("absent does not exist: set HOME"), "{ran:?}");
        assert!(!absent.exists());
    }
    let mut command = home.command(&["profiles"]);
    let elsewhere = command.env("HOME", &absent).env("XDG_CONFIG_HOME", home.path());
    assert_eq!(crate::support::Ran::of(elsewhere).status, 0);
}

#[cfg(target_os = "linux")]
#[portal_testkit::needs(setsid)]
#[test]
fn batch_on_dumb_terminal_writes_line_per_row() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    orgs.write("portals.csv", "profile,name\nacme,AcmePortal\nbeta,BetaPortal\n");
    let mut command = orgs.home.command(&["batch", "portals.csv"]);
    command.env("TERM", "dumb");
    let (status, text) = Terminal::start(&command, 80).wait();
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("\n[1/2] ") && text.contains("\n[2/2] "), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}
