//! The exhaustive test: no outcome of a flow is untrue, whatever anybody does.
//!
//! A state is the product of three: a flow as its driver meets it, the service with everybody else
//! who uses it, and a witness of what the rules depend on. The search visits every state that can be
//! reached. A unit of time is a second.
//!
//! The [README](../../README.md) has what the world does, what it leaves out, and the numbers.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | what it holds |
//! |---|---|
//! | `sabotage` | each rule, broken from outside: each must be found |
//! | `schedules` | random walks through products that are too large |
//! | `search` | visits every state |
//! | `transitions` | where a state can go |
//! | `invariants` | what must hold of a state, in terms of the service |
//! | `state` | the product |
//! | `machine` | a flow by itself: each of its states once |
//! | `inspect` | what must hold of a flow, whatever the service does |
//! | `canonical` | which flows are one |
//! | `witness` | what the rules depend on, of what happened |
//! | `node` | a flow with its step, and what a driver can do |
//! | `subject` | what the test needs of an effect |
//! | `replies` | the literal bytes of the service and of gateways |
//! | `service` | the service and everybody who uses it |
//! | `world` | what an exploration is given, and what it finds |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that can't go on has failed"
)]

mod canonical;
mod inspect;
mod invariants;
mod machine;
mod node;
mod replies;
mod sabotage;
mod schedules;
mod search;
mod service;
mod state;
mod subject;
mod transitions;
mod witness;
mod world;

use portal_model::flow::NameTaken;
use rustc_hash::FxHashMap as Map;

use machine::Machine;
use search::{Coverage, explore};
use world::{Alphabet, CREATE, RENAME, Shape, World, policy};

/// The deadlines: just enough for one attempt after a first list, and enough for more.
const SHORT: u64 = 6;
const LONG: u64 = 9;

/// Small worlds, each with a few of the things that can happen.
fn creates(deadline: u64) -> Vec<Shape> {
    let faults = World { alphabet: Alphabet::Brief, ..CREATE };
    let killed = World { kills: true, ..CREATE };
    let others = World { colleagues: 0b101, others: 0b01, before: 0b101, ..CREATE };
    let rivals = World { colleagues: 0b001, others: 0b01, before: 0b101, ..CREATE };
    let alone = World { title: "create, one name", others: 0b01, before: 0b001, ..CREATE };
    let renamed =
        World { renames: 1, renames_to: 0b1000, colleagues: 0b001, before: 0b100, ..CREATE };
    let swapped = World {
        allow_another: true,
        renames: 2,
        renames_to: 0b1001,
        before: 0b100,
        others: 0b01,
        ..CREATE
    };
    let given = World { colleagues: 0b100, before: 0, renames: 1, renames_to: 0b0001, ..swapped };
    let given = World { kills: true, others: 0, ..given };
    let fallback = World { names: 2, others: 0b11, before: 0b011, colleagues: 0b011, ..CREATE };
    let receipt = World { receipt: true, allow_another: true, others: 0b01, ..CREATE };
    let worlds = [
        World { title: "every event", alphabet: Alphabet::Whole, ..CREATE },
        World { title: "faults and kills", kills: true, ..faults },
        World { title: "colleagues", ..others },
        World { title: "colleagues and kills", before: 0b100, colleagues: 0b100, ..killed },
        World { title: "another portal allowed", allow_another: true, ..rivals },
        World { title: "one portal per org", limited: true, ..others },
        World { title: "one portal per org and kills", limited: true, colleagues: 0b100, ..killed },
        World {
            title: "CREATE first, READ later",
            may_list: false,
            allow_another: true,
            before: 0b001,
            ..killed
        },
        World { title: "READ first, CREATE later", may_list_later: false, ..killed },
        World { title: "fallback", ..fallback },
        World { title: "renamed", ..renamed },
        World { title: "renamed and kills", colleagues: 0, before: 0, kills: true, ..renamed },
        World { title: "renamed to the name and away", ..swapped },
        World { title: "renamed to the name and away, kills", kills: true, others: 0, ..swapped },
        World { title: "another one renamed to the name", ..given },
        World { title: "receipt", allow_another: false, ..receipt },
        World { title: "receipt, another portal allowed", ..receipt },
        World { title: "receipt, CREATE only", allow_another: false, may_list: false, ..receipt },
        World { title: "bare records", bare: true, ..rivals },
        World { title: "faster than the policy", processing: 1, lag: 0, ..rivals },
        World { title: "slow disk", slow_record: 4, ..alone },
    ];
    let mut shapes: Vec<_> =
        worlds.into_iter().map(|world| (world, policy(&world, deadline))).collect();
    let at_once = World { title: "at once", ..rivals };
    let mut policy = policy(&at_once, deadline);
    policy.name_taken = NameTaken::AtOnce;
    shapes.push((at_once, policy));
    shapes
}

