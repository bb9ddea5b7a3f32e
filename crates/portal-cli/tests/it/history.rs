//! `portal history`: what the ledger has.

use portal_ledger::{AttemptEnd, ClaimRequest, Clock, Ending, EndingKind, EntryId, Ledger, Wanted};
use portal_model::flow::Intent;
use portal_model::{CreateOperation, Operation, Org, OrgIdentity, PortalName, RenameOperation};
use serde_json::json;

use crate::support::{Home, golden};

fn name(name: &str) -> PortalName {
    PortalName::parse(name).unwrap()
}

fn create(first: &str) -> Operation {
    CreateOperation::new(name(first)).into()
}

/// The operation as if it had been attempted and ended so; without an ending it is in doubt.
async fn play(ledger: &Ledger, profile: &str, operation: Operation, ending: Option<Ending>) {
    let org = OrgIdentity::new("https://www.zohoapis.eu", profile);
    let org = org.with_org(Some(Org::new(format!("7000-{profile}"))));
    let mut request =
        ClaimRequest::new(EntryId::random().unwrap(), org, Wanted::Do(operation.clone()));
    request.label = Some(profile.to_owned());
    request.about.wall_time = Some(1_700_000_000);
    let now = Clock::system().now();
    let Ok(mut permit) = ledger.claim(&request, &now).await.unwrap() else {
        panic!("{operation:?} waits");
    };
    let to_record = operation.names().last().unwrap();
    permit.record(&Intent::create(name(to_record)), &now).await.unwrap();
    permit.attempt_ended(AttemptEnd::new(now.clone(), ending.is_none()));
    let ending = ending.unwrap_or_else(|| Ending::new(EndingKind::Unknown));
    permit.end(&ending, &now).await.unwrap();
}

async fn ledger(home: &Home) -> Ledger {
    let ledger = Ledger::open(home.ledger().parent().unwrap()).unwrap();
    let because = |cause: &str| {
        let mut ending = Ending::new(EndingKind::NotDone);
        ending.cause = Some(cause.to_owned());
        Some(ending)
    };
    let created = || Some(Ending::new(EndingKind::Created));
    play(&ledger, "acme", create("AcmeCustomers"), created()).await;
    let rename = RenameOperation::new("BetaOld", name("BetaCustomers"));
    play(&ledger, "beta", rename.into(), Some(Ending::new(EndingKind::Renamed))).await;
    play(
        &ledger,
        "gamma",
        create("GammaHelp"),
        because("GammaHelp was rejected: HTTP 403 NO_PERMISSION"),
    )
    .await;
    let mut fallback = Ending::new(EndingKind::Created);
    fallback.name = Some("DeltaPortal".to_owned());
    let delta = CreateOperation::new(name("DeltaHelp")).with_fallbacks([name("DeltaPortal")]);
    play(&ledger, "delta", delta.into(), Some(fallback)).await;
    play(&ledger, "epsilon", create("EpsilonPortal"), None).await;
    ledger
}

#[tokio::test]
async fn history_is_told_newest_first_and_names_ledger() {
    let home = Home::new();
    let ledger = ledger(&home).await;
    let ran = home.run(&["history"]);
    let (before, _) = ran.stdout.split_once("d ago").expect(&ran.stdout);
    let days = before.rsplit(' ').next().unwrap();
    golden("history", &ran.stdout.replace(&format!("{days}d ago"), "DAYS ago"));
    let path = ledger.path().unwrap().display().to_string();
    assert_eq!(ran.stderr, format!("5 creates and renames in {path}\n"));
    let open = home.run(&["history", "--open"]);
    assert_eq!(open.stdout.lines().count(), 2, "{open:?}");
    assert!(open.stdout.starts_with("EpsilonPortal"), "{open:?}");
    let beta = home.run(&["history", "betacustomers", "--output", "json"]);
    assert_eq!(beta.json()[0]["old_name"], "BetaOld", "{beta:?}");
    assert_eq!(home.run(&["history", "--profile", "acme"]).stdout.lines().count(), 1);
}

