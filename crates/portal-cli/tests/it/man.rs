//! Manual pages.

use std::fs;
use std::process::Command;

use portal_testkit::needs;

use crate::support::Home;

/// A home with the pages of all commands in `man`.
fn pages() -> (Home, Vec<String>) {
    let home = Home::new();
    let ran = home.run(&["man", "--all", "share/man"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let files = fs::read_dir(home.path().join("share/man")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.collect();
    (home, names)
}

fn read(home: &Home, page: &str) -> String {
    fs::read_to_string(home.path().join("share/man").join(page)).unwrap()
}

#[test]
fn every_page_has_usual_sections_in_order() {
    let (home, names) = pages();
    assert!(names.len() > 35, "{names:?}");
    for name in &names {
        let page = read(&home, name);
        assert!(page.is_ascii(), "{name}");
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let usual = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "COMMANDS",
            "OPTIONS",
            "ENVIRONMENT",
            "\"EXIT STATUS\"",
            "FILES",
            "EXAMPLES",
            "\"SEE ALSO\"",
        ];
        let optional = ["COMMANDS", "EXAMPLES"];
        let expected = usual
            .iter()
            .filter(|section| sections.contains(section) || !optional.contains(section));
        assert!(sections.iter().eq(expected), "{name}: {sections:?}");
    }
}

#[test]
fn page_refers_only_to_pages_that_exist() {
    let (home, names) = pages();
    for name in &names {
        let page = read(&home, name);
        let (_, list) = page.split_once("\"SEE ALSO\"\n").expect(name);
        for other in list.trim().split(", ") {
            let file = other.replace('\\', "").replace("(1)", ".1");
            assert!(names.contains(&file) && file != *name, "{name} refers to {file}");
        }
    }
}

#[test]
fn page_of_command_has_what_its_help_has() {
    let home = Home::new();
    let page = home.run(&["man", "create"]).stdout;
    for part in [
        ".TH PORTAL-CREATE 1 \"\" \"portal ",
        "portal\\-create \\- Create a portal",
        "\\fBportal create\\fR [OPTIONS] <NAME>",
        "\\fB\\-\\-fallback\\fR \\fI<NAME>\\fR",
        "\\fB\\-\\-output\\fR",
        "PORTAL_CLIENT_SECRET with PORTAL_REFRESH_TOKEN",
        "0 created, 1 rejected",
        "portal create \\-\\-local PortalsAPItest100",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("PORTAL_DATABASE_URL"), "{page}");
    assert!(home.run(&["man", "admin", "user", "add"]).stdout.contains("PORTAL-ADMIN-USER-ADD"));
    let unknown = home.run(&["man", "nonsense"]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.stderr.starts_with("error: unknown command `nonsense`\n"), "{unknown:?}");
}

/// Checks that the program reads every page and complains of none.
fn every_page_is_accepted_by(program: &str, arguments: &[&str]) {
    let (home, names) = pages();
    let mut command = Command::new(program);
    command.args(arguments).args(&names).current_dir(home.path().join("share/man"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[needs(groff)]
#[test]
fn groff_accepts_every_page() {
    every_page_is_accepted_by("groff", &["-man", "-ww", "-z", "-Tutf8"]);
}

#[needs(mandoc)]
#[test]
fn mandoc_accepts_every_page() {
    every_page_is_accepted_by("mandoc", &["-T", "lint", "-W", "error"]);
}
