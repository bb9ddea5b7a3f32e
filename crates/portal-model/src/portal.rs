//! A portal as the service returns it: [`Portal`].

use serde::de::{DeserializeOwned, Error as _, MapAccess};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::json::{Any, FromJson, ObjectWriter, RawJson};
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
}

impl<'de> Deserialize<'de> for Portal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = Any::<Option<Record>>::deserialize(deserializer)?.0;
        record
            .and_then(Record::into_portal)
            .ok_or_else(|| D::Error::custom("a portal needs a name"))
    }
}

/// Fields of a [`Portal`] that have no name here: their names, and their values as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherFields(Option<RawJson>);

impl OtherFields {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.0.as_ref()?.get(name)?.read()
    }

    /// Adds a field, or replaces it.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let mut fields = self.read::<Map<_, _>>().unwrap_or_default();
        fields.insert(name.into(), value.into());
        self.0 = Some(RawJson::of(&fields));
    }

    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        self.0.as_ref()?.read()
    }
}

impl Serialize for OtherFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(fields) => fields.serialize(serializer),
            None => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

/// An object in a list of portals: a portal if it has a name.
pub(crate) struct Record {
    /// `None` if there is no name, or one that is not a text; the latter is among the other fields.
    name: Option<String>,
    /// Without its name.
    portal: Portal,
}

impl Record {
    pub(crate) fn into_portal(self) -> Option<Portal> {
        Some(Portal { name: self.name?, ..self.portal })
    }

    /// Names the portal if the record has `name` nowhere, but one of these fields.
    pub(crate) fn name_if_any(&mut self, name: &str, fields: &[&str]) {
        let has = |field: &&str| match *field {
            "zaid" if self.portal.zaid.is_some() => true,
            field => self.portal.other.get(field).is_some(),
        };
        let has_name = self.name.is_some() || has(&"name");
        if !has_name && fields.iter().any(has) {
            self.name = Some(name.to_owned());
        }
    }

    /// The record as another type that has none of the fields of a portal.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        self.portal.other.read()
    }
}

/// `None` if it is not an object.
impl FromJson for Option<Record> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        /// Reads a field; of several with that name the last one counts, as in a map.
        fn field<'de, T: Known, A: MapAccess<'de>>(
            field: &mut Field<T>,
            members: &mut A,
        ) -> Result<(), A::Error> {
            *field = members.next_value::<Any<_>>()?.0;
            Ok(())
        }

        let (mut name, mut zaid) = (Field::Absent, Field::Absent);
        let (mut created_time, mut modified_time) = (Field::Absent, Field::Absent);
        let (mut created_by, mut modified_by) = (Field::Absent, Field::Absent);
        let (mut active, mut other) = (Field::Absent, ObjectWriter::default());
        while let Some(Any(key)) = members.next_key()? {
            match key {
                FieldName::Name => field(&mut name, &mut members)?,
                FieldName::Zaid => field(&mut zaid, &mut members)?,
                FieldName::Active => field(&mut active, &mut members)?,
                FieldName::CreatedTime => field(&mut created_time, &mut members)?,
                FieldName::ModifiedTime => field(&mut modified_time, &mut members)?,
                FieldName::CreatedBy => field(&mut created_by, &mut members)?,
                FieldName::ModifiedBy => field(&mut modified_by, &mut members)?,
                FieldName::Other(key) => other.copy(&key, &mut members)?,
            }
        }
        let name = name.known_or_into("name", &mut other);
        let portal = Portal {
            created_time: created_time.known_or_into("created_time", &mut other),
            modified_time: modified_time.known_or_into("modified_time", &mut other),
            modified_by: modified_by.known_or_into("modified_by", &mut other),
            name: String::new(),
            active: active.known_or_into("active", &mut other),
            zaid: zaid.known_or_into("zaid", &mut other),
            created_by: created_by.known_or_into("created_by", &mut other),
            other: OtherFields(other.finish()?),
        };
        Ok(Some(Record { name, portal }))
    }
}

enum FieldName {
    Name,
    Zaid,
    Active,
    CreatedTime,
    ModifiedTime,
    CreatedBy,
    ModifiedBy,
    Other(String),
}

impl FromJson for FieldName {
    fn from_json(json: RawJson) -> Self {
        Self::Other(json.as_str().to_owned())
    }

    fn from_text(name: &str) -> Self {
        match name {
            "name" => Self::Name,
            "zaid" => Self::Zaid,
            "active" => Self::Active,
            "created_time" => Self::CreatedTime,
            "modified_time" => Self::ModifiedTime,
            "created_by" => Self::CreatedBy,
            "modified_by" => Self::ModifiedBy,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A field that has a place in [`Portal`], unless its form is odd.
enum Field<T> {
    Absent,
    Known(T),
    Odd(RawJson),
}

impl<T> Field<T> {
    fn known_or_into(self, name: &str, other: &mut ObjectWriter) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Known(value) => Some(value),
            Self::Odd(json) => {
                other.insert(name, &json);
                None
            }
        }
    }
}

/// What a field can be made of, without loss.
trait Known: Sized {
    fn from_text(_: &str) -> Option<Self> {
        None
    }

    fn from_bool(_: bool) -> Option<Self> {
        None
    }

    fn from_json(_: &RawJson) -> Option<Self> {
        None
    }
}

impl Known for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Known for Timestamp {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Known for bool {
    fn from_bool(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

impl Known for UserRef {
    fn from_json(json: &RawJson) -> Option<Self> {
        // serde reads an array as well.
        json.as_str().starts_with('{').then(|| json.read()).flatten()
    }
}

impl<T: Known> FromJson for Field<T> {
    fn from_json(json: RawJson) -> Self {
        T::from_json(&json).map_or_else(|| Self::Odd(json), Self::Known)
    }

    fn from_text(text: &str) -> Self {
        T::from_text(text).map_or_else(|| Self::Odd(RawJson::of(&text)), Self::Known)
    }

    fn from_bool(flag: bool) -> Self {
        T::from_bool(flag).map_or_else(|| Self::Odd(RawJson::of(&flag)), Self::Known)
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
