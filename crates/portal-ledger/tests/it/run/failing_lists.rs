//! What the ledger knows where no list can tell.

use portal_model::outcome::Conflict;

use super::*;

const NOT_ALLOWED: (u16, &str) = (401, "OAUTH_SCOPE_MISMATCH");
const DOWN: (u16, &str) = (500, "INTERNAL_ERROR");

/// It was, by this ledger; by now somebody may have renamed it.
#[tokio::test(start_paused = true)]
async fn what_ledger_created_is_not_said_not_created() {
    for wait in [0, 300] {
        let (service, ledger) = (Service::new([]), Ledger::in_memory());
        let first = service.run(&ledger, service.request(create("AcmePortal"))).await;
        sleep(secs(wait)).await;
        service.with(|state| state.list = Some(DOWN));
        let again = service.run(&ledger, service.request(create("acmeportal"))).await;
        let previewed = service.preview(&ledger, service.request(create("AcmePortal"))).await;
        let mut host = Client(service.clone());
        let stopped = service.request(create("AcmePortal"));
        let stopped = end_unclaimed(&ledger, stopped, NotDone::Stopped, &mut host).await;
        for outcome in [again.outcome, previewed, stopped.outcome] {
            let entry = first.entry.as_ref().unwrap().as_str();
            assert!(!outcome.is_certain() && outcome.to_string().contains(entry), "{outcome}");
        }
        // Nothing was sent, so nothing is in doubt.
        let unfinished = ledger.entries(&Filter::default()).await.unwrap();
        assert!(!unfinished.iter().any(portal_ledger::Entry::is_in_doubt));
        service.with(|state| state.list = None);
        let outcome = service.create(&ledger, "AcmePortal").await;
        assert!(outcome.exists() && service.seen("attempt") == 1, "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_ledger_renamed_is_not_said_not_renamed() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    service.add("AcmePortal");
    let request = || service.request(rename("AcmePortal", "BetaPortal"));
    let first = service.run(&ledger, request()).await;
    assert!(first.outcome.is_ours());
    service.with(|state| state.list = Some(DOWN));
    let outcome = service.run(&ledger, request()).await.outcome;
    assert!(!outcome.is_certain(), "{outcome}");
}

/// A list would show what came of the other name; this token can't have one.
#[tokio::test(start_paused = true)]
async fn create_without_list_is_not_sent_beside_other_name_in_doubt() {
    let late = late(50, LOST);
    let (service, ledger) = (Service::new([late, late, late]), Ledger::in_memory());
    service.with(|state| state.list = Some(NOT_ALLOWED));
    assert!(!service.create(&ledger, "AcmePortal").await.is_certain());
    for wait in [0, 2 * 3600] {
        sleep(secs(wait)).await;
        let outcome = service.create(&ledger, "BetaPortal").await;
        let Outcome::NotCreated { why: NotDone::Conflict { conflict, name }, .. } = &outcome else {
            panic!("{outcome}")
        };
        assert_eq!((*conflict, name.as_str()), (Conflict::InDoubt, "AcmePortal"));
    }
    assert_eq!((service.seen("attempt"), service.names().len()), (3, 1));
    let mut request = service.request(create("BetaPortal"));
    request.policy.allow_another = true;
    let outcome = service.run(&ledger, request).await.outcome;
    assert!(outcome.is_ours(), "{outcome}");
}

/// Whose a taken name is can't be seen either, but nothing was lost: another name may be tried.
#[tokio::test(start_paused = true)]
async fn create_without_list_is_sent_after_taken_name() {
    let taken = responds(400, "ALREADY_USED");
    let (service, ledger) = (Service::new([taken]), Ledger::in_memory());
    service.with(|state| state.list = Some(NOT_ALLOWED));
    let outcome = service.create(&ledger, "AcmePortal").await;
    assert!(matches!(outcome, Outcome::NameTaken { .. }), "{outcome}");
    let outcome = service.create(&ledger, "BetaPortal").await;
    assert!(outcome.is_ours(), "{outcome}");
}

/// The portal is there under one name or the other, and no list will tell.
#[tokio::test(start_paused = true)]
async fn create_without_list_is_not_sent_beside_rename_in_doubt() {
    for effect in [None, Some(AT_ONCE)] {
        let lost = Act { effect, after: secs(15), ..LOST };
        let (service, ledger) = (Service::new([CREATED, lost]), Ledger::in_memory());
        assert!(service.create(&ledger, "AcmePortal").await.is_ours());
        sleep(secs(300)).await;
        let renamed = service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal")));
        assert!(timeout(secs(1), renamed).await.is_err());
        let ledger = ledger.after_restart();
        service.with(|state| state.list = Some(NOT_ALLOWED));
        for wait in [0, 2 * 3600] {
            sleep(secs(wait)).await;
            let previewed = service.preview(&ledger, service.request(create("CharlyPortal"))).await;
            let outcome = service.create(&ledger, "CharlyPortal").await;
            assert!(matches!(outcome, Outcome::NotCreated { .. }), "{outcome}");
            assert_eq!(outcome, previewed);
        }
        assert_eq!(service.names().len(), 1);
    }
}
