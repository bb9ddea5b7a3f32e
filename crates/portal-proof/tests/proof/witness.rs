//! What a [`Witness`] remembers, who sees the requests and responses but not the flow. Each fact is
//! there because a rule depends on it.

use super::node::Doing;
use super::replies::{Code, Meaning};
use super::service::View;
use super::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each by itself")]
pub(super) struct Witness {
    pub(super) process: Process,
    /// Whether this process's token may list.
    pub(super) may_list: bool,
    /// The number of the intent that is durable; 0 is none.
    pub(super) disk: u8,
    /// The name of the last attempt, and how many were sent that no list has verified.
    pub(super) name: u8,
    pub(super) attempts: u8,
    /// Whether there ever was an attempt.
    pub(super) sent: bool,
    /// An attempt may have taken effect or may yet; no list proves the opposite that begins within
    /// so many units.
    pub(super) doubt: Option<u8>,
    /// Since then something else than the expected response came to a request.
    pub(super) hindered: bool,
    /// The service reported success for another name.
    pub(super) other_name: bool,
    /// The accounts server named another API.
    pub(super) moved: bool,
    /// The last list that counts shows nothing that forbids an attempt, or none can be had.
    pub(super) cleared: bool,
    /// A list that counts did not show the name, with nothing in doubt.
    pub(super) absent_seen: bool,
    /// A list of this process showed a portal of this create under another name.
    pub(super) renamed_shown: bool,
    /// How often the token of the current request was rejected, and whether that is an attempt.
    pub(super) token_rejected: u8,
    pub(super) sending: bool,
    pub(super) had_token: bool,
    /// The list under way proves absence.
    pub(super) list_counts: bool,
    pub(super) last: Last,
    /// How far the driver's clock is behind.
    pub(super) late: u8,
    /// The last rejection of an attempt or of the first list.
    pub(super) rejection: Option<Code>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    First,
    /// It continues where another one was killed.
    Later,
    /// It only determines the outcome.
    Recovering,
    /// None is running.
    Dead,
}

/// The last event that was not as hoped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    None,
    Unreachable,
    RateLimited,
    NoToken,
    TokenRejected,
    NotRecorded,
    /// The accounts server named another API.
    Moved,
    Other,
}

impl Witness {
    pub(super) fn new(process: Process, may_list: bool) -> Self {
        Self {
            process,
            may_list,
            disk: 0,
            name: 0,
            attempts: 0,
            sent: false,
            doubt: None,
            hindered: false,
            other_name: false,
            moved: false,
            cleared: false,
            absent_seen: false,
            renamed_shown: false,
            token_rejected: 0,
            sending: false,
            had_token: false,
            list_counts: false,
            last: Last::None,
            late: 0,
            rejection: None,
        }
    }

    /// A number that differs for most of them.
    pub(super) fn digest(&self) -> u64 {
        let flags = [
            self.may_list,
            self.sent,
            self.hindered,
            self.other_name,
            self.moved,
            self.cleared,
            self.absent_seen,
            self.renamed_shown,
            self.sending,
            self.had_token,
            self.list_counts,
        ];
        let flags = flags.into_iter().fold(0, |bits, flag| bits << 1 | u64::from(flag));
        let doubt = self.doubt.map_or(0, |left| u64::from(left) + 1);
        let rejection = self.rejection.map_or(0, |code| code as u64 + 1);
        let numbers =
            [self.process as u8, self.disk, self.name, self.attempts, self.token_rejected];
        let numbers = numbers.into_iter().fold(0, |bits, number| bits << 8 | u64::from(number));
        (numbers << 11 | flags).rotate_left(12) ^ doubt << 8 ^ rejection << 4 ^ self.last as u64
    }

    /// What remains of it when the process is killed: that absence was seen only if the intent on
    /// the disk has the list.
    pub(super) fn died(self, has_baseline: bool) -> Self {
        let Self { disk, name, attempts, sent, .. } = self;
        let absent_seen = self.absent_seen && has_baseline;
        let new = Self::new(Process::Dead, false);
        Self { disk, name, attempts, sent, absent_seen, ..new }
    }

