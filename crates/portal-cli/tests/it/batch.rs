//! `portal batch`: what a batch does, prints, and does not do again.

#[cfg(unix)]
use portal_testkit::Signal;
use serde_json::json;

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

fn outcomes(ran: &Ran) -> Vec<String> {
    ran.json().iter().map(|row| row["outcome"].as_str().unwrap_or("-").to_owned()).collect()
}

/// How many portals each org has.
fn listed(orgs: &Orgs) -> Vec<usize> {
    let count = |org: &Org| orgs.run(&["list", "--profile", &org.name]).stdout.lines().count();
    orgs.seeded.iter().map(count).collect()
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
    assert_eq!(ran.stdout, "5 created\n");
    assert!(ran.stderr.starts_with(&format!("ledger: {}", orgs.home.path().display())), "{ran:?}");
    assert!(ran.stderr.contains("\n5 portals in 5 orgs, on this machine\n"), "{ran:?}");
    assert!(ran.stderr.contains("Portal: created\n"), "{ran:?}");
    assert!(ran.stderr.contains("[5/5] org"), "{ran:?}");
    for org in &orgs.seeded {
        let listed = orgs.run(&["list", "--profile", &org.name]).stdout;
        assert!(listed.starts_with(&format!("{}Portal ", org.name)), "{listed}");
    }

    // Everything is known from the ledger.
    let Orgs { home, served, .. } = orgs;
    served.kill();
    let again = home.run(&CREATE);
    assert_eq!((again.status, again.stdout.as_str()), (0, "5 created earlier\n"), "{again:?}");
    let ledger = format!("ledger: {}", home.ledger().display());
    assert!(again.stderr.starts_with(&ledger) && again.stderr.lines().count() == 1, "{again:?}");
}

