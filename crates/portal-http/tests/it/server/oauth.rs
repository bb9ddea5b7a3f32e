//! Tokens: grants, errors, quotas, expiry and revocation.

use std::time::Duration;

use portal_http::server::{LocalServer, LocalServerBuilder, PortalServiceBuilder, Server};
use portal_store::{MemoryRegistry, Seed, SeedCredential};
use serde_json::{Value, json};

use super::{Custom, list};
use crate::seeds::org;
use crate::wire::{Wire, WireResponse};

const MULTIPART: &str = "multipart/form-data; boundary=XyZ";

/// The parameters of a token request, with one of them changed.
fn parameters<'a>(changed: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    let mut parameters = vec![
        ("grant_type", "refresh_token"),
        ("client_id", "1000.LOCALCLIENT"),
        ("client_secret", "local-client-secret"),
        ("refresh_token", "1000.local.refresh"),
    ];
    parameters.retain(|(name, _)| *name != changed.0);
    parameters.push(changed);
    parameters
}

fn urlencoded(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn multipart(parameters: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    parameters.iter().map(field).collect::<String>() + "--XyZ--\r\n"
}

async fn request_token(server: &LocalServer, parameters: &[(&str, &str)]) -> WireResponse {
    let wire = Wire::new("POST", "/oauth/v2/token").body(urlencoded(parameters));
    wire.send(server.url()).await.unwrap()
}

async fn refresh(server: &LocalServer) -> WireResponse {
    request_token(server, &parameters(("state", ""))).await
}

async fn is_accepted(server: &LocalServer, granted: &Value) -> bool {
    let token = granted["access_token"].as_str().expect("an access token");
    list(token).send(server.url()).await.unwrap().status != 401
}

#[tokio::test]
async fn parameters_come_from_query_form_and_multipart() {
    let server = LocalServer::start().await.unwrap();
    let all = parameters(("state", ""));
    let query = format!("/oauth/v2/token?{}", urlencoded(&all));
    let (in_query, in_body) = all.split_at(2);
    let divided = format!("/oauth/v2/token?{}", urlencoded(in_query));
    let plain = || Wire::new("POST", "/oauth/v2/token");
    for (place, wire) in [
        ("query", Wire::new("POST", &query)),
        ("form", plain().body(urlencoded(&all))),
        ("multipart", plain().header("Content-Type", MULTIPART).body(multipart(&all))),
        ("query and form", Wire::new("POST", &divided).body(urlencoded(in_body))),
    ] {
        let response = wire.send(server.url()).await.unwrap();
        let granted = response.json().unwrap();
        assert_eq!(response.status, 200, "{place}");
        assert!(is_accepted(&server, &granted).await, "{place}");
        assert_eq!(granted["token_type"], "Bearer", "{place}");
        assert_eq!(granted["expires_in"], 3600, "{place}");
        assert_eq!(granted["api_domain"], server.url(), "{place}");
        assert_eq!(granted.as_object().unwrap().len(), 4, "{place}");
    }
}

#[tokio::test]
async fn token_error_has_http_200() {
    let server = LocalServer::start().await.unwrap();
    for (changed, error) in [
        (("refresh_token", "1000.wrong"), "invalid_code"),
        (("refresh_token", ""), "invalid_code"),
        (("client_id", "1000.wrong"), "invalid_client"),
        (("client_id", ""), "invalid_client"),
        (("client_secret", "wrong"), "invalid_client_secret"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("grant_type", "authorization_code"), "invalid_code"),
    ] {
        let response = request_token(&server, &parameters(changed)).await;
        assert_eq!(response.status, 200, "{changed:?}");
        assert_eq!(response.json().unwrap(), json!({"error": error}), "{changed:?}");
    }
}

#[tokio::test]
async fn api_domain_is_never_zoho_host() {
    let allow =
        |server: Server| server.allow_host("crm.acme.example").allow_host("www.zohoapis.com");
    let server = Custom::start(|service| service, allow).await;
    let request_token = async |host| {
        let wire = Wire::new("POST", "/oauth/v2/token").header("Host", host);
        let wire = wire.body(urlencoded(&parameters(("state", ""))));
        wire.send(&server.url).await.unwrap().json().unwrap()
    };
    let granted = request_token("crm.acme.example:8080").await;
    assert_eq!(granted["api_domain"], "http://crm.acme.example:8080");
    for host in ["www.zohoapis.com", "WWW.ZOHOAPIS.COM.:80"] {
        let granted = request_token(host).await;
        assert_eq!(granted.get("api_domain"), None, "{host}");
        assert!(is_accepted(&server.local, &granted).await);
    }
}

#[tokio::test]
async fn api_domain_is_public_url() {
    let public_url = "https://crm.acme.example/zoho/";
    let server = Custom::start(|service| service.public_url(public_url), |server| server).await;
    let wire = Wire::new("POST", "/oauth/v2/token").body(urlencoded(&parameters(("state", ""))));
    let granted = wire.send(&server.url).await.unwrap().json().unwrap();
    assert_eq!(granted["api_domain"], "https://crm.acme.example/zoho");
}

#[tokio::test]
async fn api_domain_behind_proxy_is_https() {
    let behind = |service: PortalServiceBuilder<MemoryRegistry>| service.behind_tls_proxy();
    let allow = |server: Server| server.allow_host("crm.acme.example");
    let server = Custom::start(behind, allow).await;
    let parameters = urlencoded(&parameters(("state", "")));
    let absolute = format!("http://{}/oauth/v2/token", server.host);
    for (target, host, expected) in [
        ("/oauth/v2/token", "crm.acme.example", "https://crm.acme.example"),
        ("/oauth/v2/token", "crm.acme.example:8443", "https://crm.acme.example:8443"),
        (&absolute, "crm.acme.example", &format!("https://{}", server.host)),
    ] {
        let wire = Wire::new("POST", target).header("Host", host).body(parameters.clone());
        let granted = wire.send(&server.url).await.unwrap().json().unwrap();
        assert_eq!(granted["api_domain"], expected);
    }
    // In either order.
    for given in [
        (|service| service.public_url("http://crm.acme.example").behind_tls_proxy())
            as fn(PortalServiceBuilder<_>) -> _,
        |service| service.behind_tls_proxy().public_url("http://crm.acme.example"),
    ] {
        let server = Custom::start(given, |server| server).await;
        let wire = Wire::new("POST", "/oauth/v2/token").body(parameters.clone());
        let granted = wire.send(&server.url).await.unwrap().json().unwrap();
        assert_eq!(granted["api_domain"], "http://crm.acme.example");
    }
}

/// A server with an org whose user has a grant code.
fn with_code() -> LocalServerBuilder {
    let credential = SeedCredential::code("1000.SELF", "1000.SELF", "1000.code");
    LocalServer::builder().seed(Seed::new([org("Codes", credential)]))
}

const CODE: [(&str, &str); 4] = [
    ("grant_type", "authorization_code"),
    ("client_id", "1000.SELF"),
    ("client_secret", "1000.SELF"),
    ("code", "1000.code"),
];

#[tokio::test]
async fn code_works_once_and_grants_refresh_token() {
    let server = with_code().start().await.unwrap();
    let granted = request_token(&server, &CODE).await.json().unwrap();
    assert!(is_accepted(&server, &granted).await);
    let refresh_token = granted["refresh_token"].as_str().unwrap();
    let again = request_token(&server, &CODE).await.json().unwrap();
    assert_eq!(again, json!({"error": "invalid_code"}));
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", "1000.SELF"),
        ("client_secret", "1000.SELF"),
        ("refresh_token", refresh_token),
    ];
    let refreshed = request_token(&server, &refresh).await.json().unwrap();
    assert!(is_accepted(&server, &refreshed).await);
    assert_eq!(refreshed.get("refresh_token"), None);
}

