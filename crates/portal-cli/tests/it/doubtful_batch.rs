//! Batches whose rows are in doubt, whose journals are changed, and whose profiles lead elsewhere.

use std::fs;

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran, Running, kill_once, wait_until};

const CREATE: [&str; 4] = ["batch", "portals.csv", "--output", "json"];
const JOURNAL: &str = "portals.journal.jsonl";
/// Every create takes effect, and nobody gets a response to it.
const LOST: [&str; 2] = ["--fault", "POST committed:delay=60s"];

fn portals(orgs: &Orgs, profile: &str) -> String {
    let listed = orgs.run(&["list", "--profile", profile]).stdout;
    let names: Vec<_> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    names.join(" ")
}

/// Starts the batch, and kills it once `profile` has a portal.
fn kill_in_doubt(orgs: &Orgs, profile: &str) {
    kill_once(orgs.home.command(&CREATE), || !portals(orgs, profile).is_empty());
}

/// One org, whose row is left in doubt: the portal exists, and the batch is dead.
fn in_doubt() -> Orgs {
    let orgs = Orgs::start(vec![Org::new("acme")], &LOST);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    kill_in_doubt(&orgs, "acme");
    orgs
}

/// Gives the profile a new refresh token of the first org.
fn log_in_again(orgs: &Orgs, profile: &str) {
    let org = &orgs.seeded[0];
    let (url, id) = (orgs.served.url(), org.client_id());
    let login = ["login", "--profile", profile, "--yes", "--client-id", &id];
    let hosts = ["--api-domain", url, "--accounts-url", url];
    let stdin = format!("{}\n{}\n", org.client_secret(), org.code());
    let ran = orgs.run_with(&[&login[..], &hosts].concat(), &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
}

fn row(ran: &Ran) -> Value {
    let mut rows = ran.json();
    assert_eq!(rows.len(), 1, "{ran:?}");
    rows.remove(0)
}

/// Removes the intent log, as on another machine.
fn forget(home: &Home) {
    fs::remove_dir_all(home.path().join(".local/state/portal")).unwrap();
}

#[test]
fn row_in_doubt_is_unfinished_for_all_commands() {
    let orgs = in_doubt();
    let listed = orgs.home.unfinished().remove(0);
    assert_eq!((&listed["name"], &listed["row"]), (&json!("FirstName"), &json!(1)));
    assert!(listed["journal"].as_str().unwrap().starts_with('/'), "{listed}");
    let ran = orgs.run(&["--output", "json", "create", "SecondName", "--profile", "acme"]);
    assert_eq!((ran.status, &row(&ran)["outcome"]), (4, &json!("org_has_portal")), "{ran:?}");
    // The row has its own outcome, by what was recorded before its attempt.
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert_eq!((orgs.home.unfinished().len(), portals(&orgs, "acme").as_str()), (0, "FirstName"));
    assert_eq!(row(&orgs.run(&CREATE)), row(&ran), "the journal has it");
}

#[test]
fn recovered_row_is_not_preexisting() {
    let orgs = in_doubt();
    assert_eq!(orgs.run(&["recover", "FirstName"]).status, 0);
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[test]
fn journal_alone_is_enough_to_recover_row() {
    let orgs = in_doubt();
    forget(&orgs.home);
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert_eq!(portals(&orgs, "acme"), "FirstName");
}

#[test]
fn new_journal_recovers_doubts_of_old_first() {
    let orgs = in_doubt();
    orgs.write("portals.csv", "profile,name\nacme,SecondName\n");
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 2, "{ran:?}");
    let message = ran.json()[0]["error"]["message"].as_str().unwrap().to_owned();
    let named = message.find("row 1 (acme FirstName) is in doubt").expect(&message);
    assert!(named < message.find("--journal FILE").expect(&message), "{message}");

    let ran = orgs.run(&[&CREATE[..], &["--journal", "new.jsonl"]].concat());
    assert_eq!((ran.status, &row(&ran)["outcome"]), (4, &json!("org_has_portal")), "{ran:?}");
    assert!(ran.stderr.contains("FirstName is in doubt in this org"), "{ran:?}");
    assert_eq!(portals(&orgs, "acme"), "FirstName");
}

#[test]
fn altered_journal_sends_nothing() {
    let orgs = in_doubt();
    let journal = orgs.read(JOURNAL);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    let calls = orgs.served.requests("/crm/v7/settings/portals");
    let altered = journal.replacen("\"row\":1", "\"row\":2", 1);
    assert_ne!(altered, journal);
    orgs.write(JOURNAL, &altered);
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("its line 2 is damaged or was changed"), "{ran:?}");
    assert!(ran.stderr.contains("`portal recover --list`"), "{ran:?}");
    assert_eq!(
        (orgs.served.requests("/crm/v7/settings/portals"), orgs.read(JOURNAL)),
        (calls, altered)
    );
}

