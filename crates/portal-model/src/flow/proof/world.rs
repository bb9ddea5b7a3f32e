//! What an exploration is given, a [`World`] and a policy, and what it finds: a [`Violation`].

use std::time::Duration;

use crate::flow::policy::Policy;

/// What stays the same during an exploration.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each by itself")]
pub(super) struct World {
    pub(super) title: &'static str,
    pub(super) is_rename: bool,
    /// How many names the flow may try: one or two.
    pub(super) names: usize,
    pub(super) allow_another: bool,
    /// An org may have one portal only.
    pub(super) limited: bool,
    /// How long an attempt may take effect after its connection ended, and how long a list may lag
    /// behind it. Not more than the policy assumes.
    pub(super) processing: u8,
    pub(super) lag: u8,
    /// The names that a colleague may create and that another org may take, one bit each.
    pub(super) colleagues: u8,
    pub(super) others: u8,
    /// How often somebody may rename a portal of the org, and to which names.
    pub(super) renames: u8,
    pub(super) renames_to: u8,
    /// The names that the org may have before.
    pub(super) before: u8,
    /// This machine created the third name in the org just before, and its log has a receipt.
    pub(super) receipt: bool,
    /// The first process has the scope READ, and so may later ones.
    pub(super) may_list: bool,
    pub(super) may_list_later: bool,
    /// Processes are killed, and others recover or take over.
    pub(super) kills: bool,
    /// Records of lists have a name only.
    pub(super) bare: bool,
    /// How long writing an intent may take.
    pub(super) slow_record: u8,
    pub(super) alphabet: Alphabet,
    /// Every so many merges of flows are checked.
    pub(super) compare_every: usize,
    /// What is broken on purpose, of the effect and of the driver.
    pub(super) flaw: Flaw,
    pub(super) driver: Driver,
}

/// How a driver does its duty, or fails to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Honest,
    /// It reports an intent as recorded that it did not write.
    RecordsNothing,
    /// It reads an intent without its attempts.
    ForgetsAttempts,
    /// It reports the time at which the record began.
    StopsClock,
    /// It lets a flow that may send do the work of recovery.
    RecoverySends,
    /// It takes the end of the last attempt for long ago.
    EndLongAgo,
    /// It recovers in another org, where there is nothing.
    RecoversElsewhere,
    /// It lets other creates of this machine run at the same time.
    NoLock,
    /// It has no receipts of what this machine created before.
    NoReceipts,
    /// It does not pass `Retry-After` on.
    DropsRetryAfter,
}

/// Which events there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Alphabet {
    /// All of them.
    Whole,
    /// One of each meaning.
    Brief,
    /// The same, with tokens that are always accepted and requests that are always sent.
    Calm,
}

/// What a broken effect gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nothing.
    None,
    /// The portals of the baseline are ignored.
    NoBaseline,
    /// Every list is complete.
    IncompleteCounts,
    /// The intent has no attempts, or no list from before.
    IntentWithoutAttempts,
    IntentWithoutBaseline,
    /// Any code of the service's is certain, whatever the status.
    AnyCodeIsCertain,
    /// `ALREADY_USED` is certain. So is any other that an own copy may have caused.
    UsedIsCertain,
    FullIsCertain,
    /// A rate limit is a rejection.
    LimitedIsCertain,
    /// A code that is not documented is a certain rejection.
    UnknownCodeIsCertain,
    /// What was not seen before appeared.
    AlwaysAppeared,
    /// Nobody ever renames a portal.
    NobodyRenames,
    /// Letters in another case are another name.
    ExactNames,
    /// A fallback is tried while the owner of the name is undetermined.
    HastyFallback,
}

/// A create by one process, undisturbed by others.
pub(super) const CREATE: World = World {
    title: "",
    is_rename: false,
    names: 1,
    allow_another: false,
    limited: false,
    processing: 2,
    lag: 1,
    colleagues: 0,
    others: 0,
    renames: 0,
    renames_to: 0,
    before: 0,
    receipt: false,
    may_list: true,
    may_list_later: true,
    kills: false,
    bare: false,
    slow_record: 0,
    alphabet: Alphabet::Calm,
    compare_every: 500,
    flaw: Flaw::None,
    driver: Driver::Honest,
};

/// A rename by one process, undisturbed by others.
pub(super) const RENAME: World = World { is_rename: true, names: 2, before: 0b001, ..CREATE };

pub(super) fn policy(world: &World, deadline: u64) -> Policy {
    let seconds = Duration::from_secs;
    Policy {
        attempt_timeout: seconds(1),
        read_timeout: seconds(1),
        deadline: seconds(deadline),
        processing_time: seconds(2),
        list_lag: seconds(1),
        backoff_base: seconds(2),
        backoff_max: seconds(2),
        max_attempts: 2,
        allow_another: world.allow_another,
        max_tries: 2,
        try_time: seconds(4),
        ..Policy::default()
    }
}

/// A world with a policy.
pub(super) type Shape = (World, Policy);

/// The text of an invariant that does not hold.
pub(super) type Violation = String;

pub(super) fn ensure(holds: bool, violation: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation.to_owned()) }
}