#[tokio::test]
async fn code_expires_after_three_minutes_only_with_limits() {
    for (is_limited, age, is_good) in
        [(true, 170, true), (true, 181, false), (false, 10_000_000, true)]
    {
        let mut server = with_code();
        if is_limited {
            server = server.enforce_limits();
        }
        let server = server.start().await.unwrap();
        server.advance(Duration::from_secs(age));
        let granted = request_token(&server, &CODE).await.json().unwrap();
        assert_eq!(granted.get("access_token").is_some(), is_good, "after {age} s");
    }
}

#[tokio::test]
async fn access_token_expires_after_one_hour() {
    let server = LocalServer::start().await.unwrap();
    let granted = refresh(&server).await.json().unwrap();
    server.advance(Duration::from_secs(3590));
    assert!(is_accepted(&server, &granted).await);
    server.advance(Duration::from_secs(11));
    assert!(!is_accepted(&server, &granted).await);
}

#[tokio::test]
async fn revoke_invalidates_access_tokens_once() {
    let server = LocalServer::start().await.unwrap();
    let granted = refresh(&server).await.json().unwrap();
    let revoke = Wire::new("POST", "/oauth/v2/token/revoke?token=1000.local.refresh");
    let response = revoke.send(server.url()).await.unwrap();
    assert_eq!((response.status, response.json().unwrap()), (200, json!({"status": "success"})));
    assert!(!is_accepted(&server, &granted).await);
    assert_eq!(refresh(&server).await.json().unwrap(), json!({"error": "invalid_code"}));
    assert_eq!(revoke.send(server.url()).await.unwrap().status, 400);
    let without = Wire::new("POST", "/oauth/v2/token/revoke");
    assert_eq!(without.send(server.url()).await.unwrap().status, 400);
}

