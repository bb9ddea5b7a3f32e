//! Whose a portal is: one key is one operation, one name may be wanted by two.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_name_is_not_two_customers() {
    let slow = Act { after: secs(3), ..CREATED };
    let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
    let one = service.create(&ledger, "AcmePortal");
    let other = async {
        sleep(secs(1)).await;
        service.create(&ledger, "AcmePortal").await
    };
    let (one, other) = tokio::join!(one, other);
    assert!(one.is_ours() && !other.is_ours() && other.exists(), "{one} {other}");
}

#[tokio::test(start_paused = true)]
async fn one_key_is_one_operation() {
    let slow = Act { after: secs(3), ..CREATED };
    let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
    let keyed = || {
        let mut request = service.request(create("AcmePortal"));
        request.key = Some("sign-up 4711".to_owned());
        request
    };
    let (first, second) =
        tokio::join!(service.run(&ledger, keyed()), service.run(&ledger, keyed()));
    assert!(first.outcome.is_ours() && second.outcome.is_ours());
    let third = service.run(&ledger, keyed()).await;
    assert!(third.outcome.is_ours() && third.entry == first.entry);
    assert_eq!((service.seen("attempt"), entries(&ledger).await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_ends_unclaimed_is_told_what_its_key_created() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    let keyed = || {
        let mut request = service.request(create("AcmePortal"));
        request.key = Some("sign-up 4711".to_owned());
        request
    };
    service.run(&ledger, keyed()).await;
    let mut host = Client(service.clone());
    let ended = end_unclaimed(&ledger, keyed(), NotDone::Stopped, &mut host).await;
    assert!(ended.outcome.is_ours(), "{}", ended.outcome);
}

#[tokio::test(start_paused = true)]
async fn claim_that_others_went_on_from_is_not_theirs_and_ours() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    let request = service.request(create("AcmePortal"));
    // No result of the first claim reaches its caller, who is frozen; the next one adopts the entry.
    let claim = ledger.claim(&request, &Client(service.clone()).now()).await;
    let _permit = ManuallyDrop::new(claim.unwrap());
    sleep(secs(60)).await;
    assert!(service.create(&ledger, "AcmePortal").await.is_ours());
    let outcome = service.run(&ledger, request).await.outcome;
    assert!(outcome.exists() && !outcome.is_ours(), "{outcome}");
}

/// The first copy took the name, the second one's response came back, and no list shows that yet.
#[tokio::test(start_paused = true)]
async fn copy_behind_unverified_taken_name_is_waited_for() {
    let copies = Act { effect: Some(AT_ONCE), ..responds(400, "ALREADY_USED") };
    let (service, ledger) = (Service::new([copies]), Ledger::in_memory());
    service.with(|state| state.lag = secs(10));
    let mut form = service.request(create("AcmePortal"));
    form.policy.name_taken = NameTaken::AtOnce;
    let taken = service.run(&ledger, form).await;
    let is_taken = |outcome: &Outcome| {
        matches!(outcome, Outcome::NameTaken { owner: Owner::Undetermined(_), .. })
    };
    assert!(is_taken(&taken.outcome) && service.now() < secs(1), "{taken:?}");
    // Nobody has verified it since.
    let mut recovery = service.request(create("AcmePortal"));
    recovery.wanted = Wanted::Recover(taken.entry.unwrap());
    assert!(is_taken(&service.run(&ledger, recovery).await.outcome));
    let outcome = service.create(&ledger, "BetaPortal").await;
    assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome}");
    assert_eq!(service.names(), ["AcmePortal"]);
    // Once a list shows it, nothing waits.
    let (now, outcome) = (service.now(), service.create(&ledger, "AcmePortal").await);
    assert!(outcome.exists() && now == service.now(), "{outcome}");
}

