//! What the ledger knows where no list can tell.

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

/// What the org has can't be seen, and may be there whatever the ledger has of it.
#[tokio::test(start_paused = true)]
async fn create_without_list_is_sent_only_beside_others() {
    let late = late(50, LOST);
    let (service, ledger) = (Service::new([late, late, late]), Ledger::in_memory());
    service.with(|state| state.list = Some(NOT_ALLOWED));
    let beside = |name: &str| {
        let mut request = service.request(create(name));
        request.policy.allow_another = true;
        request
    };
    let rejected = service.create(&ledger, "AcmePortal").await;
    assert!(matches!(rejected, Outcome::Rejected { .. }), "{rejected}");
    let previewed = service.preview(&ledger, service.request(create("AcmePortal"))).await;
    assert_eq!((previewed, service.seen("attempt")), (rejected, 0));
    let outcome = service.run(&ledger, beside("AcmePortal")).await.outcome;
    assert!(!outcome.is_certain() && service.seen("attempt") == 3, "{outcome}");
    for wait in [0, 2 * 3600] {
        sleep(secs(wait)).await;
        let outcome = service.create(&ledger, "BetaPortal").await;
        assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome}");
    }
    assert_eq!(service.names(), ["AcmePortal"]);
    let outcome = service.run(&ledger, beside("BetaPortal")).await.outcome;
    assert!(outcome.is_ours(), "{outcome}");
}
