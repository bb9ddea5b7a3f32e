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
        let record = Any::<Option<Box<Record>>>::deserialize(deserializer)?.0;
        record
            .filter(|record| record.is_portal())
            .map(|record| record.into_portal())
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

/// An object in a list of portals.
pub(crate) struct Record {
    /// Without, it is not a portal. A name that is not a text is among the other fields.
    has_name: bool,
    portal: Portal,
}

impl Record {
    pub(crate) fn is_portal(&self) -> bool {
        self.has_name
    }

    /// Meaningless unless [`is_portal`](Self::is_portal).
    pub(crate) fn into_portal(self) -> Portal {
        self.portal
    }

    /// Names the portal if the record has `name` nowhere, but one of these fields.
    pub(crate) fn name_if_any(&mut self, name: &str, fields: &[&str]) {
        let has = |field: &&str| match *field {
            "zaid" if self.portal.zaid.is_some() => true,
            field => self.portal.other.get(field).is_some(),
        };
        if !self.has_name && !has(&"name") && fields.iter().any(has) {
            name.clone_into(&mut self.portal.name);
            self.has_name = true;
        }
    }

    /// The record as another type that has none of the fields of a portal.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        self.portal.other.read()
    }
}

/// `None` if it is not an object.
impl FromJson for Option<Box<Record>> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut record = Box::new(Record { has_name: false, portal: Portal::new("") });
        let portal = &mut record.portal;
        let (mut name, mut odd, mut other) = (None, Vec::new(), ObjectWriter::default());
        while let Some(Any(field)) = members.next_key()? {
            match field {
                Field::Name => read(&mut name, "name", &mut members, &mut odd)?,
                Field::Zaid => read(&mut portal.zaid, "zaid", &mut members, &mut odd)?,
                Field::Active => read(&mut portal.active, "active", &mut members, &mut odd)?,
                Field::CreatedTime => {
                    read(&mut portal.created_time, "created_time", &mut members, &mut odd)?;
                }
                Field::ModifiedTime => {
                    read(&mut portal.modified_time, "modified_time", &mut members, &mut odd)?;
                }
                Field::CreatedBy => {
                    read(&mut portal.created_by, "created_by", &mut members, &mut odd)?;
                }
                Field::ModifiedBy => {
                    read(&mut portal.modified_by, "modified_by", &mut members, &mut odd)?;
                }
                Field::Other(name) => other.copy(&name, &mut members)?,
            }
        }
        other.extend(&odd);
        portal.other = OtherFields((!other.is_empty()).then(|| other.finish()).transpose()?);
        record.has_name = name.is_some();
        record.portal.name = name.unwrap_or_default();
        Ok(Some(record))
    }
}

/// Reads the field `name` of [`Portal`], or keeps it in `odd` because of its form. Of several with that
/// name the last one counts, as in a map.
fn read<'de, T: Known, A: MapAccess<'de>>(
    field: &mut Option<T>,
    name: &'static str,
    members: &mut A,
    odd: &mut Vec<(&'static str, RawJson)>,
) -> Result<(), A::Error> {
    odd.retain(|(other, _)| *other != name);
    *field = match members.next_value::<Any<Result<T, RawJson>>>()?.0 {
        Ok(value) => Some(value),
        Err(json) => {
            odd.push((name, json));
            None
        }
    };
    Ok(())
}

/// The name of a field.
enum Field {
    Name,
    Zaid,
    Active,
    CreatedTime,
    ModifiedTime,
    CreatedBy,
    ModifiedBy,
    Other(String),
}

impl FromJson for Field {
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

/// What a field can be made of, without loss.
trait Known: Sized {
    fn from_text(_: &str) -> Option<Self> {
        None
    }

    fn from_bool(_: bool) -> Option<Self> {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(members: A) -> Result<Result<Self, RawJson>, A::Error> {
        RawJson::from_object(members).map(Err)
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
    fn from_object<'de, A: MapAccess<'de>>(
        mut members: A,
    ) -> Result<Result<Self, RawJson>, A::Error> {
        let (mut name, mut id) = (None::<String>, None::<String>);
        let (mut odd, mut other) = (Vec::new(), ObjectWriter::default());
        while let Some(Any(member)) = members.next_key()? {
            match member {
                Member::Name => read(&mut name, "name", &mut members, &mut odd)?,
                Member::Id => read(&mut id, "id", &mut members, &mut odd)?,
                Member::Other(name) => other.copy(&name, &mut members)?,
            }
        }
        let (name, id) = match (name, id) {
            (Some(name), Some(id)) if odd.is_empty() && other.is_empty() => {
                return Ok(Ok(Self { name, id }));
            }
            other => other,
        };
        odd.extend(name.map(|name| ("name", RawJson::of(&name))));
        odd.extend(id.map(|id| ("id", RawJson::of(&id))));
        other.extend(&odd);
        other.finish().map(Err)
    }
}

/// A member of a user.
enum Member {
    Name,
    Id,
    Other(String),
}

impl FromJson for Member {
    fn from_json(json: RawJson) -> Self {
        Self::Other(json.as_str().to_owned())
    }

    fn from_text(name: &str) -> Self {
        match name {
            "name" => Self::Name,
            "id" => Self::Id,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// An odd form is an error.
impl<T: Known> FromJson for Result<T, RawJson> {
    fn from_json(json: RawJson) -> Self {
        Err(json)
    }

    fn from_text(text: &str) -> Self {
        T::from_text(text).ok_or_else(|| RawJson::of(&text))
    }

    fn from_bool(flag: bool) -> Self {
        T::from_bool(flag).ok_or_else(|| RawJson::of(&flag))
    }

    fn from_object<'de, A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        T::from_object(members)
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
