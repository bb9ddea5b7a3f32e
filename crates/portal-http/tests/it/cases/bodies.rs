//! Invalid bodies, and the responses to them.

use serde_json::{Value, json};

use super::{invalid, refused, wrapped};

/// Invalid bodies of a create or a rename: name of the case, body, status, response.
pub(crate) fn body_cases() -> Vec<(&'static str, Vec<u8>, u16, Value)> {
    let named = |name: Value| json!({"portals": [{"name": name}]}).to_string().into_bytes();
    let raw = |text: &str| text.as_bytes().to_vec();
    let no_object = || refused("INVALID_DATA", "body", json!({"expected_data_type": "jsonobject"}));
    let name = |rule: &str, value: Value| {
        let mut details = json!({"api_name": "name", "json_path": "$.portals[0].name"});
        details[rule] = value;
        wrapped(invalid(details))
    };
    let portals = |rule: &str, value: Value| {
        invalid(json!({"api_name": "portals", "json_path": "$.portals", rule: value}))
    };
    let pattern = || {
        let message = "Please check whether the input values are correct";
        wrapped(refused("PATTERN_NOT_MATCHED", message, json!({"api_name": "name"})))
    };
    let used = || {
        let message = "The entered portal name is already in use";
        wrapped(refused("ALREADY_USED", message, json!({"api_name": "name"})))
    };
    let missing = |api_name: &str, json_path: &str| {
        let details = json!({"api_name": api_name, "json_path": json_path});
        refused("MANDATORY_NOT_FOUND", "required field not found", details)
    };
    let no_item = || {
        let details = json!({"expected_data_type": "jsonobject", "json_path": "$.portals[0]"});
        wrapped(invalid(details))
    };
    let too_long = || refused("INVALID_DATA", "body", json!({"maximum_length": 65536}));
    vec![
        ("no name", raw(r#"{"portals":[{}]}"#), 400, wrapped(missing("name", "$.portals[0].name"))),
        ("an empty name", named(json!("")), 400, name("minimum_length", json!(6))),
        ("a name of 5", named(json!("abcde")), 400, name("minimum_length", json!(6))),
        ("a short name with a space", named(json!("a b")), 400, name("minimum_length", json!(6))),
        ("a name of 31", named(json!("a".repeat(31))), 400, name("maximum_length", json!(30))),
        ("a space", named(json!("my portal")), 400, pattern()),
        ("six letters that are not ASCII", named(json!("éééééé")), 400, pattern()),
        ("a taken name", named(json!("RivalPortal")), 400, used()),
        ("a taken name in other letters", named(json!("rIVALpORTAL")), 400, used()),
        ("a name that is null", named(json!(null)), 400, name("expected_data_type", json!("text"))),
        (
            "a name that is a number",
            named(json!(123_456)),
            400,
            name("expected_data_type", json!("text")),
        ),
        ("an item that is no object", raw(r#"{"portals":["abcdef"]}"#), 400, no_item()),
        ("no body", raw(""), 400, no_object()),
        ("no JSON", raw("name=abcdef"), 400, no_object()),
        ("cut JSON", raw(r#"{"portals":[{"name":"abcd"#), 400, no_object()),
        ("an array", raw("[]"), 400, no_object()),
        ("no portals", raw("{}"), 400, missing("portals", "$.portals")),
        (
            "portals that are no array",
            raw(r#"{"portals":{}}"#),
            400,
            portals("expected_data_type", json!("jsonarray")),
        ),
        ("no item", raw(r#"{"portals":[]}"#), 400, portals("minimum_length", json!(1))),
        ("two items", raw(r#"{"portals":[{},{}]}"#), 400, portals("maximum_length", json!(1))),
        ("65,537 bytes", vec![b' '; 65537], 413, too_long()),
    ]
}