#[test]
fn row_in_doubt_is_not_created_in_another_org() {
    let beta = Org { has_profile: false, ..Org::new("beta") };
    let orgs = Orgs::start(vec![Org::new("acme"), beta.clone()], &LOST);
    orgs.write("portals.csv", "profile,name,fallback\nacme,FirstName,SecondName\n");
    kill_in_doubt(&orgs, "acme");
    // Somebody logs in to another org under the profile's name.
    let config = orgs.config().join("config.toml");
    let login = |org: &Org| {
        let credentials = format!(
            "[acme]\nclient_secret = \"{}\"\nrefresh_token = \"{}\"\n",
            org.client_secret(),
            org.refresh_token()
        );
        let path = orgs.config().join("credentials.toml");
        fs::write(path, credentials).unwrap();
        let profile = fs::read_to_string(&config).unwrap();
        let ids = [&orgs.seeded[0], &orgs.seeded[1]].map(Org::client_id);
        let profile = profile.replace(&ids[0], &org.client_id()).replace(&ids[1], &org.client_id());
        fs::write(&config, profile).unwrap();
    };
    login(&beta);
    assert_eq!(portals(&orgs, "acme"), "");
    // With the intent log, and with the journal alone.
    for forgets in [false, true] {
        if forgets {
            forget(&orgs.home);
        }
        let ran = orgs.run(&CREATE);
        let row = row(&ran);
        assert_eq!((ran.status, &row["outcome"]), (5, &json!("unknown")), "{ran:?}");
        assert_eq!(row["error"]["kind"], json!("another_org"), "{ran:?}");
        let message = row["error"]["message"].as_str().unwrap();
        let start =
            "it is not known whether FirstName was created: FirstName was begun in org acme";
        assert!(message.starts_with(start), "{message}");
        assert_eq!(portals(&orgs, "acme"), "", "nothing was sent there");
    }
    // The doubt stays with the org where it was begun.
    login(&orgs.seeded[0]);
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert_eq!(portals(&orgs, "acme"), "FirstName");
}

#[test]
fn same_org_flag_recovers_row_of_new_credential() {
    for forgets in [false, true] {
        let orgs = Orgs::start(vec![Org::new("acme")], &LOST);
        orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
        let gateway = Gateway::start(&orgs.served);
        gateway.open();
        gateway.hide_org();
        gateway.lead(&orgs);
        kill_in_doubt(&orgs, "acme");
        if forgets {
            forget(&orgs.home);
        }
        log_in_again(&orgs, "acme");
        gateway.lead(&orgs);
        let ran = orgs.run(&CREATE);
        assert_eq!((ran.status, &row(&ran)["outcome"]), (5, &json!("unknown")), "{ran:?}");
        let hint = row(&ran)["error"]["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("`--same-org`"), "{hint}");
        let ran = orgs.run(&[&CREATE[..], &["--same-org"]].concat());
        assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
        assert_eq!(portals(&orgs, "acme"), "FirstName");
    }
}

#[test]
fn two_profiles_of_one_credential_are_one_org() {
    let orgs = Orgs::start(vec![Org { portal_limit: false, ..Org::new("acme") }], &[]);
    for file in ["config.toml", "credentials.toml"] {
        let path = orgs.config().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let second = text.replace("[profile.acme]", "[profile.twin]").replace("[acme]", "[twin]");
        fs::write(&path, text + &second).unwrap();
    }
    orgs.write("portals.csv", "profile,name\nacme,FirstName\ntwin,SecondName\n");
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("line 3: the profiles twin and acme (line 2)"), "{ran:?}");
    assert_eq!(portals(&orgs, "acme"), "");
    let ran = orgs.run(&[&CREATE[..], &["--allow-another"]].concat());
    assert_eq!((ran.status, portals(&orgs, "acme").split(' ').count()), (0, 2), "{ran:?}");
}

