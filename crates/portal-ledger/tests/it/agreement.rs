//! Every engine does what the one in memory does.

use portal_ledger::{
    AttemptEnd, ClaimRequest, Ending, EndingKind, Entry, EntryId, Filter, Permit, Refusal, Wanted,
};
use portal_model::flow::Intent;
use portal_model::operation::{CreateOperation, Operation, RenameOperation};
use portal_model::{Org, OrgIdentity};
use proptest::prelude::*;

use crate::engine::{Engine, at};

#[derive(Clone, Debug)]
enum Call {
    Claim(Wish),
    Record(usize),
    AttemptEnded(usize, bool),
    End(usize, EndingKind),
    Drop(usize),
    Later(u64),
}

#[derive(Clone, Debug)]
struct Wish {
    operation: usize,
    org: usize,
    key: Option<usize>,
    label: Option<usize>,
    allow_another: bool,
    /// An earlier claim, whose entry to recover.
    recovers: Option<usize>,
    /// An earlier claim that this one is again.
    repeats: Option<usize>,
}

fn call() -> impl Strategy<Value = Call> {
    let rarely = |of: std::ops::Range<usize>| prop::option::weighted(0.15, of);
    let sometimes = |of: std::ops::Range<usize>| prop::option::weighted(0.4, of);
    let wish = (0..6usize, 0..6usize, sometimes(0..2), sometimes(0..2), any::<bool>());
    let wish = (wish, rarely(0..20), rarely(0..20));
    let wish = wish.prop_map(|((operation, org, key, label, allow_another), recovers, repeats)| {
        Call::Claim(Wish { operation, org, key, label, allow_another, recovers, repeats })
    });
    let kind = prop::sample::select(vec![
        EndingKind::Created,
        EndingKind::Renamed,
        EndingKind::Appeared,
        EndingKind::Present,
        EndingKind::NotDone,
        EndingKind::Unknown,
    ]);
    let later = prop::sample::select(vec![1, 5, 10, 25, 60, 95, 3700]);
    prop_oneof![
        4 => wish,
        3 => (0..4usize).prop_map(Call::Record),
        2 => (0..4usize, any::<bool>()).prop_map(|(permit, doubt)| Call::AttemptEnded(permit, doubt)),
        2 => (0..4usize, kind).prop_map(|(permit, kind)| Call::End(permit, kind)),
        1 => (0..4usize).prop_map(Call::Drop),
        3 => later.prop_map(Call::Later),
    ]
}

fn request(wish: &Wish, id: usize) -> ClaimRequest {
    let create = |name: &str| CreateOperation::new(name.parse().unwrap());
    let rename = |old: &str, new: &str| RenameOperation::new(old, new.parse().unwrap()).into();
    let operation: Operation = match wish.operation {
        0 => create("AcmePortal").into(),
        1 => create("ACMEportal").into(),
        2 => create("AcmePortal").with_fallbacks(["BetaPortal".parse().unwrap()]).into(),
        3 => create("BetaPortal").into(),
        4 => rename("AcmePortal", "BetaPortal"),
        _ => rename("Bétà's %_\"portal\"", "AcmePortal"),
    };
    let identity = |credential| OrgIdentity::new("https://api.example", credential);
    let org = match wish.org {
        0 => identity("one").with_org(Some(Org::new("7"))),
        1 => identity("two").with_org(Some(Org::new("7"))),
        2 => identity("three").with_org(Some(Org::new("8"))),
        3 => identity("one"),
        4 => identity("four"),
        _ => OrgIdentity::new("https://elsewhere.example", "one").with_org(Some(Org::new("7"))),
    };
    let wanted = match wish.recovers {
        Some(earlier) => Wanted::Recover(EntryId::new(earlier.to_string())),
        None => Wanted::Do(operation),
    };
    let mut request = ClaimRequest::new(EntryId::new(id.to_string()), org, wanted);
    request.key = wish.key.map(|key| format!("key {key}"));
    request.label = wish.label.map(|label| format!("label {label}"));
    request.policy.allow_another = wish.allow_another;
    request
}

fn intent(entry: &Entry) -> Intent {
    match &entry.operation {
        Operation::Rename(rename) => Intent::rename(&*rename.old, rename.new.clone()),
        Operation::Create(_) => Intent::create(entry.name().parse().unwrap()),
    }
}

