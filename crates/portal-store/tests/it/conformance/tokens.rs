//! Issuing, using and expiring tokens.

use portal_model::oauth::{Grant, OAuthError};
use portal_model::server;

use super::{
    access_token, all_at_once, at, client_id, client_secret, exchange, refresh, refresh_token,
    request, seed, seed_with_code,
};
use portal_store::{Permission, Registry, TokenRules};

/// A registry with [`seed_with_code`].
async fn with_code<R: Registry>(open: impl Fn() -> R, code: &str) -> R {
    let registry = open();
    registry.apply_seed(&seed_with_code(code), at(0)).await.unwrap();
    registry
}

async fn is_alive<R: Registry>(registry: &R, access_token: &str, second: i64) -> bool {
    registry.authenticate(access_token, at(second)).await.unwrap().is_some()
}

async fn alive<R: Registry>(registry: &R, access_tokens: &[String], second: i64) -> Vec<bool> {
    let mut alive = Vec::new();
    for access_token in access_tokens {
        alive.push(is_alive(registry, access_token, second).await);
    }
    alive
}

/// Issues an access token under the service's limits.
async fn limited<R: Registry>(registry: &R, second: i64) -> Result<String, OAuthError> {
    let granted =
        registry.issue_token(&refresh("acme"), TokenRules::ServiceLimits, at(second)).await;
    granted.unwrap().map(|granted| granted.access_token.expose().to_owned())
}

pub(crate) async fn token_authenticates_user_org_and_scopes<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(&open, "code").await;
    let token = access_token(&registry, &refresh("globex"), 0).await.unwrap();
    let principal = open().authenticate(&token, at(7)).await.unwrap().unwrap();
    assert_eq!(principal.org.name, "globex");
    assert_eq!(principal.user.email, "admin@globex.example");
    assert_eq!(principal.user.permissions, Permission::ALL.into());
    assert_eq!(principal.scopes, seed().orgs[1].users[0].credentials[0].scopes);
    assert_eq!(principal.client_id, client_id("globex"));
    assert_eq!(principal.expires_at, at(3600));
    for unknown in ["", "1000.unknown", "1000.globex.all", &token.to_uppercase()] {
        assert_eq!(registry.authenticate(unknown, at(7)).await, Ok(None));
    }
}

pub(crate) async fn wrong_credential_names_wrong_part<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(&open, "code").await;
    let good = refresh("acme");
    let mut unknown_client = good.clone();
    unknown_client.client_id = String::from("1000.unknown");
    let mut wrong_secret = good.clone();
    wrong_secret.client_secret = client_secret("globex");
    let unknown_token = request("acme", Grant::RefreshToken("1000.unknown".to_owned().into()));
    let of_another_client = request("acme", refresh("globex").grant);
    let code_as_token = request("acme", Grant::RefreshToken("code".to_owned().into()));
    let mut code_of_another_client = exchange("code");
    code_of_another_client.client_id = client_id("globex");
    code_of_another_client.client_secret = client_secret("globex");
    for (request, error) in [
        (unknown_client, OAuthError::INVALID_CLIENT),
        (wrong_secret, "invalid_client_secret"),
        (unknown_token, OAuthError::INVALID_CODE),
        (of_another_client, OAuthError::INVALID_CODE),
        (code_as_token, OAuthError::INVALID_CODE),
        (exchange("1000.acme.all"), OAuthError::INVALID_CODE),
        (code_of_another_client, OAuthError::INVALID_CODE),
    ] {
        let refused = access_token(&registry, &request, 0).await.unwrap_err();
        assert_eq!(refused.error, error, "{request:?}");
    }
    // The refused requests did not use up the code.
    access_token(&registry, &exchange("code"), 0).await.unwrap();
}

pub(crate) async fn access_token_expires_after_hour<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(open, "code").await;
    let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    assert!(is_alive(&registry, &token, 3599).await);
    assert!(!is_alive(&registry, &token, 3600).await);
}

pub(crate) async fn code_expires_after_three_minutes_with_limits<R: Registry>(
    open: impl Fn() -> R,
) {
    let registry = with_code(&open, "code").await;
    let limited = async |second| {
        let rules = TokenRules::ServiceLimits;
        registry.issue_token(&exchange("code"), rules, at(second)).await.unwrap()
    };
    assert_eq!(limited(180).await.unwrap_err().error, OAuthError::INVALID_CODE);
    limited(179).await.unwrap();
}

pub(crate) async fn code_is_good_until_used<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(&open, "code").await;
    access_token(&registry, &exchange("code"), 100_000_000).await.unwrap();
    let refused = access_token(&registry, &exchange("code"), 100_000_000).await.unwrap_err();
    assert_eq!(refused.error, OAuthError::INVALID_CODE);
}

pub(crate) async fn one_of_16_exchanges_of_same_code_succeeds<R: Registry>(open: impl Fn() -> R) {
    let handles = [with_code(&open, "code").await, open()];
    let exchanges = all_at_once((0..16).map(|index| {
        let registry = handles[index % 2].clone();
        async move { access_token(&registry, &exchange("code"), 1).await }
    }));
    let mut granted = 0;
    for result in exchanges.await {
        match result {
            Ok(_) => granted += 1,
            Err(refused) => assert_eq!(refused.error, OAuthError::INVALID_CODE),
        }
    }
    assert_eq!(granted, 1);
}

