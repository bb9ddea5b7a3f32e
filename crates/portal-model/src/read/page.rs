//! [`Page`]: the body of a response with portals, decoded one record at a time.
//!
//! As a tree of JSON values, a list of many small records would take seventy times its size in memory.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::endpoint::UnreadableReason;
use crate::portal::Portal;

/// The members that tell an error from a list, and say whether the list is complete. Anything else
/// at the top level is checked and dropped.
const MEMBERS: [&str; 5] = ["code", "details", "info", "message", "status"];

/// A body that is a JSON object.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    /// Those of [`MEMBERS`] that it has.
    pub(super) members: Map<String, Value>,
    /// The records in `portals`.
    pub(super) records: Records,
}

#[derive(Debug, Default, PartialEq)]
pub(super) enum Records {
    /// There is no member `portals`.
    #[default]
    Absent,
    /// `portals` is not an array.
    Invalid,
    /// One record, as it is: it may be an error, or lack the name of the requested portal.
    One(Value),
    /// None or several, or why the first invalid one is invalid.
    Several(Result<Vec<Portal>, UnreadableReason>),
}

impl Records {
    /// A record without a name makes all of them unreadable: its portal could be the one that
    /// matters.
    pub(super) fn into_portals(self) -> Result<Vec<Portal>, UnreadableReason> {
        match self {
            Self::Absent | Self::Invalid => Err(UnreadableReason::NoEnvelope),
            Self::One(record) => portal(record).map(|portal| vec![portal]),
            Self::Several(portals) => portals,
        }
    }
}

fn portal(record: Value) -> Result<Portal, UnreadableReason> {
    match record {
        Value::Object(fields) => Portal::from_fields(fields).ok_or(UnreadableReason::NoName),
        _ => Err(UnreadableReason::NoEnvelope),
    }
}

impl Page {
    pub(super) fn read(body: &[u8]) -> Result<Self, UnreadableReason> {
        serde_json::from_slice(body).map_err(|_| {
            // Either it is not JSON, or not an object.
            if AnyValue::is_json(body) {
                UnreadableReason::NoEnvelope
            } else if body.iter().all(u8::is_ascii_whitespace) {
                UnreadableReason::Empty
            } else {
                UnreadableReason::NotJson
            }
        })
    }
}

impl<'de> Deserialize<'de> for Page {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PageVisitor)
    }
}

struct PageVisitor;

impl<'de> Visitor<'de> for PageVisitor {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        // Of a member that occurs twice the last one counts, as in a map.
        while let Some(key) = map.next_key::<String>()? {
            if key == "portals" {
                page.records = map.next_value_seed(AnyValue::Portals)?;
            } else if MEMBERS.contains(&key.as_str()) {
                page.members.insert(key, map.next_value()?);
            } else {
                map.next_value_seed(AnyValue::Dropped)?;
            }
        }
        Ok(page)
    }
}

/// Any JSON value. Unlike [`IgnoredAny`](serde::de::IgnoredAny), it accepts nothing that [`Value`]
/// does not: invalid UTF-8, numbers out of range and bottomless nesting show that something is wrong.
#[derive(Clone, Copy)]
enum AnyValue {
    /// The member `portals`.
    Portals,
    /// A value that is not needed.
    Dropped,
}