/// What came of each call, and what is in the ledger then.
async fn results(engine: &Engine, calls: &[Call]) -> Vec<String> {
    let there = engine.elsewhere();
    let mut permits: Vec<Permit> = Vec::new();
    let mut results = Vec::new();
    // Of the permits whose attempt has ended, whether it is in doubt.
    let mut ended: Vec<Option<bool>> = Vec::new();
    let mut orgs = Vec::new();
    let mut second = 1000;
    for (number, call) in calls.iter().enumerate() {
        // By turns from two processes.
        let ledger = if number % 2 == 0 { &engine.ledger } else { &there };
        let now = engine.at(second).await;
        let count = permits.len();
        let which = |permit: usize| (count > 0).then(|| permit % count);
        let result = match call {
            Call::Later(time) => {
                second += time;
                // A database ends the attempt of a permit that is dropped by its own clock, at the drop.
                for (permit, in_doubt) in permits.iter_mut().zip(&ended) {
                    if let Some(in_doubt) = *in_doubt {
                        permit.attempt_ended(AttemptEnd::new(at(second), in_doubt));
                    }
                }
                String::new()
            }
            Call::Claim(wish) => {
                // An id is of one claim, and its org.
                let repeated = wish.repeats.filter(|claim| *claim < orgs.len());
                if repeated.is_none() {
                    orgs.push(wish.org);
                }
                let number = repeated.unwrap_or(orgs.len() - 1);
                let request = request(&Wish { org: orgs[number], ..wish.clone() }, number + 1);
                match ledger.claim(&request, &now).await.unwrap() {
                    Ok(permit) => {
                        let entry = permit.entry();
                        let result = format!(
                            "granted {} {} {} {:?} {:?} {:?}",
                            entry.id,
                            entry.name(),
                            entry.attempts,
                            entry.intent,
                            permit.horizon(),
                            permit.receipts()
                        );
                        permits.push(permit);
                        ended.push(None);
                        result
                    }
                    Err(Refusal::Ended(entry)) => {
                        format!("ended {} {:?}", entry.id, entry.ending())
                    }
                    Err(Refusal::Wait(wait)) => format!("{wait:?}"),
                    Err(Refusal::Blocked(blocked)) => format!("{blocked}"),
                }
            }
            Call::Record(permit) => match which(*permit) {
                Some(permit) => {
                    let intent = intent(permits[permit].entry());
                    let recorded = permits[permit].record(&intent, &now).await;
                    ended[permit] = None;
                    format!("{recorded:?} {}", permits[permit].entry().attempts)
                }
                None => String::new(),
            },
            Call::AttemptEnded(permit, in_doubt) => {
                if let Some(permit) = which(*permit) {
                    let (at, in_doubt) = (at(second), *in_doubt);
                    permits[permit].attempt_ended(AttemptEnd::new(at, in_doubt));
                    ended[permit] = Some(in_doubt);
                }
                String::new()
            }
            Call::End(permit, kind) => match which(*permit) {
                Some(permit) => {
                    ended.swap_remove(permit);
                    let result = permits.swap_remove(permit).end(&Ending::new(*kind), &now).await;
                    format!("{:?}", result.map(|entry| entry.id))
                }
                None => String::new(),
            },
            Call::Drop(permit) => {
                if let Some(permit) = which(*permit) {
                    ended.swap_remove(permit);
                    drop(permits.swap_remove(permit));
                    engine.idle(&engine.ledger).await;
                    engine.idle(&there).await;
                }
                String::new()
            }
        };
        results.push(result);
    }
    for entry in there.entries(&Filter::default()).await.unwrap() {
        let (label, key, ending) = (&entry.label, &entry.key, entry.ending());
        results.push(format!("{} {label:?} {key:?} {} {ending:?}", entry.id, entry.attempts));
    }
    drop(permits);
    engine.idle(&engine.ledger).await;
    engine.idle(&there).await;
    results
}

/// `PROPTEST_CASES` chooses how many.
#[test]
fn engines_agree() {
    let cases = std::env::var("PROPTEST_CASES").map_or(6, |text| text.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(config, |(calls in prop::collection::vec(call(), 1..60))| {
        runtime.block_on(async {
            let mut expected: Option<Vec<String>> = None;
            for engine in Engine::all().await {
                let these = results(&engine, &calls).await;
                if let Some(first) = &expected {
                    assert_eq!(*first, these, "{calls:#?}");
                }
                expected = Some(these);
            }
        });
    });
}
