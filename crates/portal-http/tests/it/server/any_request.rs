//! Any request gets a well-formed response of the documented kind, and the server keeps serving.

use portal_http::server::{BODY_LIMIT, LocalServer};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::{create, list, token_of};
use crate::wire::{Wire, WireResponse};

fn any_method() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
            .prop_map(ToOwned::to_owned),
        "[A-Z]{1,12}".prop_filter("CONNECT opens a tunnel", |method| method != "CONNECT"),
    ]
}

fn any_target() -> impl Strategy<Value = String> {
    // The characters that a URI may have; others never get past the parser of HTTP.
    prop_oneof![
        "/[!$-;=?-Z_a-z~]{0,80}",
        "/crm/v[4-8]/settings/portals(/[!$-;=@-Z_a-z~]{0,40})?",
        "/crm/v[0-9.]{0,4}/(org|users|settings/portals)(\\?[!$-;=?-Z_a-z~]{0,40})?",
        "/oauth/v2/token(/revoke)?(\\?[!$-;=?-Z_a-z~]{0,60})?",
    ]
}

fn any_header() -> impl Strategy<Value = (String, String)> {
    let framing = ["content-length", "transfer-encoding", "connection", "expect", "upgrade", "te"];
    prop_oneof![
        ("[a-z][a-z0-9-]{0,20}", "[ -~éß\u{80}-\u{ff}]{0,80}")
            .prop_filter("the test writes the framing", move |(name, _)| !framing
                .contains(&&**name)),
        ("(authorization|Content-Type|accept|x-[a-z]{1,9})", "[ -~]{0,80}"),
        Just(("Content-Type".to_owned(), "multipart/form-data; boundary=x".to_owned())),
    ]
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(vec![b'['; BODY_LIMIT]),
        "\\{\"portals\":[\\[\\]{}\",:a-z0-9]{0,40}\\}?".prop_map(String::into_bytes),
        "--x\r\n[ -~\r\n]{0,80}--x--".prop_map(String::into_bytes),
        "(grant_type|client_id|code)=[ -~]{0,60}".prop_map(String::into_bytes),
    ]
}

fn is_documented_kind(response: &WireResponse, method: &str) -> bool {
    if method == "HEAD" || response.status == 204 {
        return response.body.is_empty();
    }
    let Some(Value::Object(body)) = response.json() else { return false };
    response.content_length() == Some(response.body.len())
        && ["code", "portals", "users", "org", "error", "status", "access_token"]
            .iter()
            .any(|key| body.contains_key(*key))
}

#[test]
fn any_request_gets_well_formed_response() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(LocalServer::start()).unwrap();
    let token = runtime.block_on(token_of(&server));
    let headers = proptest::collection::vec(any_header(), 0..8);
    let requests = (any_method(), any_target(), headers, any_body(), any::<bool>());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&requests, |(method, target, headers, body, with_token)| {
            let mut wire = Wire::new(&method, &target).body(body);
            if with_token {
                wire = wire.token(&token);
            }
            for (name, value) in headers {
                wire = wire.header(&name, &value);
            }
            let response = runtime.block_on(wire.send(server.url()));
            prop_assert!(response.is_some(), "no response");
            let response = response.unwrap();
            prop_assert!(is_documented_kind(&response, &method), "{response:?}");
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        create(&token, "StillServing").send(server.url()).await.unwrap();
        assert_eq!(list(&token).send(server.url()).await.unwrap().status, 200);
    });
}
