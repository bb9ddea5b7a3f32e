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

use std::time::Instant;

use rustc_hash::FxHashMap as Map;

use search::explore;
use world::{
    ANOTHER_TWICE, KEYED_TWICE, RENAME_TWICE, RENAMED, REPLIES, TWO_CREDENTIALS, TWO_NAMES, WORLD,
    Wish, World,
};

fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    let sets: [(&str, &'static [Wish], bool, Option<u8>); 7] = [
        ("twice", WORLD.wishes, true, None),
        ("keyed", KEYED_TWICE, true, None),
        ("two names", TWO_NAMES, false, None),
        ("two credentials", TWO_CREDENTIALS, false, None),
        ("renamed", RENAMED, false, None),
        ("rename twice", RENAME_TWICE, true, Some(0)),
        ("another twice", ANOTHER_TWICE, true, None),
    ];
    for (name, wishes, is_symmetric, before) in sets {
        let world = World { wishes, is_symmetric, before, ..WORLD };
        let mut add = |what: &str, world: World| {
            worlds.push(World { title: format!("{name}, {what}").leak(), ..world });
        };
        add("replies", World { replies: REPLIES, ..world });
        add("killed", World { kills: 1, restarts: 1, recovers: true, ..world });
        add("frozen", World { freezes: 1, ..world });
        add("stale", World { freezes: 1, stale: true, ..world });
        add("lost", World { lost: 1, ..world });
        add("stopped", World { stops: 1, restarts: 1, recovers: true, ..world });
        add("colleague", World { renames: 1, kills: 1, restarts: 1, ..world });
    }
    worlds
}

#[test]
fn first_world() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let full = std::env::var("FULL").is_ok();
    for world in worlds() {
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
