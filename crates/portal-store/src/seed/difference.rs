//! [`SeedDifferences`]: how a registry differs from a seed.

use std::fmt;

/// The differences between a registry and a seed; at least one. Contains no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedDifferences(Vec<String>);

impl SeedDifferences {
    /// Returns `None` if there are none.
    pub(crate) fn new(differences: Vec<String>) -> Option<Self> {
        (!differences.is_empty()).then_some(Self(differences))
    }

    /// Iterates over the differences, a clause each. Orgs are identified by name, users by e-mail
    /// address.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for SeedDifferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for SeedDifferences {}
