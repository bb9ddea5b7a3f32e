//! Stale lists: a list shows exactly what it showed some time ago.

use std::time::Duration;

use portal_http::server::LocalServer;
use portal_store::Registry as _;
use proptest::prelude::*;
use tokio::time::advance;

use super::caller::{Caller, PORTALS};

async fn server_with(fault: &str) -> (LocalServer, Caller) {
    let server = LocalServer::builder().fault(fault.parse().unwrap()).start().await.unwrap();
    let caller = Caller::new(&server).await;
    (server, caller)
}

#[tokio::test(start_paused = true)]
async fn list_shows_effects_late_with_their_old_names() {
    let (server, caller) = server_with("GET request:stale=5s").await;
    caller.create("First1").await;
    assert_eq!(caller.list().await, [""; 0]);
    // Tokio's clock and the server's own count alike.
    advance(Duration::from_millis(4999)).await;
    caller.rename("First1", "First2").await;
    assert_eq!(caller.list().await, [""; 0]);
    advance(Duration::from_millis(1)).await;
    assert_eq!(caller.list().await, ["First1"]);
    server.advance(Duration::from_millis(4998));
    caller.create("Second").await;
    assert_eq!(caller.list().await, ["First1"]);
    server.advance(Duration::from_millis(1));
    assert_eq!(caller.list().await, ["First2"]);
    server.advance(Duration::from_secs(5));
    assert_eq!(caller.list().await, ["First2", "Second"]);
    assert_eq!(super::names(&server).await, ["First2", "Second"]);
}

#[tokio::test(start_paused = true)]
async fn only_lists_are_stale_and_count() {
    let (server, caller) = server_with("request:stale=1h:@2").await;
    caller.create("Portal1").await;
    let one = caller.send("GET", &format!("{PORTALS}/portal1"), String::new()).await;
    assert_eq!((one.0, &one.1["portals"][0]["name"]), (200, &"Portal1".into()));
    assert_eq!(caller.list().await, ["Portal1"]);
    assert_eq!(caller.list().await, [""; 0]);
    assert_eq!(caller.list().await, ["Portal1"]);
    let stale = server.requests().into_iter().map(|request| request.faults.len());
    assert_eq!(stale.collect::<Vec<_>>(), [0, 0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn past_begins_with_fault_and_ends_with_it() {
    let server = LocalServer::start().await.unwrap();
    let caller = Caller::new(&server).await;
    caller.create("Before").await;
    let set = || server.set_faults(["request:stale=5s".parse().unwrap()]);
    set();
    caller.create("After1").await;
    assert_eq!(caller.list().await, ["Before"]);
    // One that stays keeps its past.
    set();
    assert_eq!(caller.list().await, ["Before"]);
    server.set_faults([]);
    caller.create("After2").await;
    assert_eq!(caller.list().await, ["Before", "After1", "After2"]);
    set();
    assert_eq!(caller.list().await, ["Before", "After1", "After2"]);
}

#[tokio::test(start_paused = true)]
async fn change_from_elsewhere_counts_once_seen() {
    let (server, caller) = server_with("request:stale=5s").await;
    caller.create("Portal1").await;
    let registry = server.registry();
    let org = server.org_id().await.unwrap();
    let user = registry.users(org).await.unwrap()[0].id;
    let now = "2026-11-23T10:00:00Z".parse().unwrap();
    let create = registry.create_portal(user, &"Portal2".parse().unwrap(), now).await;
    assert_eq!(create.unwrap(), Ok(()));
    advance(Duration::from_secs(5)).await;
    assert_eq!(caller.list().await, ["Portal1"]);
    advance(Duration::from_secs(5)).await;
    assert_eq!(caller.list().await, ["Portal1", "Portal2"]);
}

#[tokio::test(start_paused = true)]
async fn oldest_of_several_stale_lists_is_shown() {
    let (server, caller) = server_with("request:stale=5s").await;
    server.inject_once("request:stale=10s".parse().unwrap());
    caller.create("Portal1").await;
    advance(Duration::from_secs(7)).await;
    assert_eq!([caller.list().await.len(), caller.list().await.len()], [0, 1]);
}

/// What is done at one moment.
#[derive(Clone, Debug)]
enum Action {
    Create,
    Rename(prop::sample::Index),
    Wait(u64),
    List,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Create),
        any::<prop::sample::Index>().prop_map(Action::Rename),
        (0..2500_u64).prop_map(Action::Wait),
        Just(Action::List),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn stale_list_is_list_of_that_moment(actions in prop::collection::vec(action(), 0..60)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let (_server, caller) = server_with("GET request:stale=2s").await;
            // Every state, and when it began.
            let mut states = vec![(0, Vec::<String>::new())];
            let mut now = 0;
            for (number, action) in actions.into_iter().enumerate() {
                let mut names = states.last().unwrap().1.clone();
                let new = format!("Portal{number}");
                match action {
                    Action::Create => {
                        caller.create(&new).await;
                        names.push(new);
                    }
                    Action::Rename(_) if names.is_empty() => continue,
                    Action::Rename(index) => {
                        let old = index.get(&names).clone();
                        caller.rename(&old, &new).await;
                        *names.iter_mut().find(|name| **name == old).unwrap() = new;
                    }
                    Action::Wait(millis) => {
                        advance(Duration::from_millis(millis)).await;
                        now += millis;
                        continue;
                    }
                    Action::List => {
                        let shown = states.iter().rfind(|(since, _)| since + 2000 <= now);
                        let expected = shown.map_or(&[][..], |(_, names)| names);
                        assert_eq!(caller.list().await, expected);
                        continue;
                    }
                }
                states.push((now, names));
            }
        });
    }
}

/// Effects and lists at once: no list shows an effect that an earlier list did not hide too long
/// ago, that is, lists never go back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_lists_never_go_back() {
    let (server, caller) = server_with("GET request:stale=5ms").await;
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..100 {
        let caller = Caller::new(&server).await;
        changes.spawn(async move { caller.create(&format!("Portal{number}")).await });
    }
    let mut before = Vec::new();
    while before.len() < 100 {
        let shown = caller.list().await;
        assert!(shown.starts_with(&before), "{before:?} {shown:?}");
        before = shown;
        tokio::task::yield_now().await;
    }
    changes.join_all().await;
}
