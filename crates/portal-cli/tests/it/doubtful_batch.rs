//! Batches whose rows are in doubt, whose files have changed, and whose profiles lead elsewhere.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran, Running, kill_once, wait_until};

const CREATE: [&str; 4] = ["batch", "portals.csv", "--output", "json"];
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

/// Removes the ledger, as on another machine. On Windows a running server's files are beside it.
fn forget(home: &Home) {
    fs::remove_file(home.ledger()).unwrap();
}

#[test]
fn row_in_doubt_is_unfinished_for_all_commands() {
    let orgs = in_doubt();
    let dry = orgs.run(&[&CREATE[..], &["--dry-run"]].concat());
    assert_eq!((dry.status, &row(&dry)["outcome"]), (5, &json!("unknown")), "{dry:?}");
    let listed = orgs.home.unfinished().remove(0);
    assert_eq!(listed["name"], json!("FirstName"));
    let file = Path::new(listed["entry"]["about"]["file"].as_str().unwrap());
    assert!(file.is_absolute() && file.ends_with("portals.csv"), "{listed}");
    let ran = orgs.run(&["--output", "json", "create", "SecondName", "--profile", "acme"]);
    assert_eq!((ran.status, &row(&ran)["outcome"]), (4, &json!("org_has_portal")), "{ran:?}");
    // The row has its own outcome, by what was recorded before its attempt.
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert_eq!((orgs.home.unfinished().len(), portals(&orgs, "acme").as_str()), (0, "FirstName"));
    assert_eq!(row(&orgs.run(&CREATE)), row(&ran), "the ledger has it");
}

#[test]
fn recovered_row_is_not_preexisting() {
    let orgs = in_doubt();
    assert_eq!(orgs.run(&["recover", "FirstName"]).status, 0);
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[test]
fn portal_of_unknown_ledger_is_told_apart() {
    let orgs = in_doubt();
    forget(&orgs.home);
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (4, &json!("preexisting")), "{ran:?}");
    assert!(
        ran.stderr.contains("portals that exist, and that this ledger did not create: 1; "),
        "{ran:?}"
    );
    assert_eq!(portals(&orgs, "acme"), "FirstName");
}

#[test]
fn row_renamed_since_is_not_created_again() {
    for recovers in [true, false] {
        let orgs = Orgs::start(vec![renaming("acme")], &LOST);
        orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
        kill_in_doubt(&orgs, "acme");
        if recovers {
            assert_eq!(orgs.run(&["recover", "FirstName"]).status, 0);
        }
        let rename = ["rename", "FirstName", "SecondName", "--profile", "acme", "--yes"];
        let ran = orgs.run(&rename);
        assert_eq!(ran.status, 0, "{ran:?}");
        for arguments in [&[][..], &["--allow-another"]] {
            let ran = orgs.run(&[&CREATE[..], arguments].concat());
            assert_eq!(ran.status, 0, "{ran:?}");
            assert!(!recovers || row(&ran)["name"] == "SecondName", "{ran:?}");
            assert_eq!(portals(&orgs, "acme"), "SecondName");
        }
    }
}

/// An org whose portals the profile may rename.
fn renaming(name: &'static str) -> Org {
    let scopes = &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"];
    Org { scopes, portal_limit: false, ..Org::new(name) }
}

/// The key of a row is its profile and first name: of a portal that another profile of the org created and
/// renamed, it says what `portal create` does.
#[test]
fn row_of_renamed_profile_is_another_create() {
    let orgs = Orgs::start(vec![renaming("acme")], &[]);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    assert_eq!(orgs.run(&CREATE).status, 0);
    let rename = ["rename", "FirstName", "SecondName", "--profile", "acme", "--yes"];
    assert_eq!(orgs.run(&rename).status, 0);
    assert_eq!(orgs.run(&["profiles", "rename", "acme", "beta"]).status, 0);
    orgs.write("portals.csv", "profile,name\nbeta,FIRSTname\n");
    let single = ["create", "FIRSTname", "--profile", "beta", "--output", "json", "--dry-run"];
    for command in [&single[..], &CREATE] {
        let ran = orgs.run(command);
        assert_eq!((ran.status, &row(&ran)["outcome"]), (4, &json!("org_has_portal")), "{ran:?}");
    }
    assert_eq!(portals(&orgs, "beta"), "SecondName");
    let ran = orgs.run(&[&CREATE[..], &["--allow-another"]].concat());
    assert_eq!((ran.status, &row(&ran)["outcome"]), (0, &json!("created")), "{ran:?}");
}