    /// Takes note of the event that ends a step. `finished` and `lost` are the times after which absence
    /// counts.
    pub(super) fn note(&mut self, doing: Doing, meaning: Meaning, finished: u8, lost: u8) {
        let sending = matches!(doing, Doing::Send { .. });
        self.note_last(doing, meaning);
        self.moved |= meaning == Meaning::Moved;
        if meaning == Meaning::TokenRejected {
            self.token_rejected += 1;
        } else if !matches!(meaning, Meaning::Token | Meaning::Woken | Meaning::Recorded) {
            self.token_rejected = 0;
        }
        self.had_token |= matches!(meaning, Meaning::Token | Meaning::Moved);
        let expected = matches!(
            meaning,
            Meaning::Woken
                | Meaning::Token
                | Meaning::Recorded
                | Meaning::List { is_complete: true, .. }
        );
        self.hindered |= !expected;
        if !sending {
            return;
        }
        self.other_name |= meaning == Meaning::OtherName;
        let wait = match meaning {
            Meaning::RateLimited { .. } => {
                self.attempts -= 1;
                lost
            }
            Meaning::Nothing
            | Meaning::Busy(_)
            | Meaning::Refused
            | Meaning::Unauthorized
            | Meaning::Unknown(_) => lost,
            Meaning::OtherName | Meaning::Used | Meaning::Full | Meaning::Missing => finished,
            Meaning::NotSent | Meaning::NeverSent | Meaning::TokenRejected => {
                self.attempts -= 1;
                return;
            }
            _ => return,
        };
        self.doubt = Some(self.doubt.unwrap_or(0).max(wait));
        self.hindered = false;
    }

    fn note_last(&mut self, doing: Doing, meaning: Meaning) {
        let sending = matches!(doing, Doing::Send { .. });
        let rejection = match meaning {
            Meaning::Unknown(code) | Meaning::Rejected(code) => Some(code),
            Meaning::ScopeMissing => Some(Code::ScopeMismatch),
            Meaning::Used => Some(Code::AlreadyUsed),
            Meaning::Full => Some(Code::LimitReached),
            Meaning::Missing => Some(Code::InvalidData),
            _ => None,
        };
        if rejection.is_some() && (sending || !self.sent) {
            self.rejection = rejection;
        }
        self.last = match meaning {
            Meaning::Token | Meaning::Woken | Meaning::Recorded => return,
            Meaning::NotSent
            | Meaning::NeverSent
            | Meaning::NoTokenYet
            | Meaning::Nothing
            | Meaning::Refused
            | Meaning::Busy(_)
            | Meaning::List { is_complete: false, .. } => Last::Unreachable,
            Meaning::Moved => Last::Moved,
            Meaning::RateLimited { .. } => Last::RateLimited,
            Meaning::NoToken => Last::NoToken,
            Meaning::TokenRejected | Meaning::Unauthorized => Last::TokenRejected,
            Meaning::NotRecorded => Last::NotRecorded,
            Meaning::List { is_complete: true, .. } => Last::None,
            _ => Last::Other,
        };
    }

    /// Takes note of a list that shows no effect of this call, or one that does.
    pub(super) fn read(&mut self, view: View, is_complete: bool, world: &World) {
        let forbids = |name: u8| {
            if world.is_rename {
                false
            } else {
                !world.allow_another || self.is_wanted(name, world)
            }
        };
        if !is_complete {
            return;
        }
        self.cleared = if world.is_rename { view.shows(0) } else { !view.names().any(forbids) };
        let target = if world.is_rename { 1 } else { self.name };
        if self.list_counts && !view.shows(target) {
            self.absent_seen = true;
            if self.doubt.take().is_some() && self.process == Process::Later {
                self.process = Process::First;
                self.attempts = 0;
            }
        }
    }

    /// Before the first attempt any name does; afterwards only the one that was sent.
    fn is_wanted(&self, name: u8, world: &World) -> bool {
        if self.sent { name == self.name } else { usize::from(name) < world.names }
    }

    pub(super) fn begins(&mut self, sending: bool) {
        if self.sending != sending {
            self.sending = sending;
            self.token_rejected = 0;
        }
    }
}