pub(crate) async fn refresh_token_has_scopes_of_its_code<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(&open, "code").await;
    let rules = TokenRules::LifetimesOnly;
    let granted = registry.issue_token(&exchange("code"), rules, at(1)).await.unwrap().unwrap();
    let refresh_token = granted.refresh_token.unwrap();
    assert_ne!(&refresh_token, &granted.access_token);
    let again = request("acme", Grant::RefreshToken(refresh_token));
    let refreshed = open().issue_token(&again, rules, at(100_000)).await.unwrap().unwrap();
    assert_eq!(refreshed.refresh_token, None);
    let principal = registry.authenticate(refreshed.access_token.expose(), at(100_000)).await;
    let principal = principal.unwrap().unwrap();
    assert_eq!(principal.scopes, seed().orgs[0].users[0].credentials[0].scopes);
}

pub(crate) async fn revocation_expires_only_own_access_tokens<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(&open, "code").await;
    let mut tokens = Vec::new();
    for org in ["acme", "acme", "globex"] {
        tokens.push(access_token(&registry, &refresh(org), 0).await.unwrap());
    }
    tokens.push(access_token(&registry, &exchange("code"), 0).await.unwrap());
    assert_eq!(alive(&registry, &tokens, 1).await, [true, true, true, true]);
    assert_eq!(registry.revoke("1000.unknown", at(1)).await, Ok(false));
    assert_eq!(registry.revoke(&tokens[0], at(1)).await, Ok(false), "an access token");
    assert_eq!(registry.revoke("1000.acme.all", at(1)).await, Ok(true));
    assert_eq!(alive(&registry, &tokens, 1).await, [false, false, true, true]);
    assert_eq!(alive(&open(), &tokens, 1).await, [false, false, true, true]);
    assert_eq!(registry.revoke("1000.acme.all", at(1)).await, Ok(false), "a second time");
    let refused = access_token(&registry, &refresh("acme"), 2).await.unwrap_err();
    assert_eq!(refused.error, OAuthError::INVALID_CODE);
}

pub(crate) async fn access_token_can_be_expired_early<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(&open, "code").await;
    let ended = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    let other = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    assert!(is_alive(&registry, &ended, 0).await);
    assert_eq!(registry.expire_access_token(&ended).await, Ok(true));
    assert!(!is_alive(&registry, &ended, 0).await);
    assert!(is_alive(&registry, &other, 0).await);
    assert_eq!(registry.expire_access_token(&ended).await, Ok(false), "a second time");
    assert_eq!(registry.expire_access_token("1000.unknown").await, Ok(false));
}

pub(crate) async fn eleventh_token_in_ten_minutes_is_denied<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(open, "code").await;
    for second in 0..10 {
        let token = limited(&registry, second).await.unwrap();
        // An expired token still counts towards the limit.
        registry.expire_access_token(&token).await.unwrap();
    }
    assert_eq!(limited(&registry, 10).await, Err(server::tokens_rate_limited()));
    assert_eq!(limited(&registry, 599).await, Err(server::tokens_rate_limited()));
    // The first token has left the window; denied requests never count.
    limited(&registry, 600).await.unwrap();
    assert_eq!(limited(&registry, 600).await, Err(server::tokens_rate_limited()));
    access_token(&registry, &refresh("acme"), 600).await.unwrap();
}

pub(crate) async fn sixteenth_token_expires_oldest<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(open, "code").await;
    let mut tokens = Vec::new();
    for index in 0..15 {
        tokens.push(limited(&registry, index * 61).await.unwrap());
    }
    let now = 15 * 61;
    assert_eq!(alive(&registry, &tokens, now).await, vec![true; 15]);
    tokens.push(limited(&registry, now).await.unwrap());
    let mut expected = vec![true; 16];
    expected[0] = false;
    assert_eq!(alive(&registry, &tokens, now).await, expected);
    // The limit is per refresh token.
    let other = access_token(&registry, &refresh("globex"), now).await.unwrap();
    assert!(is_alive(&registry, &other, now).await);
}

pub(crate) async fn lifetimes_only_denies_and_expires_nothing<R: Registry>(open: impl Fn() -> R) {
    let registry = with_code(open, "code").await;
    let mut tokens = Vec::new();
    for _ in 0..20 {
        tokens.push(access_token(&registry, &refresh("acme"), 0).await.unwrap());
    }
    assert_eq!(alive(&registry, &tokens, 3599).await, vec![true; 20]);
    // Only a token that counts towards no limit is forgotten.
    access_token(&registry, &refresh("acme"), 3600).await.unwrap();
    assert_eq!(alive(&registry, &tokens, 3600).await, vec![false; 20]);
}

pub(crate) async fn twenty_first_refresh_token_revokes_oldest<R: Registry>(open: impl Fn() -> R) {
    let registry = open();
    let mut refresh_tokens = vec![refresh_token("acme").expose().to_owned()];
    for number in 1..=21 {
        let (code, now) = (format!("code {number}"), at(number));
        registry.apply_seed(&seed_with_code(&code), now).await.unwrap();
        let granted = registry.issue_token(&exchange(&code), TokenRules::ServiceLimits, now).await;
        let granted = granted.unwrap().unwrap();
        refresh_tokens.push(granted.refresh_token.unwrap().expose().to_owned());
        let mut alive = 0;
        for (age, token) in refresh_tokens.iter().rev().enumerate() {
            let request = request("acme", Grant::RefreshToken(token.clone().into()));
            let is_alive = access_token(&registry, &request, number).await.is_ok();
            assert_eq!(is_alive, age < 20, "{number} {age}");
            alive += usize::from(is_alive);
        }
        assert_eq!(alive, refresh_tokens.len().min(20));
    }
    // Of another user none.
    access_token(&registry, &refresh("globex"), 30).await.unwrap();
}
