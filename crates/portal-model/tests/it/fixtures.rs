//! Bodies of the service, each decoded into what it means. `tests/fixtures/README.md` lists where
//! they come from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portal_model::endpoint::UnreadableReason;
use portal_model::oauth::{AccessToken, OAuthError, RevokeToken, TokenError};
use portal_model::server::{self, Refusal, rejections};
use portal_model::{
    ApiVersion, CreatePortal, Endpoint, ErrorCode, GetPortal, ListPortals, PortalName, Response,
    ResponseError,
};
use serde_json::{Value, json};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn body(name: &str) -> Vec<u8> {
    fs::read(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn create(name: &str) -> CreatePortal {
    CreatePortal::new(PortalName::parse(name).unwrap())
}

/// The rejection of a create that a fixture shows, and its status.
fn rejections() -> Vec<(&'static str, Refusal)> {
    let request = Refusal::Request;
    let of_body =
        |body: Value| server::parse_create(&serde_json::to_vec(&body).unwrap()).unwrap_err();
    let of_name = |name: &str| of_body(json!({"portals": [{"name": name}]}));
    vec![
        ("common.400.invalid_body.live.json", server::parse_create(b"").unwrap_err()),
        ("common.400.invalid_request_method.json", request(rejections::invalid_request_method())),
        (
            "common.401.authentication_failure.live.json",
            request(rejections::authentication_failure()),
        ),
        ("common.401.invalid_token.live.json", request(rejections::invalid_token())),
        ("common.401.oauth_scope_mismatch.json", request(rejections::scope_mismatch())),
        ("common.404.invalid_url_pattern.json", request(rejections::invalid_url_pattern())),
        ("common.500.internal_error.json", request(rejections::internal_error())),
        ("create.400.already_used.spec.json", Refusal::Item(rejections::already_used())),
        ("create.400.api_not_supported.sandbox.spec.json", request(rejections::not_in_sandbox())),
        ("create.400.invalid_data.min_length.spec.json", of_name("a b")),
        ("create.400.mandatory_not_found.spec.json", of_body(json!({"portals": [{}]}))),
        (
            "create.403.no_permission.permissions.spec.json",
            request(rejections::no_permission(["Crm_Implied_Manage_ClientPortal"])),
        ),
        ("ours.create.400.invalid_data.max_length.json", of_name(&"x y".repeat(11))),
        ("ours.create.400.name_wrong_type.json", of_body(json!({"portals": [{"name": 7}]}))),
        ("ours.create.400.pattern_not_matched.wrapped.json", of_name("my portal")),
        ("ours.create.400.portals_missing.json", of_body(json!({"name": "PortalsAPItest100"}))),
        (
            "ours.create.400.portals_more_than_one.json",
            of_body(json!({"portals": [{"name": "PortalOne"}, {"name": "PortalTwo"}]})),
        ),
        ("ours.create.400.portals_not_array.json", of_body(json!({"portals": {"name": "x"}}))),
    ]
}

#[test]
fn rejection_equals_fixture_and_round_trips() {
    for (fixture, rejection) in rejections() {
        let response = rejection.response();
        assert_eq!(json_of(&response.body), json_of(&body(fixture)), "{fixture}");
        let status = fixture.split('.').find_map(|part| part.parse().ok());
        assert_eq!(Some(response.status), status, "{fixture}");
        let expected = Err(ResponseError::Api(rejection.error().clone()));
        let recorded = Response::new(response.status, body(fixture));
        assert_eq!(create("PortalsAPItest100").decode(&recorded), expected, "{fixture}");
        let listed = ListPortals.decode(&recorded).map(|_| String::new());
        assert_eq!(listed, expected, "{fixture}");
    }
}

/// Rejections that this project's server words differently, or never sends.
const READ_ONLY_REJECTIONS: [(&str, ErrorCode); 3] = [
    ("common.400.unable_to_parse.json", ErrorCode::UnableToParseDataType),
    ("common.429.too_many_requests.spec.json", ErrorCode::TooManyRequests),
    ("create.403.no_permission.empty.spec.json", ErrorCode::NoPermission),
];

#[test]
fn rejection_in_other_words_keeps_its_details() {
    for (fixture, code) in READ_ONLY_REJECTIONS {
        let recorded = Response::new(400, body(fixture));
        let Err(ResponseError::Api(error)) = create("PortalsAPItest100").decode(&recorded) else {
            panic!("{fixture}");
        };
        assert_eq!(error.code, code, "{fixture}");
        assert_eq!(error.details.to_value(), json_of(&body(fixture))["details"], "{fixture}");
    }
}

#[test]
fn request_equals_fixture() {
    let recorded = body("create.request.v7.json");
    let request = create("PortalsAPItest100").request(ApiVersion::V7);
    assert_eq!(json_of(&request.body), json_of(&recorded));
    assert_eq!(server::parse_create(&recorded), Ok(create("PortalsAPItest100")));
}

#[test]
fn success_equals_fixture_of_version() {
    let (v7, v8) = (ApiVersion::V7, ApiVersion::V8);
    for (fixture, response) in [
        ("create.200.success.doc.json", server::created(v7, "PortalsAPItest100")),
        ("create.200.success.spec.json", server::created(v8, "examplePortal")),
        ("update.200.doc.json", server::renamed(v7, "PortalsAPItest200")),
        ("update.200.spec.json", server::renamed(v8, "examplePortal")),
    ] {
        assert_eq!(response.status, 200, "{fixture}");
        assert_eq!(json_of(&response.body), json_of(&body(fixture)), "{fixture}");
        let name = json_of(&response.body)["portals"][0]["details"]["name"].clone();
        let name = name.as_str().unwrap();
        assert_eq!(create(name).decode(&response).as_deref(), Ok(name), "{fixture}");
    }
}

#[test]
fn success_naming_another_portal_is_unreadable() {
    let response = Response::new(200, body("create.200.success.doc.json"));
    let Err(ResponseError::Unreadable(unreadable)) = create("SomethingElse").decode(&response)
    else {
        panic!("a success");
    };
    assert_eq!(unreadable.why, UnreadableReason::Contradiction);
}

#[test]
fn recorded_lists_round_trip() {
    for (fixture, name) in [
        ("get_portals.200.doc.json", "MyFirstCompany"),
        ("get_portals.200.spec.json", "portalname"),
    ] {
        let portals = ListPortals.decode(&Response::new(200, body(fixture))).unwrap();
        let one =
            GetPortal::new(name.to_uppercase()).decode(&Response::new(200, body(fixture))).unwrap();
        assert_eq!(one.as_ref(), portals.first(), "{fixture}");
        let portal = one.unwrap();
        assert_eq!(portal.name, name);
        assert_eq!(portal.active, Some(true), "{fixture}");
        assert!(portal.created_time.is_some() && portal.created_by.is_some(), "{fixture}");
        let (mut written, mut recorded) =
            (json_of(&server::list(&portals).body), json_of(&body(fixture)));
        // `Z` and `+00:00` are the same offset.
        for value in [&mut written, &mut recorded] {
            for key in ["created_time", "modified_time"] {
                let time = value["portals"][0][key].as_str().unwrap().replace('Z', "+00:00");
                value["portals"][0][key] = time.into();
            }
        }
        assert_eq!(written, recorded, "{fixture}");
    }
}

#[test]
fn recorded_token_responses_decode() {
    let decode = |fixture| AccessToken::decode(&Response::new(200, body(fixture)));
    let granted = decode("oauth.200.grant.live.json").unwrap();
    assert!(granted.refresh_token.is_some());
    assert_eq!(granted.api_domain.as_deref(), Some("https://www.zohoapis.com"));
    assert_eq!(granted.expires_in.as_secs(), 3600);
    let refreshed = decode("oauth.200.refresh.json").unwrap();
    assert_eq!(refreshed.refresh_token, None);
    for (fixture, expected) in [
        ("oauth.200.error.invalid_client.live.json", OAuthError::new(OAuthError::INVALID_CLIENT)),
        ("oauth.200.error.invalid_code.live.json", OAuthError::new(OAuthError::INVALID_CODE)),
        ("oauth.400.error.access_denied.live.json", server::tokens_rate_limited()),
    ] {
        assert_eq!(
            json_of(&server::token_refused(&expected).body),
            json_of(&body(fixture)),
            "{fixture}"
        );
        assert_eq!(decode(fixture), Err(TokenError::Rejected(expected)), "{fixture}");
    }
    assert_eq!(RevokeToken::decode(&Response::new(200, body("oauth.revoke.200.json"))), Ok(()));
}

#[test]
fn every_fixture_is_used() {
    let source = include_str!("fixtures.rs");
    let names: BTreeSet<String> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"))
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(source.contains(&format!("\"{name}\"")), "{name} is not used");
    }
}
