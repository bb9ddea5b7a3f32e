//! The pages are run as a reader would: each block of shell, in its order, by somebody who has done what
//! stands above it.
//!
//! A `console` block shows what is printed too. A `toml` block is a file if the paragraph before it names
//! one. A block that cannot be run here has the reason in a comment on the line before it: `<!-- not run:
//! … -->`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use portal_testkit::needs;

use crate::orgs::{Org, Orgs};
use crate::support::{Home, wait_until};

/// What stands between fences.
struct Block {
    /// What follows the first fence, such as `sh`.
    kind: String,
    text: String,
    /// The paragraph before it.
    before: String,
}

impl Block {
    fn is_run(&self) -> bool {
        !self.before.lines().last().is_some_and(|line| line.starts_with("<!-- not run: "))
    }

    /// The commands of a console, and what each prints.
    fn steps(&self) -> Vec<Step> {
        let text = format!("\n{}", self.text);
        let steps = text.split("\n$ ").skip(1).map(|step| {
            let (command, output) = step.split_once('\n').unwrap_or((step, ""));
            Step { command: command.to_owned(), output: output.trim_end().to_owned() }
        });
        steps.collect()
    }
}

/// A command, and what it prints.
struct Step {
    command: String,
    output: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\n```") {
        let (block, after) = after.split_once("\n```\n").expect(page);
        let (kind, text) = block.split_once('\n').unwrap_or((block, ""));
        let before = before.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let [kind, text, before] = [kind, text, before].map(str::to_owned);
        found.push(Block { kind, text, before });
        rest = after;
    }
    found
}

/// Somebody who reads a page, with a shell, and with a server in another terminal.
struct Reader {
    home: Home,
    server: Option<Server>,
}

impl Reader {
    fn new() -> Self {
        Self { home: Home::new(), server: None }
    }

    /// Does what a page shows.
    fn follow(&mut self, page: &str) {
        for block in blocks(page).iter().filter(|block| block.is_run()) {
            match block.kind.as_str() {
                "sh" => self.run(block),
                "toml" => self.write(block),
                "console" => {
                    let steps = block.steps();
                    match steps[0].command.split(' ').collect::<Vec<_>>()[..] {
                        ["portal", "serve", ..] => self.serve(&steps[0]),
                        ["cat", ..] => batch(&steps),
                        ["portal", "history", ..] => recovery(&steps),
                        _ => steps.iter().for_each(|step| self.check(step)),
                    }
                }
                // Those are doctests, and a text is for the eye.
                kind => assert!(["rust", "json", "text"].contains(&kind), "{page}: {kind}"),
            }
        }
    }

    fn run(&self, block: &Block) {
        // The gate runs what the workspace tests.
        if block.text.starts_with("cargo test ") {
            return;
        }
        let (is_success, printed) = self.shell(&block.text);
        assert!(is_success, "{}\n{printed}", block.text);
    }

    fn write(&self, block: &Block) {
        let name = block.before.split('`').find(|word| word.contains(".toml")).expect("a name");
        std::fs::write(self.home.path().join(name), &block.text).unwrap();
    }

    fn check(&self, step: &Step) {
        let printed = self.shell(&step.command).1;
        assert_eq!(comparable(&printed), comparable(&step.output), "{}\n{printed}", step.command);
    }

    /// Runs a script in the reader's shell. Returns whether it succeeded, and what it printed.
    fn shell(&self, script: &str) -> (bool, String) {
        let mut script = script.replace("cargo run -p portal-cli -- ", "portal ");
        if let Some(server) = &self.server {
            script = script.replace("127.0.0.1:8780", &format!("127.0.0.1:{}", server.port));
            script = script.replace("--port 8780", &format!("--port {}", server.port));
        }
        shell(&self.home, &script)
    }

    /// Starts a server, in place of an earlier one, and waits until it has printed as much.
    fn serve(&mut self, step: &Step) {
        self.server = None;
        let arguments: Vec<&str> = step.command.split(' ').skip(1).collect();
        let path = self.home.path().join("printed");
        let file = std::fs::File::create(&path).unwrap();
        // Another port than the default one, which may be in use.
        let mut process = self.home.command(&arguments);
        process.args(["--listen", "127.0.0.1:0"]).stdout(file.try_clone().unwrap()).stderr(file);
        let mut server = Server { process: process.spawn().unwrap(), port: String::new() };
        let printed = || std::fs::read_to_string(&path).unwrap();
        wait_until(|| printed().lines().count() >= step.output.lines().count());
        let printed = printed();
        printed.lines().next().unwrap().rsplit_once(':').unwrap().1.clone_into(&mut server.port);
        // The first free one from 8781 on, which others may have.
        let admin = printed.split_once("Look into it at ").unwrap().1.split("/\n").next().unwrap();
        let usual = printed.replace(admin, "http://127.0.0.1:8781").replace(&server.port, "8780");
        assert_eq!(usual.trim_end(), step.output, "{}", step.command);
        self.server = Some(server);
    }
}

