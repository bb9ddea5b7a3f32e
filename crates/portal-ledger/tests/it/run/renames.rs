//! Renames, by this ledger and by colleagues.

use super::*;

#[tokio::test(start_paused = true)]
async fn name_of_this_org_is_not_another_orgs() {
    // A colleague renames a portal to the wanted name, and away again.
    let taken = responds(400, "ALREADY_USED");
    let (service, ledger) = (Service::new([taken]), Ledger::in_memory());
    service.add("OmegaPortal");
    let mut request = service.request(create("AcmePortal"));
    request.policy.allow_another = true;
    let colleague = async {
        sleep(secs(1)).await;
        service.rename("OmegaPortal", "GammaPortal");
    };
    let (ended, ()) = tokio::join!(service.run(&ledger, request), colleague);
    let undetermined =
        matches!(&ended.outcome, Outcome::NameTaken { owner: Owner::Undetermined(_), .. });
    assert!(undetermined, "{}", ended.outcome);
}

#[tokio::test(start_paused = true)]
async fn portal_of_baseline_under_wanted_name_did_not_appear() {
    let lost = Act { effect: None, ..LOST };
    let (service, ledger) = (Service::new([lost]), Ledger::in_memory());
    service.add("OldPortal");
    let mut request = service.request(create("AcmePortal"));
    request.policy.allow_another = true;
    let colleague = async {
        sleep(Duration::from_millis(100)).await;
        service.rename("OldPortal", "AcmePortal");
    };
    let (ended, ()) = tokio::join!(service.run(&ledger, request), colleague);
    let preexisting =
        matches!(&ended.outcome, Outcome::Present { origin: Origin::Preexisting, .. });
    assert!(preexisting && !ended.outcome.is_ours(), "{}", ended.outcome);
}

#[tokio::test(start_paused = true)]
async fn rename_waits_for_copy_of_doubtful_create() {
    // The first attempt is late, the second one succeeds; then a typo is mended.
    let late = late(20, Act { reply: Some((504, "INTERNAL_ERROR")), ..LOST });
    let (service, ledger) = (Service::new([late]), Ledger::in_memory());
    assert!(service.create(&ledger, "AcmePortla").await.is_ours());
    let request = service.request(rename("AcmePortla", "AcmePortal"));
    let ended = service.run(&ledger, request).await;
    assert!(matches!(ended.outcome, Outcome::Renamed { .. }), "{}", ended.outcome);
    sleep(secs(300)).await;
    assert_eq!(service.names(), ["AcmePortal"]);
}

/// A list shows the old name as long as it lags behind.
#[tokio::test(start_paused = true)]
async fn list_that_lags_behind_own_rename_ends_no_wait() {
    let under_way = Act { after: secs(12), ..CREATED };
    let killed = Act { after: secs(12), ..LOST };
    for act in [CREATED, under_way, killed] {
        let (service, ledger) = (Service::new([act]), Ledger::in_memory());
        service.add("AcmePortal");
        service.with(|state| state.lag = secs(10));
        sleep(secs(11)).await;
        let renames = ledger.clone();
        let first = service.run(&renames, service.request(rename("AcmePortal", "BetaPortal")));
        let mut first = std::pin::pin!(first);
        let is_over = timeout(secs(1), &mut first).await.is_ok();
        let killed = if act.reply.is_none() { ledger.after_restart() } else { ledger };
        let again = async {
            let old = service.create(&killed, "AcmePortal").await;
            assert!(matches!(old, Outcome::OrgHasPortal { .. }), "{act:?}: {old}");
        };
        let same = async {
            let request = service.request(rename("acmeportal", "AcmePortal"));
            let same = service.run(&killed, request).await.outcome;
            assert!(matches!(same, Outcome::NotFound { .. }), "{act:?}: {same}");
        };
        let new = async {
            let new = service.create(&killed, "BetaPortal").await;
            assert!(new.exists(), "{act:?}: {new}");
            // What this ledger has as renamed counts at once.
            assert!(!is_over || service.now() < secs(13), "{:?}", service.now());
        };
        let first = async {
            if !is_over && act.reply.is_some() {
                let ended = first.await;
                assert!(matches!(ended.outcome, Outcome::Renamed { .. }), "{}", ended.outcome);
            }
        };
        tokio::join!(first, new, again, same);
        assert_eq!(service.names(), ["BetaPortal"]);
    }
}

/// What it did, this ledger knows, and the list shows that it is so still.
#[tokio::test(start_paused = true)]
async fn same_rename_again_is_unchanged_at_once() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    service.add("OldPortal");
    let again = || async {
        let request = service.request(rename("OldPortal", "NewPortal"));
        let preview = service.preview(&ledger, request.clone()).await;
        (preview, service.run(&ledger, request).await.outcome)
    };
    let (_, first) = again().await;
    assert!(matches!(first, Outcome::Renamed { .. }), "{first}");
    for later in [0, 1, 1000] {
        sleep(secs(later)).await;
        let began = service.now();
        let (preview, outcome) = again().await;
        assert!(matches!(outcome, Outcome::Unchanged { .. }), "{later}: {outcome}");
        assert_eq!(preview, outcome);
        assert_eq!(service.now(), began, "nothing waits");
    }
    assert_eq!(service.seen("attempt"), 1);
    // By a colleague, and so it is another wish.
    service.rename("NewPortal", "OldPortal");
    let (_, outcome) = again().await;
    assert!(matches!(outcome, Outcome::Renamed { .. }), "{outcome}");
    service.rename("NewPortal", "ThirdPortal");
    let (_, outcome) = again().await;
    assert!(matches!(outcome, Outcome::NotFound { .. }), "{outcome}");
}

/// A list may show it by a name that this ledger took from it since.
#[tokio::test(start_paused = true)]
async fn same_rename_after_another_is_not_unchanged() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    service.add("OldPortal");
    let run = |old, new| service.run(&ledger, service.request(rename(old, new)));
    assert!(run("OldPortal", "NewPortal").await.outcome.exists());
    sleep(secs(100)).await;
    service.with(|state| state.lag = secs(10));
    assert!(run("NewPortal", "ThirdPortal").await.outcome.exists());
    let outcome = run("OldPortal", "NewPortal").await.outcome;
    assert!(matches!(outcome, Outcome::NotFound { .. }), "{outcome}");
}

/// A list that shows its portal under a third name is no list that lags behind.
#[tokio::test(start_paused = true)]
async fn own_rename_that_somebody_changed_is_no_portal_of_that_name() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    service.add("AcmePortal");
    sleep(secs(200)).await;
    let request = service.request(rename("AcmePortal", "BetaPortal"));
    assert!(service.run(&ledger, request).await.outcome.is_ours());
    service.rename("BetaPortal", "XrayPortal");
    let outcome = service.preview(&ledger, service.request(create("BetaPortal"))).await;
    assert!(!outcome.exists(), "{outcome}");
    let outcome = service.create(&ledger, "BetaPortal").await;
    assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome}");
}