#[test]
fn two_credentials_of_one_org_get_one_portal() {
    let org = Org { portal_limit: false, ..Org::new("acme") };
    let orgs = Orgs::start(vec![org], &["--fault", "POST request:delay=300ms"]);
    log_in_again(&orgs, "twin");
    orgs.write("portals.csv", "profile,name\nacme,FirstName\ntwin,SecondName\n");
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 1, "{ran:?}");
    let mut outcomes: Vec<_> = ran.json().iter().map(|row| row["outcome"].clone()).collect();
    outcomes.sort_by_key(ToString::to_string);
    assert_eq!(outcomes, [json!("created"), json!("org_has_portal")], "{ran:?}");
    assert_eq!(portals(&orgs, "acme").split(' ').count(), 1);
}

#[test]
fn existing_fallback_is_not_called_taken() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    assert_eq!(orgs.run(&["create", "SecondName", "--profile", "acme"]).status, 0);
    let single = ["create", "FirstName", "--fallback", "SecondName", "--profile", "acme"];
    let ran = orgs.run(&single);
    let expected = "SecondName already exists in the org of profile acme\n";
    assert_eq!((ran.status, ran.stdout.as_str()), (4, expected), "{ran:?}");
    // A name that differs by case only is the org's own too.
    let ran = orgs.run(&["create", "secondname", "--fallback", "ThirdName", "--profile", "acme"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (4, expected), "{ran:?}");
    for csv in ["FirstName,SecondName", "secondname,ThirdName"] {
        orgs.write("portals.csv", format!("profile,name,fallback\nacme,{csv}\n"));
        let journal = format!("{csv}.jsonl");
        let ran = orgs.run(&["batch", "portals.csv", "--journal", &journal]);
        let table = "Already existing: 1\n  acme  SecondName\n\
                     Pass --ensure to count an existing portal as success.\n\n\
                     1 already existing\n";
        assert_eq!((ran.status, ran.stdout.as_str()), (4, table), "{ran:?}");
    }
}

#[test]
fn list_that_fails_is_not_called_forbidden() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("rival")], &[]);
    assert_eq!(orgs.run(&["create", "TakenName", "--profile", "rival"]).status, 0);
    let gateway = Gateway::start(&orgs.served);
    gateway.lead(&orgs);
    let short = ["--timeout", "1s", "--deadline", "5s"];
    let create = ["--output", "json", "create", "TakenName", "--profile", "acme"];
    let create = Running::start(orgs.home.command(&[&create[..], &short].concat()));
    wait_until(|| gateway.creates() == 1);
    gateway.break_lists();
    gateway.open();
    let ran = create.wait();
    let row = row(&ran);
    // Whoever delivered the rejection may have delivered the request twice.
    assert_eq!((ran.status, &row["outcome"]), (5, &json!("unknown")), "{ran:?}");
    let message = row["error"]["message"].as_str().unwrap();
    assert!(message.contains("before the outcome could be verified"), "{message}");
    assert!(!ran.stdout.contains("allowed") && !ran.stdout.contains("scope"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn journal_must_be_regular_file_of_its_own() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    let journal = orgs.home.path().join(JOURNAL);
    orgs.write("other", "");
    symlink(orgs.home.path().join("other"), &journal).unwrap();
    let refused = |arguments: &[&str]| {
        let ran = orgs.run(&[&CREATE[..], arguments].concat());
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains("is not a regular file"), "{ran:?}");
    };
    refused(&[]);
    let pipe = orgs.home.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(&["--journal", "pipe"]);
    refused(&["--journal", "/dev/full"]);
    assert_eq!(portals(&orgs, "acme"), "");
    fs::remove_file(&journal).unwrap();
    assert_eq!(orgs.run(&CREATE).status, 0);
    let mode = fs::metadata(&journal).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