/// A server in another terminal.
struct Server {
    process: Child,
    port: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Runs a script in `home`, with the variables that the script before it has left. Returns whether it
/// succeeded, and what it printed, both streams as on a terminal.
fn shell(home: &Home, script: &str) -> (bool, String) {
    let directory = Path::new(env!("CARGO_BIN_EXE_portal")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let script = format!(
        "exec 2>&1; if [ -e .variables ]; then . ./.variables; fi\nset -eu\n{script}\nexport -p > .variables"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().env("PATH", path).stdin(Stdio::null());
    shell.env("HOME", home.path()).current_dir(home.path());
    shell.env("PORTAL_PROCESSING_TIME", "300ms").env("PORTAL_LIST_LAG", "0s");
    let ran = shell.output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    (ran.status.success(), printed.replace(home.path().to_str().unwrap(), "/home/jo"))
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

/// The five orgs of the batch, one without a permission, and one more that has a name of theirs.
fn batch(steps: &[Step]) {
    let mut orgs: Vec<_> =
        ["acme", "beta", "gamma", "delta", "omega", "other"].map(Org::new).into();
    orgs[2].permissions = &["manage_portal"];
    let orgs = Orgs::start(orgs, &[]);
    let ran = orgs.run(&["create", "BetaCustomers", "--profile", "other"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    orgs.write("portals.csv", format!("{}\n", steps[0].output));
    for step in steps {
        let printed = shell(&orgs.home, &step.command).1;
        assert_eq!(comparable(&printed), comparable(&step.output), "{}\n{printed}", step.command);
    }
}

/// A create that was killed with its request in doubt.
fn recovery(steps: &[Step]) {
    let mut acme = Org::new("acme");
    acme.scopes = &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"];
    let orgs = Orgs::start(vec![acme], &["--fault", "POST committed:delay=60s"]);
    orgs.kill_create("acme");
    for step in steps {
        let printed = shell(&orgs.home, &step.command).1.replace("org acme ", "org Acme Inc. ");
        assert_eq!(comparable(&printed), comparable(&step.output), "{}", step.command);
    }
}

#[needs(curl, sed)]
#[test]
fn readme_and_page_of_command_can_be_followed() {
    let mut reader = Reader::new();
    reader.follow("README.md");
    reader.follow("crates/portal-cli/README.md");
}

#[needs(curl)]
#[test]
fn page_for_operators_can_be_followed() {
    let mut reader = Reader::new();
    reader.follow("crates/portal-cli/OPERATING.md");
    assert!(reader.home.path().join("copy.sqlite").exists());
}

#[test]
fn consoles_of_other_readmes_are_marked() {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let pages = crates.map(|entry| entry.unwrap().path().join("README.md"));
    let others = pages.filter(|page| page.exists() && !page.ends_with("portal-cli/README.md"));
    for page in others {
        let is_missed = |block: &Block| block.kind == "console" && block.is_run();
        assert!(!blocks(page.to_str().unwrap()).iter().any(is_missed), "{}", page.display());
    }
}

#[test]
fn readme_is_short() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.lines().count() <= 150, "{}", text.lines().count());
}

/// The folders of the packages that are published, and the pages in each.
fn packaged_pages() -> Vec<(PathBuf, PathBuf)> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let folders = crates.map(|entry| entry.unwrap().path());
    let is_published = |folder: &PathBuf| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml"));
        manifest.is_ok_and(|manifest| !manifest.contains("publish = false"))
    };
    let mut found = Vec::new();
    for folder in folders.filter(is_published) {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let page = entry.unwrap().path();
            if page.extension().is_some_and(|end| end == "md") {
                found.push((folder.clone(), page));
            }
        }
    }
    found
}

/// The targets of the links and pictures of a page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn links_lead_to_files_that_are_packaged() {
    let check = |page: &Path, inside: &Path| {
        let text = std::fs::read_to_string(page).unwrap();
        for link in links(&text).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            let target = target.canonicalize().unwrap_or_else(|_| panic!("{page:?}: {link}"));
            assert!(target.starts_with(inside.canonicalize().unwrap()), "{page:?}: {link}");
        }
    };
    let packaged = packaged_pages();
    assert!(packaged.len() >= 6, "{packaged:?}");
    for (folder, page) in packaged {
        check(&page, &folder);
    }
    for page in ["README.md", "crates/README.md", ".github/CONTRIBUTING.md", "CHANGELOG.md"] {
        check(&root().join(page), &root());
    }
}
