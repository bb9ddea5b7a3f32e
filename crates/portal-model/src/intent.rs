//! What determines the outcome of an attempt later, in any process: [`Intent`].
//!
//! An intent is written down before an attempt and holds what recovery needs: what was to be done,
//! how often it may have been sent, and which portals the org had before. It holds no time, since
//! this crate has no clock: times are stored beside it.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::name::{PortalName, is_same_name};
use crate::operation::{CreateOperation, Operation, RenameOperation};
use crate::portal::Portal;
use crate::timestamp::Timestamp;

/// A create or a rename that may have been attempted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Intent {
    /// What may have been sent: of a create the name that is tried, without those that come after it.
    #[serde(flatten)]
    pub operation: Operation,
    /// Names that were tried before and are proved to belong to another org.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<PortalName>,
    /// The name in the success response to a create, if it is another name: the portal may have that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_name: Option<String>,
    /// How many attempts may have been sent.
    pub attempts: u32,
    /// The portals that the org had before the first attempt; `None` if they were not listed.
    pub baseline: Option<Baseline>,
}

/// The portals that an org had at some moment. Cloning is cheap: claims pass on those of every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<KnownPortal>")]
pub struct Baseline(pub Arc<Vec<KnownPortal>>);

/// A portal, as far as telling it apart from others needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KnownPortal {
    /// The service's id (`zaid`), which survives a rename. Not every response has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// When it was last renamed or switched, as the list said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<Timestamp>,
}

impl Intent {
    /// An intent before any attempt, without a baseline.
    pub fn new(operation: impl Into<Operation>) -> Self {
        let operation = operation.into();
        Self { operation, taken: Vec::new(), other_name: None, attempts: 0, baseline: None }
    }

    /// To create `name`.
    pub fn create(name: PortalName) -> Self {
        Self::new(CreateOperation::new(name))
    }

    /// To rename `old`.
    pub fn rename(old: impl Into<String>, new: PortalName) -> Self {
        Self::new(RenameOperation::new(old, new))
    }

    /// The name that the portal is to have.
    pub fn name(&self) -> &PortalName {
        self.operation.target()
    }

    /// Remembers that the response to a create was a success for another name. A rename can be repeated by
    /// nobody while it is in doubt, and needs no such memory.
    #[must_use]
    pub fn with_other_name(mut self, other_name: String) -> Self {
        if let Operation::Create(_) = self.operation {
            self.other_name = Some(other_name);
        }
        self
    }

    /// Replaces the baseline, with that of an earlier attempt of the same operation.
    #[must_use]
    pub fn with_baseline(self, baseline: Option<Baseline>) -> Self {
        Self { baseline, ..self }
    }
}

impl From<Vec<KnownPortal>> for Baseline {
    fn from(portals: Vec<KnownPortal>) -> Self {
        Self(Arc::new(portals))
    }
}

impl Serialize for Baseline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl Baseline {
    /// The portals of a list.
    pub fn of(portals: &[Portal]) -> Self {
        portals.iter().map(KnownPortal::of).collect::<Vec<_>>().into()
    }

    /// Whether a list shows just these, so that nobody created or renamed a portal meanwhile. That can't
    /// be told of a portal without `modified_time`.
    pub fn is_unchanged(&self, portals: &[Portal]) -> bool {
        let is_known = |portal: &Portal| {
            portal.modified_time.is_some() && self.0.contains(&KnownPortal::of(portal))
        };
        self.0.len() == portals.len() && portals.iter().all(is_known)
    }

    /// Whether a list lacks ids that it had before: names can't stand in for them, since a portal of
    /// these may have another one's name by now.
    pub(super) fn lost_ids(&self, portals: &[Portal]) -> bool {
        let had_none = |portal: &Portal| {
            let mut without = self.0.iter().filter(|known| known.id.is_none());
            without.any(|known| is_same_name(&known.name, &portal.name))
        };
        self.0.iter().any(|known| known.id.is_some())
            && portals.iter().any(|portal| portal.zaid.is_none() && !had_none(portal))
    }

    /// The portal that had this name.
    pub fn named(&self, name: &str) -> Option<&KnownPortal> {
        self.0.iter().find(|known| is_same_name(&known.name, name))
    }

    /// Whether `portal` was there: the same id, or the same name where either lacks an id.
    pub fn contains(&self, portal: &Portal) -> bool {
        self.0.iter().any(|known| known.is_same_as(portal))
    }
}

impl KnownPortal {
    /// What tells `portal` apart from others.
    pub fn of(portal: &Portal) -> Self {
        Self {
            id: portal.zaid.clone(),
            name: portal.name.clone(),
            modified_time: portal.modified_time,
        }
    }

    /// Whether `portal` is this one: by id, or by name where either lacks an id.
    pub(super) fn is_same_as(&self, portal: &Portal) -> bool {
        match (&self.id, &portal.zaid) {
            (Some(one), Some(other)) => one == other,
            _ => is_same_name(&self.name, &portal.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intent_round_trips_through_json() {
        let portal = KnownPortal {
            id: Some("10".to_owned()),
            name: "AcmeOther".to_owned(),
            modified_time: Timestamp::from_unix_seconds(1_637_837_013),
        };
        let name = PortalName::parse("AcmePortal").unwrap();
        let intents = [Intent::create(name.clone()), Intent::rename("AcmeOther", name)];
        for intent in intents {
            let baseline = Some(vec![portal.clone()].into());
            let intent = Intent { attempts: 1, baseline, ..intent };
            let json = serde_json::to_string(&intent).unwrap();
            assert_eq!(serde_json::from_str::<Intent>(&json).unwrap(), intent, "{json}");
        }
        let json = r#"{"kind":"create","name":"AcmePortal","attempts":0,"baseline":null}"#;
        assert!(serde_json::from_str::<Intent>(json).is_ok());
    }
}
