//! What a preview says, and what it leaves to the run.

use super::*;

#[tokio::test(start_paused = true)]
async fn preview_tells_what_ledger_has_against_it() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    let request = |name| {
        let mut request = service.request(create(name));
        request.key = Some("4711".to_owned());
        request.policy.allow_another = true;
        request
    };
    assert!(service.run(&ledger, request("AcmePortal")).await.outcome.is_ours());
    let previewed = service.preview(&ledger, request("AcmeHelp")).await;
    assert_eq!(previewed, service.run(&ledger, request("AcmeHelp")).await.outcome);
    assert!(matches!(previewed, Outcome::NotCreated { why: NotDone::Conflict { .. }, .. }));
}

#[tokio::test(start_paused = true)]
async fn preview_decides_nothing_of_what_is_in_doubt() {
    let killed = async |service: &Service, ledger: &Ledger, operation: Operation| {
        let run = service.run(ledger, service.request(operation));
        assert!(timeout(secs(1), run).await.is_err());
        ledger.after_restart()
    };
    let slow = |effect| Act { effect: Some(secs(effect)), reply: None, after: secs(15) };
    // A colleague creates another portal before it takes effect; it has taken effect.
    for effect in [4, 0] {
        let (service, ledger) = (Service::new([slow(effect)]), Ledger::in_memory());
        let ledger = killed(&service, &ledger, create("AcmePortal")).await;
        if effect > 0 {
            service.add("FooPortal");
        }
        let request = || service.request(create("AcmePortal"));
        let mut elsewhere = request();
        elsewhere.org = OrgIdentity::new("https://api.example", "another");
        for request in [request(), elsewhere] {
            let previewed = service.preview(&ledger, request).await;
            assert!(!previewed.is_certain(), "{previewed}");
        }
        let outcome = service.run(&ledger, request()).await.outcome;
        assert!(outcome.is_ours(), "{outcome}");
        let previewed = service.preview(&ledger, request()).await;
        assert!(previewed.exists(), "{previewed}");
    }
    let (service, ledger) = (Service::new([slow(0)]), Ledger::in_memory());
    service.add("OldPortal");
    let ledger = killed(&service, &ledger, rename("OldPortal", "NewPortal")).await;
    let request = || service.request(rename("OldPortal", "NewPortal"));
    let previewed = service.preview(&ledger, request()).await;
    assert!(!previewed.is_certain(), "{previewed}");
    let outcome = service.run(&ledger, request()).await.outcome;
    assert!(matches!(outcome, Outcome::Renamed { .. }), "{outcome}");
}

/// A list shows the old name as long as it lags behind.
#[tokio::test(start_paused = true)]
async fn preview_does_not_believe_list_that_lags_behind_own_rename() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    service.add("AcmePortal");
    service.with(|state| state.lag = secs(10));
    sleep(secs(11)).await;
    let renamed = service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal"))).await;
    assert!(renamed.outcome.is_ours());
    let wanted = [
        create("AcmePortal"),
        rename("acmeportal", "AcmePortal"),
        rename("BetaPortal", "GammaPortal"),
    ];
    for operation in wanted {
        let previewed = service.preview(&ledger, service.request(operation)).await;
        let is_open = matches!(
            previewed,
            Outcome::NotCreated { why: NotDone::Preview, .. }
                | Outcome::NotRenamed { why: NotDone::Preview, .. }
        );
        assert!(is_open, "{previewed}");
    }
    // What this ledger has as renamed counts at once.
    let previewed = service.preview(&ledger, service.request(create("BetaPortal"))).await;
    assert!(previewed.exists(), "{previewed}");
    sleep(secs(11)).await;
    let previewed = service.preview(&ledger, service.request(create("AcmePortal"))).await;
    assert!(matches!(previewed, Outcome::OrgHasPortal { .. }), "{previewed}");
}

/// Their order among all counts, also of those that are read for many at once.
#[tokio::test(start_paused = true)]
async fn previews_keep_order_of_entries() {
    let slow = Act { effect: None, reply: None, after: secs(12) };
    let acts = [CREATED, CREATED, CREATED, slow];
    let (service, ledger) = (Service::new(acts), Ledger::in_memory());
    let keyed = |key: &str, name| {
        let mut request = service.request(create(name));
        request.key = Some(key.to_owned());
        request.policy.allow_another = true;
        request
    };
    for name in ["OnePortal", "TwoPortal", "ThreePortal"] {
        assert!(service.run(&ledger, keyed(name, name)).await.outcome.is_ours());
    }
    let killed = timeout(secs(1), service.run(&ledger, keyed("k", "AcmePortal"))).await;
    assert!(killed.is_err());
    let ledger = ledger.after_restart();
    assert!(service.run(&ledger, keyed("k", "AcmePortal")).await.outcome.is_ours());
    sleep(secs(200)).await;
    let renamed = service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal"))).await;
    assert!(renamed.outcome.is_ours(), "{}", renamed.outcome);
    assert!(service.run(&ledger, keyed("other", "AcmePortal")).await.outcome.is_ours());
    let asked = ["k", "other"].map(|key| (keyed(key, "AcmePortal"), None));
    let now = Client(service.clone()).now();
    let previews = previews(&ledger, &asked, &now).await.unwrap();
    let names: Vec<_> = previews.iter().map(|preview| preview.outcome.name()).collect();
    assert_eq!(names, ["BetaPortal", "AcmePortal"]);
}