fn renames(deadline: u64) -> Vec<Shape> {
    let killed = World { kills: true, ..RENAME };
    let renamed = World { renames: 1, renames_to: 0b1000, ..RENAME };
    let worlds = [
        World { title: "rename, every event", alphabet: Alphabet::Whole, ..RENAME },
        World { title: "rename, faults and kills", alphabet: Alphabet::Brief, ..killed },
        World { title: "rename, taken", colleagues: 0b010, others: 0b010, before: 0b011, ..killed },
        World { title: "rename, renamed", kills: true, ..renamed },
        World { title: "rename, renamed and replaced", colleagues: 0b001, ..renamed },
        World { title: "rename, renamed twice", renames: 2, ..renamed },
        World { title: "rename, swapped", renames_to: 0b1011, before: 0b101, ..renamed },
        World { title: "rename, bare records", bare: true, ..renamed },
        World { title: "rename, UPDATE first, READ later", may_list: false, ..killed },
        World { title: "rename, slow disk", slow_record: 4, ..RENAME },
    ];
    worlds.into_iter().map(|world| (world, policy(&world, deadline))).collect()
}

fn explored(shapes: Vec<Shape>) -> Coverage {
    portal_proof::explored(
        shapes,
        |(world, _)| world.title,
        |(world, policy)| explore(&mut Machine::new(policy.clone(), policy.clone(), *world)),
    )
}

#[test]
fn no_world_makes_create_untrue() {
    let total = explored(creates(SHORT));
    assert!(total.states > 1_400_000, "less is covered: {total}");
    assert_eq!(total.outcomes.len(), 10, "not every outcome is reached: {total}");
}

#[test]
fn no_world_makes_rename_untrue() {
    let total = explored(renames(SHORT));
    assert!(total.states > 450_000, "less is covered: {total}");
    assert_eq!(total.outcomes.len(), 8, "not every outcome is reached: {total}");
}

#[test]
#[ignore = "minutes; run by .ci/run: cargo test --release -p portal-proof -- --ignored --nocapture"]
fn no_wide_world_makes_create_untrue() {
    let crowd = World { colleagues: 0b101, others: 0b01, before: 0b101, kills: true, ..CREATE };
    let crowds = [
        World { title: "crowd", ..crowd },
        World { title: "crowd, another portal allowed", allow_another: true, ..crowd },
        World {
            title: "crowd, CREATE first",
            may_list: false,
            allow_another: true,
            before: 0b001,
            ..crowd
        },
        World { title: "crowd, renamed", renames: 1, renames_to: 0b1000, others: 0, ..crowd },
        World { title: "crowd, fallback", names: 2, others: 0b11, colleagues: 0b011, ..crowd },
        World { title: "crowd, faults", alphabet: Alphabet::Brief, colleagues: 0b001, ..crowd },
        World { title: "kills, every event", alphabet: Alphabet::Whole, kills: true, ..CREATE },
    ];
    let mut shapes: Vec<_> =
        crowds.into_iter().map(|world| (world, policy(&world, SHORT + 1))).collect();
    shapes.extend(creates(LONG));
    let total = explored(shapes);
    assert!(total.states > 10_000_000, "less is covered: {total}");
}

#[test]
#[ignore = "minutes; run by .ci/run: cargo test --release -p portal-proof -- --ignored --nocapture"]
fn no_wide_world_makes_rename_untrue() {
    let total = explored(renames(LONG));
    assert!(total.states > 1_900_000, "less is covered: {total}");
}