#[tokio::test]
async fn unverified_taken_name_is_not_told_as_not_created() {
    let home = Home::new();
    let ledger = Ledger::open(home.path().join(".local/state/portal")).unwrap();
    let taken = Some(Ending::new(EndingKind::NameTaken));
    play(&ledger, "acme", create("AcmePortal"), taken).await;
    let ran = home.run(&["history"]);
    assert!(ran.stdout.starts_with("AcmePortal  name taken  "), "{ran:?}");
    assert_eq!(home.run(&["history", "--output", "json"]).json()[0]["state"], "name_taken");
}

#[tokio::test]
async fn operation_that_sent_nothing_is_not_told_as_not_created() {
    let home = Home::new();
    let ledger = Ledger::open(home.ledger().parent().unwrap()).unwrap();
    let org = OrgIdentity::new("https://www.zohoapis.eu", "acme");
    let request =
        ClaimRequest::new(EntryId::random().unwrap(), org, Wanted::Do(create("AcmePortal")));
    let now = Clock::system().now();
    let Ok(permit) = ledger.claim(&request, &now).await.unwrap() else {
        panic!("it waits");
    };
    permit.end(&Ending::new(EndingKind::NotDone), &now).await.unwrap();
    let ran = home.run(&["history"]);
    assert!(ran.stdout.starts_with("AcmePortal  nothing sent  "), "{ran:?}");
    assert_eq!(home.run(&["history", "--output", "json"]).json()[0]["state"], "nothing_sent");
}

#[tokio::test]
async fn objects_of_history_are_backup_of_ledger() {
    let home = Home::new();
    let ledger = ledger(&home).await;
    let entries = ledger.entries(&portal_ledger::Filter::default()).await.unwrap();
    let objects = home.run(&["history", "--output", "json"]).json();
    let backed_up: Vec<_> = objects.iter().map(|object| object["entry"].clone()).collect();
    assert_eq!(json!(entries), json!(backed_up));
    assert_eq!(objects[4]["state"], "created");
}

#[test]
fn empty_history_leaves_nothing_behind() {
    let home = Home::new();
    let ran = home.run(&["history"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.starts_with("no create or rename in "), "{ran:?}");
    let ran = home.run(&["history", "--open", "AcmePortal"]);
    assert!(ran.stderr.starts_with("no open create or rename of AcmePortal in "), "{ran:?}");
    let ran = home.run(&["history", "--profile", "acme"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.starts_with("error: there is no profile \"acme\""), "{ran:?}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

/// On Windows the file opens, and what stands in the journal's place is noticed by the first change.
#[cfg(unix)]
#[tokio::test]
async fn history_that_cannot_be_written_is_listed() {
    let home = Home::new();
    drop(ledger(&home).await);
    // As on a disk that can only be read: no change can be begun.
    let journal = home.ledger().with_extension("sqlite-journal");
    std::fs::remove_file(&journal).unwrap();
    std::fs::create_dir(&journal).unwrap();
    for (arguments, lines) in
        [(&["history"][..], 8), (&["history", "--open"], 2), (&["history", "AcmeCustomers"], 1)]
    {
        let ran = home.run(arguments);
        assert_eq!((ran.status, ran.stdout.lines().count()), (0, lines), "{ran:?}");
        assert!(ran.stderr.contains(home.ledger().to_str().unwrap()), "{ran:?}");
    }
    assert_eq!(home.run(&["create", "--local", "AcmePortal"]).status, 5);
    assert_eq!(home.run(&["recover"]).status, 5);
}

#[cfg(unix)]
#[test]
fn fifo_in_place_of_ledger_is_refused_at_once() {
    let home = Home::new();
    std::fs::create_dir_all(home.ledger().parent().unwrap()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(home.ledger()).status().unwrap();
    assert!(made.success());
    for arguments in [&["history"][..], &["create", "--local", "AcmePortal"], &["recover"]] {
        let ran = home.run(arguments);
        assert_eq!(ran.status, 6, "{ran:?}");
        assert!(ran.stderr.contains("not a regular file\nhint: move it away"), "{ran:?}");
    }
}
