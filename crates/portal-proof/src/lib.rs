#![doc = include_str!("../README.md")]
//!
//! The tests are `tests/proof` and `tests/ledger`; here is what drives the search of both.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that can't go on has failed"
)]

use std::fmt::{Debug, Display};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// What a search covered.
pub trait Coverage: Default + Display + Send {
    /// Adds what another one covered.
    fn add(&mut self, other: &Self);
}

/// Explores each of the worlds, prints what was covered, and returns that of all of them. On two threads,
/// since that is what a small machine has.
///
/// # Panics
/// With what `explore` found in a world.
pub fn explored<W: Debug + Send, C: Coverage, E: Display>(
    worlds: Vec<W>,
    title: impl Fn(&W) -> &str + Sync,
    explore: impl Fn(&W) -> Result<C, E> + Sync,
) -> C {
    let total = Mutex::new(C::default());
    let left = Mutex::new(worlds.into_iter());
    let work = || {
        while let Some(world) = { left.lock().unwrap().next() } {
            let began = Instant::now();
            match explore(&world) {
                Ok(coverage) => {
                    println!("{}: {coverage} in {:.1?}", title(&world), began.elapsed());
                    total.lock().unwrap().add(&coverage);
                }
                Err(found) => panic!("{world:?}\n{found}"),
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let total = total.into_inner().unwrap();
    println!("in all: {total}");
    total
}
