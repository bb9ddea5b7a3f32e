//! The service, as far as a create can meet it: who has which name, what a list must show, and
//! what a POST whose answer was lost may still do.

use crate::endpoint::{Endpoint as _, Response};
use crate::list::ListPortals;
use crate::portal::Portal;

/// The names that a flow asks for, and a third one, as the service spells them: in other letters.
pub(super) const SPELLED: [&str; 3] = ["FIRST1", "SECOND2", "ANOTHER3"];
const ANOTHER: usize = 2;

/// Who has a name. A list may miss a portal for `hidden` units of time yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    Nobody,
    AnotherOrg,
    Colleague { hidden: u16 },
    Us { hidden: u16 },
}

/// All times are relative to now, so states of different histories meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    /// The names that the flow may ask for, and one of our org that it doesn't ask for.
    pub(super) names: [Holder; 3],
    /// Whether an org may have one portal only.
    pub(super) limited: bool,
    /// For how long yet a POST of that name may be applied although its attempt is over.
    pub(super) pending: [u16; 2],
}

/// What happens on the service without this flow's doing.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "a violation shows them by Debug")]
pub(super) enum Act {
    /// A POST whose attempt is over takes effect after all.
    Apply(usize),
    /// Somebody else of our org creates a portal.
    Colleague(usize),
    /// Another org takes the name.
    AnotherOrg(usize),
}

/// What became of a POST whose answer says nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Ignored,
    Applied,
    /// Applied later, or never.
    Pending,
}

impl Fate {
    pub(super) const ALL: [Self; 3] = [Self::Ignored, Self::Applied, Self::Pending];
}

impl Server {
    /// A set of the portals of our org, one bit each.
    pub(super) fn ours(&self) -> u8 {
        self.select(|holder| matches!(holder, Holder::Colleague { .. } | Holder::Us { .. }))
    }

    /// Those of them that a list which begins now can't miss.
    pub(super) fn certain(&self) -> u8 {
        self.select(|holder| {
            matches!(holder, Holder::Colleague { hidden: 0 } | Holder::Us { hidden: 0 })
        })
    }

    pub(super) fn made_by_us(&self) -> u8 {
        self.select(|holder| matches!(holder, Holder::Us { .. }))
    }

    fn select(&self, wanted: impl Fn(Holder) -> bool) -> u8 {
        (0..3).filter(|&index| wanted(self.names[index])).map(|index| 1 << index).sum()
    }

    pub(super) fn is_full(&self) -> bool {
        self.limited && self.ours() != 0
    }

    pub(super) fn can_create(&self, index: usize) -> bool {
        self.names[index] == Holder::Nobody && !self.is_full()
    }

    /// So many units of time. A POST that was pending until then is lost for good.
    pub(super) fn pass(mut self, units: u16) -> Self {
        for holder in &mut self.names {
            if let Holder::Colleague { hidden } | Holder::Us { hidden } = holder {
                *hidden = hidden.saturating_sub(units);
            }
        }
        self.pending = self.pending.map(|left| left.saturating_sub(units));
        self
    }

    /// Applying and becoming visible take `settle` together, from the end of the attempt.
    pub(super) fn post(mut self, index: usize, fate: Fate, settle: u16) -> Option<Self> {
        match fate {
            Fate::Ignored => {}
            Fate::Applied if self.can_create(index) => {
                self.names[index] = Holder::Us { hidden: settle };
            }
            Fate::Pending if self.can_create(index) => self.pending[index] = settle,
            Fate::Applied | Fate::Pending => return None,
        }
        Some(self.without_the_hopeless())
    }

    pub(super) fn acts(self, settle: u16) -> impl Iterator<Item = (Act, Self)> {
        let set = move |index: usize, holder| {
            let mut after = self;
            after.names[index] = holder;
            after.without_the_hopeless()
        };
        (0..3).flat_map(move |index| {
            let free = self.names[index] == Holder::Nobody;
            let creatable = self.can_create(index);
            let pending = self.pending.get(index).copied().unwrap_or_default();
            [
                (creatable && pending > 0)
                    .then(|| (Act::Apply(index), set(index, Holder::Us { hidden: pending }))),
                creatable.then(|| {
                    (Act::Colleague(index), set(index, Holder::Colleague { hidden: settle }))
                }),
                (free && index != ANOTHER)
                    .then(|| (Act::AnotherOrg(index), set(index, Holder::AnotherOrg))),
            ]
            .into_iter()
            .flatten()
        })
    }

    /// Nothing is ever deleted: a pending POST that would be refused now can be forgotten.
    fn without_the_hopeless(mut self) -> Self {
        for index in 0..self.pending.len() {
            if !self.can_create(index) {
                self.pending[index] = 0;
            }
        }
        self
    }

    /// The answer to a list that shows `shown`.
    pub(super) fn list(shown: u8) -> Response {
        let portals: Vec<Portal> = (0..3)
            .filter(|index| shown & (1 << index) != 0)
            .map(|index| Portal::new(SPELLED[index]))
            .collect();
        let answer = ListPortals::answer(&portals);
        debug_assert_eq!(ListPortals.decode(&answer).as_ref(), Ok(&portals));
        answer
    }
}
