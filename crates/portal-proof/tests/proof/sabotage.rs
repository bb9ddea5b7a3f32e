//! Each rule, broken from outside: by a policy that promises less than it keeps, a driver that does
//! not do its duty or misreads what comes, or a service that is slower than promised. The test must
//! find what comes of it; production code has no hook for this.
//!
//! What can't be broken from here, cargo-mutants breaks: the README has a list.

use std::time::Duration;

use portal_model::flow::Policy;

use super::machine::Machine;
use super::search::explore;
use super::world::{Alphabet, CREATE, Driver, RENAME, Shape, World, policy};

/// What is found in a world with a flow that has one policy and promises another.
fn found_by((world, promised): Shape, given: Policy) -> String {
    match explore(&mut Machine::new(promised, given, world)) {
        Ok(_) => "nothing".to_owned(),
        Err(found) => found.violation,
    }
}

fn shape(world: World) -> Shape {
    (world, policy(&world, 7))
}

/// A create by a driver that does not do its duty.
fn found_under(driver: Driver, world: World) -> String {
    let (world, policy) = shape(World { driver, ..world });
    found_by((world, policy.clone()), policy)
}

/// A create by a policy that differs from what it promises.
fn found_given(change: impl Fn(&mut Policy), world: World) -> String {
    let (world, promised) = shape(world);
    let mut given = promised.clone();
    change(&mut given);
    found_by((world, promised), given)
}

const KILLED: World = World { kills: true, ..CREATE };
const NOT_DONE: &str = "claims nothing was done, but it was";
const NOT_FOREIGN: &str = "claims another org's, but it is not";
const MAY_BE_DONE: &str = "claims nothing was done, but it may be yet";
const STOPPED: &str = "claims stopped with nothing done, but it may be";
const NOT_CLEARED: &str = "an attempt although no list clears the way";

#[test]
fn rule_1_without_baseline_is_caught() {
    let world = World { before: 0b100, ..CREATE };
    assert_eq!(found_under(Driver::SkipsFirstList, world), NOT_CLEARED);
    assert_eq!(found_under(Driver::DropsAge, world), NOT_CLEARED);
}

#[test]
fn rule_2_missing_or_wrong_intent_is_caught() {
    assert_eq!(
        found_under(Driver::RecordsNothing, CREATE),
        "an attempt whose intent is not durable"
    );
    assert_eq!(
        found_under(Driver::RecordsNoAttempts, CREATE),
        "the durable intent has too few attempts"
    );
    assert_eq!(
        found_under(Driver::RecordsNoBaseline, CREATE),
        "the durable intent lacks what a list showed"
    );
    let slow_disk = World { slow_record: 4, ..CREATE };
    assert_eq!(found_under(Driver::StopsClock, slow_disk), "an attempt without time to verify it");
}

#[test]
fn rule_3_uncertain_rejections_are_caught() {
    let world = World { alphabet: Alphabet::Whole, ..CREATE };
    for reply in ["500", "202 error", "408 NEW_CODE", "409 LOCKED", "400 INTERNAL_ERROR"] {
        assert_eq!(found_under(Driver::TakesForCertain(reply), world), MAY_BE_DONE, "{reply}");
    }
    assert_eq!(found_under(Driver::TakesForCertain("400 NEW_CODE"), CREATE), MAY_BE_DONE);
    assert_eq!(found_under(Driver::NeverInDoubt, CREATE), STOPPED);
}

#[test]
fn rule_4_rejections_by_own_copy_are_caught() {
    assert_eq!(found_under(Driver::TakesForCertain("ALREADY_USED"), CREATE), NOT_DONE);
    let limited = World { limited: true, ..CREATE };
    assert_eq!(found_under(Driver::TakesForCertain("LIMIT_REACHED"), limited), NOT_DONE);
    assert_eq!(found_under(Driver::TakesForCertain("INVALID_DATA"), RENAME), NOT_DONE);
    assert_eq!(found_given(|policy| policy.list_lag = Duration::ZERO, limited), NOT_FOREIGN);
}

#[test]
fn rule_5_early_absence_is_caught() {
    // A service that takes longer than promised, and one that lists later.
    assert_eq!(found_given(|_| (), World { processing: 4, ..CREATE }), MAY_BE_DONE);
    assert_eq!(found_given(|_| (), World { lag: 2, ..CREATE }), NOT_FOREIGN);
}

#[test]
fn rule_6_origin_without_evidence_is_caught() {
    let world = World { may_list: false, allow_another: true, ..KILLED };
    assert_eq!(
        found_under(Driver::InventsBaseline, world),
        "claims appeared, but absence was not seen"
    );
}

#[test]
fn rule_7_missed_rename_is_caught() {
    let world = World { renames: 1, renames_to: 0b1000, ..CREATE };
    assert_eq!(found_under(Driver::HidesRenames, world), NOT_DONE);
    let renamed = World { renames: 1, renames_to: 0b1000, ..RENAME };
    assert_eq!(found_under(Driver::HidesRenames, renamed), NOT_CLEARED);
}

#[test]
fn rule_8_harmful_repeats_are_caught() {
    assert_eq!(found_under(Driver::NeverInDoubt, RENAME), STOPPED);
    assert_eq!(
        found_given(|policy| policy.max_attempts = 3, World { processing: 0, lag: 0, ..CREATE }),
        "more attempts than allowed"
    );
}

#[test]
fn rule_9_recovery_that_sends_is_caught() {
    assert_eq!(found_under(Driver::RecoverySends, KILLED), "an attempt by a recovery");
    assert_eq!(found_under(Driver::EndLongAgo, KILLED), STOPPED);
    assert_eq!(
        found_under(Driver::ForgetsAttempts, KILLED),
        "the durable intent has too few attempts"
    );
}

#[test]
fn rule_10_recovery_in_another_org_is_caught() {
    assert_eq!(found_under(Driver::RecoversElsewhere, KILLED), STOPPED);
}

#[test]
fn rule_11_two_creates_of_machine_are_caught() {
    let second = "a second portal of this machine in the org";
    assert_eq!(found_under(Driver::NoLock, CREATE), second);
    assert_eq!(found_under(Driver::NoReceipts, World { receipt: true, ..CREATE }), second);
}

#[test]
fn rule_14_second_place_is_caught() {
    let world = World { alphabet: Alphabet::Brief, ..CREATE };
    assert_eq!(found_under(Driver::FollowsOrigin, world), NOT_FOREIGN);
}

#[test]
fn rule_12_early_tries_are_caught() {
    let early = "a try sooner than the service and the backoff allow";
    assert_eq!(found_under(Driver::DropsRetryAfter, CREATE), early);
    let brief = |policy: &mut Policy| {
        policy.backoff_base = Duration::ZERO;
        policy.backoff_max = Duration::ZERO;
    };
    assert_eq!(found_given(brief, CREATE), early);
    assert_eq!(found_under(Driver::TakesForCertain("429 soon"), CREATE), MAY_BE_DONE);
}

#[test]
fn rule_13_flow_without_end_is_caught() {
    let late = |policy: &mut Policy| policy.deadline += Duration::from_secs(1);
    assert_eq!(found_given(late, CREATE), "a wait of no use");
    let shorter = |policy: &mut Policy| policy.read_timeout = Duration::from_secs(2);
    assert_eq!(found_given(shorter, CREATE), "a request without time for it");
}
