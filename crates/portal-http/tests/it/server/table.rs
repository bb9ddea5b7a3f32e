//! Every case of the table of documented responses.

use std::collections::HashMap;

use portal_http::server::LocalServer;
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{ApiVersion, Secret};
use serde_json::{Value, json};

use super::{Builder, Custom, create};
use crate::cases::{CLIENT, Caller, Case, cases, portals, seed};
use crate::wire::{Wire, WireResponse};

/// Obtains an access token from the token endpoint.
pub(crate) async fn access_token(server: &LocalServer, refresh_token: &str) -> String {
    let grant = Grant::RefreshToken(Secret::new(refresh_token.to_owned()));
    let request = TokenRequest::new(CLIENT, CLIENT.to_owned(), grant).request();
    let wire = Wire::new("POST", &request.path).body(&request.body);
    let response = wire.send(server.url()).await.unwrap().json().unwrap();
    response["access_token"].as_str().expect("an access token").to_owned()
}

/// A server with the orgs and portals of the table, and an access token per refresh token.
pub(crate) async fn server_with_cases() -> (LocalServer, HashMap<&'static str, String>) {
    let server = LocalServer::builder().seed(seed()).start().await.unwrap();
    let mut tokens = HashMap::new();
    let bearers = cases(ApiVersion::V7).into_iter().filter_map(|case| match case.caller {
        Caller::Token(refresh_token) => Some(refresh_token),
        Caller::Header(_) | Caller::Anonymous => None,
    });
    let others = portals().map(|(refresh_token, _)| refresh_token).into_iter().chain(["acme.org"]);
    for refresh_token in bearers.chain(others) {
        if !tokens.contains_key(refresh_token) {
            tokens.insert(refresh_token, access_token(&server, refresh_token).await);
        }
    }
    for (refresh_token, name) in portals() {
        let response = create(&tokens[refresh_token], name).send(server.url()).await.unwrap();
        assert_eq!(response.status, 200, "{name}");
    }
    (server, tokens)
}

/// Sends the request of a case and compares the response.
pub(crate) async fn check(
    server: &LocalServer,
    tokens: &HashMap<&str, String>,
    case: &Case,
) -> WireResponse {
    let wire = Wire::new(case.method, &case.target).body(&case.body);
    let wire = match case.caller {
        Caller::Token(refresh_token) => wire.token(&tokens[refresh_token]),
        Caller::Header(value) => wire.header("Authorization", value),
        Caller::Anonymous => wire,
    };
    let row = format!("{}: {} {}", case.name, case.method, case.target);
    let response = wire.send(server.url()).await.expect(&row);
    assert_eq!((response.status, response.json()), (case.status, case.json.clone()), "{row}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{row}");
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{row}");
    assert!(response.header("date").is_some(), "{row}");
    let authenticated = matches!(case.caller, Caller::Token(_));
    assert_eq!(response.header("x-accesstoken-reset").is_some(), authenticated, "{row}");
    if case.json.is_some() {
        let content_type = response.header("content-type");
        assert_eq!(content_type, Some("application/json;charset=UTF-8"), "{row}");
        assert_eq!(response.content_length(), Some(response.body.len()), "{row}");
    }
    response
}

async fn check_cases_of(version: ApiVersion) {
    let (server, tokens) = server_with_cases().await;
    for case in cases(version) {
        check(&server, &tokens, &case).await;
    }
}

#[tokio::test]
async fn cases_hold_under_v4() {
    check_cases_of(ApiVersion::V4).await;
}

#[tokio::test]
async fn cases_hold_under_v7() {
    check_cases_of(ApiVersion::V7).await;
}

#[tokio::test]
async fn cases_hold_under_v8() {
    check_cases_of(ApiVersion::V8).await;
}

