//! Beside the closures: long random schedules through products that are too large for them, with
//! more time, more attempts, a backoff that grows, and everybody at work at once. One flow follows
//! another. Proptest shrinks a schedule that breaks an invariant.

use std::time::Duration;

use proptest::prelude::*;

use super::machine::Machine;
use super::transitions::starts;
use super::world::{Alphabet, CREATE, RENAME, Shape, World, policy};

fn wide(world: World) -> World {
    World { kills: true, slow_record: 2, alphabet: Alphabet::Whole, compare_every: 10_000, ..world }
}

fn with_time(world: World) -> Shape {
    let seconds = Duration::from_secs;
    let mut policy = policy(&world, 24);
    policy.attempt_timeout = seconds(3);
    policy.read_timeout = seconds(2);
    policy.processing_time = seconds(4);
    policy.list_lag = seconds(2);
    policy.backoff_max = seconds(4);
    policy.max_attempts = 3;
    policy.max_tries = 3;
    (World { processing: 4, lag: 2, young: 13, ..world }, policy)
}

fn create() -> Shape {
    with_time(wide(World {
        title: "create",
        names: 2,
        colleagues: 0b111,
        others: 0b11,
        before: 0b111,
        renames: 1,
        renames_to: 0b1000,
        ..CREATE
    }))
}

fn create_by_scope() -> Shape {
    let (world, mut policy) = create();
    policy.allow_another = true;
    (World { may_list: false, allow_another: true, ..world }, policy)
}

fn rename() -> Shape {
    with_time(wide(World {
        title: "rename",
        colleagues: 0b010,
        others: 0b010,
        before: 0b111,
        renames: 1,
        renames_to: 0b1000,
        ..RENAME
    }))
}

/// Follows the choices, from the start of one flow to its end and on to the next.
fn follow((world, policy): Shape, choices: &[u32]) -> Result<(), String> {
    let mut machine = Machine::new(policy.clone(), policy, world);
    let starts = starts(&mut machine)?;
    let mut next = Vec::new();
    let mut state = starts[0];
    for choice in choices {
        next.clear();
        let found = state.successors(&mut machine, &mut next);
        found.map_err(|(step, violation)| format!("{violation}, after {step:?} in {state:?}"))?;
        let choice = *choice as usize;
        state = match next.get(choice % next.len().max(1)) {
            Some((_, state)) => *state,
            None => starts[choice % starts.len()],
        };
    }
    Ok(())
}

fn hold(choices: &[u32]) -> Result<(), TestCaseError> {
    let fail = |violation: String| TestCaseError::fail(violation);
    let (one, rest) = choices.split_at(choices.len() / 3);
    let (two, three) = rest.split_at(rest.len() / 2);
    follow(create(), one).map_err(fail)?;
    follow(create_by_scope(), two).map_err(fail)?;
    follow(rename(), three).map_err(fail)
}

/// Nothing is kept: what a schedule finds becomes a unit test or a shape.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn no_random_schedule_makes_flow_untrue(
        choices in proptest::collection::vec(any::<u32>(), 3_000),
    ) {
        hold(&choices)?;
    }
}

proptest! {
    #![proptest_config(config(100))]

    /// 10 million steps.
    #[test]
    #[ignore = "minutes; run by .ci/run: cargo test --release -p portal-proof -- --ignored --nocapture"]
    fn no_long_random_schedule_makes_flow_untrue(
        choices in proptest::collection::vec(any::<u32>(), 100_000),
    ) {
        hold(&choices)?;
    }
}
