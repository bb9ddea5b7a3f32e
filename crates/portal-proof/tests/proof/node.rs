//! A flow with its step, as a driver meets it, and what a driver can do then.

use portal_model::flow::Flow;
use portal_model::flow::Jitter;

use super::replies::Meaning;
use super::service::Deed;
use super::subject::Summary;

/// A flow with its step.
pub(super) struct Node {
    pub(super) flow: Flow,
    /// Since its start, in units, which are seconds.
    pub(super) now: u8,
    pub(super) doing: Doing,
    /// The intent that is to be recorded, as the driver writes it. Numbers of intents count from 1; 0 is
    /// none.
    pub(super) written: u8,
    pub(super) is_in_doubt: bool,
    pub(super) abandoned: Summary,
    pub(super) summary: Option<Summary>,
}

/// The flow's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Authenticate { renew: bool, limit: u8 },
    List { limit: u8 },
    Record,
    Send { deed: Deed, limit: u8 },
    Wait { time: u8 },
    Done,
}

/// What a driver does after `elapsed` units, and the node that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) elapsed: u8,
    pub(super) draw: Draw,
    pub(super) meaning: Meaning,
    pub(super) label: &'static str,
    pub(super) to: u32,
}

/// Of the backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Draw {
    None,
    Full,
}

impl Draw {
    pub(super) const fn jitter(self) -> Jitter {
        match self {
            Self::None => Jitter::NONE,
            Self::Full => Jitter::FULL,
        }
    }
}