#[tokio::test]
async fn documented_curl_gets_documented_response() {
    let server = LocalServer::start().await.unwrap();
    let response = Wire::new("POST", "/crm/v7/settings/portals")
        .token(server.access_token().await.unwrap().expose())
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(r#"{"portals":[{"name":"PortalsAPItest100"}]}"#)
        .send(server.url())
        .await
        .unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(
        response.json().unwrap(),
        json!({"portals": [{
            "code": "SUCCESS",
            "details": {"name": "PortalsAPItest100"},
            "message": "Portal created successfully with given name.",
            "status": "success",
        }]})
    );
    assert_eq!(server.portals().await.unwrap()[0].name, "PortalsAPItest100");
}

#[tokio::test]
async fn list_is_in_creation_order() {
    let (server, tokens) = server_with_cases().await;
    let get = async |target: &str| {
        let wire = Wire::new("GET", target).token(&tokens["acme.read"]);
        let response = wire.send(server.url()).await.unwrap();
        assert_eq!(response.status, 200);
        response.json().unwrap()["portals"].clone()
    };
    let list = get("/crm/v7/settings/portals").await;
    let one = get("/crm/v7/settings/portals/aCMEsECOND").await;
    assert_eq!(list[0]["name"], "AcmePortal");
    assert_eq!(one, json!([list[1]]));
    let portal = one[0].as_object().unwrap();
    for (field, is_right) in [
        ("active", portal["active"] == true),
        ("name", portal["name"] == "AcmeSecond"),
        ("zaid", portal["zaid"].is_string()),
        ("created_by", portal["created_by"]["name"] == "Ada Admin"),
        ("modified_by", portal["modified_by"]["id"].is_string()),
        ("created_time", portal["created_time"].as_str().unwrap().ends_with("+00:00")),
        ("modified_time", portal["modified_time"] == portal["created_time"]),
    ] {
        assert!(is_right, "{field} of {portal:?}");
    }
    assert_eq!(portal.len(), 7);
}

#[tokio::test]
async fn rename_frees_old_name() {
    let (server, tokens) = server_with_cases().await;
    let renamed = Wire::new("PUT", "/crm/v7/settings/portals/acmeportal")
        .token(&tokens["acme.all"])
        .body(r#"{"portals":[{"name":"AcmeRenamed"}]}"#)
        .send(server.url())
        .await
        .unwrap();
    assert_eq!(renamed.json().unwrap()["portals"][0]["details"]["name"], "AcmeRenamed");
    assert_eq!(
        create(&tokens["rival.all"], "ACMEPORTAL").send(server.url()).await.unwrap().status,
        200
    );
    assert_eq!(
        create(&tokens["rival.all"], "acmerenamed").send(server.url()).await.unwrap().status,
        400
    );
}

/// Sends a GET with an access token of this refresh token.
async fn get(
    server: &LocalServer,
    tokens: &HashMap<&str, String>,
    refresh_token: &str,
    target: &str,
) -> (u16, Value) {
    let wire = Wire::new("GET", target).token(&tokens[refresh_token]);
    let response = wire.send(server.url()).await.unwrap();
    (response.status, response.json().unwrap_or_default())
}

#[tokio::test]
async fn current_user_needs_any_valid_token() {
    let (server, tokens) = server_with_cases().await;
    for token in ["acme.users", "acme.create", "sandbox.all"] {
        for target in ["/crm/v7/users?type=CurrentUser", "/crm/v8/users?type=CurrentUser&"] {
            let (status, body) = get(&server, &tokens, token, target).await;
            let user = &body["users"][0];
            assert_eq!((status, &user["full_name"]), (200, &"Ada Admin".into()));
            assert_eq!(user["email"], "ada.admin@cases.example");
            assert!(user["id"].is_string());
            let info = json!({"per_page": 200, "count": 1, "page": 1, "more_records": false});
            assert_eq!(body["info"], info);
        }
    }
}

#[tokio::test]
async fn users_are_filtered_by_type() {
    let (server, tokens) = server_with_cases().await;
    let names = async |query: &str| {
        let target = format!("/crm/v8/users{query}");
        let (status, body) = get(&server, &tokens, "acme.users", &target).await;
        let users = body["users"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |user: &Value| user["first_name"].as_str().unwrap().to_owned();
        (status, users.iter().map(name).collect::<Vec<_>>().join(" "), body["info"].clone())
    };
    for all in ["", "?", "?type=AllUsers", "?type=ActiveUsers", "?type=ActiveConfirmedUsers"] {
        assert_eq!(names(all).await.1, "Ada Nora Pia Uma", "{all}");
    }
    for admins in ["?type=AdminUsers", "?type=ActiveConfirmedAdmins", "?type=CurrentUser"] {
        assert_eq!(names(admins).await.1, "Ada", "{admins}");
    }
    for none in ["DeactiveUsers", "NotConfirmedUsers", "DeletedUsers"] {
        assert_eq!(names(&format!("?type={none}")).await.0, 204, "{none}");
    }
    let (_, second, info) = names("?page=2&per_page=3").await;
    assert_eq!(second, "Uma");
    assert_eq!(info, json!({"per_page": 3, "count": 1, "page": 2, "more_records": false}));
    assert_eq!(names("?per_page=3").await.2["more_records"], true);
    assert_eq!(names("?page=3&per_page=3").await.0, 204);
    assert_eq!(names(&format!("?page={}", u64::MAX)).await.0, 204);
    for invalid in ["?type=currentuser", "?type=", "?page=0", "?per_page=x"] {
        assert_eq!(names(invalid).await.0, 400, "{invalid}");
    }
}

#[tokio::test]
async fn org_needs_its_scope() {
    let (server, tokens) = server_with_cases().await;
    let (status, body) = get(&server, &tokens, "acme.org", "/crm/v7/org").await;
    let org = &body["org"][0];
    assert_eq!((status, &org["company_name"]), (200, &"Acme".into()));
    assert!(org["id"].is_string() && org["zgid"].is_string());
    for token in ["acme.all", "sandbox.all"] {
        let (status, body) = get(&server, &tokens, token, "/crm/v7/org").await;
        assert_eq!((status, &body["code"]), (401, &"OAUTH_SCOPE_MISMATCH".into()));
    }
}

#[tokio::test]
async fn single_portal_has_saml_configuration_in_v8() {
    let (server, tokens) = server_with_cases().await;
    let (_, one) = get(&server, &tokens, "acme.all", "/crm/v8/settings/portals/acmeportal").await;
    let portal = one["portals"][0].as_object().unwrap();
    assert_eq!(portal.get("saml_configuration"), Some(&Value::Null));
    assert_eq!(portal["login_url"], "https://acmeportal.zcrmportals.example");
    let (_, list) = get(&server, &tokens, "acme.all", "/crm/v8/settings/portals").await;
    let portal = list["portals"][0].as_object().unwrap();
    assert_eq!(portal.get("saml_configuration"), None);
    assert_eq!(portal["login_url"], "https://acmeportal.zcrmportals.example");
}

#[tokio::test]
async fn bearer_scheme_is_accepted_unless_refused() {
    let (local, tokens) = server_with_cases().await;
    let list = |url: &str| {
        let wire = Wire::new("GET", "/crm/v7/settings/portals");
        let wire = wire.header("Authorization", &format!("Bearer {}", tokens["acme.all"]));
        let url = url.to_owned();
        async move { wire.send(&url).await.unwrap().status }
    };
    assert_eq!(list(local.url()).await, 200);
    let refusing = Custom::beside(local, Builder::refuse_bearer, |server| server).await;
    assert_eq!(list(&refusing.url).await, 401);
}
