//! The `OpenAPI` document that the server serves: made of the documented responses, `schema/responses.json`, and of
//! the parameters below.

use std::collections::BTreeMap;
use std::path::Path;

use portal_http::server::{LocalServer, OPENAPI};
use portal_model::name::{MAX_LEN, MIN_LEN};
use serde_json::{Map, Value, json};

use crate::schema::{pattern, responses, types};
use crate::wire::Wire;

/// An operation: its name in the schema, method, path, summary and parameters.
type Operation = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const OPERATIONS: [Operation; 9] = [
    ("list", "get", "/crm/{version}/settings/portals", "List the portals of the org", &["version"]),
    (
        "create",
        "post",
        "/crm/{version}/settings/portals",
        "Create a portal, for good",
        &["version"],
    ),
    (
        "get",
        "get",
        "/crm/{version}/settings/portals/{name}",
        "Get a portal by its name",
        &["version", "name"],
    ),
    (
        "rename",
        "put",
        "/crm/{version}/settings/portals/{name}",
        "Rename a portal",
        &["version", "name"],
    ),
    (
        "users",
        "get",
        "/crm/{version}/users",
        "List users of the org",
        &["version", "type", "page", "per_page"],
    ),
    ("org", "get", "/crm/{version}/org", "Get the org of the token", &["version"]),
    ("token", "post", "/oauth/v2/token", "Get an access token", &[]),
    ("revoke", "post", "/oauth/v2/token/revoke", "Revoke a token", &["token"]),
    ("openapi", "get", "/openapi.json", "Get this document", &[]),
];

fn document() -> Value {
    let mut schemas = Map::new();
    for (name, pattern) in types() {
        schemas.insert(camel(name), schema(pattern));
    }
    schemas.insert("PortalNames".to_owned(), portal_names());
    schemas.insert("TokenRequest".to_owned(), token_request());
    let mut paths = Map::new();
    for (name, method, path, summary, parameters) in OPERATIONS {
        let is_open = !path.starts_with("/crm/");
        let mut operation = json!({
            "operationId": operation_id(name),
            "summary": summary,
            "tags": [if is_open { "server" } else { "crm" }],
            "responses": all_responses(name, &mut schemas),
        });
        let members = operation.as_object_mut().unwrap();
        if !parameters.is_empty() {
            let parameters: Vec<_> = parameters.iter().map(|name| parameter(name)).collect();
            members.insert("parameters".to_owned(), parameters.into());
        }
        if is_open {
            members.insert("security".to_owned(), json!([]));
        }
        let body = match name {
            "create" | "rename" => Some(("application/json", "PortalNames")),
            "token" => Some(("application/x-www-form-urlencoded", "TokenRequest")),
            _ => None,
        };
        if let Some((kind, schema)) = body {
            let content = json!({ kind: { "schema": reference(schema) } });
            members.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
        let path = paths.entry(path).or_insert_with(|| json!({}));
        path.as_object_mut().unwrap().insert(method.to_owned(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Customer portals of Zoho CRM, as portal-http serves them",
            "description": "Generated from the responses that the server's tests accept. Differences \
                between API versions appear as `anyOf`. Injected faults are not described.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "." }],
        "security": [{ "accessToken": [] }],
        "tags": [
            { "name": "crm", "description": "The API, with an access token" },
            { "name": "server", "description": "The accounts server, and this document" },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "accessToken": {
                "type": "http",
                "scheme": "bearer",
                "description": "Unless the server refuses it; `Zoho-oauthtoken` is accepted always.",
            } },
        },
    })
}

/// The responses of an operation by status: those of a group are one schema.
fn all_responses(operation: &str, schemas: &mut Map<String, Value>) -> Value {
    let mut by_status = BTreeMap::<String, Vec<Value>>::new();
    let versioned = format!("{operation} v8");
    for (group, response) in
        [operation, &versioned, "unknown", "any"].into_iter().flat_map(responses)
    {
        let status = response["status"].to_string();
        let pattern = pattern(response);
        let alternatives = by_status.entry(status.clone()).or_default();
        if pattern.is_null() {
            continue;
        }
        let name = camel(&format!("{group}_{status}"));
        let one = schema(&pattern);
        let known = schemas.entry(name.clone()).or_insert_with(|| one.clone());
        *known = merged(known, &one);
        let reference = reference(&name);
        if !alternatives.contains(&reference) {
            alternatives.push(reference);
        }
    }
    let by_status = by_status.into_iter().map(|(status, mut schemas)| {
        let mut response = json!({ "description": description(&status) });
        if !schemas.is_empty() {
            let schema =
                if schemas.len() == 1 { schemas.remove(0) } else { json!({ "anyOf": schemas }) };
            response["content"] = json!({ "application/json": { "schema": schema } });
        }
        (status, response)
    });
    Value::Object(by_status.collect())
}

fn description(status: &str) -> &'static str {
    match status {
        "200" => "Done, or a refusal of the accounts server",
        "204" => "There is none",
        "404" => "There is nothing at this path",
        "400" => "Refused: what was sent cannot be done",
        "401" => "Refused: no valid access token, or one without the scope",
        "403" => "Refused: the user lacks a permission",
        "429" => "Refused: too many requests",
        "500" => "The server failed",
        _ => "Refused: not the request that HTTP or this server expects",
    }
}

fn operation_id(name: &str) -> &'static str {
    match name {
        "list" => "listPortals",
        "create" => "createPortal",
        "get" => "getPortal",
        "rename" => "renamePortal",
        "users" => "listUsers",
        "org" => "getOrg",
        "token" => "requestToken",
        "revoke" => "revokeToken",
        _ => "getOpenApi",
    }
}