impl AnyValue {
    fn is_json(body: &[u8]) -> bool {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        Self::Dropped.deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok()
    }
}

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Records;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Records, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Records;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Records, A::Error> {
        if matches!(self, Self::Dropped) {
            while items.next_element_seed(Self::Dropped)?.is_some() {}
            return Ok(Records::Invalid);
        }
        let Some(first) = items.next_element::<Value>()? else {
            return Ok(Records::Several(Ok(Vec::new())));
        };
        let Some(second) = items.next_element::<Value>()? else {
            return Ok(Records::One(first));
        };
        let mut portals = [first, second].into_iter().map(portal).collect::<Result<Vec<_>, _>>();
        // To the end, even after an invalid record: the rest may not be JSON.
        while let Some(record) = items.next_element::<Value>()? {
            if let Ok(list) = &mut portals {
                match portal(record) {
                    Ok(portal) => list.push(portal),
                    Err(why) => portals = Err(why),
                }
            }
        }
        Ok(Records::Several(portals))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Records, A::Error> {
        while map.next_key::<String>()?.is_some() {
            map.next_value_seed(Self::Dropped)?;
        }
        Ok(Records::Invalid)
    }

    fn visit_str<E>(self, _: &str) -> Result<Records, E> {
        Ok(Records::Invalid)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Records, E> {
        Ok(Records::Invalid)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Records, E> {
        Ok(Records::Invalid)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Records, E> {
        Ok(Records::Invalid)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Records, E> {
        Ok(Records::Invalid)
    }

    fn visit_unit<E>(self) -> Result<Records, E> {
        Ok(Records::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    /// The same by way of a tree.
    fn tree(body: &[u8]) -> Result<Page, UnreadableReason> {
        let mut members = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(UnreadableReason::NoEnvelope),
            Err(_) if body.iter().all(u8::is_ascii_whitespace) => {
                return Err(UnreadableReason::Empty);
            }
            Err(_) => return Err(UnreadableReason::NotJson),
        };
        let records = match members.remove("portals") {
            None => Records::Absent,
            Some(Value::Array(records)) => match <[Value; 1]>::try_from(records) {
                Ok([record]) => Records::One(record),
                Err(records) => Records::Several(records.into_iter().map(portal).collect()),
            },
            Some(_) => Records::Invalid,
        };
        members.retain(|key, _| MEMBERS.contains(&key.as_str()));
        Ok(Page { members, records })
    }

    fn any_text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            select(vec!["null", "true", "7", "-0", "0.5", "1e999", "[]", "{}", "", "]"]),
            select(vec![r#""x""#, r#""\ud800""#, r#""\u0000ä""#, "\"\u{1}\"", "\u{feff}1"]),
            select(vec![r#"{"name":"AcmePortal"}"#, r#"{"name":7}"#, r#"{"active":"yes"}"#]),
            select(vec![r#"{"name":"A","active":true,"active":1,"zaid":"1","b":[{}]}"#]),
        ]
        .prop_map(ToOwned::to_owned);
        let key = select(vec!["portals", "info", "code", "status", "message", "details", "x", "y"]);
        leaf.prop_recursive(4, 32, 4, move |value| {
            prop_oneof![
                vec(value.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                vec((key.clone(), value.clone()), 0..4).prop_map(|members| {
                    let members: Vec<_> =
                        members.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
                vec(value.clone(), 0..4)
                    .prop_map(|items| format!(r#"{{"portals":[{}]}}"#, items.join(" , "))),
                (value, 100..200_usize).prop_map(|(value, depth)| {
                    format!(r#"{{"x":{}{value}{}}}"#, "[".repeat(depth), "]".repeat(depth))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn page_agrees_with_tree(
            text in any_text(),
            damage in proptest::option::weighted(0.3, (any::<Index>(), any::<u8>())),
        ) {
            let mut body = text.into_bytes();
            if let Some((at, byte)) = damage && !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
            prop_assert_eq!(Page::read(&body), tree(&body));
        }
    }

    #[test]
    fn body_that_is_not_object_has_reason() {
        for (body, why) in [
            ("", UnreadableReason::Empty),
            (" \r\n", UnreadableReason::Empty),
            ("<html>", UnreadableReason::NotJson),
            ("[1, 2", UnreadableReason::NotJson),
            ("[1] 2", UnreadableReason::NotJson),
            ("[1, 2]", UnreadableReason::NoEnvelope),
        ] {
            assert_eq!(Page::read(body.as_bytes()), Err(why), "{body}");
        }
    }
}