/// A form that learns at once that a name is taken; sent again, with whatever name, it has the same key.
fn form(service: &Service, name: &str, allow_another: bool) -> ClaimRequest {
    let mut form = service.request(create(name));
    form.key = Some("4711".to_owned());
    form.policy.name_taken = NameTaken::AtOnce;
    form.policy.allow_another = allow_another;
    form
}

/// The name of such a form is taken, by a copy of its own attempt.
#[tokio::test(start_paused = true)]
async fn other_name_of_same_key_waits_for_copy_of_first() {
    let copies = Act { effect: Some(AT_ONCE), ..responds(400, "ALREADY_USED") };
    let (service, ledger) = (Service::new([copies]), Ledger::in_memory());
    service.with(|state| state.lag = secs(10));
    let form = async |name| service.run(&ledger, form(&service, name, true)).await.outcome;
    let taken = form("AcmePortal").await;
    assert!(matches!(taken, Outcome::NameTaken { .. }), "{taken}");
    let outcome = form("AcmeHelp").await;
    assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome}");
    assert_eq!(service.names(), ["AcmePortal"]);
    // The portal is that of the key.
    let outcome = form("AcmePortal").await;
    assert!(outcome.is_ours(), "{outcome}");
}

/// The same, by a credential whose org is not known, and then by another one.
#[tokio::test(start_paused = true)]
async fn copy_under_key_counts_where_its_org_is_not_known() {
    let copies = Act { effect: Some(AT_ONCE), ..responds(400, "ALREADY_USED") };
    let (service, ledger) = (Service::new([copies]), Ledger::in_memory());
    service.with(|state| state.lag = secs(10));
    let mut blind = form(&service, "AcmePortal", true);
    blind.org = OrgIdentity::new("https://api.example", "blind");
    let taken = service.run(&ledger, blind).await.outcome;
    assert!(matches!(taken, Outcome::NameTaken { .. }), "{taken}");
    sleep(secs(15)).await;
    let outcome = service.run(&ledger, form(&service, "AcmeHelp", true)).await.outcome;
    assert!(!outcome.is_ours(), "{outcome}");
    assert_eq!(service.names(), ["AcmePortal"]);
}

/// The same, and the name is another org's.
#[tokio::test(start_paused = true)]
async fn other_name_of_same_key_is_created_if_first_was_taken() {
    let (service, ledger) = (Service::new([responds(400, "ALREADY_USED")]), Ledger::in_memory());
    let form = async |name| service.run(&ledger, form(&service, name, true)).await.outcome;
    assert!(matches!(form("AcmePortal").await, Outcome::NameTaken { .. }));
    let outcome = form("AcmeHelp").await;
    assert!(outcome.is_ours() && service.now() <= secs(12), "{outcome}");
}

/// A copy made the portal of the first name, and a colleague renamed it while another name of the key was
/// begun and given up.
#[tokio::test(start_paused = true)]
async fn portal_of_refused_name_is_the_keys_after_rename() {
    #[derive(Clone, Copy, Debug)]
    enum Other {
        Killed,
        Ended,
    }
    for (other, allow_another) in
        [(Other::Killed, false), (Other::Killed, true), (Other::Ended, false), (Other::Ended, true)]
    {
        let copies = Act { effect: Some(AT_ONCE), ..responds(400, "ALREADY_USED") };
        let (service, ledger) = (Service::new([copies]), Ledger::in_memory());
        service.with(|state| state.lag = secs(10));
        let form = |name| form(&service, name, allow_another);
        let taken = service.run(&ledger, form("AcmePortal")).await.outcome;
        assert!(matches!(taken, Outcome::NameTaken { .. }), "{taken}");
        sleep(secs(20)).await;
        let claim = ledger.claim(&form("AcmeHelp"), &Client(service.clone()).now()).await.unwrap();
        let ledger = match other {
            Other::Killed => {
                let _permit = ManuallyDrop::new(claim);
                ledger.after_restart()
            }
            Other::Ended => {
                drop(claim);
                ledger
            }
        };
        sleep(secs(120)).await;
        service.rename("AcmePortal", "OmegaPortal");
        sleep(secs(20)).await;
        let outcome = service.run(&ledger, form("AcmeNext")).await.outcome;
        assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{other:?}: {outcome}");
        let outcome = service.run(&ledger, form("AcmePortal")).await.outcome;
        assert!(!outcome.is_certain(), "{other:?}: {outcome}");
        assert!(outcome.to_string().contains("OmegaPortal"), "{other:?}: {outcome}");
        assert_eq!(service.names(), ["OmegaPortal"]);
    }
}