fn parameter(name: &str) -> Value {
    let (place, schema, about) = match name {
        "version" => ("path", json!({ "enum": ["v4", "v5", "v6", "v7", "v8"] }), "Of the API"),
        "name" => {
            ("path", json!({ "type": "string", "minLength": 1 }), "Of the portal, in any case")
        }
        "type" => ("query", json!({ "type": "string" }), "Which users, such as `CurrentUser`"),
        "page" => ("query", json!({ "type": "integer", "minimum": 1 }), "From 1"),
        "per_page" => ("query", json!({ "type": "integer", "minimum": 1 }), "At most 200"),
        _ => ("query", json!({ "type": "string" }), "The token"),
    };
    json!({
        "name": name, "in": place, "required": place == "path" || name == "token", "schema": schema,
        "description": about,
    })
}

fn portal_names() -> Value {
    let name = json!({
        "type": "string", "minLength": MIN_LEN, "maxLength": MAX_LEN, "pattern": "^[A-Za-z0-9]+$",
    });
    let portal = json!({ "type": "object", "properties": { "name": name }, "required": ["name"] });
    let portals = json!({ "type": "array", "items": portal, "minItems": 1, "maxItems": 1 });
    json!({ "type": "object", "properties": { "portals": portals }, "required": ["portals"] })
}

fn token_request() -> Value {
    let fields = ["client_id", "client_secret", "refresh_token", "code", "redirect_uri"];
    let fields = fields.map(|field| (field.to_owned(), json!({ "type": "string" })));
    let mut properties: Map<_, _> = fields.into_iter().collect();
    let kinds = json!({ "enum": ["refresh_token", "authorization_code"] });
    properties.insert("grant_type".to_owned(), kinds);
    let required = ["grant_type", "client_id", "client_secret"];
    json!({ "type": "object", "properties": properties, "required": required })
}

/// A pattern as a JSON schema.
fn schema(pattern: &Value) -> Value {
    match pattern {
        Value::String(text) if text.starts_with('$') && !text.starts_with("$.") => match &text[1..]
        {
            "string" => json!({ "type": "string" }),
            "string_or_null" => json!({ "type": ["string", "null"] }),
            "id" => json!({ "type": "string", "pattern": "^[0-9]+$" }),
            "token" => json!({ "type": "string", "pattern": "^1000[.].{16,}$" }),
            "time" => json!({ "type": "string", "format": "date-time" }),
            "number" => json!({ "type": "integer", "minimum": 0 }),
            "boolean" => json!({ "type": "boolean" }),
            "object" => json!({ "type": "object" }),
            other => reference(&camel(other)),
        },
        Value::Array(items) => {
            json!({ "type": "array", "items": schema(&items[0]), "minItems": 1 })
        }
        Value::Object(fields) => {
            let name = |key: &String| key.trim_end_matches('?').to_owned();
            let is_required = |key: &&String| !key.ends_with('?');
            let properties: Map<_, _> =
                fields.iter().map(|(key, pattern)| (name(key), schema(pattern))).collect();
            let mut object = json!({ "type": "object", "additionalProperties": false });
            let required: Vec<_> = fields.keys().filter(is_required).collect();
            if !properties.is_empty() {
                object["properties"] = properties.into();
            }
            if !required.is_empty() {
                object["required"] = json!(required);
            }
            object
        }
        Value::Null => json!({ "type": "null" }),
        literal => json!({ "const": literal }),
    }
}

/// A schema of what either schema has, which a code generator makes one type of.
fn merged(one: &Value, other: &Value) -> Value {
    if one == other {
        return one.clone();
    }
    if let (Some(mut literals), Some(more)) = (literals(one), literals(other)) {
        literals.extend(more.into_iter().filter(|it| !literals.contains(it)).collect::<Vec<_>>());
        return json!({ "enum": literals });
    }
    let is = |kind: &str| one["type"] == kind && other["type"] == kind;
    if is("array") {
        let items = merged(&one["items"], &other["items"]);
        return json!({ "type": "array", "items": items, "minItems": 1 });
    }
    if !is("object") {
        return json!({ "anyOf": [one, other] });
    }
    let fields = |schema: &Value| schema["properties"].as_object().cloned().unwrap_or_default();
    let (mut properties, more) = (fields(one), fields(other));
    for (name, schema) in more {
        let both = properties.get(&name).map_or_else(|| schema.clone(), |it| merged(it, &schema));
        properties.insert(name, both);
    }
    let required = |schema: &Value| schema["required"].as_array().cloned().unwrap_or_default();
    let is_in_both = |name: &Value| required(other).contains(name);
    let required: Vec<_> = required(one).into_iter().filter(is_in_both).collect();
    let mut object =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object
}

fn literals(schema: &Value) -> Option<Vec<Value>> {
    let one = schema.get("const").map(|literal| vec![literal.clone()]);
    one.or_else(|| schema.get("enum")?.as_array().cloned())
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// `portal_v8` as `PortalV8`.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

#[test]
fn served_document_is_that_of_responses() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/openapi.json");
    let made = document().to_string() + "\n";
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(path, made).unwrap();
    }
    assert_eq!(OPENAPI.replace("\r\n", "\n"), made, "BLESS=1 writes it anew");
}

#[tokio::test]
async fn document_is_served_without_token() {
    let server = LocalServer::start().await.unwrap();
    let response = Wire::new("GET", "/openapi.json").send(server.url()).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.json().unwrap(), document());
    let refused = Wire::new("POST", "/openapi.json").send(server.url()).await.unwrap();
    assert_eq!(refused.status, 400);
}
