//! `portal batch`: what a batch does, prints, and does not do again.

#[cfg(unix)]
use portal_testkit::Signal;
use serde_json::{Value, json};

use crate::orgs::{self, Org, Orgs};
use crate::support::{Home, Ran, Running, golden, wait_until};

const CREATE: [&str; 2] = ["batch", "portals.csv"];

/// A row for each org, its name made from that of the org.
fn csv(orgs: &[Org]) -> String {
    let rows = orgs.iter().map(|org| format!("{0},{0}Portal", org.name));
    std::iter::once("profile,name".to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

fn start(count: usize, arguments: &[&str]) -> Orgs {
    let orgs = Orgs::start(Org::many(count), arguments);
    orgs.write("portals.csv", csv(&orgs.seeded));
    orgs
}

/// The whole lines of a journal.
fn lines(orgs: &Orgs, journal: &str) -> Vec<Value> {
    let text = orgs.read(journal);
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn outcomes(ran: &Ran) -> Vec<String> {
    ran.json().iter().map(|row| row["outcome"].as_str().unwrap().to_owned()).collect()
}

/// Starts a batch, and waits until its first row has an outcome.
fn start_first_row(orgs: &Orgs) -> Running {
    let mut batch = Running::start(orgs.home.command(&CREATE));
    batch.wait_for_line("[1/");
    batch
}

#[test]
fn every_org_gets_its_portal_once() {
    let orgs = start(5, &[]);
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 0, "{ran:?}");
    golden("batch", &ran.stdout);
    assert!(ran.stderr.starts_with("5 portals in 5 orgs, 1 data center; this cannot be undone\n"));
    assert!(ran.stderr.contains("portals.journal.jsonl"), "{ran:?}");
    assert!(ran.stderr.contains("Portal: created\n"), "{ran:?}");
    assert!(ran.stderr.contains("[5/5] org"), "{ran:?}");
    for org in &orgs.seeded {
        let listed = orgs.run(&["list", "--profile", &org.name]).stdout;
        assert!(listed.starts_with(&format!("{}Portal ", org.name)), "{listed}");
    }

    let journal = orgs.read("portals.journal.jsonl");
    let Orgs { home, served, .. } = orgs;
    served.kill();
    let again = home.run(&CREATE);
    assert_eq!((again.status, again.stderr.as_str()), (0, ""));
    assert_eq!(
        again.stdout,
        "Nothing to do: 5 of 5 rows were finished earlier (5 created). Nothing was sent.\n"
    );
    let after = std::fs::read_to_string(home.path().join("portals.journal.jsonl")).unwrap();
    assert_eq!(after, journal);
}

#[test]
fn file_with_mistakes_names_them_sends_nothing() {
    let home = Home::new();
    let orgs = [Org::new("acme"), Org::new("beta")];
    orgs::write_profiles(&home, "http://127.0.0.1:1", &orgs);
    let file = b"profile,name,fallback\nacme,Acme Portal,x\nacmee,AcmePortal,\nacme,acmeportal,\n\
                 beta,,\n\nbeta,B\xe9taPortal,\n\"beta\",BetaPortal,Beta2025|beta2025\n";
    std::fs::write(home.path().join("portals.csv"), file).unwrap();
    let ran = home.run(&CREATE);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    golden("batch-mistakes", &ran.stderr);
    assert!(!home.path().join("portals.journal.jsonl").exists());

    let checked = home.run(&["check", "--from", "portals.csv", "--output", "json"]);
    assert_eq!((checked.status, &checked.stderr), (2, &ran.stderr));
    let problems = &checked.json()[0]["error"]["details"]["problems"];
    assert_eq!(problems.as_array().unwrap().len(), 8, "{problems}");
    std::fs::write(home.path().join("portals.csv"), csv(&orgs)).unwrap();
    assert_eq!(home.run(&["check", "--from", "portals.csv"]).status, 0);
}

#[test]
fn journal_of_another_file_is_refused() {
    let orgs = start(2, &[]);
    assert_eq!(orgs.run(&CREATE).status, 0);
    orgs.write("others.csv", csv(&orgs.seeded[..1]));
    let journal = ["--journal", "portals.journal.jsonl"];
    let ran = orgs.run(&[&["batch", "others.csv"], &journal[..]].concat());
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    golden("batch-other-journal", &ran.stderr);
    orgs.write("portals.csv", csv(&orgs.seeded[..1]));
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 2);
    golden("batch-changed-file", &ran.stderr);
}

#[test]
fn batch_without_terminal_requires_yes() {
    let home = Home::new();
    let config = home.path().join(".config/portal");
    orgs::write_profiles(&home, "http://127.0.0.1:1", &[Org::new("acme"), Org::new("beta")]);
    let profiles = "[profile.acme]\ndata_center = \"eu\"\nclient_id = \"1000.A\"\n\
                    [profile.beta]\ndata_center = \"in\"\nclient_id = \"1000.B\"\n";
    std::fs::write(config.join("config.toml"), profiles).unwrap();
    std::fs::write(home.path().join("portals.csv"), csv(&[Org::new("acme"), Org::new("beta")]))
        .unwrap();
    let ran = Ran::of(&mut home.command_elsewhere(&CREATE));
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("pass `--yes`"), "{ran:?}");
    let dry = Ran::of(&mut home.command_elsewhere(&[&CREATE[..], &["--dry-run"]].concat()));
    assert_eq!(dry.status, 0, "{dry:?}");
    assert!(dry.stdout.ends_with("2 not checked\n"), "{dry:?}");
    assert!(!home.path().join("portals.journal.jsonl").exists());
}