/// This ledger renamed what the copy made, which says nothing of who made it.
#[tokio::test(start_paused = true)]
async fn portal_of_refused_name_is_the_keys_after_own_renames() {
    let copies = Act { effect: Some(AT_ONCE), ..responds(400, "ALREADY_USED") };
    let (service, ledger) = (Service::new([copies]), Ledger::in_memory());
    service.with(|state| state.lag = secs(10));
    let form = |name| form(&service, name, true);
    let taken = service.run(&ledger, form("AcmePortal")).await.outcome;
    assert!(matches!(taken, Outcome::NameTaken { .. }), "{taken}");
    for (old, new) in [("AcmePortal", "OmegaPortal"), ("OmegaPortal", "ZetaPortal")] {
        sleep(secs(20)).await;
        let renamed = service.run(&ledger, service.request(rename(old, new))).await.outcome;
        assert!(matches!(renamed, Outcome::Renamed { .. }), "{renamed}");
        sleep(secs(80)).await;
        let outcome = service.run(&ledger, form("AcmeNext")).await.outcome;
        assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome}");
        assert_eq!(service.names(), [new]);
    }
}

/// The caller takes the credential of before for one of another org.
#[tokio::test(start_paused = true)]
async fn own_doubt_under_key_in_other_org_is_unknown() {
    let slow = Act { after: secs(15), ..late(30, LOST) };
    let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
    let row = |credential| {
        let mut row = service.request(create("AcmePortal"));
        row.org = OrgIdentity::new("https://api.example", credential);
        row.key = Some("row".to_owned());
        row
    };
    let first = service.run(&ledger, row("first"));
    assert!(timeout(secs(1), first).await.is_err());
    let ledger = ledger.after_restart();
    let mut again = row("second");
    again.distinct_from = Arc::new(["first".to_owned()].into());
    let outcome = service.run(&ledger, again).await.outcome;
    assert!(!outcome.is_certain(), "{outcome}");
}

/// A form that is sent again with what is left of the names.
#[tokio::test(start_paused = true)]
async fn fallback_of_key_is_its_operation() {
    let slow = Act { effect: Some(secs(45)), reply: None, after: secs(15) };
    let (service, ledger) =
        (Service::new([responds(400, "ALREADY_USED"), slow]), Ledger::in_memory());
    let form = |names: &[&str]| {
        let parse = |name: &&str| name.parse::<portal_model::PortalName>().unwrap();
        let names: Vec<_> = names.iter().map(parse).collect();
        let create =
            CreateOperation::new(names[0].clone()).with_fallbacks(names[1..].iter().cloned());
        let mut form = service.request(create.into());
        form.key = Some("4711".to_owned());
        form
    };
    let both = ["AcmePortal", "BetaPortal"];
    assert!(timeout(secs(15), service.run(&ledger, form(&both))).await.is_err());
    let ledger = ledger.after_restart();
    let previewed = service.preview(&ledger, form(&both[1..])).await;
    assert!(!previewed.is_certain(), "{previewed}");
    for names in [&both[1..], &both[..]] {
        let outcome = service.run(&ledger, form(names)).await.outcome;
        assert!(outcome.is_ours(), "{outcome}");
    }
    let outcome = service.run(&ledger, form(&["AcmePortal"])).await.outcome;
    assert!(!outcome.exists(), "{outcome}");
    assert_eq!(service.names(), ["BetaPortal"]);
}

