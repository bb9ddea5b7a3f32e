//! A portal as the service returns it: [`Portal`].

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

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
    pub other: Map<String, Value>,
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
            other: Map::new(),
        }
    }

    /// The portal of a record; `None` if it has no name.
    pub(crate) fn from_fields(mut fields: Map<String, Value>) -> Option<Self> {
        let Value::String(name) = fields.remove("name")? else {
            return None;
        };
        Some(Self {
            name,
            created_time: take(&mut fields, "created_time"),
            modified_time: take(&mut fields, "modified_time"),
            modified_by: take(&mut fields, "modified_by"),
            active: take(&mut fields, "active"),
            zaid: take(&mut fields, "zaid"),
            created_by: take(&mut fields, "created_by"),
            // An emptied map would keep the allocation of its entries, which is larger than a portal.
            other: if fields.is_empty() { Map::new() } else { fields },
        })
    }
}

/// Takes a field out if `T` carries it without loss; otherwise it stays in `other`.
fn take<T: DeserializeOwned + Serialize>(fields: &mut Map<String, Value>, key: &str) -> Option<T> {
    let value = T::deserialize(fields.get(key)?).ok()?;
    fields.remove(key);
    Some(value)
}

impl<'de> Deserialize<'de> for Portal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_fields(Map::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a portal needs a name"))
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
        assert_eq!(portal.other["login_url"], "www.example.com");
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
                portal.other = login_url
                    .map(|url| ("login_url".to_owned(), Value::String(url)))
                    .into_iter()
                    .collect();
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
