//! Histories of concurrent creates, renames and lists are linearizable per name: what the callers
//! observed could also have been observed by sequential calls, in an order that respects real time.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portal_store::{CreateConflict, Principal, Registry, RenameConflict, SqliteRegistry};

use crate::{at, long, name, principal_of, seed};

/// Few names, so that callers conflict.
const NAMES: [&str; 3] = ["SharedA", "SharedB", "SharedC"];

const ORGS: [&str; 2] = ["acme", "sandbox"];

const CALLERS: usize = 6;

/// The org that has the name.
type Owner = Option<usize>;

/// What a call observed about one name.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// It was free, and now belongs to this org.
    Taken { by: usize },
    /// It belonged to this org, and is now free.
    Freed { by: usize },
    /// It belongs to some org.
    InUse,
    /// It belongs to this org.
    Of { org: usize },
    /// It does not belong to this org.
    NotOf { org: usize },
}

impl Seen {
    /// The owner after this observation; `None` if it contradicts `owner`.
    fn after(self, owner: Owner) -> Option<Owner> {
        let (is_possible, after) = match self {
            Self::Taken { by } => (owner.is_none(), Some(by)),
            Self::Freed { by } => (owner == Some(by), None),
            Self::InUse => (owner.is_some(), owner),
            Self::Of { org } => (owner == Some(org), owner),
            Self::NotOf { org } => (owner != Some(org), owner),
        };
        is_possible.then_some(after)
    }
}

/// A call with its start and end, as far as it concerns one name.
#[derive(Clone, Copy, Debug)]
struct Call {
    begun: u64,
    ended: u64,
    seen: Seen,
}

/// Whether the calls about one name, given by caller in their order, have a sequential order in
/// which each observes the effects of those before it.
fn is_linearizable(callers: &[Vec<Call>]) -> bool {
    // Each caller makes one call at a time, so the number of completed calls per caller describes
    // the state of the search.
    let mut reached = HashSet::new();
    let mut open = vec![(vec![0; callers.len()], None::<usize>)];
    while let Some((done, owner)) = open.pop() {
        let next =
            || {
                callers.iter().zip(&done).enumerate().filter_map(|(caller, (calls, done))| {
                    calls.get(*done).map(|call| (caller, *call))
                })
            };
        // A call that ended before another began must come before it.
        let Some(first_end) = next().map(|(_, call)| call.ended).min() else { return true };
        for (caller, call) in next().filter(|(_, call)| call.begun < first_end) {
            let Some(owner) = call.seen.after(owner) else { continue };
            let mut done = done.clone();
            done[caller] += 1;
            if reached.insert((done.clone(), owner)) {
                open.push((done, owner));
            }
        }
    }
    false
}

/// The calls of one caller: start, end, and what was observed about which names.
type History = Vec<(u64, u64, Vec<(usize, Seen)>)>;

/// Makes a random call in an org.
async fn call(
    registry: impl Registry,
    by: Principal,
    org: usize,
    caller: usize,
    clock: Arc<AtomicU64>,
) -> History {
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    let mut random = 0x2026_1125 + caller as u64;
    let mut below = |end: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from((random >> 33) % end as u64).unwrap()
    };
    let (id, user) = (by.org.id, by.user.id);
    let mut history = History::new();
    for number in 0..long(100, 2000) {
        let (old, new) = (below(NAMES.len()), below(NAMES.len()));
        let begun = tick();
        let seen = match below(8) {
            0..3 => match registry.create_portal(user, &name(NAMES[new]), at(1)).await.unwrap() {
                Ok(()) => vec![(new, Seen::Taken { by: org })],
                Err(CreateConflict::NameTaken) => vec![(new, Seen::InUse)],
                Err(other) => panic!("{other}"),
            },
            3..6 => {
                // Move to a name that nobody else uses, so that the old one becomes free.
                let free = name(&format!("Free{caller}x{number}"));
                match registry.rename_portal(user, NAMES[old], &free, at(1)).await.unwrap() {
                    Ok(_) => vec![(old, Seen::Freed { by: org })],
                    Err(RenameConflict::NotFound) => vec![(old, Seen::NotOf { org })],
                    Err(other @ RenameConflict::NameTaken) => panic!("{other}"),
                }
            }
            6 if old != new => {
                let new_name = name(NAMES[new]);
                match registry.rename_portal(user, NAMES[old], &new_name, at(1)).await.unwrap() {
                    Ok(_) => {
                        vec![(old, Seen::Freed { by: org }), (new, Seen::Taken { by: org })]
                    }
                    Err(RenameConflict::NotFound) => vec![(old, Seen::NotOf { org })],
                    Err(RenameConflict::NameTaken) => vec![(new, Seen::InUse)],
                }
            }
            _ => {
                let listed = registry.portals(id).await.unwrap();
                let is_listed = |text: &str| listed.iter().any(|portal| portal.name == text);
                let seen = |text| {
                    if is_listed(text) { Seen::Of { org } } else { Seen::NotOf { org } }
                };
                NAMES.iter().map(|text| seen(text)).enumerate().collect()
            }
        };
        history.push((begun, tick(), seen));
    }
    history
}

