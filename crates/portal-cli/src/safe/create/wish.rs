//! The names that the user asked for: [`Wish`].

use portal_model::PortalName;
use portal_model::flow::Intent;

use crate::safe::intent_log::Entry;

/// The names that the user asked for.
pub(super) struct Wish {
    pub(super) name: PortalName,
    pub(super) fallbacks: Vec<PortalName>,
}

impl Wish {
    pub(super) fn names(&self) -> impl Iterator<Item = &PortalName> {
        std::iter::once(&self.name).chain(&self.fallbacks)
    }

    /// Whether `entry` is an earlier run of this create: of the same name, or of a fallback name once
    /// the first was taken.
    pub(super) fn is_of(&self, entry: &Entry) -> bool {
        let Intent::Create(intent) = &entry.history.intent else { return false };
        std::iter::once(&intent.name)
            .chain(&intent.taken)
            .any(|name| self.name.is_same_as(name.as_str()))
    }
}