/// One that is sent again after its portal was renamed, when another customer has the name.
#[tokio::test(start_paused = true)]
async fn key_is_told_name_that_its_portal_has_by_now() {
    let slow = Act { after: secs(12), ..LOST };
    for (first, killed) in [(CREATED, false), (slow, true)] {
        let (service, ledger) = (Service::new([first]), Ledger::in_memory());
        let keyed = |key: &str, operation| {
            let mut request = service.request(operation);
            request.key = Some(key.to_owned());
            request.policy.allow_another = true;
            request
        };
        let created = service.run(&ledger, keyed("k", create("AcmePortal")));
        let is_over = timeout(secs(1), created).await.is_ok();
        assert_eq!(is_over, !killed);
        let ledger = if killed { ledger.after_restart() } else { ledger };
        let renamed = service.run(&ledger, keyed("r", rename("AcmePortal", "BetaPortal"))).await;
        assert!(renamed.outcome.is_ours(), "{}", renamed.outcome);
        let other = service.run(&ledger, keyed("other", create("AcmePortal"))).await.outcome;
        assert!(other.is_ours() && other.name() == "AcmePortal", "{other}");
        for _ in 0..2 {
            let previewed = service.preview(&ledger, keyed("k", create("AcmePortal"))).await;
            let told = service.run(&ledger, keyed("k", create("AcmePortal"))).await.outcome;
            assert!(told.is_ours() && told.name() == "BetaPortal", "{told}");
            assert_eq!(previewed, told);
        }
        let again = service.run(&ledger, keyed("s", rename("BetaPortal", "GammaPortal"))).await;
        assert!(again.outcome.is_ours());
        let outcome = service.run(&ledger, keyed("r", rename("AcmePortal", "BetaPortal"))).await;
        assert_eq!(outcome.outcome.name(), "GammaPortal", "{}", outcome.outcome);
        let told = service.run(&ledger, keyed("k", create("AcmePortal"))).await.outcome;
        assert_eq!(told.name(), "GammaPortal");
    }
}

#[tokio::test(start_paused = true)]
async fn rename_of_key_is_told_with_name_by_now() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    service.add("AcmePortal");
    let told = async || {
        let mut request = service.request(rename("AcmePortal", "BetaPortal"));
        request.key = Some("ticket 4711".to_owned());
        service.run(&ledger, request).await.outcome.to_string()
    };
    for _ in 0..2 {
        assert_eq!(told().await, "AcmePortal was renamed to BetaPortal");
    }
    for (operation, by_now) in [
        (rename("BetaPortal", "GammaPortal"), "AcmePortal was renamed to GammaPortal"),
        (rename("GammaPortal", "AcmePortal"), "BetaPortal was renamed to AcmePortal"),
    ] {
        assert!(service.run(&ledger, service.request(operation)).await.outcome.is_ours());
        assert_eq!(told().await, by_now);
    }
}

/// One key for all that a sign-up does.
#[tokio::test(start_paused = true)]
async fn rename_is_not_told_what_create_of_its_key_did() {
    for acts in [vec![], vec![Act { effect: None, reply: None, after: secs(12) }]] {
        let is_killed = !acts.is_empty();
        let (service, ledger) = (Service::new(acts), Ledger::in_memory());
        let keyed = |operation| {
            let mut request = service.request(operation);
            request.key = Some("sign-up 4711".to_owned());
            request
        };
        let created = timeout(secs(1), service.run(&ledger, keyed(create("AcmePortal")))).await;
        assert_eq!(created.is_err(), is_killed);
        let ledger = if is_killed { ledger.after_restart() } else { ledger };
        if is_killed {
            sleep(secs(200)).await;
            service.add("AcmePortal");
        }
        let request = keyed(rename("AcmePortal", "BetaPortal"));
        let outcome = service.run(&ledger, request).await.outcome;
        assert!(!outcome.exists() && !outcome.is_ours(), "{outcome}");
        assert_eq!(service.names(), ["AcmePortal"]);
    }
}

