//! Tokens: one refresh serves all callers; a wrong credential fails everything at once.

use std::time::Duration;

use portal_http::client::{Client, ClientError};
use portal_model::flow::TokenError;
use portal_model::oauth::{AccessToken, OAuthError};
use portal_model::outcome::{AuthFailure, NotDone, Outcome};
use portal_model::server::{self, rejections};
use portal_model::{ListPortals, PortalName, Response, ResponseError};
use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use super::script::{
    Act, Call, LIST, Scripted, TOKEN, access_token, lists_nothing, name, none, refused, safely,
};

/// Refuses every token but `good`.
fn only(good: &'static str) -> impl FnMut(&Call) -> Act + Send + 'static {
    move |call| match &call.token {
        Some(token) if token == good => lists_nothing(call),
        _ => refused(rejections::invalid_token()),
    }
}

#[tokio::test(start_paused = true)]
async fn creates_with_expired_token_refresh_once() {
    let service = Scripted::granting(only("t2"));
    let client = service.builder().concurrency(20).build(super::script::credential()).unwrap();
    client.authenticate().await.unwrap();
    let safe = safely(client);
    let mut creates = JoinSet::new();
    for number in 0..20 {
        let name = PortalName::parse(&format!("Portal{number}")).unwrap();
        creates.spawn(safe.create(name).allow_another().into_future());
    }
    while let Some(outcome) = creates.join_next().await {
        assert!(matches!(outcome.unwrap(), Outcome::Created { .. }));
    }
    assert_eq!(service.count(TOKEN), 2);
}

#[tokio::test(start_paused = true)]
async fn call_replaces_rejected_token_once() {
    let service = Scripted::granting(only("t2"));
    assert_eq!(service.client().call(&ListPortals).await.unwrap(), []);
    assert_eq!(service.seen(), [TOKEN, LIST, TOKEN, LIST]);

    let service = Scripted::granting(only("none"));
    let error = service.client().call(&ListPortals).await.unwrap_err();
    assert_eq!(error, ClientError::Api(rejections::invalid_token()));
    assert_eq!(service.seen(), [TOKEN, LIST, TOKEN, LIST]);
}

#[tokio::test(start_paused = true)]
async fn any_401_but_scope_costs_one_refresh() {
    let error = |status: u16, code: &str| {
        let body = format!(r#"{{"code":"{code}","details":{{}},"message":"no","status":"error"}}"#);
        Response::new(status, body)
    };
    for response in [
        error(401, "INVALID_OAUTHTOKEN"),
        error(401, "SOMETHING_NEW"),
        error(400, "INVALID_TOKEN"),
        Response::new(401, "<html>"),
        Response::new(401, r#"{"code":"INVALID_OAUTHTOKEN"}"#),
    ] {
        let old = response.clone();
        let service = Scripted::granting(move |call| match call.token.as_deref() {
            Some("t1") => Act::Respond(old.clone()),
            _ => none(),
        });
        assert_eq!(service.client().call(&ListPortals).await.unwrap(), [], "{response:?}");
        assert_eq!(service.seen(), [TOKEN, LIST, TOKEN, LIST]);
        let service = Scripted::granting(move |_| Act::Respond(response.clone()));
        service.client().call(&ListPortals).await.unwrap_err();
        assert_eq!(service.seen(), [TOKEN, LIST, TOKEN, LIST]);
    }
    let scope = error(401, "OAUTH_SCOPE_MISMATCH");
    let service = Scripted::granting(move |_| Act::Respond(scope.clone()));
    service.client().call(&ListPortals).await.unwrap_err();
    assert_eq!(service.seen(), [TOKEN, LIST]);
}

#[tokio::test(start_paused = true)]
async fn page_of_accounts_server_costs_one_request() {
    for (status, requests) in [(200, 1), (403, 1), (502, 3)] {
        let service = Scripted::new(move |_| Act::Respond(Response::new(status, "<html>")));
        let client = service.client();
        let Outcome::NotCreated { .. } = safely(client.clone()).create(name()).await else {
            panic!()
        };
        assert!(service.count(TOKEN) <= requests, "{status}: {}", service.count(TOKEN));
        advance(Duration::from_secs(31)).await;
        let before = service.count(TOKEN);
        client.call(&ListPortals).await.unwrap_err();
        assert_eq!(service.count(TOKEN), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn token_goes_to_no_host_that_nobody_named() {
    for (named, is_used) in [
        ("https://www.zohoapis.eu", true),
        ("https://accounts.example", true),
        ("https://evil.example", false),
        ("https://www.zohoapis.eu.evil.example", false),
        ("https://accounts.example:8443", false),
        ("http://www.zohoapis.eu", false),
    ] {
        let service = Scripted::new(move |call| match call.what.as_str() {
            TOKEN => {
                let mut token = AccessToken::new("t1".to_owned());
                token.api_domain = Some(named.to_owned());
                Act::Respond(server::granted(&token))
            }
            _ => none(),
        });
        let client = Client::builder().transport(service.clone());
        let client = client.accounts_url("https://accounts.example/oauth/v2/token");
        let client = client.build(super::script::credential()).unwrap();
        let listed = client.call(&ListPortals).await;
        assert_eq!(listed.is_ok(), is_used, "{named}: {listed:?}");
        assert_eq!(service.count(LIST), usize::from(is_used), "{named}");
        assert_eq!(service.count(TOKEN), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_fixed_token_is_not_replaced() {
    let service = Scripted::new(|_| refused(rejections::invalid_token()));
    let client = service.builder().build(access_token()).unwrap();
    let error = client.call(&ListPortals).await.unwrap_err();
    assert_eq!(error.api(), Some(&rejections::invalid_token()));
    let Outcome::NotCreated { why: NotDone::Auth(AuthFailure::TokenRejected(error)), .. } =
        safely(client).create(name()).await
    else {
        panic!()
    };
    assert_eq!(error, ResponseError::Api(rejections::invalid_token()));
    assert_eq!(service.seen(), [LIST, LIST]);
}

#[tokio::test(start_paused = true)]
async fn wrong_credential_is_tried_once() {
    let service = Scripted::new(|_| {
        Act::Respond(server::token_refused(&OAuthError::new(OAuthError::INVALID_CLIENT)))
    });
    let safe = service.safe();
    let mut creates = JoinSet::new();
    for number in 0..20 {
        let name = PortalName::parse(&format!("Portal{number}")).unwrap();
        creates.spawn(safe.create(name).into_future());
    }
    while let Some(outcome) = creates.join_next().await {
        let Outcome::NotCreated { why: NotDone::Auth(failure), .. } = outcome.unwrap() else {
            panic!()
        };
        assert!(failure.to_string().contains("client id"), "{failure}");
    }
    assert_eq!(service.seen(), [TOKEN]);
}

#[tokio::test(start_paused = true)]
async fn rate_limited_token_is_requested_by_next_call() {
    let mut calls = 0;
    let service = Scripted::new(move |call| {
        calls += 1;
        match (call.what.as_str(), calls) {
            (TOKEN, 1) => Act::Respond(server::token_refused(&server::tokens_rate_limited())),
            (TOKEN, _) => Act::Respond(server::granted(&AccessToken::new("t1".to_owned()))),
            _ => none(),
        }
    });
    let client = service.client();
    let error = client.call(&ListPortals).await.unwrap_err();
    assert_eq!(error, ClientError::Token(TokenError::Rejected(server::tokens_rate_limited())));
    assert!(!error.may_have_been_sent());
    assert!(client.call(&ListPortals).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn token_is_refreshed_in_background() {
    let service = Scripted::granting(|_| none());
    let client = service.client();
    client.authenticate().await.unwrap();
    advance(Duration::from_secs(54 * 60)).await;
    client.authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 1);
    advance(Duration::from_secs(2 * 60)).await;
    // Due: the old token is still used, and a new one is requested in the background.
    client.authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 1);
    // With paused time, sleeping lets everything in flight complete first.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(service.count(TOKEN), 2);
    advance(Duration::from_secs(30 * 60)).await;
    client.authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 2);
    // Expired: a new one is required.
    advance(Duration::from_secs(30 * 60)).await;
    client.authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 3);
}

#[tokio::test(start_paused = true)]
async fn refresh_continues_when_caller_hangs_up() {
    let service = Scripted::granting(lists_nothing);
    let client = service.client();
    tokio::select! {
        biased;
        _ = client.authenticate() => panic!("it can't be there at once"),
        () = std::future::ready(()) => {}
    }
    client.authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 1);
}