#[test]
fn rejected_row_is_retried_only_on_request() {
    let mut seeded = Org::many(3);
    // Enough to list, so that the attempt is what is rejected.
    seeded[1].permissions = &["manage_portal"];
    let orgs = Orgs::start(seeded, &[]);
    orgs.write("portals.csv", csv(&orgs.seeded));
    let config = orgs.config().join("config.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    // The last org is not reached at first.
    let (others, last) = good.split_at(good.find("[profile.org002]").unwrap());
    let gone = format!("{others}{}", last.replace(orgs.served.url(), "http://127.0.0.1:1"));
    std::fs::write(&config, gone).unwrap();
    let json =
        ["--output", "json", "--timeout", "1s", "--processing-time", "50ms", "--deadline", "6s"];
    let run = |more: &[&str]| orgs.run(&[&CREATE[..], &json, more].concat());
    let first = run(&[]);
    assert_eq!(outcomes(&first), ["created", "rejected", "not_created"]);
    assert_eq!(first.status, 1);

    std::fs::write(&config, good).unwrap();
    assert_eq!(outcomes(&run(&[])), ["created", "rejected", "created"]);
    let lines = orgs.read("portals.journal.jsonl").lines().count();
    assert_eq!(outcomes(&run(&[])), ["created", "rejected", "created"]);
    assert_eq!(orgs.read("portals.journal.jsonl").lines().count(), lines);
    assert_eq!(outcomes(&run(&["--retry"])), ["created", "rejected", "created"]);
    assert_eq!(orgs.read("portals.journal.jsonl").lines().count(), lines + 2);
}

#[test]
fn existing_portal_is_success_only_with_ensure() {
    let orgs = start(1, &[]);
    assert_eq!(orgs.run(&["create", "ORG000portal", "--profile", "org000"]).status, 0);
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 4);
    assert!(ran.stdout.contains("Pass --ensure"), "{ran:?}");
    assert_eq!(orgs.run(&[&CREATE[..], &["--ensure"]].concat()).status, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_org_gets_several_portals_if_allowed() {
    let org = [Org { portal_limit: false, ..Org::new("acme") }];
    let (server, calls) = orgs::counting_server(&org).await;
    let home = Home::new();
    orgs::write_profiles(&home, server.url(), &org);
    let rows: Vec<_> = (0..12).map(|number| format!("acme,AcmePortal{number}")).collect();
    let file = format!("profile,name\n{}", rows.join("\n"));
    std::fs::write(home.path().join("portals.csv"), file).unwrap();
    assert_eq!(home.run(&CREATE).status, 2);
    assert_eq!(home.run(&["check", "--from", "portals.csv", "--allow-another"]).status, 0);
    let ran = home.run(&[&CREATE[..], &["--allow-another"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.starts_with("12 portals in 1 org, 1 data center"), "{ran:?}");
    let calls = calls.lock().unwrap().clone();
    let count = |method: &str| {
        calls.iter().filter(|((of, _), _)| of == method).map(|(_, count)| count).sum::<usize>()
    };
    assert_eq!((count("GET"), count("POST")), (13, 13), "the org, 12 lists, a token, 12 creates");
}

#[test]
fn second_process_on_one_journal_is_refused() {
    let orgs = start(20, &["--fault", "POST request:delay=200ms"]);
    let batch = start_first_row(&orgs);
    let second = orgs.run(&CREATE);
    assert_eq!(second.status, 2, "{second:?}");
    assert!(second.stderr.contains("is in use by another `portal batch`"), "{second:?}");
    assert_eq!(batch.wait().status, 0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_rows_and_rerun_continues() {
    let orgs = start(40, &["--fault", "POST request:delay=200ms"]);
    let batch = start_first_row(&orgs);
    batch.signal(Signal::INT);
    let ran = batch.wait();
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("stopping: "), "{ran:?}");
    assert!(ran.stdout.contains(" created, "), "{ran:?}");
    assert!(
        ran.stdout.ends_with(" not started\nContinue with: portal batch portals.csv\n"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("In doubt"), "{ran:?}");

    let again = orgs.run(&CREATE);
    assert_eq!(again.status, 0, "{again:?}");
    assert!(again.stdout.starts_with("Created: 40\n"), "{again:?}");
    assert!(again.stderr.starts_with("already finished: "), "{again:?}");
}

#[cfg(unix)]
#[test]
fn second_ctrl_c_leaves_rows_in_doubt() {
    let orgs = start(3, &["--fault", "POST committed:delay=60s"]);
    let has_portals = || {
        let listed = |org: &Org| !orgs.run(&["list", "--profile", &org.name]).stdout.is_empty();
        orgs.seeded.iter().all(listed)
    };
    let batch = orgs.home.command(&[&CREATE[..], &["--output", "json"]].concat());
    let mut batch = Running::start(batch);
    wait_until(has_portals);
    batch.signal(Signal::INT);
    batch.wait_for_line("stopping: ");
    batch.signal(Signal::INT);
    let ran = batch.wait();
    assert_eq!((ran.status, outcomes(&ran)), (5, vec!["unknown".to_owned(); 3]), "{ran:?}");
    assert_eq!(orgs.home.unfinished().len(), 3);
    let again = orgs.run(&[&CREATE[..], &["--output", "json"]].concat());
    assert_eq!((again.status, outcomes(&again)), (0, vec!["present".to_owned(); 3]), "{again:?}");
}

/// `ulimit -f` makes a file full where a full disk would.
#[cfg(unix)]
#[test]
fn full_disk_stops_batch_before_next_attempt() {
    let orgs = start(40, &[]);
    let script = format!(
        "trap '' XFSZ; ulimit -f 2; exec {} batch portals.csv --output json",
        env!("CARGO_BIN_EXE_portal")
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).env_clear().env("HOME", orgs.home.path());
    shell.env("PORTAL_PROCESSING_TIME", "50ms").env("PORTAL_LIST_LAG", "0s");
    let full = Ran::from(shell.current_dir(orgs.home.path()).output().unwrap());
    assert_eq!(full.status, 1, "{full:?}");
    assert!(full.stderr.contains("cannot write the journal: "), "{full:?}");
    assert!(full.stderr.contains("hint: free some space"), "{full:?}");
    let listed = |orgs: &Orgs| {
        let listed = |org: &Org| orgs.run(&["list", "--profile", &org.name]).stdout.lines().count();
        orgs.seeded.iter().map(listed).collect::<Vec<_>>()
    };
    let journal = lines(&orgs, "portals.journal.jsonl");
    for (org, portals) in orgs.seeded.iter().zip(listed(&orgs)) {
        let is_written = journal
            .iter()
            .any(|line| line["profile"] == json!(org.name) && line["attempt"].is_object());
        assert!(portals == 0 || is_written, "{} was sent unwritten", org.name);
    }

    let again = orgs.run(&[&CREATE[..], &["--processing-time", "50ms"]].concat());
    assert_eq!(again.status, 0, "{again:?}");
    assert_eq!(listed(&orgs), [1; 40]);
}

#[test]
fn table_of_fifty_orgs_has_outcome_and_next_step() {
    let mut seeded = Org::many(50);
    seeded.extend(["rival1", "rival2", "rival3"].map(Org::new));
    seeded[7].permissions = &["manage_portal"];
    seeded[8].permissions = &[];
    seeded[9].permissions = &["manage_portal_users"];
    let orgs = Orgs::start(seeded, &[]);
    for (rival, name) in [("rival1", "TakenOne"), ("rival2", "TakenTwo"), ("rival3", "TakenThree")]
    {
        assert_eq!(orgs.run(&["create", name, "--profile", rival]).status, 0);
    }
    // An org of its own server, which throttles every create.
    let other = Home::new();
    let throttling = orgs::serve(&other, &orgs.seeded, &["--fault", "POST request:429=6000"]);
    let config = orgs.config().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let at = text.find("[profile.org013]").unwrap();
    let (before, after) = text.split_at(at);
    let after = after.replacen(orgs.served.url(), throttling.url(), 2);
    std::fs::write(&config, format!("{before}{after}")).unwrap();
    let rows = csv(&orgs.seeded[..50])
        .replace("profile,name\n", "profile,name,fallback\n")
        .replace("org020Portal", "TakenOne,FreeOne")
        .replace("org021Portal", "takentwo,TakenThree");
    orgs.write("portals.csv", rows);

    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 1, "{ran:?}");
    golden("batch-fifty", &ran.stdout);
    assert!(ran.stderr.starts_with("50 portals in 50 orgs, 2 data centers"), "{ran:?}");

    let again = orgs.run(&[&CREATE[..], &["--output", "json"]].concat());
    let rows = again.json();
    let row = |profile: &str| rows.iter().find(|row| row["profile"] == profile).unwrap();
    assert_eq!((again.status, rows.len()), (1, 50));
    assert_eq!(
        *row("org020"),
        json!({
            "name": "FreeOne", "profile": "org020", "outcome": "created", "requested": "TakenOne",
            "taken": ["TakenOne"],
        })
    );
    assert_eq!(row("org021")["owner"], json!("another_org"));
    assert_eq!(row("org008")["error"]["code"], json!("NO_PERMISSION"));
    assert_eq!(row("org013")["error"]["kind"], json!("rate_limited"));
    let created = rows.iter().filter(|row| row["outcome"] == "created").count();
    assert_eq!(created, 45);
}