#[test]
fn row_in_doubt_goes_on_under_second_profile_of_org() {
    let orgs = Orgs::start(vec![renaming("acme")], &LOST);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    kill_in_doubt(&orgs, "acme");
    log_in_again(&orgs, "twin");
    orgs.write("portals.csv", "profile,name\ntwin,FIRSTname\n");
    let ran = orgs.run(&[&CREATE[..], &["--allow-another"]].concat());
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert!(!ran.stderr.contains("not in this file"), "{ran:?}");
    assert_eq!((orgs.home.unfinished().len(), portals(&orgs, "acme").as_str()), (0, "FirstName"));
}

#[test]
fn row_of_second_profile_of_org_is_another_create() {
    let orgs = Orgs::start(vec![renaming("acme")], &[]);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    assert_eq!(orgs.run(&CREATE).status, 0);
    log_in_again(&orgs, "twin");
    orgs.write("portals.csv", "profile,name\ntwin,FirstName\n");
    let single = ["create", "FirstName", "--profile", "twin", "--output", "json"];
    for command in [&single[..], &CREATE] {
        let ran = orgs.run(command);
        assert_eq!((ran.status, &row(&ran)["origin"]), (4, &json!("created_earlier")), "{ran:?}");
    }
    let rename = ["rename", "FirstName", "SecondName", "--profile", "acme", "--yes"];
    assert_eq!(orgs.run(&rename).status, 0);
    let ran = orgs.run(&[&CREATE[..], &["--allow-another"]].concat());
    assert_eq!((ran.status, &row(&ran)["outcome"]), (0, &json!("created")), "{ran:?}");
    assert_eq!(portals(&orgs, "acme").split(' ').count(), 2);
}

#[test]
fn distinct_orgs_leave_profile_its_earlier_credential() {
    // The second create takes effect, and nobody gets a response to it.
    let acme = Org { portal_limit: false, ..Org::new("acme") };
    let orgs = Orgs::start(vec![acme], &["--fault", "POST committed:delay=60s:@2"]);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\nacme,SecondName\n");
    let gateway = Gateway::start(&orgs.served);
    gateway.open();
    gateway.hide_org();
    gateway.lead(&orgs);
    let several = [&CREATE[..], &["--allow-another"]].concat();
    kill_once(orgs.home.command(&several), || portals(&orgs, "acme").contains("SecondName"));
    log_in_again(&orgs, "acme");
    gateway.lead(&orgs);
    let ran = orgs.run(&[&several[..], &["--distinct-orgs", "--same-org"]].concat());
    let rows = ran.json();
    assert_eq!((ran.status, &rows[0]["outcome"]), (0, &json!("created")), "{ran:?}");
    assert_eq!(rows[1]["origin"], "appeared", "{ran:?}");
}

#[test]
fn row_of_profile_that_leads_elsewhere_is_created() {
    let orgs = Orgs::start(["acme", "gamma"].map(renaming).into(), &[]);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    assert_eq!(orgs.run(&CREATE).status, 0);
    let rename = ["rename", "FirstName", "SecondName", "--profile", "acme", "--yes"];
    assert_eq!(orgs.run(&rename).status, 0);
    orgs.write("portals.csv", "profile,name\ngamma,FirstName\n");
    assert_eq!(orgs.run(&CREATE).status, 0);
    assert_eq!(portals(&orgs, "gamma"), "FirstName");
}

