//! Which org it is.

use std::time::Duration;

use portal_http::client::{Client, Credential, IdentifyError, SafeClient};
use portal_http::ledger::Ledger;
use portal_http::server::LocalServer;
use portal_model::oauth::AccessToken;
use portal_model::outcome::NotDone;
use portal_model::{Outcome, Response, Scope, server};
use portal_store::{Seed, SeedCredential, SeedOrg, SeedUser};

use super::{name, requests, sending};
use crate::client::script::{
    self, Act, Call, ORG, Scripted, TOKEN, created, credential, lost, none,
};

const CLIENT: &str = "1000.TWO";

fn org(id: &str) -> Act {
    Act::Respond(Response::new(200, format!(r#"{{"org":[{{"id":"{id}"}}]}}"#)))
}

/// A service that creates whatever is requested, and says this of the org.
fn service(mut org: impl FnMut() -> Act + Send + 'static) -> Scripted {
    Scripted::granting(move |call: &Call| match call.what.as_str() {
        ORG => org(),
        what if what.starts_with("GET") => none(),
        _ => created(),
    })
    .with_org()
}

fn safe(service: &Scripted, ledger: &Ledger) -> SafeClient {
    SafeClient::new(service.client(), ledger.clone())
}

#[tokio::test(start_paused = true)]
async fn org_is_asked_once_per_credential_and_ledger() {
    let service = service(|| org("7000"));
    let ledger = Ledger::in_memory();
    for _ in 0..2 {
        let next = safe(&service, &ledger);
        let created = next.create(script::name()).key("k").await;
        assert!(created.is_ours(), "{created:?}");
        assert_eq!(next.identify().await.unwrap().org().unwrap().id, "7000");
    }
    assert_eq!(service.count(ORG), 1);
}

#[tokio::test(start_paused = true)]
async fn page_of_gateway_is_no_answer() {
    for status in [200, 404, 502] {
        let service =
            service(move || Act::Respond(Response::new(status, "<html>Welcome to our Wi-Fi")));
        let outcome = safe(&service, &Ledger::in_memory()).create(name("AcmePortal")).await;
        let unreachable =
            matches!(outcome, Outcome::NotCreated { why: NotDone::Unreachable(_), .. });
        assert!(unreachable, "{outcome:?}");
        assert_eq!((service.count(ORG), service.count("GET /crm/v7/settings")), (5, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn accounts_server_that_fails_for_a_moment_is_asked_again() {
    let mut fails = 2;
    let service = Scripted::new(move |call| match call.what.as_str() {
        TOKEN if fails > 0 => {
            fails -= 1;
            lost()
        }
        TOKEN => {
            let mut token = AccessToken::new("t1".to_owned());
            token.api_domain = Some("https://www.zohoapis.com".to_owned());
            Act::Respond(server::granted(&token))
        }
        what if what.starts_with("GET") => none(),
        _ => created(),
    });
    let builder = Client::builder().transport(service.clone());
    let builder = builder.accounts_url("https://accounts.zoho.com");
    let client = builder.build(credential()).unwrap();
    let outcome = SafeClient::new(client, Ledger::in_memory()).create(script::name()).await;
    assert!(outcome.is_ours(), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn stated_org_needs_no_answer() {
    let service = service(|| Act::Respond(Response::new(502, "")));
    let safe = safe(&service, &Ledger::in_memory()).with_org_id("7000");
    let outcome = safe.create(script::name()).await;
    assert!(outcome.is_ours(), "{outcome:?}");
    assert_eq!(safe.identify().await.unwrap().org().unwrap().id, "7000");
}

#[tokio::test(start_paused = true)]
async fn contradicted_org_stops_everything() {
    let service = service(|| org("7000"));
    let safe = safe(&service, &Ledger::in_memory()).with_org_id("8000");
    let error = safe.identify().await.unwrap_err();
    assert!(matches!(error, IdentifyError::Contradicted { .. }), "{error:?}");
    let outcome = safe.create(name("AcmePortal")).await;
    assert!(matches!(outcome, Outcome::NotCreated { .. }), "{outcome:?}");
    assert!(outcome.to_string().contains("7000"), "{outcome}");
    assert_eq!(service.seen().iter().filter(|what| what.contains("settings")).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn wrong_credential_ends_at_once() {
    let refusal = r#"{"error":"invalid_client"}"#;
    let service = Scripted::new(move |_| Act::Respond(Response::new(200, refusal)));
    let client = service.builder().build(credential()).unwrap();
    let outcome = SafeClient::new(client, Ledger::in_memory()).create(name("AcmePortal")).await;
    let refused = matches!(outcome, Outcome::NotCreated { why: NotDone::Auth(_), .. });
    assert!(refused, "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn locked_refresh_token_is_rate_limit() {
    let server = super::server(&["TOKEN request:429"]).await;
    let safe = super::safe(&server, &Ledger::in_memory());
    let outcome = safe.create(name("AcmePortal")).await;
    let is_limited =
        matches!(outcome, Outcome::NotCreated { why: NotDone::RateLimited { .. }, .. });
    assert!(is_limited, "{outcome:?}");
}

/// A server whose org has two credentials; only the first may read the org.
async fn two() -> (LocalServer, [Client; 2]) {
    let of = |token: &str| SeedCredential::refresh_token(CLIENT, CLIENT, token.to_owned());
    let user = SeedUser::admin("Ada Admin", "ada@two.example")
        .credential(of("both").scopes([Scope::PORTAL_ALL, Scope::ORG_READ]))
        .credential(of("portals"));
    let seed = Seed::new([SeedOrg::new("Acme").user(user)]);
    let server = LocalServer::builder().seed(seed).start().await.unwrap();
    let clients = ["both", "portals"].map(|token| {
        let credential = Credential::refresh_token(CLIENT, CLIENT.to_owned(), token.to_owned());
        let builder = Client::builder().api_url(server.url()).accounts_url(server.url());
        builder.transport(server.service().clone()).build(credential).unwrap()
    });
    (server, clients)
}

#[tokio::test(start_paused = true)]
async fn unknown_org_may_be_any_other() {
    // An attempt that its caller has given up takes effect later.
    let (server, [first, second]) = two().await;
    server.inject_once("POST request:delay=30s".parse().unwrap());
    let ledger = Ledger::in_memory();
    let call = SafeClient::new(first.clone(), ledger.clone()).create(name("FirstPortal")).start();
    sending(&call).await;
    call.stop();
    assert!(matches!(call.await.outcome, Outcome::Unknown { .. }));
    let unknown = SafeClient::new(second, ledger);
    let outcome = unknown.create(name("SecondPortal")).await;
    assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome:?}");
    assert!(unknown.identify().await.unwrap().org().is_none());
    assert_eq!(requests(&server).iter().filter(|what| what.starts_with("POST")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn name_in_doubt_elsewhere_is_unknown() {
    let (server, [first, second]) = two().await;
    server.inject_once("POST request:delay=30s".parse().unwrap());
    let ledger = Ledger::in_memory();
    let call = SafeClient::new(first, ledger.clone()).create(name("AcmePortal")).start();
    sending(&call).await;
    call.stop();
    assert!(matches!(call.await.outcome, Outcome::Unknown { .. }));
    // The other credential can't be identified, or its call is stopped meanwhile.
    server.set_faults(["GET request:500".parse().unwrap()]);
    let other = SafeClient::new(second, ledger);
    let began = tokio::time::Instant::now();
    let failed = other.create(name("AcmePortal")).start();
    let stopped = other.create(name("AcmePortal")).start();
    stopped.stop();
    for call in [stopped, failed] {
        let outcome = call.await.outcome;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(25));
    let outcome = other.create(name("OtherPortal")).await;
    assert!(matches!(outcome, Outcome::NotCreated { .. }), "{outcome:?}");
}
