//! The exhaustive test of several processes that share a ledger: no outcome is untrue, and no operation
//! gets two portals, whatever process dies, freezes or comes again.
//!
//! A state is the product of the processes, each with a flow, the rows of the ledger under
//! portal-ledger's own decisions, the service, and what was told. The search visits every state that can
//! be reached, those after the outcomes, too. A unit of time is a second; all times are relative to now.
//!
//! The [README](../../README.md) has what the worlds do, what they leave out, and the numbers.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | what it holds |
//! |---|---|
//! | `sabotage` | each rule, broken: each must be found |
//! | `search` | visits every state |
//! | `worlds` | who wants what, and what goes wrong |
//! | `transitions` | where a state can go |
//! | `invariants` | what must hold of an effect and of an outcome |
//! | `machine` | what is computed once |
//! | `state` | the product |
//! | `ledger` | the rows, and the decisions over them |
//! | `flows` | each state of a flow once |
//! | `service` | the service and its colleagues |
//! | `world` | what an exploration is given |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on has failed"
)]

mod flows;
mod invariants;
mod ledger;
mod machine;
mod sabotage;
mod search;
mod service;
mod state;
mod transitions;
mod world;
mod worlds;

use rustc_hash::FxHashMap as Map;

use search::{Coverage, explore};
use world::World;

fn explored(worlds: Vec<World>) -> Coverage {
    portal_proof::explored(worlds, |world| world.title, |world| explore(*world))
}

#[test]
fn no_world_makes_outcome_untrue() {
    let total = explored(worlds::short());
    assert!(total.states > 1_000_000, "less is covered: {total}");
}

#[test]
#[ignore = "minutes; run by .ci/run: cargo test --release -p portal-proof -- --ignored --nocapture"]
fn no_wide_world_makes_outcome_untrue() {
    let worlds = worlds::middle().into_iter().chain(worlds::long());
    let total = explored(worlds.collect());
    assert!(total.states > 40_000_000, "less is covered: {total}");
}
