//! Whose a portal is whose name was given away: a name is of one portal at a time.

use super::*;

fn keyed(service: &Service, key: &str, operation: Operation) -> ClaimRequest {
    let mut request = service.request(operation);
    request.key = Some(key.to_owned());
    request.policy.allow_another = true;
    request
}

/// Killed before the attempt took effect, which it never does; another customer wants the name, and it is
/// renamed.
#[tokio::test(start_paused = true)]
async fn rename_of_anothers_portal_determines_no_doubt() {
    let lost = Act { effect: None, after: secs(15), ..LOST };
    for recovers in [false, true] {
        let (service, ledger) = (Service::new([lost]), Ledger::in_memory());
        let first = service.run(&ledger, keyed(&service, "first", create("AcmePortal")));
        assert!(timeout(secs(1), first).await.is_err());
        let ledger = ledger.after_restart();
        let doubt = ledger.entries(&Filter::default()).await.unwrap().remove(0);
        let request = keyed(&service, "second", create("AcmePortal"));
        assert!(service.run(&ledger, request).await.outcome.is_ours());
        let renamed =
            service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal"))).await;
        assert!(renamed.outcome.is_ours(), "{}", renamed.outcome);
        let mut again = keyed(&service, "first", create("AcmePortal"));
        if recovers {
            let mut recovery = service.request(create("AcmePortal"));
            recovery.wanted = Wanted::Recover(doubt.id.clone());
            let recovered = service.run(&ledger, recovery).await.outcome;
            assert!(!recovered.exists(), "{recovered}");
        }
        again.policy.allow_another = false;
        let told = service.run(&ledger, again).await.outcome;
        assert!(!told.is_ours() && !told.exists(), "{told}");
        let second = keyed(&service, "second", create("AcmePortal"));
        let told = service.run(&ledger, second).await.outcome;
        assert!(told.is_ours() && told.name() == "BetaPortal", "{told}");
        // What the first one gets now is not what was renamed before.
        let again = keyed(&service, "first", create("AcmePortal"));
        for _ in 0..2 {
            let told = service.run(&ledger, again.clone()).await.outcome;
            assert!(!told.exists() || told.is_ours() && told.name() == "AcmePortal", "{told}");
        }
    }
}

/// A colleague renames the first one's portal, and the name is given to another one.
#[tokio::test(start_paused = true)]
async fn name_of_anothers_portal_is_not_the_firsts() {
    for is_renamed_before in [false, true] {
        let (service, ledger) = (Service::new([]), Ledger::in_memory());
        let first = || keyed(&service, "first", create("AcmePortal"));
        assert!(service.run(&ledger, first()).await.outcome.is_ours());
        let mut name = "AcmePortal";
        if is_renamed_before {
            sleep(secs(200)).await;
            let request = service.request(rename("AcmePortal", "BetaPortal"));
            assert!(service.run(&ledger, request).await.outcome.is_ours());
            name = "BetaPortal";
        }
        // After an hour the entries of a name are read by nobody else.
        sleep(secs(4000)).await;
        service.rename(name, "ColleaguePortal");
        sleep(secs(200)).await;
        let second = || keyed(&service, "second", create(name));
        assert!(service.run(&ledger, second()).await.outcome.is_ours());
        for new in [name, "DeltaPortal"] {
            if new != name {
                sleep(secs(4000)).await;
                let renamed = service.run(&ledger, service.request(rename(name, new))).await;
                assert!(renamed.outcome.is_ours(), "{}", renamed.outcome);
            }
            let previewed = service.preview(&ledger, first()).await;
            let told = service.run(&ledger, first()).await.outcome;
            assert!(!told.is_certain() && !told.is_ours(), "{told}");
            assert_eq!(previewed, told);
            let told = service.run(&ledger, second()).await.outcome;
            assert!(told.is_ours() && told.name() == new, "{told}");
        }
        assert_eq!(service.names(), ["ColleaguePortal", "DeltaPortal"]);
    }
}

/// Two credentials of one org, whose id neither may read: what one renamed may be what the other created.
#[tokio::test(start_paused = true)]
async fn rename_with_another_credential_makes_name_uncertain() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    let with = |credential: &str, key: &str, operation| {
        let mut request = keyed(&service, key, operation);
        request.org = OrgIdentity::new("https://api.example", credential);
        request
    };
    let first = || with("one", "first", create("AcmePortal"));
    assert!(service.run(&ledger, first()).await.outcome.is_ours());
    let renamed = service.run(&ledger, with("two", "r", rename("AcmePortal", "BetaPortal"))).await;
    assert!(renamed.outcome.is_ours(), "{}", renamed.outcome);
    for _ in 0..2 {
        let told = service.run(&ledger, first()).await.outcome;
        assert!(!told.is_certain(), "{told}");
        let other = with("two", "second", create("AcmePortal"));
        assert!(service.run(&ledger, other).await.outcome.is_ours());
    }
}

/// A form that is sent again with the name that its portal has by now.
#[tokio::test(start_paused = true)]
async fn key_is_of_name_that_its_portal_has_by_now() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    assert!(
        service.run(&ledger, keyed(&service, "k", create("AcmePortal"))).await.outcome.is_ours()
    );
    let renamed = service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal"))).await;
    assert!(renamed.outcome.is_ours(), "{}", renamed.outcome);
    let told = service.run(&ledger, keyed(&service, "k", create("BetaPortal"))).await.outcome;
    assert!(told.is_ours() && told.name() == "BetaPortal", "{told}");
}

/// Its rename was killed in doubt: it may have either name, and another customer may have the old one.
#[tokio::test(start_paused = true)]
async fn name_is_uncertain_while_rename_is_in_doubt() {
    for effect in [None, Some(AT_ONCE)] {
        let lost = Act { effect, after: secs(15), ..LOST };
        let (service, ledger) = (Service::new([CREATED, lost]), Ledger::in_memory());
        let first = || keyed(&service, "first", create("AcmePortal"));
        assert!(service.run(&ledger, first()).await.outcome.is_ours());
        sleep(secs(300)).await;
        let renamed = service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal")));
        assert!(timeout(secs(1), renamed).await.is_err());
        let ledger = ledger.after_restart();
        let told = service.run(&ledger, first()).await.outcome;
        assert!(!told.is_certain() && !told.is_ours(), "{told}");
        let rename = ledger.entries(&Filter::default()).await.unwrap().remove(0);
        let mut recovery = service.request(create("AcmePortal"));
        recovery.wanted = Wanted::Recover(rename.id);
        service.run(&ledger, recovery).await;
        let told = service.run(&ledger, first()).await.outcome;
        assert!(told.is_ours() && service.names() == [told.name()], "{told}");
    }
}
