//! The conformance suite of all engines: each module below runs it with [`suite!`].
//!
//! Each test takes a function that opens handles to one registry, as separate processes would do if
//! the engine supports them.

use std::future::Future;
use std::sync::Arc;

use portal_model::oauth::{Grant, OAuthError, TokenRequest};
use portal_model::{PortalName, Scope, Secret, Timestamp};

use portal_store::{
    PortalLimit, Principal, Registry, Seed, SeedCredential, SeedOrg, SeedUser, TokenRules,
};

mod memory;
mod portals;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
mod seeds;
mod sqlite;
mod tokens;

/// Runs the suite: `suite!(|dir| open)`, where `open()` returns a handle to the registry in `dir`.
/// Attributes before `|dir|` are put on every test.
macro_rules! suite {
    ($(#[$attribute:meta])* |$dir:ident| $open:expr) => {
        $crate::conformance::suite! { @tests ($(#[$attribute])*) |$dir| $open;
            portals: portal_is_found_by_name_in_any_case,
            portals: portal_has_creator_and_times,
            portals: org_sees_only_own_portals,
            portals: one_of_64_creates_of_same_name_succeeds,
            portals: limited_org_never_gets_second_portal,
            portals: limit_precedes_taken_name,
            portals: rename_frees_old_name,
            portals: rename_can_change_case,
            portals: missing_portal_precedes_taken_name,
            portals: one_of_many_renames_and_creates_succeeds,
            portals: unknown_user_is_not_applied,
            portals: dropped_create_is_still_applied,
            seeds: concurrent_seed_is_applied_once,
            seeds: existing_entries_are_unchanged,
            seeds: users_of_org_are_in_seed_order,
            seeds: used_code_and_revoked_token_never_revive,
            seeds: code_age_starts_at_first_application,
            tokens: token_authenticates_user_org_and_scopes,
            tokens: wrong_credential_names_wrong_part,
            tokens: access_token_expires_after_hour,
            tokens: code_expires_after_three_minutes_with_limits,
            tokens: code_is_good_until_used,
            tokens: one_of_16_exchanges_of_same_code_succeeds,
            tokens: refresh_token_has_scopes_of_its_code,
            tokens: revocation_expires_only_own_access_tokens,
            tokens: access_token_can_be_expired_early,
            tokens: eleventh_token_in_ten_minutes_is_denied,
            tokens: sixteenth_token_expires_oldest,
            tokens: twenty_first_refresh_token_revokes_oldest,
            tokens: lifetimes_only_denies_and_expires_nothing,
        }
    };
    (@tests $attributes:tt |$dir:ident| $open:expr; $($topic:ident: $name:ident,)*) => {
        $($crate::conformance::suite! { @test $attributes |$dir| $open; $topic: $name })*
    };
    (@test ($(#[$attribute:meta])*) |$dir:ident| $open:expr; $topic:ident: $name:ident) => {
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let kept = tempfile::tempdir().unwrap();
            let $dir = kept.path().to_owned();
            // Passed by reference, because what it opens may borrow from it.
            let open = $open;
            $crate::conformance::$topic::$name(&open).await;
        }
    };
}
use suite;

/// A point in time, in seconds since the start of the test.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + second).unwrap()
}

pub(crate) fn name(text: &str) -> PortalName {
    text.parse().unwrap()
}

/// An org whose admin has the refresh token `1000.<name>.all`.
pub(crate) fn org(name: &str, portal_limit: PortalLimit) -> SeedOrg {
    let credential =
        SeedCredential::refresh_token(client_id(name), client_secret(name), refresh_token(name))
            .scopes([Scope::PORTAL_ALL, Scope::USERS_READ]);
    let admin = SeedUser::admin(format!("{name} Admin"), format!("admin@{name}.example"));
    SeedOrg::new(name).portal_limit(portal_limit).user(admin.credential(credential))
}

pub(crate) fn client_id(org: &str) -> String {
    format!("1000.{org}")
}

pub(crate) fn client_secret(org: &str) -> Secret {
    Secret::new(format!("secret of {org}"))
}

pub(crate) fn refresh_token(org: &str) -> Secret {
    Secret::new(format!("1000.{org}.all"))
}

/// The orgs `acme` and `globex` without a limit, and `limited` with one.
pub(crate) fn seed() -> Seed {
    Seed::new([
        org("acme", PortalLimit::Unlimited),
        org("globex", PortalLimit::Unlimited),
        org("limited", PortalLimit::One),
    ])
}

/// [`seed`] plus a code for `acme`.
pub(crate) fn seed_with_code(code: &str) -> Seed {
    let mut seed = seed();
    let credential = SeedCredential::code(client_id("acme"), client_secret("acme"), code)
        .scopes([Scope::PORTAL_ALL, Scope::USERS_READ]);
    seed.orgs[0].users[0].credentials.push(credential);
    seed
}

/// A registry with [`seed`], and the principals of `acme`, `globex` and `limited`.
pub(crate) async fn seeded<R: Registry>(open: impl Fn() -> R) -> (R, [Principal; 3]) {
    let registry = open();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acting = [
        principal_of(&registry, "acme").await,
        principal_of(&registry, "globex").await,
        principal_of(&registry, "limited").await,
    ];
    (registry, acting)
}

async fn principal_of<R: Registry>(registry: &R, org: &str) -> Principal {
    let token = access_token(registry, &refresh(org), 0).await.unwrap();
    Arc::unwrap_or_clone(registry.authenticate(&token, at(0)).await.unwrap().unwrap())
}

/// A token request by `org`'s client with its refresh token.
pub(crate) fn refresh(org: &str) -> TokenRequest {
    request(org, Grant::RefreshToken(refresh_token(org)))
}

/// A token request by `acme`'s client with a code.
pub(crate) fn exchange(code: &str) -> TokenRequest {
    let code = Secret::new(code.to_owned());
    request("acme", Grant::AuthorizationCode { code, redirect_uri: None })
}

/// A token request by `org`'s client.
pub(crate) fn request(org: &str, grant: Grant) -> TokenRequest {
    TokenRequest::new(client_id(org), client_secret(org), grant)
}

/// Issues an access token, without the service's limits.
pub(crate) async fn access_token<R: Registry>(
    registry: &R,
    request: &TokenRequest,
    second: i64,
) -> Result<String, OAuthError> {
    let granted =
        registry.issue_token(request, TokenRules::LifetimesOnly, at(second)).await.unwrap();
    granted.map(|granted| granted.access_token.expose().to_owned())
}

/// Runs calls concurrently; returns their results.
pub(crate) async fn all_at_once<T: Send + 'static>(
    calls: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = calls.map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
