//! OAuth scopes: what a token can be used for.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A scope of an access token, such as `ZohoCRM.settings.clientportal.CREATE`.
///
/// Any text is a scope: a token can carry scopes that this crate does not use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(Cow<'static, str>);

impl Scope {
    /// Reading the org.
    pub const ORG_READ: Self = Self::known("ZohoCRM.org.READ");
    /// Every operation on portals.
    pub const PORTAL_ALL: Self = Self::known("ZohoCRM.settings.clientportal.ALL");
    /// Creating a portal.
    pub const PORTAL_CREATE: Self = Self::known("ZohoCRM.settings.clientportal.CREATE");
    /// Listing portals and reading one.
    pub const PORTAL_READ: Self = Self::known("ZohoCRM.settings.clientportal.READ");
    /// Renaming a portal.
    pub const PORTAL_UPDATE: Self = Self::known("ZohoCRM.settings.clientportal.UPDATE");

    /// Reading users, the current one included.
    pub const USERS_READ: Self = Self::known("ZohoCRM.users.READ");

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A scope by its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    /// The scope's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this scope grants `needed`: it is the same scope, or the `.ALL` of the same group.
    ///
    /// ```
    /// use portal_model::Scope;
    ///
    /// assert!(Scope::PORTAL_ALL.covers(&Scope::PORTAL_CREATE));
    /// assert!(!Scope::PORTAL_CREATE.covers(&Scope::PORTAL_READ));
    /// ```
    pub fn covers(&self, needed: &Self) -> bool {
        self == needed
            || self.0.strip_suffix(".ALL").is_some_and(|group| {
                needed.0.rsplit_once('.').is_some_and(|(needed_group, _)| group == needed_group)
            })
    }

    /// Whether any of `granted` covers any of `any_of`.
    pub fn any_covers(granted: &[Self], any_of: &[Self]) -> bool {
        granted.iter().any(|scope| any_of.iter().any(|needed| scope.covers(needed)))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_one_group_covers_nothing_of_another() {
        let users = Scope::new("ZohoCRM.users.ALL");
        assert!(users.covers(&Scope::new("ZohoCRM.users.READ")));
        assert!(!users.covers(&Scope::PORTAL_READ));
        assert!(!Scope::new("ZohoCRM.settings.ALL").covers(&Scope::PORTAL_READ));
    }

    #[test]
    fn one_matching_scope_among_several_is_enough() {
        let granted = [Scope::new("ZohoCRM.users.READ"), Scope::PORTAL_READ];
        assert!(Scope::any_covers(&granted, &[Scope::PORTAL_READ]));
        assert!(!Scope::any_covers(&granted, &[Scope::PORTAL_CREATE]));
        assert!(!Scope::any_covers(&[], &[Scope::PORTAL_CREATE]));
    }
}
