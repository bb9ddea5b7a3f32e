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
    /// the first was taken. A name that is not asked for now makes it another create.
    pub(super) fn is_of(&self, entry: &Entry) -> bool {
        let Intent::Create(intent) = &entry.history.intent else { return false };
        let mut tried = std::iter::once(&intent.name).chain(&intent.taken);
        tried.any(|name| self.name.is_same_as(name.as_str())) && self.is_about(&intent.name)
    }

    /// Whether `entry` is about one of the names, such as the old one of a rename.
    pub(super) fn concerns(&self, entry: &Entry) -> bool {
        self.names().any(|name| entry.has_name(name.as_str()))
    }

    /// Whether `name` is one of the names.
    pub(super) fn is_about(&self, name: impl AsRef<str>) -> bool {
        self.names().any(|own| own.is_same_as(name.as_ref()))
    }
}
