use portal_model::PortalName;
use tempfile::TempDir;

use super::*;

struct Fixture {
    folder: TempDir,
    rows: Vec<Row>,
}

impl Fixture {
    fn new() -> Self {
        let row = |profile: &str, name| Row {
            profile: profile.to_owned(),
            name: PortalName::parse(name).unwrap(),
            or: Vec::new(),
        };
        let rows = vec![row("acme", "AcmePortal"), row("beta", "BetaPortal"), row("c", "CPortal")];
        Self { folder: TempDir::new().unwrap(), rows }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("portals.journal.jsonl")
    }

    fn open(&self) -> anyhow::Result<Journal> {
        Journal::open(&self.path(), "portals.csv", &self.rows)
    }

    fn refusal(&self, csv: &str, rows: &[Row]) -> String {
        format!("{:#}", Journal::open(&self.path(), csv, rows).unwrap_err())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }
}

fn result(outcome: &str) -> RowResult {
    let json = serde_json::json!({ "exit": 0, "name": "AcmePortal", "profile": "acme", "outcome": outcome });
    serde_json::from_value(json).unwrap()
}

fn intent(name: &str) -> Intent {
    serde_json::from_value(serde_json::json!({ "name": name, "posts": 1 })).unwrap()
}

#[tokio::test]
async fn a_journal_knows_what_was_over_what_was_in_doubt_and_what_was_not_begun() {
    let fixture = Fixture::new();
    let writer = fixture.open().unwrap().into_writer().unwrap();
    writer.sending(0, "acme", intent("AcmePortal")).await.unwrap();
    writer.sending(1, "beta", intent("BetaPortal")).await.unwrap();
    writer.result(0, "acme", result("created")).await.unwrap();
    drop(writer);
    let states = [
        State::Over(Box::new(result("created"))),
        State::InDoubt(intent("BetaPortal")),
        State::Open,
    ];
    assert_eq!(fixture.open().unwrap().states(), states);

    let writer = fixture.open().unwrap().into_writer().unwrap();
    writer.result(1, "beta", result("unknown")).await.unwrap();
    drop(writer);
    assert_eq!(fixture.open().unwrap().states(), states, "an unknown result keeps its intent");
}

#[tokio::test]
async fn a_line_that_a_crash_cut_short_counts_for_nothing_and_is_not_written_on() {
    let fixture = Fixture::new();
    let writer = fixture.open().unwrap().into_writer().unwrap();
    writer.sending(0, "acme", intent("AcmePortal")).await.unwrap();
    drop(writer);
    let whole = fixture.text();
    let header = whole.lines().next().unwrap().len() + 1;
    for cut in 0..whole.len() {
        std::fs::write(fixture.path(), &whole[..cut]).unwrap();
        assert_eq!(fixture.open().unwrap().states()[0], State::Open, "cut at {cut}");
        assert_eq!(fixture.text(), whole[..header], "cut at {cut}");
    }
}

#[test]
fn a_journal_of_other_rows_is_refused_with_both_names_and_not_touched() {
    let fixture = Fixture::new();
    drop(fixture.open().unwrap());
    let before = fixture.text();
    let other = fixture.refusal("others.csv", &fixture.rows[..2]);
    assert!(other.contains("portals.csv") && other.contains("others.csv"), "{other}");
    let changed = fixture.refusal("portals.csv", &fixture.rows[..2]);
    assert!(changed.contains("portals.csv as it was before (3 rows, now 2)"), "{changed}");
    assert_eq!(fixture.text(), before);
    assert!(Journal::open(&fixture.path(), "moved.csv", &fixture.rows).is_ok());
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_not_touched() {
    let fixture = Fixture::new();
    for text in ["profile,name\nacme,AcmePortal\n", "notes", "{\"journal\":2}\n", "\n"] {
        std::fs::write(fixture.path(), text).unwrap();
        let refusal = fixture.refusal("portals.csv", &fixture.rows);
        assert!(refusal.contains("journal"), "{refusal}");
        assert_eq!(fixture.text(), text);
    }
}

#[test]
fn a_line_that_can_not_be_read_is_named() {
    let fixture = Fixture::new();
    drop(fixture.open().unwrap());
    for (line, expected) in [
        ("{}\n", "its line 2 can't be read"),
        (
            "{\"row\":4,\"profile\":\"d\",\"sending\":{\"name\":\"DPortal\",\"posts\":1}}\n",
            "its line 2 is about row 4, which portals.csv has not",
        ),
    ] {
        let header = fixture.text().lines().next().unwrap().to_owned() + "\n";
        std::fs::write(fixture.path(), header + line).unwrap();
        let refusal = fixture.refusal("portals.csv", &fixture.rows);
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn two_processes_can_not_write_one_journal() {
    let fixture = Fixture::new();
    let first = fixture.open().unwrap();
    assert!(fixture.refusal("portals.csv", &fixture.rows).contains("another `portal create`"));
    drop(first);
    assert!(fixture.open().is_ok());
}

#[test]
fn a_row_that_nothing_more_is_done_for_stays_in_doubt_where_it_was() {
    let fixture = Fixture::new();
    let verdict = |state: State| state.so_far(&fixture.rows[0]).verdict();
    assert_eq!(verdict(State::Open), Verdict::NotCreated);
    assert_eq!(verdict(State::InDoubt(intent("AcmePortal"))), Verdict::InDoubt);
    assert_eq!(verdict(State::Over(Box::new(result("created")))), Verdict::Done);
}
