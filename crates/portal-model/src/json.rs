//! JSON that is kept as text, because a tree of values takes up to ninety times the memory: [`RawJson`],
//! and the [`Members`] of an object. An [`Object`] is read at once.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Any JSON, as it came.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawJson(Box<RawValue>);

impl RawJson {
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self(to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.get()
    }

    /// `None` if it has another form.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.as_str()).ok()
    }
}

/// The same value; the members of an object may come in another order.
impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |value| other.read::<Value>() == Some(value);
        self.as_str() == other.as_str() || self.read().is_some_and(is_same)
    }
}

impl Eq for RawJson {}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The members of an object. Of several with one name it is the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Members(pub(crate) BTreeMap<String, RawJson>);

impl Members {
    /// `None` if there is none of that name, or it has another form.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.get(name)?.read()
    }

    /// Takes a member out if it has the form; otherwise it stays.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.get(name)?;
        self.0.remove(name);
        Some(value)
    }

    /// Whether it has this text, ignoring case.
    pub(crate) fn is(&self, name: &str, text: &str) -> bool {
        self.get::<String>(name).is_some_and(|found| found.eq_ignore_ascii_case(text))
    }
}

/// A struct in the form of an object: by itself it would be read from an array, too.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}
