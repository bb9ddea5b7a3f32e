//! What somebody wants: an [`Operation`], a create or a rename with all its attempts.

use serde::{Deserialize, Serialize};

use crate::name::{PortalName, is_same_name};

/// A create or a rename, as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Operation {
    /// Create a portal.
    Create(CreateOperation),
    /// Rename a portal.
    Rename(RenameOperation),
}

/// A create, as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CreateOperation {
    /// The name to try first.
    pub name: PortalName,
    /// The names to try in turn, each if the one before belongs to another org.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<PortalName>,
}

/// A rename, as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RenameOperation {
    /// The name of the portal. Any text: portals with names that [`PortalName`] rejects may exist.
    pub old: String,
    /// The name that it is to have.
    pub new: PortalName,
}

impl Operation {
    /// Whether `other` is the same operation, provided that both are of one org: the same kind and
    /// the same first name, in letters of any case. Fallbacks are a parameter of a create; the new
    /// name of a rename counts to the letter, since a rename can change the case of a name.
    ///
    /// ```
    /// use portal_model::{CreateOperation, Operation, PortalName};
    ///
    /// let [one, other] = [PortalName::parse("AcmePortal")?, PortalName::parse("acmeportal")?];
    /// let with_fallback = CreateOperation::new(one.clone()).with_fallbacks([PortalName::parse("AcmeHelp")?]);
    /// let create = Operation::from(CreateOperation::new(other));
    /// assert!(create.is_same_as(&with_fallback.into()));
    /// # Ok::<(), portal_model::InvalidPortalName>(())
    /// ```
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Create(one), Self::Create(other)) => one.name.is_same_as(other.name.as_str()),
            (Self::Rename(one), Self::Rename(other)) => {
                is_same_name(&one.old, &other.old) && one.new == other.new
            }
            (Self::Create(_), Self::Rename(_)) | (Self::Rename(_), Self::Create(_)) => false,
        }
    }

    /// The name that the portal is to have: of a create the first.
    pub fn target(&self) -> &PortalName {
        match self {
            Self::Create(create) => &create.name,
            Self::Rename(rename) => &rename.new,
        }
    }

    /// The names that the operation may give or take: of a create all that it may try, of a rename
    /// the old one and the new one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (first, second, rest) = match self {
            Self::Create(create) => (create.name.as_str(), None, create.fallbacks.as_slice()),
            Self::Rename(rename) => (rename.old.as_str(), Some(rename.new.as_str()), [].as_slice()),
        };
        std::iter::once(first).chain(second).chain(rest.iter().map(PortalName::as_str))
    }

    /// Whether `name` is one of the [names](Self::names).
    pub fn concerns(&self, name: &str) -> bool {
        self.names().any(|own| is_same_name(own, name))
    }
}

impl CreateOperation {
    /// A create of `name`, without fallbacks.
    pub fn new(name: PortalName) -> Self {
        Self { name, fallbacks: Vec::new() }
    }

    /// The same create with names to try in turn; one that it has, in letters of any case, is not tried again.
    #[must_use]
    pub fn with_fallbacks(mut self, names: impl IntoIterator<Item = PortalName>) -> Self {
        for name in names {
            if !self.includes(name.as_str()) {
                self.fallbacks.push(name);
            }
        }
        self
    }

    /// The names in the order in which they are tried.
    pub fn names(&self) -> impl Iterator<Item = &PortalName> {
        std::iter::once(&self.name).chain(&self.fallbacks)
    }

    /// Whether `name` is one of the names.
    pub fn includes(&self, name: &str) -> bool {
        self.names().any(|own| own.is_same_as(name))
    }
}

impl RenameOperation {
    /// A rename of the portal `old` to `new`.
    pub fn new(old: impl Into<String>, new: PortalName) -> Self {
        Self { old: old.into(), new }
    }
}

impl From<CreateOperation> for Operation {
    fn from(create: CreateOperation) -> Self {
        Self::Create(create)
    }
}

impl From<RenameOperation> for Operation {
    fn from(rename: RenameOperation) -> Self {
        Self::Rename(rename)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> PortalName {
        PortalName::parse(name).unwrap()
    }

    fn create(first: &str, fallbacks: &[&str]) -> CreateOperation {
        CreateOperation::new(name(first)).with_fallbacks(fallbacks.iter().map(|it| name(it)))
    }

    #[test]
    fn kind_and_first_name_make_same_operation() {
        let acme = Operation::from(create("AcmePortal", &[]));
        assert!(acme.is_same_as(&create("acmeportal", &["AcmeHelp"]).into()));
        assert!(!acme.is_same_as(&create("AcmeHelp", &["AcmePortal"]).into()));
        let rename = |old: &str, new| Operation::from(RenameOperation::new(old, name(new)));
        assert!(!acme.is_same_as(&rename("AcmePortal", "AcmeHelp")));
        assert!(rename("my portal", "AcmeHelp").is_same_as(&rename("My Portal ", "AcmeHelp")));
        assert!(!rename("my portal", "AcmeHelp").is_same_as(&rename("my portal", "ACMEHELP")));
    }

    #[test]
    fn operation_concerns_every_name_it_gives_or_takes() {
        let create = Operation::from(create("AcmePortal", &["AcmeHelp"]));
        assert_eq!(create.names().collect::<Vec<_>>(), ["AcmePortal", "AcmeHelp"]);
        assert!(create.concerns("acmehelp") && !create.concerns("AcmeOther"));
        let rename = Operation::from(RenameOperation::new("my portal", name("AcmeHelp")));
        assert_eq!(rename.names().collect::<Vec<_>>(), ["my portal", "AcmeHelp"]);
        assert!(rename.concerns("My Portal") && rename.concerns("ACMEHELP"));
    }

    #[test]
    fn name_is_tried_once() {
        let names = ["AcmePortal", "BetaPortal", "betaportal", "ACMEPORTAL"];
        let [first, rest @ ..] = names.map(|name| name.parse::<PortalName>().unwrap());
        let create = CreateOperation::new(first).with_fallbacks(rest);
        let names: Vec<_> = create.names().map(PortalName::as_str).collect();
        assert_eq!(names, ["AcmePortal", "BetaPortal"]);
    }
}
