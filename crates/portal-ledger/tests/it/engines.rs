//! What every engine does, rule by rule as `decide` numbers them.

use portal_ledger::{
    Blocked, Ending, EndingKind, EntryId, Filter, Ledger, LedgerError, Moment, RecordError,
    Refusal, Wanted, Why,
};
use portal_model::OrgIdentity;
use portal_model::flow::Baseline;
use portal_model::operation::RenameOperation;
use portal_model::outcome::Conflict;

use crate::engine::{Engine, at, doubt, granted, intent, org, wait, wants};

#[tokio::test]
async fn operation_is_held_by_one_until_lease_ends() {
    for engine in Engine::all().await {
        let there = engine.elsewhere();
        let mut first = engine.granted(&wants("1", "AcmePortal"), 100).await;
        first.record(&intent("AcmePortal"), &engine.at(110).await).await.unwrap();
        let second = wants("2", "AcmePortal");
        assert_eq!(engine.wait(&second, 134).await, (Why::SameUnderWay, at(135)));
        let adopted = granted(&there, &second, engine.at(135).await).await;
        assert_eq!(adopted.entry().id, EntryId::new("1"));
        assert_eq!((adopted.entry().attempts, adopted.horizon().as_secs()), (1, 60));
        let late = first.record(&intent("AcmePortal"), &engine.at(136).await).await;
        assert!(matches!(late, Err(RecordError::Adopted(_))), "{late:?}");
        let negative = first.end(&Ending::new(EndingKind::NotDone), &at(136)).await;
        assert!(matches!(negative, Err(RecordError::Adopted(_))), "{negative:?}");
    }
}

#[tokio::test]
async fn grant_takes_what_it_waited_for_from_its_holder() {
    for engine in Engine::all().await {
        let mut idle = engine.granted(&wants("1", "OtherPortal"), 100).await;
        let acme = wants("2", "AcmePortal");
        assert_eq!(engine.wait(&acme, 124).await, (Why::OtherUnderWay, at(125)));
        let there = engine.elsewhere();
        let mut permit = granted(&there, &acme, engine.at(125).await).await;
        let late = idle.record(&intent("OtherPortal"), &engine.at(126).await).await;
        assert!(matches!(late, Err(RecordError::Adopted(_))), "{late:?}");
        permit.record(&intent("AcmePortal"), &engine.at(126).await).await.unwrap();
    }
}

#[tokio::test]
async fn unknown_goes_on_with_its_first_baseline() {
    for engine in Engine::all().await {
        let mut permit = engine.granted(&wants("1", "AcmePortal"), 100).await;
        let first = intent("AcmePortal").with_baseline(Some(Baseline::default()));
        permit.record(&first, &engine.at(100).await).await.unwrap();
        permit.attempt_ended(doubt(101));
        permit.end(&Ending::new(EndingKind::Unknown), &engine.at(109).await).await.unwrap();
        let there = engine.elsewhere();
        let mut permit = granted(&there, &wants("2", "AcmePortal"), engine.at(110).await).await;
        assert_eq!((permit.entry().attempts, permit.horizon().as_secs()), (1, 51));
        permit.record(&intent("AcmePortal"), &engine.at(111).await).await.unwrap();
        assert_eq!((permit.entry().attempts, &permit.entry().intent), (2, &Some(first)));
    }
}

#[tokio::test]
async fn rename_in_ledger_determines_create_in_doubt() {
    for engine in Engine::all().await {
        let mut create = wants("1", "AcmePortal");
        create.key = Some("signup 1".to_owned());
        let mut permit = engine.granted(&create, 100).await;
        let first = intent("AcmePortal").with_baseline(Some(Baseline::default()));
        permit.record(&first, &engine.at(100).await).await.unwrap();
        permit.attempt_ended(doubt(100));
        permit.end(&Ending::new(EndingKind::Unknown), &engine.at(100).await).await.unwrap();
        let mut rename = wants("2", "BetaPortal");
        let beta = "BetaPortal".parse().unwrap();
        rename.wanted = Wanted::Do(RenameOperation::new("acmeportal", beta).into());
        assert_eq!(engine.wait(&rename, 101).await, (Why::Effect, at(170)));
        let mut permit = engine.granted(&rename, 170).await;
        let mut listed = portal_model::Portal::new("AcmePortal");
        listed.zaid = Some("11".to_owned());
        let seen = intent("BetaPortal").with_baseline(Some(Baseline::of(&[listed])));
        permit.record(&seen, &engine.at(170).await).await.unwrap();
        permit.end(&Ending::new(EndingKind::Renamed), &engine.at(171).await).await.unwrap();
        create.id = EntryId::new("3");
        let claim = engine.elsewhere().claim(&create, &engine.at(9000).await).await.unwrap();
        let Err(Refusal::Ended(entry)) = claim else { panic!("{claim:?}") };
        assert_eq!(entry.ending().unwrap().kind, EndingKind::Appeared);
    }
}

