use portal_model::PortalName;
use portal_model::flow::CreateIntent;
use tempfile::TempDir;

use super::*;
use crate::org::identity::tests::of_token;

struct Fixture {
    directory: TempDir,
    rows: Vec<Row>,
}

impl Fixture {
    fn new() -> Self {
        let name = |name: &str| PortalName::parse(name).unwrap();
        let row = |profile: &str, own, fallbacks| Row {
            profile: profile.to_owned(),
            name: name(own),
            fallbacks,
        };
        let rows = vec![
            row("acme", "AcmePortal", vec![name("AcmePortal25")]),
            row("beta", "BetaPortal", Vec::new()),
            row("c", "CPortal", Vec::new()),
        ];
        Self { directory: TempDir::new().unwrap(), rows }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("portals.journal.jsonl")
    }

    fn open(&self) -> anyhow::Result<Journal> {
        Journal::open(&self.path(), false, "portals.csv", &self.rows)
    }

    fn states(&self) -> Vec<State> {
        self.open().unwrap().states().to_vec()
    }

    fn writer(&self) -> Writer {
        self.open().unwrap().into_writer().unwrap()
    }

    fn refusal(&self, csv: &str, rows: &[Row]) -> String {
        format!("{:#}", Journal::open(&self.path(), false, csv, rows).unwrap_err())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(), text).unwrap();
    }
}

fn about(row: usize, profile: &str) -> About {
    About { row, profile: profile.to_owned(), org: Some(of_token(profile)) }
}

fn result(name: &str, outcome: &str) -> RowResult {
    let json =
        serde_json::json!({ "exit": 0, "name": name, "profile": "acme", "outcome": outcome });
    serde_json::from_value(json).unwrap()
}

fn intent(name: &str) -> CreateIntent {
    let mut intent = CreateIntent::new(PortalName::parse(name).unwrap());
    intent.attempts = 1;
    intent
}

fn in_doubt(row: usize, profile: &str, name: &str) -> State {
    let (profile, org) = (profile.to_owned(), of_token(profile));
    State::InDoubt(Box::new(InDoubt { row, profile, intent: intent(name), org }))
}

#[tokio::test]
async fn journal_tells_state_of_each_row() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    writer.attempt(about(1, "acme"), intent("AcmePortal").into()).await.unwrap();
    writer.attempt(about(2, "beta"), intent("BetaPortal").into()).await.unwrap();
    writer.result(about(1, "acme"), result("acmeportal", "created")).await.unwrap();
    drop(writer);
    let states = [
        State::Done(Box::new(result("acmeportal", "created"))),
        in_doubt(2, "beta", "BetaPortal"),
        State::Open,
    ];
    assert_eq!(fixture.states(), states);

    let writer = fixture.writer();
    writer.result(about(2, "beta"), result("BetaPortal", "unknown")).await.unwrap();
    drop(writer);
    assert_eq!(fixture.states(), states, "an unknown result keeps its intent");
}

#[tokio::test]
async fn torn_line_counts_for_nothing_and_is_cut_off() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    writer.attempt(about(1, "acme"), intent("AcmePortal").into()).await.unwrap();
    drop(writer);
    let whole = fixture.text();
    let header = whole.lines().next().unwrap().len() + 1;
    for cut in 0..whole.len() {
        fixture.write(&whole[..cut]);
        assert_eq!(fixture.states()[0], State::Open, "cut at {cut}");
        assert_eq!(fixture.text(), whole[..header], "cut at {cut}");
    }
}

#[tokio::test]
async fn altered_byte_is_refused_and_line_named() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    writer.attempt(about(1, "acme"), intent("AcmePortal").into()).await.unwrap();
    writer.result(about(1, "acme"), result("AcmePortal", "created")).await.unwrap();
    drop(writer);
    let whole = fixture.text().into_bytes();
    let mut line = 1;
    for at in 0..whole.len() {
        if whole[at] == b'\n' {
            line += 1;
            continue;
        }
        let mut altered = whole.clone();
        altered[at] ^= 1;
        // A line break would split the line, which another test covers.
        if altered[at] == b'\n' {
            continue;
        }
        fixture.write(&altered);
        let refusal = fixture.refusal("portals.csv", &fixture.rows);
        let name = if line == 1 { "its first line".to_owned() } else { format!("its line {line}") };
        assert!(refusal.contains(&name), "byte {at}: {refusal}");
        assert_eq!(std::fs::read(fixture.path()).unwrap(), altered, "it is not touched");
    }
}

#[test]
fn line_of_other_row_is_refused_despite_checksum() {
    let fixture = Fixture::new();
    drop(fixture.open().unwrap());
    let line = |row, profile: &str, name: &str, intended: &str| {
        let event = Event::Attempt(intent(intended).into());
        let (profile, name, org) = (profile.to_owned(), name.to_owned(), Some(of_token(profile)));
        encode(&Line { row, profile, org, name, event }).unwrap()
    };
    let header = fixture.text();
    for (line, expected) in [
        (
            line(4, "d", "DPortal", "DPortal"),
            "its line 2 is about row 4, which portals.csv has not",
        ),
        (line(0, "d", "DPortal", "DPortal"), "its line 2 is about row 0"),
        (line(2, "acme", "AcmePortal", "AcmePortal"), "about the profile acme, but row 2 has beta"),
        (
            line(2, "beta", "CPortal", "CPortal"),
            "about the portal CPortal, but row 2 has BetaPortal",
        ),
        (line(2, "beta", "CPortal", "BetaPortal"), "about the portal CPortal"),
    ] {
        fixture.write([header.as_bytes(), &line].concat());
        let refusal = fixture.refusal("portals.csv", &fixture.rows);
        assert!(refusal.contains(expected), "{refusal}");
    }
    fixture.write([header.as_bytes(), &line(1, "acme", "acmeportal25", "AcmePortal25")].concat());
    assert!(matches!(fixture.states()[0], State::InDoubt(_)), "a fallback is the row's own");
}

