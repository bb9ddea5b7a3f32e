//! What a client makes of the accounts server: where it says that the API is, and its silence.

use std::time::Duration;

use portal_http::client::{BuildError, Client, ClientError, Credential};
use portal_model::error::with_sources;
use portal_model::flow::TokenError;
use portal_model::oauth::AccessToken;
use portal_model::outcome::{NotDone, Outcome};
use portal_model::server;
use portal_model::{DataCenter, Environment, ListPortals, Response};
use tokio::time::Instant;

use super::script::{Act, Scripted, TOKEN, access_token, credential, name, none, safely};

/// Grants a token that names `api_domain`.
fn naming(api_domain: &str) -> Scripted {
    let mut token = AccessToken::new("t1".to_owned());
    token.api_domain = Some(api_domain.to_owned());
    Scripted::new(
        move |call| if call.what == TOKEN { Act::Respond(server::granted(&token)) } else { none() },
    )
}

fn url(client: &Client) -> String {
    client.api_url().map(|url| url.to_string()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn account_in_other_data_center_is_followed() {
    let service = naming("https://www.zohoapis.eu");
    let client = service
        .builder()
        .data_center(DataCenter::Us, Environment::Production)
        .build(credential())
        .unwrap();
    assert_eq!(url(&client), "https://www.zohoapis.com");
    client.call(&ListPortals).await.unwrap();
    assert_eq!(url(&client), "https://www.zohoapis.eu");
    assert_eq!(client.api_domain_mismatch(), None);
    assert_eq!(service.hosts(), ["accounts.zoho.com", "www.zohoapis.eu"]);
}

#[tokio::test(start_paused = true)]
async fn token_goes_to_configured_host_only() {
    let service = naming("https://www.zohoapis.eu");
    let client = service.client();
    client.call(&ListPortals).await.unwrap();
    assert_eq!(service.hosts(), ["accounts.zoho.com", "www.zohoapis.com"]);
    assert_eq!(client.api_domain_mismatch().as_deref(), Some("https://www.zohoapis.eu"));
}

#[tokio::test(start_paused = true)]
async fn token_response_names_api_unless_plain_http() {
    let client = |service: &Scripted| {
        let builder = Client::builder().transport(service.clone());
        builder.accounts_url("https://accounts.zoho.uk").build(credential()).unwrap()
    };
    let service = naming("https://www.zohoapis.uk/");
    client(&service).call(&ListPortals).await.unwrap();
    assert_eq!(service.hosts(), ["accounts.zoho.uk", "www.zohoapis.uk"]);

    let service = naming("https://www.zohoapis.evil");
    let error = client(&service).call(&ListPortals).await.unwrap_err();
    assert!(error.to_string().contains("not one of Zoho's"), "{error}");
    assert_eq!(service.hosts(), ["accounts.zoho.uk"]);

    let service = naming("http://www.zohoapis.uk");
    let error = client(&service).call(&ListPortals).await.unwrap_err();
    let error = with_sources(&error);
    assert!(error.contains("would carry secrets in the clear"), "{error}");
    assert_eq!(service.hosts(), ["accounts.zoho.uk"]);

    let service = Scripted::granting(|_| none());
    let error = client(&service).call(&ListPortals).await.unwrap_err();
    let error = with_sources(&error);
    assert!(error.contains("did not name the API"), "{error}");
}

#[test]
fn credential_without_urls_is_build_error() {
    let error = Client::builder().build(credential()).unwrap_err();
    assert_eq!(error, BuildError::NoAccountsUrl);
    let error = Client::builder().build(access_token()).unwrap_err();
    assert_eq!(error, BuildError::NoApiUrl);
}

#[tokio::test(start_paused = true)]
async fn silent_accounts_server_ends_call_and_create() {
    let service = Scripted::new(|_| Act::Hang);
    let client = service.client();
    let began = Instant::now();
    let error = client.call(&ListPortals).await.unwrap_err();
    assert!(matches!(error, ClientError::Token(TokenError::NoResponse(_))), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 10);

    let began = Instant::now();
    let outcome = safely(client).create(name()).await;
    let unreachable = matches!(outcome, Outcome::NotCreated { why: NotDone::Unreachable(_), .. });
    assert!(unreachable, "{outcome:?}");
    assert!(outcome.to_string().contains("no response from the accounts server"), "{outcome}");
    assert!(began.elapsed() <= Duration::from_secs(21), "{:?}", began.elapsed());
    assert_eq!(service.count("POST /crm"), 0);
}

#[tokio::test(start_paused = true)]
async fn echoed_secrets_reach_no_error() {
    let [token, secret, refresh] =
        ["a", "b", "c"].map(|digit| format!("1000.{0}.{0}", digit.repeat(32)));
    let credential = || Credential::refresh_token("1000.ID", secret.clone(), refresh.clone());
    let granted = server::granted(&AccessToken::new(token.clone()));
    let page = Response::new(502, format!("<p>Authorization: Zoho-oauthtoken {token}</p>"));
    let service = Scripted::new(move |call| {
        Act::Respond(if call.what == TOKEN { granted.clone() } else { page.clone() })
    });
    let client = service.builder().build(credential()).unwrap();
    let error = client.call(&ListPortals).await.unwrap_err();
    assert!(format!("{error:?}").contains("Zoho-oauthtoken •••"), "{error:?}");

    let refusal = format!(r#"{{"error":"no client has {secret} or {refresh}"}}"#);
    let service = Scripted::new(move |_| Act::Respond(Response::new(400, refusal.as_str())));
    let client = service.builder().build(credential()).unwrap();
    let error = client.call(&ListPortals).await.unwrap_err();
    assert!(with_sources(&error).contains("no client has ••• or •••"), "{error:?}");
}