#[tokio::test]
async fn effects_are_waited_for_until_they_are_listed() {
    for engine in Engine::all().await {
        let mut permit = engine.granted(&wants("1", "OtherPortal"), 100).await;
        permit.record(&intent("OtherPortal"), &engine.at(100).await).await.unwrap();
        permit.end(&Ending::new(EndingKind::Created), &engine.at(101).await).await.unwrap();
        let acme = wants("2", "AcmePortal");
        assert_eq!(engine.wait(&acme, 102).await, (Why::Effect, at(111)));
        let permit = engine.granted(&acme, 111).await;
        let receipts: Vec<_> =
            permit.receipts().iter().map(|it| (&*it.name, it.evidence)).collect();
        let age = std::time::Duration::from_secs(10);
        assert_eq!(receipts, [("OtherPortal", portal_model::flow::Evidence::Made { age })]);
    }
}

#[tokio::test]
async fn unknown_org_waits_for_any_and_known_ones_only_for_themselves() {
    for engine in Engine::all().await {
        let mut permits = Vec::new();
        for id in 0..20 {
            let mut request = wants(&id.to_string(), &format!("AcmePortal{id}"));
            request.org = org("one client of all", &id.to_string());
            permits.push(engine.granted(&request, 100).await);
        }
        let mut request = wants("unknown", "AnotherPortal");
        request.org = OrgIdentity::new("https://api.example", "another");
        assert_eq!(engine.wait(&request, 100).await, (Why::OtherUnderWay, at(125)));
        request.policy.allow_another = true;
        drop(engine.granted(&request, 100).await);
    }
}

#[tokio::test]
async fn key_makes_create_idempotent() {
    for engine in Engine::all().await {
        let mut request = wants("1", "AcmePortal");
        request.key = Some("signup 1".to_owned());
        let mut permit = engine.granted(&request, 100).await;
        permit.record(&intent("AcmePortal"), &engine.at(100).await).await.unwrap();
        permit.end(&Ending::new(EndingKind::Created), &engine.at(101).await).await.unwrap();
        request.id = EntryId::new("2");
        let again = engine.elsewhere().claim(&request, &engine.at(9000).await).await.unwrap();
        let Err(Refusal::Ended(entry)) = again else { panic!("{again:?}") };
        assert_eq!((entry.id.as_str(), entry.name(), entry.order), ("1", "AcmePortal", 1));
        let mut other = wants("3", "OtherPortal");
        other.key.clone_from(&request.key);
        let blocked = engine.elsewhere().claim(&other, &engine.at(9000).await).await.unwrap();
        assert!(
            matches!(
                blocked,
                Err(Refusal::Blocked(Blocked::Conflict { conflict: Conflict::KeyOfAnother, .. }))
            ),
            "{blocked:?}"
        );
    }
}

