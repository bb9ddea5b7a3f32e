//! What an exploration is given: a [`World`], and the times that hold in it.

use std::time::Duration;

use portal_ledger::Moment;
use portal_model::ApiVersion;
use portal_model::flow::{NameTaken, Policy};

/// How long a record and an attempt may take, how long an attempt may take effect after its end, and
/// how long a list may lag behind, in units. A unit is a second here.
pub(super) const RECORD: u8 = 1;
pub(super) const ATTEMPT: u8 = 1;
pub(super) const BUDGET: u8 = RECORD + ATTEMPT;
pub(super) const PROCESSING: u8 = 2;
pub(super) const LAG: u8 = 1;
const LIST: u8 = 1;
/// How long nobody else renames a portal after its creation (assumption 4).
pub(super) const UNTOUCHED: u8 = LAG + LIST + BUDGET + PROCESSING;
/// How long a process is frozen at most: longer than anything that others wait for.
pub(super) const FREEZE: u8 = BUDGET + PROCESSING + LAG + 1;

/// How many processes there may be at once.
pub(super) const PROCESSES: usize = 3;

/// The names, as the service spells them. The last one is given by colleagues only.
pub(super) const NAMES: [&str; 3] = ["AcmePortal", "BetaPortal", "ZetaPortal"];
pub(super) const GIVEN: u8 = 2;

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) deed: Deed,
    pub(super) key: Option<&'static str>,
    /// Whether the id of the org is known; if not, the credential is another one.
    pub(super) knows_org: bool,
    pub(super) allow_another: bool,
    /// Whether a taken name is listed once only, and told as it is then.
    pub(super) at_once: bool,
}

/// What a request does, by the places of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    Create(u8),
    Rename(u8, u8),
}

/// What stays the same during an exploration.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each by itself")]
pub(super) struct World {
    pub(super) title: &'static str,
    /// What each process wants.
    pub(super) wishes: &'static [Wish],
    /// All of them want the same.
    pub(super) is_symmetric: bool,
    /// The name of a portal that the org has before.
    pub(super) before: Option<u8>,
    /// How often a process is killed, frozen, or started again, as itself or to recover.
    pub(super) kills: u8,
    pub(super) freezes: u8,
    pub(super) restarts: u8,
    pub(super) recovers: bool,
    /// A process may be frozen between reading the clock and a call of the ledger.
    pub(super) stale: bool,
    /// How often a process is told to stop.
    pub(super) stops: u8,
    /// How often a response of the ledger is lost, or an ending fails.
    pub(super) lost: u8,
    /// How often a colleague renames a portal.
    pub(super) renames: u8,
    /// Another org has the first name.
    pub(super) foreign: bool,
    /// What else than a success or nothing comes back from an attempt.
    pub(super) replies: &'static [Reply],
    pub(super) deadline: u8,
    pub(super) broken: Broken,
}

/// What comes back from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    Success,
    /// No response, or one that shows nothing.
    Lost,
    /// Another copy of the attempt may be at work.
    Limited,
    NewCode,
    Used,
    Missing,
    /// The service did nothing, and will not.
    Rejected,
}

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Nothing,
    /// A record is taken for made although somebody else holds the entry.
    NoFence,
    /// A grant leaves the entries that it waited for with their holders.
    NothingTaken,
    /// An attempt begins however long its record took.
    NoTimer,
    /// Each run compares with a first list of its own.
    OwnBaseline,
    /// An operation that ended as unknown is no longer looked at.
    UnknownEnds,
    /// An org of which the id is not known is taken for another one.
    UnknownDiffers,
    /// What ends before its claim says that nothing was sent.
    NobodyAsked,
    /// A rename does not wait for copies of an attempt that was once in doubt.
    RenameHastens,
    /// A holder that lost its entry tells what it found all the same.
    LostHolderTells,
    /// The key does not reach the ledger.
    KeyIgnored,
    /// Who is told of a portal hears the name that it was created with.
    RenameForgotten,
}

pub(super) const CREATE: Wish = Wish {
    deed: Deed::Create(0),
    key: None,
    knows_org: true,
    allow_another: false,
    at_once: false,
};

/// The same create twice; nothing goes wrong but what the service does.
pub(super) const WORLD: World = World {
    title: "",
    wishes: &[CREATE, CREATE],
    is_symmetric: true,
    before: None,
    kills: 0,
    freezes: 0,
    restarts: 0,
    recovers: false,
    stale: false,
    stops: 0,
    lost: 0,
    renames: 0,
    foreign: false,
    replies: &[],
    deadline: 7,
    broken: Broken::Nothing,
};

/// The only version of the API: they differ in nothing here.
pub(super) const VERSION: ApiVersion = ApiVersion::V7;

pub(super) fn at(units: u8) -> Duration {
    Duration::from_secs(units.into())
}

pub(super) fn units(time: Duration) -> u8 {
    assert_eq!(time.subsec_nanos(), 0, "times are whole units");
    u8::try_from(time.as_secs()).unwrap_or(u8::MAX)
}

/// The present, in every state: the rows of the ledger age instead.
pub(super) const NOW: u64 = 100;

/// The moment so long ago.
pub(super) fn ago(units: u8) -> Moment {
    Moment::new("boot", Duration::from_secs(NOW - u64::from(units)))
}

impl World {
    /// Moments of the ledger that are older than this are all alike: nothing waits for them, nor does a
    /// process that was frozen after it read the clock.
    pub(super) fn oldest(&self) -> u8 {
        let waited_for = PROCESSING + LAG + 1;
        if self.stale { FREEZE + waited_for } else { waited_for }
    }

    pub(super) fn policy(&self, wish: usize) -> Policy {
        let mut policy = Policy::default();
        policy.attempt_timeout = at(ATTEMPT);
        policy.record_timeout = at(RECORD);
        policy.read_timeout = at(LIST);
        policy.processing_time = at(PROCESSING);
        policy.list_lag = at(LAG);
        policy.deadline = at(self.deadline);
        policy.backoff_base = at(1);
        policy.backoff_max = at(1);
        policy.max_attempts = 2;
        policy.max_tries = 2;
        policy.try_time = at(4);
        policy.allow_another = self.wishes[wish].allow_another;
        if self.wishes[wish].at_once {
            policy.name_taken = NameTaken::AtOnce;
        }
        policy
    }
}
