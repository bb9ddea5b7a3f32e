//! Reads the body of a create or a rename.

use serde_json::Value;

use super::refusal::Refusal;
use super::rejections;
use crate::envelope::{Named, read_portals};
use crate::error::{ApiError, ErrorCode};
use crate::json::Object;
use crate::name::PortalName;

/// Reads the body of a create or a rename.
pub(super) fn parse_name(body: &[u8]) -> Result<PortalName, Refusal> {
    match valid_name(body) {
        Some(name) => Ok(name),
        None => parse_any(body),
    }
}

/// Reads a body as nearly all clients send it: a valid name and nothing else. In a third of the time
/// of [`parse_any`], which accepts more and knows what is wrong.
fn valid_name(body: &[u8]) -> Option<PortalName> {
    let [Object(Named { name })] = read_portals::<[Object<Named<'_>>; 1]>(body)?;
    PortalName::parse(name).ok()
}

/// Reads any body, in the order in which the service complains.
fn parse_any(body: &[u8]) -> Result<PortalName, Refusal> {
    let portals = || rejections::invalid_data("portals", "$.portals");
    let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
        return Err(Refusal::Request(rejections::invalid_body()));
    };
    let item = match body.remove("portals") {
        None => Err(rejections::mandatory_not_found("portals", "$.portals")),
        Some(Value::Array(items)) => match <[Value; 1]>::try_from(items) {
            Ok([item]) => Ok(item),
            Err(items) if items.is_empty() => Err(portals().with("minimum_length", 1)),
            Err(_) => Err(portals().with("maximum_length", 1)),
        },
        Some(_) => Err(portals().with("expected_data_type", "jsonarray")),
    };
    parse_item(item.map_err(Refusal::Request)?).map_err(Refusal::Item)
}

fn parse_item(item: Value) -> Result<PortalName, ApiError> {
    const PATH: &str = "$.portals[0].name";
    let Value::Object(mut item) = item else {
        return Err(ApiError::new(400, ErrorCode::InvalidData, "invalid data")
            .with("expected_data_type", "jsonobject")
            .with("json_path", "$.portals[0]"));
    };
    match item.remove("name") {
        None => Err(rejections::mandatory_not_found("name", PATH)),
        Some(Value::String(name)) => {
            PortalName::try_from(name).map_err(|invalid| rejections::invalid_name(&invalid))
        }
        Some(_) => Err(rejections::invalid_data("name", PATH).with("expected_data_type", "text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_name_is_what_any_reader_finds() {
        // What two readers of JSON could differ in: order, repetition, types, escapes, what follows.
        let parts: [&[&str]; 12] = [
            &["{"],
            &["", r#""portals":[],"#, r#""x":1e999,"#, r#""x":[1],"#],
            &[r#""portals""#, r#""x""#, r#""portal\u0073""#],
            &[":[{"],
            &["", r#""name":"AcmeOther","#, r#""x":null,"#],
            &["\"name\":"],
            &[
                r#""AcmePortal""#,
                r#""\u0041cmePortal""#,
                r#""my portal!""#,
                r#""Acme""#,
                "null",
                "[]",
            ],
            &["", r#","name":"AcmeOther""#, r#","x":"\ud800""#],
            &["}"],
            &["", ",{}", r#",{"name":"AcmeOther"}"#],
            &["]"],
            &["}", "},", "} x", r#","portals":[]}"#, " } "],
        ];
        let mut bodies = vec![String::new()];
        for texts in parts {
            let with = |body| texts.iter().map(move |text| format!("{body}{text}"));
            bodies = bodies.iter().flat_map(with).collect();
        }
        let mut valid = 0;
        for body in bodies {
            if let Some(name) = valid_name(body.as_bytes()) {
                assert_eq!(parse_any(body.as_bytes()), Ok(name), "{body}");
                valid += 1;
            }
        }
        // Two ways to write the key, two the end.
        assert_eq!(valid, 4);
        // An array is not an object, although a struct can be read from one.
        for body in [r#"[[["AcmePortal"]]]"#, r#"{"portals":[["AcmePortal"]]}"#] {
            assert!(parse_name(body.as_bytes()).is_err(), "{body}");
        }
    }
}
