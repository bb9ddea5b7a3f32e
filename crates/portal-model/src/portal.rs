//! A portal as the service returns it: [`Portal`].

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{Members, RawJson};
use crate::timestamp::Timestamp;

/// A portal of an org.
///
/// Only the name is required: the service adds fields and changes their form. Unknown fields, and
/// known ones in an unexpected form, are kept in [`other`](Self::other), so that an odd field
/// never makes a response unreadable and a round trip loses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Portal {
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<Timestamp>,
    /// When it was last renamed or switched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<Timestamp>,
    /// Who renamed or switched it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_by: Option<UserRef>,
    /// The name in its original case; compare it ignoring case.
    pub name: String,
    /// Whether customers can log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The service's own number for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zaid: Option<String>,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<UserRef>,
    /// Every other field, unchanged.
    #[serde(flatten)]
    pub other: OtherFields,
}

impl Portal {
    /// A portal with only its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            created_time: None,
            modified_time: None,
            modified_by: None,
            name: name.into(),
            active: None,
            zaid: None,
            created_by: None,
            other: OtherFields::default(),
        }
    }

    /// The portal of a record; `None` if it has no name.
    pub(crate) fn from_members(mut members: Members) -> Option<Self> {
        Some(Self {
            name: members.take("name")?,
            created_time: members.take("created_time"),
            modified_time: members.take("modified_time"),
            modified_by: members.take("modified_by"),
            active: members.take("active"),
            zaid: members.take("zaid"),
            created_by: members.take("created_by"),
            other: OtherFields(members),
        })
    }
}

impl<'de> Deserialize<'de> for Portal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_members(Members::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a portal needs a name"))
    }
}

/// Fields of a [`Portal`] that have no name here: their names, and their values as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OtherFields(Members);

impl OtherFields {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name)
    }

    /// Adds a field, or replaces it.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.0.insert(name.into(), RawJson::of(&value.into()));
    }
}

/// A record as it is documented. Any other is read through [`Members`], which takes longer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Documented<'a> {
    name: String,
    #[serde(default, deserialize_with = "present")]
    created_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "present")]
    modified_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "present")]
    modified_by: Option<UserRef>,
    #[serde(default, deserialize_with = "present")]
    active: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    zaid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    created_by: Option<UserRef>,
    #[serde(borrow, default)]
    login_url: Option<&'a RawValue>,
}

/// Not null, which is kept as it came.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl From<Documented<'_>> for Portal {
    fn from(record: Documented<'_>) -> Self {
        let mut other = OtherFields::default();
        if let Some(url) = record.login_url {
            other.0.0.insert("login_url".to_owned(), RawJson::of(&url));
        }
        Self {
            created_time: record.created_time,
            modified_time: record.modified_time,
            modified_by: record.modified_by,
            name: record.name,
            active: record.active,
            zaid: record.zaid,
            created_by: record.created_by,
            other,
        }
    }
}

/// A user, as a record names one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UserRef {
    /// For people.
    pub name: String,
    /// The service's own number for the user.
    pub id: String,
}

impl UserRef {
    /// A user by name and id.
    pub fn new(name: impl Into<String>, id: impl Into<String>) -> Self {
        Self { name: name.into(), id: id.into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn odd_field_is_kept_and_hides_nothing() {
        let record = json!({
            "name": "MyFirstCompany", "active": "yes", "zaid": 10, "login_url": "www.example.com",
            "created_time": "yesterday", "created_by": {"id": 7}, "modified_by": null,
            "modified_time": "2021-11-25T16:13:33+05:30",
        });
        let portal: Portal = serde_json::from_value(record.clone()).unwrap();
        assert_eq!(portal.name, "MyFirstCompany");
        assert_eq!(portal.active, None);
        assert!(portal.modified_time.is_some());
        assert_eq!(portal.other.get("login_url").unwrap(), "www.example.com");
        assert_eq!(serde_json::to_value(portal).unwrap(), record);
    }

    #[test]
    fn record_without_name_is_error() {
        for record in [json!({}), json!({"name": null}), json!({"name": 7}), json!([])] {
            assert!(serde_json::from_value::<Portal>(record).is_err());
        }
    }

    pub(crate) fn any_user() -> impl Strategy<Value = UserRef> {
        (any::<String>(), "[0-9]{1,20}").prop_map(|(name, id)| UserRef::new(name, id))
    }

    pub(crate) fn any_portal() -> impl Strategy<Value = Portal> {
        let time = || {
            proptest::option::of(
                (0..4_000_000_000_i64)
                    .prop_map(|seconds| Timestamp::from_unix_seconds(seconds).unwrap()),
            )
        };
        (
            any::<String>(),
            (time(), time()),
            (proptest::option::of(any_user()), proptest::option::of(any_user())),
            any::<Option<bool>>(),
            proptest::option::of("[0-9]{1,20}"),
            proptest::option::of(any::<String>()),
        )
            .prop_map(|(name, times, users, active, zaid, login_url)| {
                let mut portal = Portal::new(name);
                (portal.created_time, portal.modified_time) = times;
                (portal.created_by, portal.modified_by) = users;
                (portal.active, portal.zaid) = (active, zaid);
                if let Some(url) = login_url {
                    portal.other.insert("login_url", url);
                }
                portal
            })
    }

    proptest! {
        #[test]
        fn portal_survives_json(portal in any_portal()) {
            let json = serde_json::to_string(&portal).unwrap();
            prop_assert_eq!(serde_json::from_str::<Portal>(&json).unwrap(), portal);
        }
    }
}