#[test]
fn portal_in_doubt_under_another_first_name_is_known() {
    let orgs = in_doubt();
    orgs.write("portals.csv", "profile,name,fallback\nacme,SecondName,FirstName\n");
    let dry = orgs.run(&["batch", "portals.csv", "--dry-run"]);
    assert_eq!(dry.status, 4, "{dry:?}");
    assert!(dry.stderr.contains("not in this file: acme FirstName"), "{dry:?}");
    assert!(!dry.stderr.contains("another machine"), "{dry:?}");
}

#[test]
fn row_in_doubt_that_left_file_is_named() {
    let orgs = in_doubt();
    orgs.write("portals.csv", "profile,name\nacme,SecondName\n");
    let dry = orgs.run(&["batch", "portals.csv", "--dry-run"]);
    let named =
        "\nin doubt, but not in this file: acme FirstName; `portal recover` determines them\n";
    assert!(dry.stderr.contains(named), "{dry:?}");
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["outcome"]), (4, &json!("org_has_portal")), "{ran:?}");
    assert!(ran.stderr.contains(named), "{ran:?}");
    assert_eq!(portals(&orgs, "acme"), "FirstName");
}

#[test]
fn row_not_begun_has_no_outcome() {
    let orgs = Orgs::start(["acme", "beta", "gamma"].map(Org::new).into(), &LOST);
    // In doubt by another command, whatever came of it.
    orgs.kill_create("acme");
    let csv = "profile,name\nbeta,BetaPortal\nacme,AcmePortal\ngamma,GammaPortal\n";
    orgs.write("portals.csv", csv);
    let ran = orgs.run(&[&CREATE[..], &["--limit", "1", "--timeout", "1s"]].concat());
    let rows = ran.json();
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!((ran.status, outcomes), (1, vec!["present", "unknown", "not_begun"]), "{ran:?}");
    let expected = json!({ "name": "GammaPortal", "profile": "gamma", "outcome": "not_begun" });
    assert_eq!(rows[2], expected, "{ran:?}");
}

#[test]
fn dropped_fallback_blocks_row_in_doubt() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("rival")], &[]);
    assert_eq!(orgs.run(&["create", "TakenName", "--profile", "rival"]).status, 0);
    orgs.write("portals.csv", "profile,name,fallback\nacme,TakenName,OtherName\n");
    assert_eq!(orgs.run(&CREATE).status, 0);
    assert_eq!(portals(&orgs, "acme"), "OtherName");
    orgs.write("portals.csv", "profile,name\nacme,TakenName\n");
    let posts = orgs.served.requests("/crm/v7/settings/portals");
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["outcome"]), (4, &json!("not_created")), "{ran:?}");
    let error = row(&ran)["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("OtherName"), "{error}");
    assert_eq!(error["hint"], json!("put the fallback OtherName back into the file"));
    assert_eq!(orgs.served.requests("/crm/v7/settings/portals"), posts);
}