#[tokio::test]
async fn revoke_of_access_token_ends_that_one() {
    let server = LocalServer::start().await.unwrap();
    let first = refresh(&server).await.json().unwrap();
    let second = refresh(&server).await.json().unwrap();
    let token = first["access_token"].as_str().unwrap();
    let revoke = Wire::new("POST", &format!("/oauth/v2/token/revoke?token={token}"));
    assert_eq!(revoke.send(server.url()).await.unwrap().status, 200);
    assert!(!is_accepted(&server, &first).await);
    assert!(is_accepted(&server, &second).await);
    assert_eq!(revoke.send(server.url()).await.unwrap().status, 400);
    assert!(refresh(&server).await.json().unwrap().get("access_token").is_some());
}

#[tokio::test]
async fn quota_limits_tokens_of_refresh_token() {
    let server = LocalServer::builder().enforce_limits().start().await.unwrap();
    let first = refresh(&server).await.json().unwrap();
    for _ in 2..=10 {
        assert!(refresh(&server).await.json().unwrap().get("access_token").is_some());
    }
    let eleventh = refresh(&server).await;
    assert_eq!(eleventh.status, 400);
    assert_eq!(eleventh.json().unwrap()["error"], "Access Denied");
    server.advance(Duration::from_secs(601));
    for _ in 11..=15 {
        refresh(&server).await;
    }
    assert!(is_accepted(&server, &first).await);
    refresh(&server).await;
    assert!(!is_accepted(&server, &first).await);
}

#[tokio::test]
async fn no_quota_by_default() {
    let server = LocalServer::start().await.unwrap();
    for _ in 0..20 {
        assert!(refresh(&server).await.json().unwrap().get("access_token").is_some());
    }
}

#[tokio::test]
async fn invalid_form_is_refused_without_echo() {
    let server = LocalServer::start().await.unwrap();
    let body = "--other\r\nclient_secret hush";
    let wire = Wire::new("POST", "/oauth/v2/token").header("Content-Type", MULTIPART).body(body);
    let response = wire.send(server.url()).await.unwrap();
    assert_eq!(response.json().unwrap(), json!({"error": "invalid_client"}));
}
