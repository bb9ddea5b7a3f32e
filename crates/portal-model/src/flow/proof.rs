//! The proof that a create never lies, by exhaustion.
//!
//! [`machine`] is the flow as drivers meet it, [`server`] the service with everybody else who uses
//! it, [`state`] the product of both with what a witness remembers; [`search`] visits every state
//! of the product that can be reached, and [`truth`] says what must hold there. A unit of time is
//! a second. States that differ only in words, or in which token or name is which, are one.
//!
//! The model believes what the policy says: within `settle` of an attempt's end its POST is applied
//! or never, and lists show it; and within as much time lists show what others created. So one
//! caveat stands: a taken name *without* any doubt is looked up once, at once, and a portal that a
//! colleague created less than `settle` before may be missing from that list. Where another name
//! would be tried because of it, it is looked up again.

mod machine;
mod memory;
mod replies;
mod schedules;
mod search;
mod server;
mod state;
mod truth;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::Policy;
use super::mutation::Mutation;
use machine::Machine;
use search::{Coverage, Violation, explore};
use state::World;

/// Attempt time-out, settle, deadline, most POSTs, names: an attempt that is shorter than settling
/// and one that is longer, more time, and a second name.
const SHAPES: [(u64, u64, u64, u32, usize); 4] =
    [(1, 2, 9, 2, 2), (1, 2, 10, 3, 1), (2, 1, 8, 2, 1), (1, 2, 8, 2, 1)];

fn worlds() -> Vec<(Policy, World)> {
    let mut worlds = Vec::new();
    for (attempt_timeout, settle, deadline, max_posts, candidates) in SHAPES {
        for (may_list, allow_another) in [(true, false), (true, true), (false, false)] {
            for limited in [true, false] {
                let policy = Policy {
                    attempt_timeout: Duration::from_secs(attempt_timeout),
                    deadline: Duration::from_secs(deadline),
                    settle: Duration::from_secs(settle),
                    backoff_base: Duration::from_secs(1),
                    backoff_max: Duration::from_secs(1),
                    max_posts,
                    allow_another,
                };
                worlds.push((policy, World { candidates, allow_another, may_list, limited }));
            }
        }
    }
    worlds
}

#[test]
fn no_schedule_makes_the_flow_lie() {
    let left = Mutex::new(worlds());
    let total = Mutex::new(Coverage::default());
    let work = || {
        while let Some((policy, world)) = { left.lock().unwrap().pop() } {
            match explore(&mut Machine::new(policy.clone()), world) {
                Ok(coverage) => total.lock().unwrap().add(&coverage),
                Err(violation) => panic!("{policy:?}\n{world:?}\n{violation}"),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let total = total.into_inner().unwrap();
    println!("{total}");
    assert!(total.states > 2_000_000, "it does not cover what it did: {total}");
    assert_eq!(total.outcomes.len(), 7, "not every outcome can be reached: {total}");
}

/// What the proof says of a flow that breaks a rule.
fn found_in(mutation: Mutation) -> String {
    mutation.during(|| {
        worlds()
            .into_iter()
            .rev()
            .find_map(|(policy, world)| explore(&mut Machine::new(policy), world).err())
            .map_or_else(|| "nothing".to_owned(), |Violation { lie, .. }| lie)
    })
}

#[test]
fn a_flow_that_does_not_look_first_is_caught() {
    assert_eq!(found_in(Mutation::NoBaseline), "a POST although the org had a portal already");
}

#[test]
fn a_flow_that_compares_names_letter_by_letter_is_caught() {
    assert_eq!(found_in(Mutation::ExactNames), "nothing was created, it says, but it was");
}

#[test]
fn a_flow_that_forgets_its_doubt_is_caught() {
    assert_eq!(
        found_in(Mutation::DoubtForgotten),
        "nothing was created, it says, but it may be yet"
    );
}

#[test]
fn a_flow_that_takes_absence_now_for_absence_is_caught() {
    assert_eq!(
        found_in(Mutation::NothingSettles),
        "nothing was created, it says, but it may be yet"
    );
}

#[test]
fn a_flow_that_sends_too_late_to_settle_is_caught() {
    assert_eq!(found_in(Mutation::NoTimeKept), "a POST without time to settle it");
}

#[test]
fn a_flow_that_asks_for_token_after_token_is_caught() {
    assert_eq!(found_in(Mutation::EveryTokenReplaced), "a second authentication for one request");
}

#[test]
fn a_flow_that_does_not_wait_as_it_is_asked_to_is_caught() {
    assert_eq!(found_in(Mutation::Impatient), "not as patient as the service asked for");
}

#[test]
fn a_flow_whose_intent_comes_after_the_post_is_caught() {
    assert_eq!(found_in(Mutation::IntentTooLate), "a POST without its intent");
}