#[test]
fn damaged_ledger_sends_nothing() {
    let orgs = in_doubt();
    let ledger = orgs.home.path().join(".local/state/portal/ledger.sqlite");
    let damaged = vec![b'x'; 8192];
    fs::write(&ledger, &damaged).unwrap();
    let posts = orgs.served.requests("/crm/v7/settings/portals");
    let ran = orgs.run(&CREATE);
    assert_eq!(ran.status, 5, "{ran:?}");
    assert!(ran.stderr.contains("ledger.sqlite"), "{ran:?}");
    assert_eq!(orgs.served.requests("/crm/v7/settings/portals"), posts);
    assert_eq!(fs::read(&ledger).unwrap(), damaged);
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
    let ran = orgs.run(&CREATE);
    let blocked = row(&ran);
    assert_eq!((ran.status, &blocked["outcome"]), (5, &json!("unknown")), "{ran:?}");
    let message = blocked["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("it is not known whether FirstName was created: "), "{message}");
    assert!(
        message.contains("FirstName was begun in another org than the profile leads to now"),
        "{message}"
    );
    let alone = orgs.run(&["create", "FirstName", "--profile", "acme", "--output", "json"]);
    assert_eq!(alone.status, 5, "{alone:?}");
    assert_eq!(row(&alone)["error"]["message"].as_str().unwrap(), message, "{alone:?}");
    assert_eq!(portals(&orgs, "acme"), "", "nothing was sent there");
    // The doubt stays with the org where it was begun.
    login(&orgs.seeded[0]);
    let ran = orgs.run(&CREATE);
    assert_eq!((ran.status, &row(&ran)["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert_eq!(portals(&orgs, "acme"), "FirstName");
}

#[test]
fn same_org_flag_recovers_row_of_new_credential() {
    let orgs = Orgs::start(vec![Org::new("acme")], &LOST);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\n");
    let gateway = Gateway::start(&orgs.served);
    gateway.open();
    gateway.hide_org();
    gateway.lead(&orgs);
    kill_in_doubt(&orgs, "acme");
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
    let expected = "SecondName already exists in the org of profile acme";
    assert!(ran.status == 4 && ran.stdout.starts_with(expected), "{ran:?}");
    // A name that differs by case only is the org's own too.
    let ran = orgs.run(&["create", "secondname", "--fallback", "ThirdName", "--profile", "acme"]);
    assert!(ran.status == 4 && ran.stdout.starts_with(expected), "{ran:?}");
    for csv in ["FirstName,SecondName", "secondname,ThirdName"] {
        orgs.write("portals.csv", format!("profile,name,fallback\nacme,{csv}\n"));
        let ran = orgs.run(&["batch", "portals.csv"]);
        let table = "Already existing: 1\n  acme  SecondName\n\n1 already existing\n\
                     Pass --ensure to count an existing portal as success.\n";
        assert_eq!((ran.status, ran.stdout.as_str()), (4, table), "{ran:?}");
    }
}

#[test]
fn cached_list_does_not_say_that_portal_exists() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    assert_eq!(orgs.run(&["create", "AcmePortal", "--profile", "acme"]).status, 0);
    orgs.write("portals.csv", "profile,name\nacme,AcmePortal\n");
    fs::remove_file(orgs.home.ledger()).unwrap();
    let gateway = Gateway::start(&orgs.served);
    gateway.open();
    gateway.cache_lists();
    gateway.lead(&orgs);
    let ensure = ["--ensure", "--dry-run"];
    let ran = orgs.run(&[&CREATE[..], &ensure].concat());
    assert_eq!(row(&ran)["outcome"], "not_begun", "{ran:?}");
    assert!(ran.stdout.contains("incomplete list: it comes from a cache"), "{ran:?}");
    let ran = orgs.run(&["doctor", "--profile", "acme"]);
    assert!(ran.stdout.contains("incomplete list: it comes from a cache"), "{ran:?}");
}

#[test]
fn list_that_fails_is_not_called_forbidden() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("rival")], &[]);
    assert_eq!(orgs.run(&["create", "TakenName", "--profile", "rival"]).status, 0);
    let gateway = Gateway::start(&orgs.served);
    gateway.lead(&orgs);
    let short = ["--timeout", "1s", "--deadline", "12s"];
    let create = ["--output", "json", "create", "TakenName", "--profile", "acme"];
    let create = Running::start(orgs.home.command(&[&create[..], &short].concat()));
    wait_until(|| gateway.creates() == 1);
    gateway.break_lists();
    gateway.open();
    let ran = create.wait();
    let row = row(&ran);
    // What delivered the rejection may have delivered the request twice.
    assert_eq!((ran.status, &row["outcome"]), (5, &json!("unknown")), "{ran:?}");
    let message = row["error"]["message"].as_str().unwrap();
    assert!(message.contains("before the outcome could be verified"), "{message}");
    assert!(!ran.stdout.contains("allowed") && !ran.stdout.contains("scope"), "{ran:?}");
}
