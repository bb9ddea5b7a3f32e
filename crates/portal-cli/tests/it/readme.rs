//! The `console` blocks of the READMEs show what the command prints: each is run here.
//!
//! A block that cannot be run here has the reason in a comment on the line before it: `<!-- not
//! run: … -->`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::orgs::{Org, Orgs};
use crate::support::{Home, wait_until};

/// A command of a block, and what it prints.
struct Step {
    command: String,
    output: String,
}

/// The blocks of a file, except those that are marked.
fn blocks(text: &str) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("```console\n") {
        if text[..at]
            .trim_end()
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("<!-- not run:"))
        {
            continue;
        }
        let block = text[at..].split_once('\n').unwrap().1.split("```").next().unwrap();
        let steps = format!("\n{block}");
        let steps = steps.split("\n$ ").skip(1).map(|step| {
            let (command, output) = step.split_once('\n').unwrap_or((step, ""));
            Step { command: command.to_owned(), output: output.trim_end().to_owned() }
        });
        found.push(steps.collect());
    }
    found
}

/// Every README of the repository.
fn readmes() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let crates = std::fs::read_dir(root.join("crates")).unwrap();
    let readmes = crates.map(|entry| entry.unwrap().path().join("README.md"));
    readmes.chain([root.join("README.md")]).filter(|path| path.exists()).collect()
}

/// What a shell prints for `command` in `home`, both streams as on a terminal.
fn shell(home: &Home, command: &str) -> String {
    let directory = Path::new(env!("CARGO_BIN_EXE_portal")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{command} 2>&1")])
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null());
    shell.env("HOME", home.path()).current_dir(home.path());
    shell.env("PORTAL_PROCESSING_TIME", "300ms").env("PORTAL_LIST_LAG", "0s");
    let printed = String::from_utf8(shell.output().unwrap().stdout).unwrap();
    printed.replace(home.path().to_str().unwrap(), "/home/jo")
}

/// `text` without what differs from run to run: ages, ids, hosts, and the order of rows of a batch.
fn comparable(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.split_once("] ") {
            Some((counter, row)) if counter.starts_with('[') => {
                rows.push(row.to_owned());
                continue;
            }
            _ => line,
        };
        let words = line.split(' ').filter(|word| !is_minutes(word)).map(|word| {
            let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
            let word: String = word.chars().map(digits).collect();
            match word.as_str() {
                "www.zohoapis.eu" => "HOST".to_owned(),
                local if local.starts_with("000.0.0.0:") => "HOST".to_owned(),
                other => squeeze(other),
            }
        });
        lines.push(words.collect::<Vec<_>>().join(" "));
    }
    rows.sort();
    rows.extend(lines);
    rows
}

/// The minutes of `2m 5s`.
fn is_minutes(word: &str) -> bool {
    word.strip_suffix('m').is_some_and(|number| number.parse::<u32>().is_ok())
}

/// `(000)` as `(0)`: ids have many lengths.
fn squeeze(word: &str) -> String {
    let mut squeezed = String::new();
    for c in word.chars() {
        if c != '0' || !squeezed.ends_with('0') {
            squeezed.push(c);
        }
    }
    squeezed
}

fn check(home: &Home, steps: &[Step]) {
    for step in steps {
        let printed = shell(home, &step.command);
        assert_eq!(comparable(&printed), comparable(&step.output), "{}\n{printed}", step.command);
    }
}

/// The five orgs of the batch, one without a permission, and one more that has a name of theirs.
fn batch(steps: &[Step]) {
    let mut orgs: Vec<_> =
        ["acme", "beta", "gamma", "delta", "omega", "other"].map(Org::new).into();
    orgs[2].permissions = &["manage_portal"];
    let orgs = Orgs::start(orgs, &[]);
    let ran = orgs.run(&["create", "BetaCustomers", "--profile", "other"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    orgs.write("portals.csv", format!("{}\n", steps[0].output));
    check(&orgs.home, steps);
}

/// A create that was killed with its request in doubt.
fn recovery(steps: &[Step]) {
    let mut acme = Org::new("acme");
    acme.scopes = &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"];
    let orgs = Orgs::start(vec![acme], &["--fault", "POST committed:delay=60s"]);
    let seed = orgs.read("seed.toml");
    assert!(seed.contains("name = \"acme\""), "{seed}");
    orgs.kill_create("acme");
    for step in steps {
        let printed = shell(&orgs.home, &step.command).replace("org acme ", "org Acme Inc. ");
        let printed = printed.replace(orgs.home.path().to_str().unwrap(), "/home/jo");
        assert_eq!(comparable(&printed), comparable(&step.output), "{}", step.command);
    }
}

/// A server that runs until it has printed as much; `…` stands for anything.
fn serve(step: &Step) {
    let home = Home::new();
    let arguments: Vec<&str> = step.command.split(' ').skip(1).collect();
    let path = home.path().join("printed");
    let file = std::fs::File::create(&path).unwrap();
    // Another port than the default one, which may be in use.
    let mut process = home.command(&arguments);
    process.args(["--listen", "127.0.0.1:0"]).stdout(file.try_clone().unwrap()).stderr(file);
    let mut process = process.spawn().unwrap();
    let printed = || std::fs::read_to_string(&path).unwrap();
    wait_until(|| printed().lines().count() >= step.output.lines().count());
    process.kill().unwrap();
    process.wait().unwrap();
    let printed = printed();
    let port = printed.lines().next().unwrap().rsplit_once(':').unwrap().1;
    // The first free one from 8781 on, which others may have.
    let admin = printed.split_once("Look into it at ").unwrap().1.split("/\n").next().unwrap();
    for (printed, expected) in printed.lines().zip(step.output.lines()) {
        let mut rest = printed.replace(port, "8780").replace(admin, "http://127.0.0.1:8781");
        for part in expected.split('…') {
            let (_, after) = rest.split_once(part).unwrap_or_else(|| {
                panic!("{}: printed {printed:?}, expected {expected:?}", step.command)
            });
            rest = after.to_owned();
        }
    }
}

#[test]
fn console_blocks_show_what_is_printed() {
    let mut commands = Vec::new();
    for readme in readmes() {
        let text = std::fs::read_to_string(&readme).unwrap();
        for block in blocks(&text) {
            let portal = block.iter().find(|step| step.command.starts_with("portal "));
            let portal = portal.map(|step| step.command.as_str()).unwrap_or_default();
            match portal.split(' ').nth(1).unwrap_or_default() {
                "check" => check(&Home::new(), &block),
                "batch" => batch(&block),
                "history" => recovery(&block),
                "serve" => serve(&block[0]),
                _ => panic!("{}: `{portal}` has no scenario here", readme.display()),
            }
            commands.push(portal.to_owned());
        }
    }
    assert!(commands.len() >= 4, "only these were found: {commands:?}");
}
