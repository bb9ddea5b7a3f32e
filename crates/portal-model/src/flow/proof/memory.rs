//! What a witness remembers who knows the rules and sees the requests, but not into the flow.

use super::machine::Doing;
use super::replies::Said;

/// Each of these is there because a rule speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each by itself")]
pub(super) struct Memory {
    /// The flow settles what a process before it left behind.
    pub(super) resumed: bool,
    /// From the start a list could not miss a portal that forbids a POST.
    pub(super) forbidden: bool,
    /// The name whose POST was last, and how many there were.
    pub(super) name: u8,
    pub(super) posts: u8,
    /// A POST may have been applied or be applied yet; no look-up proves the opposite that begins
    /// within so many units.
    pub(super) doubt: Option<u16>,
    /// Since then something else than the expected answer came to a request.
    pub(super) hindered: bool,
    /// How often the token of the request at hand was refused, and whether that is a POST.
    pub(super) refused: u8,
    pub(super) posting: bool,
    pub(super) had_a_token: bool,
    pub(super) look: Option<Look>,
}

/// A look-up that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Look {
    /// The portals that it can't miss.
    pub(super) certain: u8,
    /// Whether it proves an absence.
    pub(super) settled: bool,
}

impl Memory {
    pub(super) fn new(resumed: bool, name: u8, doubt: Option<u16>) -> Self {
        Self {
            resumed,
            forbidden: false,
            name,
            posts: 0,
            doubt,
            hindered: false,
            refused: 0,
            posting: false,
            had_a_token: false,
            look: None,
        }
    }

    /// Takes note of what came of a step.
    pub(super) fn note(&mut self, doing: Doing, said: Said, settle: u16) {
        let posting = matches!(doing, Doing::Post { .. });
        match said {
            Said::Woken => {}
            Said::Token => self.had_a_token = true,
            Said::NoToken => self.hindered = true,
            Said::TokenRefused => {
                self.refused += 1;
                self.hindered = true;
            }
            Said::Success
            | Said::AlreadyUsed
            | Said::LimitReached
            | Said::Refused
            | Said::ScopeMismatch => self.refused = 0,
            Said::List(_) => {
                self.refused = 0;
                if self.look.is_some_and(|look| look.settled) {
                    self.doubt = None;
                }
            }
            Said::NotSent | Said::Throttled(_) | Said::Nothing => {
                self.refused = 0;
                self.hindered = true;
            }
        }
        match said {
            Said::NotSent if posting => self.posts -= 1,
            Said::Nothing if posting => {
                self.doubt = Some(settle);
                self.hindered = false;
            }
            _ if posting => self.doubt = self.doubt.map(|_| settle),
            _ => {}
        }
    }

    pub(super) fn asks_for(&mut self, posting: bool) {
        if self.posting != posting {
            self.posting = posting;
            self.refused = 0;
        }
    }
}

pub(super) fn byte(number: impl TryInto<u8>) -> u8 {
    number.try_into().unwrap_or(u8::MAX)
}