#[tokio::test(start_paused = true)]
async fn key_may_have_name_of_rename_in_doubt() {
    let slow = Act { after: secs(12), ..LOST };
    let (service, ledger) = (Service::new([CREATED, slow]), Ledger::in_memory());
    let keyed = |name| {
        let mut request = service.request(create(name));
        request.key = Some("k".to_owned());
        request
    };
    assert!(service.run(&ledger, keyed("AcmePortal")).await.outcome.is_ours());
    sleep(secs(200)).await;
    let renamed = service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal")));
    assert!(timeout(secs(1), renamed).await.is_err());
    let ledger = ledger.after_restart();
    for name in ["AcmePortal", "BetaPortal"] {
        let outcome = service.run(&ledger, keyed(name)).await.outcome;
        assert!(!outcome.is_certain(), "{outcome}");
        assert_eq!(service.preview(&ledger, keyed(name)).await, outcome);
    }
    let outcome = service.run(&ledger, keyed("GammaPortal")).await.outcome;
    assert!(outcome.is_certain() && !outcome.exists(), "{outcome}");
}

/// What was refused as taken was there, and is nobody's for having been renamed.
#[tokio::test(start_paused = true)]
async fn refused_name_that_is_renamed_later_is_not_the_keys() {
    let (service, ledger) = (Service::new([responds(400, "ALREADY_USED")]), Ledger::in_memory());
    service.add("AcmePortal");
    let keyed = || {
        let mut request = service.request(create("AcmePortal"));
        request.key = Some("k".to_owned());
        request.policy.allow_another = true;
        request
    };
    service.with(|state| state.list = Some((401, "OAUTH_SCOPE_MISMATCH")));
    let refused = service.run(&ledger, keyed()).await.outcome;
    assert!(!refused.exists(), "{refused}");
    service.with(|state| state.list = None);
    sleep(secs(200)).await;
    let renamed = service.run(&ledger, service.request(rename("AcmePortal", "BetaPortal"))).await;
    assert!(renamed.outcome.is_ours(), "{}", renamed.outcome);
    let told = service.run(&ledger, keyed()).await.outcome;
    assert!(told.exists() && !told.is_ours() && told.name() == "BetaPortal", "{told}");
}

/// A chain of renames, of which the first was in doubt until the second.
#[tokio::test(start_paused = true)]
async fn doubtful_rename_in_chain_is_followed() {
    let slow = Act { after: secs(12), ..LOST };
    let (service, ledger) = (Service::new([CREATED, slow]), Ledger::in_memory());
    let keyed = || {
        let mut request = service.request(create("AcmePortal"));
        request.key = Some("k".to_owned());
        request
    };
    assert!(service.run(&ledger, keyed()).await.outcome.is_ours());
    sleep(secs(200)).await;
    let there = || service.request(rename("AcmePortal", "BetaPortal"));
    assert!(timeout(secs(1), service.run(&ledger, there())).await.is_err());
    let ledger = ledger.after_restart();
    let further = service.request(rename("BetaPortal", "GammaPortal"));
    assert!(service.run(&ledger, further).await.outcome.is_ours());
    let doubt = ledger.entries(&Filter::default()).await.unwrap();
    let doubt = doubt.into_iter().find(portal_ledger::Entry::is_in_doubt).unwrap();
    let mut recovery = there();
    recovery.wanted = Wanted::Recover(doubt.id);
    let recovered = service.run(&ledger, recovery).await.outcome;
    assert!(recovered.is_certain() && recovered.exists(), "{recovered}");
    let told = service.run(&ledger, keyed()).await.outcome;
    assert!(told.is_ours() && told.name() == "GammaPortal", "{told}");
}