#[tokio::test]
async fn moments_of_another_clock_count_from_now() {
    for engine in Engine::all().await {
        let mut permit = engine.granted(&wants("1", "AcmePortal"), 100).await;
        permit.record(&intent("AcmePortal"), &engine.at(100).await).await.unwrap();
        // Engines with a clock of their own need no other one.
        let has_own = engine.has_own_clock();
        engine.at(125).await;
        let rebooted = |second| Moment::new("another boot", std::time::Duration::from_secs(second));
        let claim =
            engine.elsewhere().claim(&wants("2", "AcmePortal"), &rebooted(7)).await.unwrap();
        match claim {
            Ok(adopted) if has_own => assert_eq!(adopted.horizon().as_secs(), 60),
            Err(Refusal::Wait(wait)) if !has_own => assert_eq!(wait.until, rebooted(32)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn created_is_accepted_from_holder_that_lost_entry() {
    for engine in Engine::all().await {
        let there = engine.elsewhere();
        let mut first = engine.granted(&wants("1", "AcmePortal"), 100).await;
        first.record(&intent("AcmePortal"), &engine.at(100).await).await.unwrap();
        let mut adopted = granted(&there, &wants("2", "AcmePortal"), engine.at(125).await).await;
        first.end(&Ending::new(EndingKind::Created), &engine.at(126).await).await.unwrap();
        let late = adopted.record(&intent("AcmePortal"), &engine.at(127).await).await;
        assert!(matches!(late, Err(RecordError::Adopted(_))), "{late:?}");
    }
}

#[tokio::test]
async fn recovery_finds_entry_by_its_id() {
    for engine in Engine::all().await {
        let mut permit = engine.granted(&wants("1", "AcmePortal"), 100).await;
        permit.record(&intent("AcmePortal"), &engine.at(100).await).await.unwrap();
        let mut recovery = wants("2", "AcmePortal");
        recovery.wanted = Wanted::Recover(EntryId::new("1"));
        assert_eq!(engine.wait(&recovery, 124).await.1, at(125));
        let adopted = granted(&engine.elsewhere(), &recovery, engine.at(125).await).await;
        assert_eq!(adopted.entry().id, EntryId::new("1"));
        recovery.wanted = Wanted::Recover(EntryId::new("none"));
        recovery.id = EntryId::new("3");
        let missing = engine.ledger.claim(&recovery, &engine.at(125).await).await.unwrap();
        assert!(matches!(missing, Err(Refusal::Blocked(Blocked::NoEntry(_)))), "{missing:?}");
    }
}

#[tokio::test]
async fn dropped_permit_frees_entry_unless_attempt_is_under_way() {
    for engine in Engine::all().await {
        drop(engine.granted(&wants("1", "AcmePortal"), 100).await);
        engine.idle(&engine.ledger).await;
        let mut permit = engine.granted(&wants("2", "AcmePortal"), 100).await;
        assert_eq!(permit.entry().id, EntryId::new("2"));
        permit.record(&intent("AcmePortal"), &engine.at(100).await).await.unwrap();
        drop(permit);
        engine.idle(&engine.ledger).await;
        let third = wants("3", "AcmePortal");
        let waits = wait(&engine.ledger, &third, engine.at(101).await).await;
        assert_eq!(waits, (Why::SameUnderWay, at(125)));
        let mut permit = engine.granted(&third, 125).await;
        permit.record(&intent("AcmePortal"), &engine.at(125).await).await.unwrap();
        permit.attempt_ended(doubt(126));
        engine.at(126).await;
        drop(permit);
        engine.idle(&engine.ledger).await;
        let permit = engine.granted(&wants("4", "AcmePortal"), 126).await;
        assert_eq!((permit.entry().attempts, permit.horizon().as_secs()), (2, 60));
    }
}

#[tokio::test]
async fn entries_are_newest_first_and_filtered() {
    for engine in Engine::all().await {
        for (id, second) in [("1", 100), ("2", 200), ("3", 300)] {
            let name = format!("AcmePortal{id}");
            let mut request = wants(id, &name);
            request.label = Some(format!("tenant {id}"));
            let mut permit = engine.granted(&request, second).await;
            permit.record(&intent(&name), &engine.at(second).await).await.unwrap();
            let kind = if id == "2" { EndingKind::Unknown } else { EndingKind::Created };
            permit.end(&Ending::new(kind), &at(second)).await.unwrap();
        }
        let elsewhere = engine.elsewhere();
        let ids = async |filter: &Filter| {
            let entries = elsewhere.entries(filter).await.unwrap();
            entries.iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&Filter::default()).await, ["3", "2", "1"]);
        let mut filter = Filter::default();
        filter.limit = Some(1);
        assert_eq!(ids(&filter).await, ["3"]);
        filter.is_unfinished = true;
        assert_eq!(ids(&filter).await, ["2"]);
        let mut filter = Filter::default();
        filter.labels = Some(["tenant 1", "tenant 2", "tenant 9"].map(str::to_owned).into());
        assert_eq!(ids(&filter).await, ["2", "1"]);
        filter.is_unfinished = true;
        assert_eq!(ids(&filter).await, ["2"]);
        filter.origin = Some("https://elsewhere.example".to_owned());
        assert!(ids(&filter).await.is_empty());
    }
}

/// Those that wait are committed together, and each sees what those before it wrote.
#[tokio::test]
async fn claims_at_once_are_decided_one_after_another() {
    for engine in Engine::all().await {
        let request = |id: usize| {
            let mut request = wants(&id.to_string(), &format!("AcmePortal{}", id / 2));
            request.org = org("credential", &(id / 2).to_string());
            request
        };
        let requests: Vec<_> = (0..40).map(request).collect();
        let claims: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let ledger = engine.ledger.clone();
                tokio::spawn(async move { ledger.claim(&request, &at(100)).await.unwrap() })
            })
            .collect();
        let (mut granted, mut under_way) = (Vec::new(), 0);
        for claim in claims {
            match claim.await.unwrap() {
                Ok(permit) => granted.push(permit),
                Err(Refusal::Wait(wait)) if wait.why == Why::SameUnderWay => under_way += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((granted.len(), under_way), (20, 20));
    }
}

#[tokio::test]
async fn claim_that_is_asked_again_is_granted_again() {
    for engine in Engine::all().await {
        let request = wants("1", "AcmePortal");
        // The first result is lost.
        std::mem::forget(engine.granted(&request, 100).await);
        let mut permit = engine.granted(&request, 103).await;
        permit.record(&intent("AcmePortal"), &engine.at(103).await).await.unwrap();
        assert_eq!(engine.ledger.entries(&Filter::default()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn killed_process_writes_nothing_more() {
    let ledger = Ledger::in_memory();
    let mut permit = granted(&ledger, &wants("1", "AcmePortal"), at(100)).await;
    permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
    let restarted = ledger.after_restart();
    let late = permit.record(&intent("AcmePortal"), &at(101)).await;
    assert!(matches!(late, Err(RecordError::Ledger(LedgerError::NotApplied(_)))), "{late:?}");
    permit.attempt_ended(doubt(101));
    drop(permit);
    // Nobody holds the entry any more; its attempt ended with the lease at the latest, at 125.
    let adopted = granted(&restarted, &wants("2", "AcmePortal"), at(102)).await;
    assert_eq!(adopted.horizon().as_secs(), 125 + 60 - 102);
}