#[test]
fn torn_header_is_begun_anew() {
    let fixture = Fixture::new();
    for text in ["{", "{\"journal\":2,\"csv\""] {
        fixture.write(text);
        assert_eq!(fixture.states(), vec![State::Open; 3]);
        assert!(fixture.text().starts_with("{\"journal\":2,"), "{}", fixture.text());
    }
}

#[test]
fn journal_without_attempt_restarts_for_edits() {
    let fixture = Fixture::new();
    drop(fixture.open().unwrap());
    let edited = &fixture.rows[..2];
    let states = peek(&fixture.path(), "portals.csv", edited).unwrap();
    assert_eq!(states, [State::Open, State::Open]);
    drop(Journal::open(&fixture.path(), false, "portals.csv", edited).unwrap());
    assert!(fixture.text().contains("\"rows\":2"), "{}", fixture.text());
}

#[tokio::test]
async fn peek_sees_states_and_leaves_journal_as_it_is() {
    let fixture = Fixture::new();
    let peeked = || peek(&fixture.path(), "portals.csv", &fixture.rows);
    assert_eq!(peeked().unwrap(), [State::Open, State::Open, State::Open]);
    assert!(!fixture.path().exists());
    let writer = fixture.writer();
    assert!(peeked().unwrap_err().to_string().contains("is in use by another"));
    writer.attempt(about(1, "acme"), intent("AcmePortal").into()).await.unwrap();
    drop(writer);
    fixture.write(fixture.text() + "torn");
    assert_eq!(peeked().unwrap()[0], in_doubt(1, "acme", "AcmePortal"));
    assert!(fixture.text().ends_with("torn"));
    assert_eq!(peeked().unwrap(), fixture.states());
}

#[tokio::test]
async fn journal_of_other_rows_is_refused_and_kept() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    writer.attempt(about(1, "acme"), intent("AcmePortal").into()).await.unwrap();
    drop(writer);
    let before = fixture.text();
    let other = fixture.refusal("others.csv", &fixture.rows[..2]);
    assert!(other.contains("portals.csv") && other.contains("others.csv"), "{other}");
    let changed = fixture.refusal("portals.csv", &fixture.rows[..2]);
    assert!(changed.contains("portals.csv before it was changed (3 rows, now 2)"), "{changed}");
    assert_eq!(fixture.text(), before);
    assert!(Journal::open(&fixture.path(), false, "moved.csv", &fixture.rows).is_ok());
}

#[tokio::test]
async fn journal_of_other_rows_names_its_doubts_first() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    writer.attempt(about(1, "acme"), intent("AcmePortal").into()).await.unwrap();
    writer.attempt(about(2, "beta"), intent("BetaPortal").into()).await.unwrap();
    writer.result(about(2, "beta"), result("BetaPortal", "created")).await.unwrap();
    drop(writer);
    let changed = fixture.refusal("portals.csv", &fixture.rows[..2]);
    let named = changed.find("row 1 (acme AcmePortal) is in doubt").unwrap();
    assert!(named < changed.find("--journal").unwrap(), "{changed}");
    assert!(!changed.contains("beta"), "{changed}");
    let doubts = super::in_doubt(&fixture.path()).unwrap();
    assert_eq!(
        doubts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["row 1 (acme AcmePortal)"]
    );
    assert_eq!(super::in_doubt(&fixture.directory.path().join("none")).unwrap(), []);
}

#[test]
fn foreign_file_as_journal_is_refused_and_kept() {
    let fixture = Fixture::new();
    for text in ["profile,name\nacme,AcmePortal\n", "notes", "{\"journal\":3}\n", "\n"] {
        fixture.write(text);
        let refusal = fixture.refusal("portals.csv", &fixture.rows);
        assert!(refusal.contains("journal"), "{refusal}");
        assert_eq!(fixture.text(), text);
    }
}

#[test]
fn second_process_on_one_journal_is_refused() {
    let fixture = Fixture::new();
    let first = fixture.open().unwrap();
    assert!(fixture.refusal("portals.csv", &fixture.rows).contains("another `portal batch`"));
    drop(first);
    assert!(fixture.open().is_ok());
}

#[test]
fn row_that_is_not_continued_stays_as_it_was() {
    let fixture = Fixture::new();
    let verdict = |state: State| state.so_far(&fixture.rows[0]).verdict();
    assert_eq!(verdict(State::Open), Verdict::NotCreated);
    assert_eq!(verdict(in_doubt(1, "acme", "AcmePortal")), Verdict::InDoubt);
    let done = State::Done(Box::new(result("AcmePortal", "created")));
    assert_eq!(verdict(done), Verdict::Done);
}
