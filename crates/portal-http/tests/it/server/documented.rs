//! Every documented response is sent by some request.

use std::collections::BTreeSet;

use portal_http::server::{BODY_LIMIT, LocalServer};
use portal_model::ApiVersion;
use portal_store::{Seed, SeedCredential};

use super::table::{check, server_with_cases};
use super::{create, list, token_of};
use crate::cases::cases;
use crate::schema;
use crate::seeds::org;
use crate::wire::{Wire, WireResponse};

/// The names of the documented responses that were sent.
#[derive(Default)]
struct Sent(BTreeSet<String>);

impl Sent {
    async fn send(&mut self, url: &str, wire: Wire) -> WireResponse {
        let response = wire.send(url).await.unwrap();
        self.0.extend(response.documented.clone());
        response
    }
}

fn token_request(parameters: &str) -> Wire {
    Wire::new("POST", "/oauth/v2/token").body(parameters)
}

#[tokio::test]
async fn every_documented_response_is_sent() {
    let mut sent = Sent::default();
    for version in [ApiVersion::V7, ApiVersion::V8] {
        let (server, tokens) = server_with_cases().await;
        for case in cases(version) {
            sent.0.extend(check(&server, &tokens, &case).await.documented);
        }
        for target in ["settings/portals", "settings/portals/AcmePortal", "org"] {
            let token = if target == "org" { "acme.org" } else { "acme.all" };
            let target = format!("/crm/{version}/{target}");
            sent.send(server.url(), Wire::new("GET", &target).token(&tokens[token])).await;
        }
        for query in ["", "?type=None", "?page=0"] {
            let target = format!("/crm/{version}/users{query}");
            sent.send(server.url(), Wire::new("GET", &target).token(&tokens["acme.all"])).await;
        }
    }
    tokens(&mut sent).await;
    beyond_the_api(&mut sent).await;
    // Two are hyper's own responses to an invalid head, one is for half a body: see `connections`.
    let others = ["head 0", "head 1", "request 0"].map(ToOwned::to_owned);
    let never: Vec<_> = schema::all().into_iter().filter(|name| !sent.0.contains(name)).collect();
    assert_eq!(never, others);
}

/// The responses of the accounts server.
async fn tokens(sent: &mut Sent) {
    let credential = SeedCredential::code("1000.SELF", "1000.SELF", "1000.code");
    let seed = Seed::new([org("Codes", credential)]);
    let server = LocalServer::builder().seed(seed).enforce_limits().start().await.unwrap();
    let own = format!(
        "client_id={}&client_secret={}",
        server.client_id(),
        server.client_secret().expose()
    );
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", server.refresh_token().expose());
    for parameters in [
        "grant_type=authorization_code&client_id=1000.SELF&client_secret=1000.SELF&code=1000.code"
            .to_owned(),
        format!("{refresh}&client_id=1000.none&client_secret=x"),
        format!("{refresh}&client_id={}&client_secret=x", server.client_id()),
        format!("{own}&grant_type=password"),
        format!("{own}&grant_type=refresh_token&refresh_token=1000.unknown"),
    ] {
        sent.send(server.url(), token_request(&parameters)).await;
    }
    sent.send(server.url(), token_request(&" ".repeat(BODY_LIMIT + 1))).await;
    for _ in 0..=10 {
        sent.send(server.url(), token_request(&format!("{own}&{refresh}"))).await;
    }
    let revoke = format!("/oauth/v2/token/revoke?token={}", server.refresh_token().expose());
    for _ in 0..2 {
        sent.send(server.url(), Wire::new("POST", &revoke)).await;
    }
}

/// Responses that belong to no operation.
async fn beyond_the_api(sent: &mut Sent) {
    let faults = ["GET request:429:1/2", "GET request:500"];
    let builder = faults
        .iter()
        .fold(LocalServer::builder(), |builder, fault| builder.fault(fault.parse().unwrap()));
    let server = builder.start().await.unwrap();
    let token = token_of(&server).await;
    for _ in 0..2 {
        sent.send(server.url(), list(&token)).await;
    }
    let named = || create(&token, "AcmePortal");
    sent.send(server.url(), Wire::new("GET", "/openapi.json")).await;
    for wire in [
        named().header("Content-Encoding", "gzip"),
        named().header("Host", "evil.example"),
        named().header("Host", "user@localhost"),
        named().header("Host", "localhost").header("Host", "localhost"),
        named().without_host(),
        Wire::new("POST", "ftp://localhost/crm/v7/settings/portals").token(&token),
    ] {
        sent.send(server.url(), wire).await;
    }
    sent.send(server.url(), named().header("Transfer-Encoding", "gzip, chunked")).await;
}
