//! Tokens: one refresh serves all callers; a wrong credential fails everything at once.

use std::time::Duration;

use portal_http::client::ClientError;
use portal_model::flow::TokenError;
use portal_model::oauth::{AccessToken, OAuthError};
use portal_model::outcome::{AuthFailure, NotDone, Outcome};
use portal_model::server::{self, rejections};
use portal_model::{ListPortals, PortalName, ResponseError};
use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use super::script::{
    Act, Call, LIST, Scripted, TOKEN, access_token, created, creates, name, none, refused,
};

/// Refuses every token but `good`.
fn only(good: &'static str) -> impl FnMut(&Call) -> Act + Send + 'static {
    move |call| match &call.token {
        Some(token) if token == good => match call.what.as_str() {
            LIST => none(),
            _ => created(),
        },
        _ => refused(rejections::invalid_token()),
    }
}

#[tokio::test(start_paused = true)]
async fn creates_with_expired_token_refresh_once() {
    let service = Scripted::granting(only("t2"));
    let client = service.builder().concurrency(20).build(super::script::credential()).unwrap();
    client.authenticate().await.unwrap();
    let mut creates = JoinSet::new();
    for _ in 0..20 {
        creates.spawn(client.create(name()));
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
async fn rejected_fixed_token_is_not_replaced() {
    let service = Scripted::new(|_| refused(rejections::invalid_token()));
    let client = service.builder().build(access_token()).unwrap();
    let error = client.call(&ListPortals).await.unwrap_err();
    assert_eq!(error.api(), Some(&rejections::invalid_token()));
    let Outcome::NotCreated { why: NotDone::Auth(AuthFailure::TokenRejected(error)), .. } =
        client.create(name()).await
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
    let client = service.client();
    let mut creates = JoinSet::new();
    for number in 0..20 {
        creates.spawn(client.create(PortalName::parse(&format!("Portal{number}")).unwrap()));
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
    let service = Scripted::granting(creates);
    let client = service.client();
    tokio::select! {
        biased;
        _ = client.authenticate() => panic!("it can't be there at once"),
        () = std::future::ready(()) => {}
    }
    client.authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 1);
}
