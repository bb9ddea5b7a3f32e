//! The documented shape of every response, as data: `schema/responses.json`. Every response that a test reads through
//! [`Wire`](crate::wire::Wire) is checked against it.
//!
//! A body is a pattern: literals stand for themselves, `"$string"` and the like for a type, `key?` for an optional key,
//! an array of one pattern for one or more such items. A key without a pattern is an error.

use std::sync::LazyLock;

use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("schema/responses.json")).unwrap());

/// The documented responses of an operation, in groups: each with the name of its group.
pub(crate) fn responses(operation: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let groups = SCHEMA["operations"].get(operation).and_then(Value::as_array);
    groups.into_iter().flatten().flat_map(|group| {
        let group = group.as_str().unwrap();
        let responses = SCHEMA["responses"][group].as_array().expect(group);
        responses.iter().map(move |response| (group, response))
    })
}

/// Returns the name of every documented response: its group and its number within.
pub(crate) fn all() -> Vec<String> {
    let groups = SCHEMA["responses"].as_object().unwrap();
    let name = |(group, responses): (&String, &Value)| {
        (0..responses.as_array().unwrap().len()).map(move |at| format!("{group} {at}")).collect()
    };
    groups.iter().map(name).collect::<Vec<Vec<_>>>().concat()
}

/// The types that a pattern names.
pub(crate) fn types() -> impl Iterator<Item = (&'static String, &'static Value)> {
    SCHEMA["types"].as_object().into_iter().flatten()
}

/// Returns the operation of a method and path, in the terms of the schema.
fn operation(method: &str, path: &str) -> String {
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let name = match (method, &segments[..]) {
        ("POST", ["oauth", "v2", "token"]) => "token",
        ("POST", ["oauth", "v2", "token", "revoke"]) => "revoke",
        ("GET", ["crm", _, "settings", "portals"]) => "list",
        ("POST", ["crm", _, "settings", "portals"]) => "create",
        ("GET", ["crm", _, "settings", "portals", _]) => "get",
        ("PUT", ["crm", _, "settings", "portals", _]) => "rename",
        ("GET", ["crm", _, "users"]) => "users",
        ("GET", ["crm", _, "org"]) => "org",
        ("GET", ["openapi.json"]) => "openapi",
        _ => "unknown",
    };
    let versioned = format!("{name} {}", segments.get(1).unwrap_or(&""));
    if SCHEMA["operations"].get(&versioned).is_some() { versioned } else { name.to_owned() }
}

/// Returns the name of the documented response that this response matches.
pub(crate) fn name_of(
    method: &str,
    path: &str,
    status: u16,
    body: Option<&Value>,
) -> Option<String> {
    // An unsupported version or method is refused regardless of the path.
    let operations = [&operation(method, path), "unknown", "any"];
    let mut documented = operations.into_iter().flat_map(responses);
    let (group, response) = documented.find(|(_, response)| {
        response["status"] == status && matches(&pattern(response), body.unwrap_or(&Value::Null))
    })?;
    let at = SCHEMA["responses"][group].as_array()?.iter().position(|other| other == response)?;
    Some(format!("{group} {at}"))
}

/// The pattern of a response's body.
pub(crate) fn pattern(response: &Value) -> Value {
    let error = |parts: &Value| json!({"code": parts[0], "message": parts[1], "details": parts[2], "status": "error"});
    if let Some(parts) = response.get("bare") {
        error(parts)
    } else if let Some(parts) = response.get("wrapped") {
        json!({"portals": [error(parts)]})
    } else {
        response["body"].clone()
    }
}

fn matches(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        // `$.` begins a JSON path.
        (Value::String(text), _) if text.starts_with('$') && !text.starts_with("$.") => {
            is_of_type(&text[1..], value)
        }
        (Value::Array(items), Value::Array(values)) => {
            !values.is_empty() && values.iter().all(|value| matches(&items[0], value))
        }
        (Value::Object(fields), Value::Object(values)) => {
            let known =
                |key: &String| fields.contains_key(key) || fields.contains_key(&format!("{key}?"));
            values.keys().all(known)
                && fields.iter().all(|(key, pattern)| match key.strip_suffix('?') {
                    Some(key) => values.get(key).is_none_or(|value| matches(pattern, value)),
                    None => values.get(key).is_some_and(|value| matches(pattern, value)),
                })
        }
        _ => pattern == value,
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    let text = value.as_str();
    match name {
        "string" => text.is_some(),
        "string_or_null" => text.is_some() || value.is_null(),
        "id" => text.is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())),
        "token" => text.is_some_and(|token| token.starts_with("1000.") && token.len() > 20),
        // The service's format: with an offset, without fractions.
        "time" => text.is_some_and(|time| {
            time.len() == 25 && time.parse::<portal_model::Timestamp>().is_ok()
        }),
        "number" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        other => matches(SCHEMA["types"].get(other).expect(other), value),
    }
}

#[test]
fn pattern_matches_exactly_what_it_says() {
    let portal = json!({"id": "$id", "name?": "$string", "tags": ["$number"], "active": true});
    for (good, value) in [
        (true, json!({"id": "12", "name": "a", "tags": [1, 2], "active": true})),
        (true, json!({"id": "12", "tags": [1], "active": true})),
        (false, json!({"id": "x", "tags": [1], "active": true})),
        (false, json!({"id": "12", "tags": [], "active": true})),
        (false, json!({"id": "12", "tags": ["1"], "active": true})),
        (false, json!({"id": "12", "tags": [1], "active": false})),
        (false, json!({"id": "12", "tags": [1]})),
        (false, json!({"id": "12", "tags": [1], "active": true, "more": 1})),
        (false, json!(null)),
    ] {
        assert_eq!(matches(&portal, &value), good, "{value}");
    }
}
