//! What one org and one ledger have to get right: schedules that once ended with two portals or an untrue
//! word.

use std::collections::BTreeMap;
use std::time::Duration;

use portal_http::client::SafeClient;
use portal_http::ledger::Ledger;
use portal_model::Outcome;
use portal_model::flow::Policy;
use portal_model::outcome::{Origin, OutcomeKind};
use tokio::task::JoinSet;

use super::{client, name, names, requests, safe, server};

#[tokio::test(start_paused = true)]
async fn second_create_knows_portal_that_no_list_shows() {
    let server = server(&["GET request:stale=5s"]).await;
    let safe = safe(&server, &Ledger::in_memory());
    assert!(safe.create(name("FirstPortal")).await.is_ours());
    let second = safe.create(name("SecondPortal")).await;
    assert!(matches!(second, Outcome::OrgHasPortal { .. }), "{second:?}");
    assert_eq!(names(&server).await, ["FirstPortal"]);
}

/// Two customers who want one name, at the same moment.
async fn twins(keys: [Option<&str>; 2]) -> Vec<Outcome> {
    let server = server(&["POST request:delay=3s"]).await;
    // Two clients, so that only the ledger keeps them apart.
    let ledger = Ledger::in_memory();
    let mut calls = JoinSet::new();
    for key in keys {
        let safe = safe(&server, &ledger);
        let create = safe.create(name("AcmePortal")).allow_another();
        calls.spawn(key.map_or(create.clone(), |key| create.key(key)).into_future());
    }
    let outcomes = calls.join_all().await;
    assert_eq!(names(&server).await, ["AcmePortal"]);
    assert!(outcomes.iter().all(Outcome::exists), "{outcomes:?}");
    outcomes
}

#[tokio::test(start_paused = true)]
async fn one_name_is_nobodys_twice() {
    // A form without the field has an empty key, which is none.
    let empty = [Some(""), Some("")];
    for keys in [[None, None], [Some("one"), Some("other")], [Some("one"), None], empty] {
        let outcomes = twins(keys).await;
        let ours = outcomes.iter().filter(|outcome| outcome.is_ours()).count();
        assert_eq!(ours, 1, "{keys:?}: {outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn equal_keys_are_one_operation() {
    // PostgreSQL keeps no NUL, and has no index over long texts.
    for key in ["4711", "4711\0", &"4711".repeat(2500)] {
        let outcomes = twins([Some(key), Some(key)]).await;
        assert!(outcomes.iter().all(Outcome::is_ours), "{outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_clients_of_one_ledger_give_org_one_portal() {
    for keys in [[None, None], [Some("one"), Some("other")]] {
        let server = server(&["POST request:delay=3s"]).await;
        let ledger = Ledger::in_memory();
        let mut calls = JoinSet::new();
        for (key, portal) in keys.into_iter().zip(["FirstPortal", "SecondPortal"]) {
            let create = safe(&server, &ledger).create(name(portal));
            calls.spawn(key.map_or(create.clone(), |key| create.key(key)).into_future());
        }
        let mut kinds: Vec<_> = calls.join_all().await.iter().map(Outcome::kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [OutcomeKind::Created, OutcomeKind::OrgHasPortal]);
        assert_eq!(names(&server).await.len(), 1);
    }
}

/// A hundred creates at once, and how long they took.
async fn hundred(allow_another: bool) -> Duration {
    // The latency of a service nearby; none of them waits for anything else.
    let server = server(&["request:delay=10ms"]).await;
    let safe = SafeClient::new(client(&server, Policy::default()), Ledger::in_memory());
    let began = tokio::time::Instant::now();
    let calls = (0..100).map(|number| {
        let create = safe.create(name(&format!("Portal{number}")));
        if allow_another { create.allow_another() } else { create }.into_future()
    });
    let outcomes = calls.collect::<JoinSet<_>>().join_all().await;
    let elapsed = began.elapsed();
    let mut kinds = BTreeMap::<_, usize>::new();
    for outcome in &outcomes {
        *kinds.entry(outcome.kind()).or_default() += 1;
    }
    let expected: &[_] = if allow_another {
        &[(OutcomeKind::Created, 100)]
    } else {
        &[(OutcomeKind::Created, 1), (OutcomeKind::OrgHasPortal, 99)]
    };
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    elapsed
}

#[tokio::test(start_paused = true)]
async fn hundred_creates_at_once_take_two_seconds() {
    for allow_another in [false, true] {
        let elapsed = hundred(allow_another).await;
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn created_key_needs_no_request() {
    let server = server(&[]).await;
    let ledger = Ledger::in_memory();
    assert!(safe(&server, &ledger).create(name("AcmePortal")).key("4711").await.is_ours());
    let again = safe(&server, &ledger.after_restart());
    let sent = requests(&server).len();
    let outcome = again.create(name("AcmePortal")).key("4711").await;
    let Outcome::Present { origin: Origin::CreatedEarlier { is_own: true, .. }, .. } = outcome
    else {
        panic!("{outcome:?}")
    };
    let since = &requests(&server)[sent..];
    assert!(since.iter().all(|request| request.starts_with("GET")), "{since:?}");
}