/// Runs callers of two orgs over two handles, as two processes would.
async fn verify<R: Registry>(handles: [R; 2]) {
    handles[0].apply_seed(&seed(), at(0)).await.unwrap();
    let clock = Arc::new(AtomicU64::new(0));
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let (org, registry) = (caller % ORGS.len(), handles[caller / 2 % 2].clone());
        let by = principal_of(&registry, ORGS[org]).await;
        callers.push(tokio::spawn(call(registry, by, org, caller, Arc::clone(&clock))));
    }
    let mut histories = Vec::new();
    for caller in callers {
        histories.push(caller.await.unwrap());
    }
    let mut taken = 0;
    for (at, text) in NAMES.iter().enumerate() {
        let of_name = |history: &History| -> Vec<Call> {
            let calls = history.iter().flat_map(|(begun, ended, seen)| {
                let seen = seen.iter().filter(|(name, _)| *name == at);
                seen.map(|(_, seen)| Call { begun: *begun, ended: *ended, seen: *seen })
            });
            calls.collect()
        };
        let calls: Vec<_> = histories.iter().map(of_name).collect();
        taken += calls.iter().flatten().filter(|it| matches!(it.seen, Seen::Taken { .. })).count();
        assert!(is_linearizable(&calls), "{text}: {calls:?}");
    }
    assert!(taken > 20, "callers conflict: {taken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_history_is_linearizable() {
    let kept = tempfile::tempdir().unwrap();
    verify([(); 2].map(|()| SqliteRegistry::open(kept.path()).unwrap())).await;
}

#[cfg(all(unix, feature = "postgres"))]
#[portal_testkit::needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_history_is_linearizable() {
    let database = portal_testkit::Database::create();
    let url = database.url();
    verify([crate::postgres::open(&url).await, crate::postgres::open(&url).await]).await;
}

#[test]
fn impossible_histories_are_found() {
    let call = |begun, ended, seen| Call { begun, ended, seen };
    let (first, second) = (Seen::Taken { by: 0 }, Seen::Taken { by: 1 });
    let gone = Seen::NotOf { org: 0 };
    for (callers, expected) in [
        (vec![vec![call(0, 1, first)], vec![call(2, 3, Seen::InUse)]], true),
        (vec![vec![call(0, 3, first)], vec![call(1, 2, Seen::InUse)]], true),
        // Given twice; seen before it was given; lost; lost and back again.
        (vec![vec![call(0, 3, first)], vec![call(1, 2, second)]], false),
        (vec![vec![call(2, 3, first)], vec![call(0, 1, Seen::InUse)]], false),
        (vec![vec![call(0, 1, first)], vec![call(2, 3, gone)]], false),
        (
            vec![vec![call(0, 9, first)], vec![call(1, 2, Seen::Of { org: 0 }), call(3, 4, gone)]],
            false,
        ),
    ] {
        assert_eq!(is_linearizable(&callers), expected, "{callers:?}");
    }
}
