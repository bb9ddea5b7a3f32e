//! [`Schedule`]: all that happens, by chance. Times are milliseconds.

use proptest::prelude::*;

/// Everything that is not decided by what is tested.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) runs: Vec<Run>,
    /// What becomes of the attempts, in their order; after these each one succeeds at once.
    pub(super) fates: Vec<Fate>,
    pub(super) acts: Vec<Act>,
    /// When the machine restarts: every process is gone, and its clock begins anew.
    pub(super) restart: Option<u64>,
    /// Whether an org may have one portal only.
    pub(super) is_limited: bool,
    /// Whether creates may add a portal beside another one.
    pub(super) allow_another: bool,
    /// Seeds what lists show and when; without it, everything and at once.
    pub(super) noise: u64,
}

/// A process that performs one operation.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) begins: u64,
    pub(super) wish: Wish,
    pub(super) key: Option<u8>,
    /// Whether it does not wait to learn whose a taken name is.
    pub(super) at_once: bool,
    pub(super) credential: Credential,
    /// When it is killed, from its begin.
    pub(super) killed: Option<u64>,
    /// When it is asked to stop.
    pub(super) stopped: Option<u64>,
    /// When it freezes, and for how long.
    pub(super) frozen: Option<(u64, u64)>,
    /// Whether it is in a time namespace of its own.
    pub(super) has_own_clock: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Create {
        name: usize,
        fallback: Option<usize>,
    },
    Rename {
        old: usize,
        new: usize,
    },
    /// Of what the process of that number began.
    Recover(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// Of our org.
    One,
    /// Another one of our org.
    Other,
    /// Of our org, which it may not read.
    Blind,
    /// Of another org.
    Elsewhere,
}

/// What becomes of an attempt. Shares are of the time that there is for it.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    /// When it is processed, if ever.
    pub(super) first: Option<u8>,
    /// When a copy of it is, if there is one.
    pub(super) second: Option<u8>,
    pub(super) reply: Reply,
    /// When something else than the service replies.
    pub(super) after: u8,
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// What the service says of the first copy.
    Service,
    /// What the service says of the second copy; the first may still be at work.
    OfSecond,
    /// Of a gateway, or of a service that is busy: it says nothing of the effect.
    Status(u16),
    /// That the user may not do so: true of every copy.
    Forbidden,
    /// That the token has expired: true of every copy.
    TokenExpired,
    /// Nothing, until the timeout.
    Lost,
    /// The connection breaks.
    Broken,
    /// No connection.
    NotSent,
}

/// What others do, in a browser.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A colleague renames the portal of that number of our org, once it is old enough.
    Rename { at: u64, portal: usize, name: usize },
    /// Another org creates a portal.
    TakeName { at: u64, name: usize },
    /// And renames it away.
    FreeName { at: u64, name: usize },
}

/// The names that anybody wants.
pub(super) const NAMES: [&str; 4] = ["AlphaPortal", "BetaPortal", "GammaPortal", "DeltaPortal"];

fn run() -> impl Strategy<Value = Run> {
    let name = || prop_oneof![3 => Just(0_usize), 1 => Just(1), 1 => Just(2)];
    let create = (name(), prop::option::weighted(0.2, 1..3_usize))
        .prop_map(|(name, fallback)| Wish::Create { name, fallback });
    let rename = (name(), 0..4_usize).prop_map(|(old, new)| Wish::Rename { old, new });
    let wish = prop_oneof![8 => create, 2 => rename, 1 => (0..4_usize).prop_map(Wish::Recover)];
    let begins =
        prop_oneof![2 => 0..30_000_u64, 2 => 30_000..200_000_u64, 1 => 200_000..600_000_u64];
    let credential = prop_oneof![
        6 => Just(Credential::One),
        2 => Just(Credential::Other),
        1 => Just(Credential::Blind),
        1 => Just(Credential::Elsewhere)
    ];
    let soon = || prop_oneof![3 => 0..5_000_u64, 1 => 5_000..120_000_u64];
    let killed = prop::option::weighted(0.4, soon());
    let stopped = prop::option::weighted(0.1, soon());
    let frozen = prop::option::weighted(0.25, (soon(), 1_000..200_000_u64));
    let key = prop::option::weighted(0.4, 0..2_u8);
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    (begins, wish, key, credential, killed, stopped, frozen, flags).prop_map(
        |(begins, wish, key, credential, killed, stopped, frozen, (has_own_clock, at_once))| Run {
            begins,
            wish,
            key,
            at_once,
            credential,
            killed,
            stopped,
            frozen,
            has_own_clock,
        },
    )
}

fn fate() -> impl Strategy<Value = Fate> {
    let status = prop::sample::select(vec![429, 423, 500, 502, 503, 504]);
    let reply = prop_oneof![
        4 => Just(Reply::Service),
        3 => Just(Reply::OfSecond),
        4 => status.prop_map(Reply::Status),
        1 => Just(Reply::Forbidden),
        1 => Just(Reply::TokenExpired),
        4 => Just(Reply::Lost),
        2 => Just(Reply::Broken),
        1 => Just(Reply::NotSent),
    ];
    let share = || prop_oneof![2 => 0..20_u8, 3 => any::<u8>(), 1 => Just(255_u8)];
    let copies = (prop::option::weighted(0.8, share()), prop::option::weighted(0.3, share()));
    (copies, reply, share()).prop_map(|((first, second), reply, after)| Fate {
        first,
        second,
        reply,
        after,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let at = || 0..700_000_u64;
    let rename = (at(), 0..3_usize, 0..4_usize);
    prop_oneof![
        4 => rename.prop_map(|(at, portal, name)| Act::Rename { at, portal, name }),
        1 => (at(), 0..3_usize).prop_map(|(at, name)| Act::TakeName { at, name }),
        1 => (at(), 0..3_usize).prop_map(|(at, name)| Act::FreeName { at, name }),
    ]
}

pub(super) fn schedule() -> impl Strategy<Value = Schedule> {
    let runs = prop::collection::vec(run(), 1..5);
    let fates = prop::collection::vec(fate(), 0..6);
    let acts = prop::collection::vec(act(), 0..4);
    let restart = prop::option::weighted(0.15, 0..200_000_u64);
    let flags = (prop::bool::weighted(0.2), any::<bool>(), any::<u64>());
    (runs, fates, acts, restart, flags).prop_map(
        |(runs, fates, acts, restart, (is_limited, allow_another, noise))| Schedule {
            runs,
            fates,
            acts,
            restart,
            is_limited,
            allow_another,
            noise,
        },
    )
}
