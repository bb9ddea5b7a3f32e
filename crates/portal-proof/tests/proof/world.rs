//! What an exploration is given, a [`World`] and a policy, and what it finds: a [`Violation`].

use std::time::Duration;

use portal_model::flow::Policy;

/// Durations are whole seconds here.
pub(super) fn at(units: u8) -> Duration {
    Duration::from_secs(units.into())
}

pub(super) fn units(time: Duration) -> u8 {
    assert_eq!(time.subsec_nanos(), 0, "times are whole units");
    u8::try_from(time.as_secs()).unwrap_or(u8::MAX)
}

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
    /// For how long nobody renames a new portal: a list lag, a list, an attempt and the processing time.
    pub(super) young: u8,
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
    /// What is broken on purpose.
    pub(super) driver: Driver,
}

/// How a driver does its duty, or fails to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Honest,
    /// It reports an intent as recorded that it did not write.
    RecordsNothing,
    /// It writes an intent without its attempts, or without its list from before.
    RecordsNoAttempts,
    RecordsNoBaseline,
    /// It reads an intent without its attempts.
    ForgetsAttempts,
    /// It reads an intent without a list as one with a list of nothing.
    InventsBaseline,
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
    /// It does not pass on that a list is a cache's or has more pages.
    DropsAge,
    /// It reports a first list of nothing.
    SkipsFirstList,
    /// It reports lists as if nobody had renamed anything.
    HidesRenames,
    /// It goes to another API where a token leads there.
    FollowsOrigin,
    /// It reports an attempt without a response as not sent.
    NeverInDoubt,
    /// It reports the reply of that label to an attempt as a certain rejection.
    TakesForCertain(&'static str),
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
    young: 5,
    before: 0,
    receipt: false,
    may_list: true,
    may_list_later: true,
    kills: false,
    bare: false,
    slow_record: 0,
    alphabet: Alphabet::Calm,
    compare_every: 500,
    driver: Driver::Honest,
};

/// A rename by one process, undisturbed by others.
pub(super) const RENAME: World = World { is_rename: true, names: 2, before: 0b001, ..CREATE };

pub(super) fn policy(world: &World, deadline: u64) -> Policy {
    let seconds = Duration::from_secs;
    let mut policy = Policy::default();
    policy.attempt_timeout = seconds(1);
    policy.read_timeout = seconds(1);
    policy.deadline = seconds(deadline);
    policy.processing_time = seconds(2);
    policy.list_lag = seconds(1);
    policy.backoff_base = seconds(2);
    policy.backoff_max = seconds(2);
    policy.max_attempts = 2;
    policy.allow_another = world.allow_another;
    policy.max_tries = 2;
    policy.try_time = seconds(4);
    policy
}

/// How long after the end of an attempt a list must begin to prove absence (rule 5), in units. A
/// service that has finished needs no more processing time.
pub(super) fn absence_after(policy: &Policy, has_finished: bool) -> u8 {
    let processing = if has_finished { Duration::ZERO } else { policy.processing_time };
    units(processing + policy.list_lag)
}

/// A world with a policy.
pub(super) type Shape = (World, Policy);

/// The text of an invariant that does not hold.
pub(super) type Violation = String;

pub(super) fn ensure(holds: bool, violation: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation.to_owned()) }
}
