//! The exhaustive test of several processes that share a ledger: no outcome is untrue, and no operation
//! gets two portals, whoever dies, freezes or comes again.
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
//! | `search` | visits every state |
//! | `transitions` | where a state can go |
//! | `invariants` | what must hold of an effect and of an outcome |
//! | `machine` | what is computed once |
//! | `state` | the product |
//! | `ledger` | the rows, and the decisions over them |
//! | `mirror` | what `run` decides around the flow |
//! | `flows` | each state of a flow once |
//! | `service` | the service and its colleagues |
//! | `world` | what an exploration is given |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that can't go on has failed"
)]

mod flows;
mod invariants;
mod ledger;
mod machine;
mod mirror;
mod search;
mod service;
mod state;
mod transitions;
mod world;
mod worlds;

use std::time::Instant;

use rustc_hash::FxHashMap as Map;

use search::explore;
use world::World;

#[test]
fn first_world() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let full = std::env::var("FULL").is_ok();
    if std::env::var("SAB").is_ok() {
        use world::Broken::*;
        for broken in [
            NoFence,
            NothingTaken,
            NoTimer,
            OwnBaseline,
            UnknownEnds,
            UnknownDiffers,
            NobodyAsked,
            RenameHastens,
            LostHolderTells,
            KeyIgnored,
        ] {
            for world in
                if std::env::var("LONG").is_ok() { worlds::long() } else { worlds::short() }
            {
                let began = Instant::now();
                if let Err(found) = explore(World { broken, ..world }) {
                    println!(
                        "{broken:?} {} {:.1?} {}",
                        world.title,
                        began.elapsed(),
                        found.to_string().lines().next().unwrap()
                    );
                }
            }
        }
        return;
    }
    for world in if std::env::var("LONG").is_ok() { worlds::long() } else { worlds::short() } {
        if !world.title.contains(&only) {
            continue;
        }
        let began = Instant::now();
        match explore(world) {
            Ok(coverage) => println!("{}: {coverage} in {:.1?}", world.title, began.elapsed()),
            Err(found) => {
                let text = found.to_string();
                let text = if full { &text } else { text.lines().next().unwrap() };
                println!("{} in {:.1?}: FOUND {text}", world.title, began.elapsed());
            }
        }
    }
}