#[test]
fn verbose_batch_names_profile_of_each_request() {
    let orgs = start(3, &[]);
    let ran = orgs.run(&[&CREATE[..], &["-v"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    let requests: Vec<_> = ran.stderr.lines().filter(|line| line.contains(" → ")).collect();
    for org in &orgs.seeded {
        let of_it = format!("{}: ", org.name);
        let own = requests.iter().filter(|line| line.starts_with(&of_it));
        for what in ["POST /oauth/v2/token", "GET /crm/v7/org", "POST /crm/v7/settings/portals"] {
            assert!(own.clone().any(|line| line.contains(what)), "{what}: {ran:?}");
        }
    }
    let is_named = |line: &&str| line.starts_with("org00") && line.contains(": ");
    assert!(requests.iter().all(is_named), "{ran:?}");
    let ran = orgs.run(&["list", "--profile", "org000", "-v"]);
    assert!(ran.stderr.starts_with("GET /crm/"), "{ran:?}");
}

#[test]
fn file_may_grow_shrink_and_be_sorted() {
    let orgs = Orgs::start(Org::many(4), &[]);
    let write = |orgs: &Orgs, numbers: &[usize]| {
        let chosen: Vec<Org> = numbers.iter().map(|number| orgs.seeded[*number].clone()).collect();
        orgs.write("portals.csv", csv(&chosen));
    };
    write(&orgs, &[1, 2]);
    assert_eq!(orgs.run(&CREATE).stdout, "2 created\n");
    write(&orgs, &[3, 2, 1, 0]);
    assert_eq!(orgs.run(&CREATE).stdout, "2 created, 2 created earlier\n");
    write(&orgs, &[2]);
    assert_eq!(orgs.run(&CREATE).stdout, "1 created earlier\n");
    // Fallbacks are a parameter, letters count in any case, and so does the name of the file.
    let rows = "fallback;name;profile\nOtherName;ORG001portal;org001\n";
    orgs.write("others.csv", rows);
    assert_eq!(orgs.run(&["batch", "others.csv"]).stdout, "1 created earlier\n");
    assert_eq!(listed(&orgs), [1; 4]);
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

    assert_eq!(home.run(&["-q", "batch", "portals.csv"]).stderr, ran.stderr);
    let checked = home.run(&["batch", "portals.csv", "--dry-run", "--output", "json"]);
    assert_eq!((checked.status, &checked.stderr), (2, &ran.stderr));
    let problems = &checked.json()[0]["error"]["details"]["problems"];
    assert_eq!(problems.as_array().unwrap().len(), 8, "{problems}");
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
    // Of a rehearsal only.
    let run = |more: &[&str]| {
        let mut command = home.command(&[&CREATE[..], more].concat());
        Ran::of(command.env_remove("PORTAL_PROCESSING_TIME").env_remove("PORTAL_LIST_LAG"))
    };
    let ran = run(&[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("pass `--yes`"), "{ran:?}");
    let dry = run(&["--dry-run"]);
    // Nobody knows what would come of them.
    assert_eq!(dry.status, 6, "{dry:?}");
    assert!(dry.stdout.contains("\n2 not checked\n"), "{dry:?}");
    let none = run(&["--yes", "--limit", "0"]);
    assert_eq!(none.status, 2, "{none:?}");
}

#[test]
fn what_did_not_come_about_is_tried_again() {
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
        ["--output", "json", "--timeout", "1s", "--processing-time", "50ms", "--deadline", "12s"];
    let run = |more: &[&str]| orgs.run(&[&CREATE[..], &json, more].concat());
    let first = run(&[]);
    assert_eq!(outcomes(&first), ["created", "rejected", "not_created"]);
    assert_eq!(first.status, 1);

    std::fs::write(&config, good).unwrap();
    assert_eq!(outcomes(&run(&["--dry-run"])), ["created", "rejected", "dry_run"]);
    assert_eq!(outcomes(&run(&[])), ["created", "rejected", "created"]);
    let posts = || orgs.served.requests("/crm/v7/settings/portals");
    let before = posts();
    let last = run(&[]);
    assert_eq!((last.status, outcomes(&last)), (1, outcomes(&run(&[]))), "{last:?}");
    assert_eq!(posts() - before, 6, "a list, a baseline and a create for the rejected row alone");
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
    let ran = home.run(&[&CREATE[..], &["--allow-another"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("12 portals in 1 org, on this machine"), "{ran:?}");
    let calls = calls.lock().unwrap().clone();
    let count = |method: &str| {
        calls.iter().filter(|((of, _), _)| of == method).map(|(_, count)| count).sum::<usize>()
    };
    assert_eq!((count("GET"), count("POST")), (14, 13), "the org, 13 lists, a token, 12 creates");
}

#[test]
fn report_is_derived_from_ledger() {
    let orgs = start(3, &[]);
    let calls = || orgs.served.requests("/crm/v7/settings/portals");
    for report in ["no/such/directory.csv", "./portals.csv"] {
        let ran = orgs.run(&[&CREATE[..], &["--report", report]].concat());
        assert_eq!((ran.status, calls()), (2, 0), "{ran:?}");
    }
    assert_eq!(orgs.run(&[&CREATE[..], &["--limit", "2"]].concat()).status, 0);
    let rows = |last: &str| {
        format!(
            "profile,name,fallback,outcome,portal,message,hint\n\
             org000,org000Portal,,created,org000Portal,,\n\
             org001,org001Portal,,created,org001Portal,,\n\
             org002,org002Portal,,{last},,\n"
        )
    };
    let report = ["--report", "report.csv"];
    assert_eq!(orgs.run(&[&CREATE[..], &report, &["--dry-run"]].concat()).status, 0);
    assert_eq!(orgs.read("report.csv"), rows("dry_run,"));
    assert_eq!(orgs.run(&[&CREATE[..], &report].concat()).status, 0);
    assert_eq!(orgs.read("report.csv"), rows("created,org002Portal"));
    let again = orgs.run(&["batch", "report.csv"]);
    assert_eq!((again.status, again.stdout.as_str()), (0, "3 created earlier\n"), "{again:?}");
}

#[test]
fn report_of_rejected_row_is_valid_input() {
    let mut seeded = Org::many(1);
    seeded[0].permissions = &[];
    let orgs = Orgs::start(seeded, &[]);
    orgs.write("portals.csv", csv(&orgs.seeded));
    let ran = orgs.run(&["batch", "portals.csv", "--yes", "--report", "report.csv"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    let report = orgs.read("report.csv");
    assert!(report.contains("send this to an administrator of the org: Please add"), "{report}");
    let again = orgs.run(&["batch", "report.csv", "--yes"]);
    assert_eq!((again.status, again.stdout.lines().next()), (3, Some("Rejected: 1")), "{again:?}");
}

#[test]
fn orgs_of_unknown_ids_run_one_at_a_time() {
    let scopes = &["ZohoCRM.settings.clientportal.CREATE", "ZohoCRM.settings.clientportal.READ"];
    let orgs = Org::many(5).into_iter().map(|org| Org { scopes, ..org });
    let orgs = Orgs::start(orgs.collect(), &["--fault", "POST request:delay=100ms"]);
    orgs.write("portals.csv", csv(&orgs.seeded));
    let dry = orgs.run(&[&CREATE[..], &["--dry-run", "--list-lag", "10s"]].concat());
    let note = "\n5 rows of orgs whose ids are not known, which may be one org: they run one at a time, \
                about 55s; pass `--distinct-orgs` if each profile leads to an org of its own\n";
    assert!(dry.stderr.contains(note), "{dry:?}");
    let apart = orgs.run(&[&CREATE[..], &["--dry-run", "--distinct-orgs"]].concat());
    assert!(!apart.stderr.contains("one at a time"), "{apart:?}");

    let first = [&CREATE[..], &["--limit", "2"]].concat();
    assert_eq!(orgs.run(&first).stdout.lines().next(), Some("2 created, 3 not begun"));
    // A list lag of which two would not end in time.
    let rest = ["--distinct-orgs", "--list-lag", "20s", "--deadline", "110s"];
    let started = std::time::Instant::now();
    let ran = orgs.run(&[&CREATE[..], &rest].concat());
    assert_eq!(ran.stdout, "3 created, 2 created earlier\n", "{ran:?}");
    assert!(started.elapsed().as_secs() < 20, "they waited for each other");
    assert_eq!(listed(&orgs), [1; 5]);
}

#[test]
fn two_processes_at_once_create_each_portal_once() {
    let orgs = start(20, &["--fault", "POST request:delay=200ms"]);
    let batch = start_first_row(&orgs);
    let second = orgs.run(&CREATE);
    assert_eq!(second.status, 0, "{second:?}");
    assert_eq!(batch.wait().status, 0);
    assert_eq!(listed(&orgs), [1; 20]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_rows_and_rerun_continues() {
    let orgs = start(40, &["--fault", "POST request:delay=200ms"]);
    let batch = start_first_row(&orgs);
    // Of a terminal that is closed; it counts as Ctrl-C.
    batch.signal(Signal::HUP);
    let ran = batch.wait();
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("stopping: "), "{ran:?}");
    assert!(ran.stdout.contains(" created, "), "{ran:?}");
    let end = " not begun\nContinue with: portal batch portals.csv\n";
    assert!(ran.stdout.ends_with(end), "{ran:?}");
    assert!(!ran.stdout.contains("In doubt"), "{ran:?}");

    let again = orgs.run(&CREATE);
    assert_eq!(again.status, 0, "{again:?}");
    assert!(again.stdout.ends_with(" created earlier\n"), "{again:?}");
    assert_eq!(listed(&orgs), [1; 40]);
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
        "trap '' XFSZ; ulimit -f 140; exec {} batch portals.csv --output json",
        env!("CARGO_BIN_EXE_portal")
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).env_clear().env("HOME", orgs.home.path());
    shell.env("PORTAL_PROCESSING_TIME", "50ms").env("PORTAL_LIST_LAG", "0s");
    let full = Ran::from(shell.current_dir(orgs.home.path()).output().unwrap());
    assert_eq!(full.status, 1, "{full:?}");
    assert!(full.stderr.contains("stopping: the ledger can't be written\n"), "{full:?}");
    let entries = orgs.run(&["history", "--output", "json"]).json();
    for (org, portals) in orgs.seeded.iter().zip(listed(&orgs)) {
        let is_written = entries
            .iter()
            .any(|entry| entry["profile"] == json!(org.name) && entry["entry"]["attempts"] == 1);
        assert!(portals == 0 || is_written, "{} was sent unwritten", org.name);
    }
    assert!(listed(&orgs).contains(&0) && listed(&orgs).contains(&1), "{full:?}");

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
    assert!(ran.stderr.contains("\n50 portals in 50 orgs, on this machine\n"), "{ran:?}");

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
