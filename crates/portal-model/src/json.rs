//! JSON that is read in one pass, whatever it holds: [`FromJson`]; and JSON that is kept as text:
//! [`RawJson`].
//!
//! A tree of values takes up to ninety times the memory of its text.

use std::fmt;
use std::io;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_transcode::{Transcoder, transcode};

/// What any JSON value can be read as: [`Any`] does so.
///
/// Nothing is accepted that [`Value`] rejects, even where it is not needed: invalid UTF-8, numbers out of
/// range and bottomless nesting show that something is wrong.
pub(crate) trait FromJson: Sized {
    /// What no other method takes.
    fn from_json(json: RawJson) -> Self;

    fn from_text(text: &str) -> Self {
        Self::from_json(RawJson::of(&text))
    }

    fn from_bool(flag: bool) -> Self {
        Self::from_json(RawJson::of(&flag))
    }

    fn from_array<'de, A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        RawJson::deserialize(SeqAccessDeserializer::new(items)).map(Self::from_json)
    }

    fn from_object<'de, A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        RawJson::deserialize(MapAccessDeserializer::new(members)).map(Self::from_json)
    }
}

/// Deserializes a [`FromJson`].
pub(crate) struct Any<T>(pub(crate) T);

impl<'de, T: FromJson> Deserialize<'de> for Any<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor(PhantomData)).map(Self)
    }
}

struct AnyVisitor<T>(PhantomData<T>);

impl<'de, T: FromJson> Visitor<'de> for AnyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::from_json(RawJson::of(&())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<T, E> {
        Ok(T::from_bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::from_json(RawJson::of(&number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::from_json(RawJson::of(&number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::from_json(RawJson::of(&number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::from_array(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::from_object(members)
    }
}

/// A text; `None` for anything else.
impl FromJson for Option<String> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_text(text: &str) -> Self {
        Some(text.to_owned())
    }
}

/// Any JSON value, as compact text. Equal to another one if both are the same value.
#[derive(Clone)]
pub(crate) struct RawJson(Box<str>);

impl RawJson {
    /// JSON of a value whose serialization cannot fail: maps with string keys, no foreign code.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()).into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `None` if it is not a `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.0).ok()
    }

    /// A member of an object.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        struct Member<'a>(&'a str);

        impl<'de> Visitor<'de> for Member<'_> {
            type Value = Option<RawJson>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                // Of several with that name the last one counts, as in a map.
                let mut found = None;
                while let Some(key) = members.next_key::<String>()? {
                    if key == self.0 {
                        found = Some(members.next_value()?);
                    } else {
                        members.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(found)
            }
        }

        serde_json::Deserializer::from_str(&self.0).deserialize_map(Member(key)).ok().flatten()
    }
}

impl FromJson for RawJson {
    fn from_json(json: Self) -> Self {
        json
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        // The members of an object may come in another order.
        self.0 == other.0 || self.read::<Value>() == other.read::<Value>()
    }
}

impl Eq for RawJson {}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Vec::new();
        Write(&mut text).deserialize(deserializer)?;
        Self::from_bytes(text)
    }
}

impl RawJson {
    fn from_bytes<E: Error>(text: Vec<u8>) -> Result<Self, E> {
        String::from_utf8(text).map(|text| Self(text.into())).map_err(E::custom)
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Transcoder::new(&mut serde_json::Deserializer::from_str(&self.0)).serialize(serializer)
    }
}

/// Any value that is not needed.
pub(crate) struct Dropped;

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nowhere = &mut serde_json::Serializer::new(io::sink());
        transcode(deserializer, nowhere).map(|()| Self).map_err(D::Error::custom)
    }
}

/// Appends any value as compact text.
struct Write<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Write<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        transcode(deserializer, &mut serde_json::Serializer::new(self.0)).map_err(D::Error::custom)
    }
}

/// Makes an object of its members.
#[derive(Default)]
pub(crate) struct ObjectWriter(Vec<u8>);

impl ObjectWriter {
    /// Takes over the value that follows in `members`.
    pub(crate) fn copy<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        members: &mut A,
    ) -> Result<(), A::Error> {
        self.key(key);
        members.next_value_seed(Write(&mut self.0))
    }

    pub(crate) fn extend(&mut self, members: &[(&str, RawJson)]) {
        for (key, value) in members {
            self.key(key);
            self.0.extend_from_slice(value.as_str().as_bytes());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.extend_from_slice(RawJson::of(&key).as_str().as_bytes());
        self.0.push(b':');
    }

    pub(crate) fn finish<E: Error>(mut self) -> Result<RawJson, E> {
        if self.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        RawJson::from_bytes(self.0)
    }
}
