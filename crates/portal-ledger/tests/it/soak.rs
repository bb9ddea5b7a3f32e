//! The soak: processes and colleagues at random, judged once every horizon is past.
//!
//! The real `run` and the real ledger, over a service in memory that is late, lossy and repeats what
//! it was sent. All of it is in virtual time: a schedule that fails does so again, and shrinks.

mod judge;
mod schedule;
mod service;
mod simulation;

use std::io::Write as _;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use schedule::{Schedule, schedule};
use simulation::simulate;

/// A rule of the world that does not hold: the ledger and the flow can't make up for that, and the soak
/// has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// What the world is supposed to be.
    None,
    /// Attempts take effect up to twice the processing time after their end.
    LateEffects,
    /// A colleague renames portals at once.
    HastyColleague,
    /// A frozen process sends an attempt when it wakes up, whatever the time.
    NoTimer,
    /// A list lags behind by twice the list lag.
    SlowLists,
}

fn runner(seed: u64, cases: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases, max_shrink_iters: 20_000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn judged(schedule: &Schedule, flaw: Flaw) -> Result<(), TestCaseError> {
    simulate(schedule, flaw).judge().map_or(Ok(()), |why| Err(TestCaseError::fail(why)))
}

/// `PORTAL_LEDGER_SOAK` says for how many seconds, `PORTAL_LEDGER_SEED` with which schedules.
#[test]
fn soak_makes_no_second_portal_and_no_untrue_outcome() {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (seconds, seed) = (number("PORTAL_LEDGER_SOAK", 2), number("PORTAL_LEDGER_SEED", 1));
    let (began, mut parts) = (Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        let mut runner = runner(seed.wrapping_mul(1 << 32) + parts, 200);
        match runner.run(&schedule(), |it| judged(&it, Flaw::None)) {
            Ok(()) => parts += 1,
            // The smallest that was found.
            Err(TestError::Fail(why, schedule)) => {
                panic!("{why}\n{schedule:#?}\n{}", simulate(&schedule, Flaw::None).told());
            }
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{} schedules", parts * 200).unwrap();
}

#[test]
fn each_flaw_of_world_is_found() {
    for flaw in [Flaw::LateEffects, Flaw::HastyColleague, Flaw::NoTimer, Flaw::SlowLists] {
        let mut parts = 0..50;
        let found = parts.any(|part| {
            // Without shrinking it.
            runner(part, 200).run(&schedule().no_shrink(), |it| judged(&it, flaw)).is_err()
        });
        assert!(found, "10,000 schedules hold with {flaw:?}");
    }
}
