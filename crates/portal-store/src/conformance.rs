//! One suite that every engine passes: [`suite!`] runs it in an engine's own tests.
//!
//! Each test gets a function that opens handles to one registry, as different processes would
//! where the engine has such.

use portal_model::oauth::{Grant, OAuthError, TokenRequest};
use portal_model::{Environment, PortalName, Scope, Secret, Timestamp};

use crate::org::{Permission, PortalLimit, Principal};
use crate::registry::Registry;
use crate::seed::{Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};
use crate::token::TokenRules;

pub(crate) mod portals;
pub(crate) mod seeds;
pub(crate) mod tokens;

/// Runs the suite: `suite!(|dir| open)`, where `open()` gives a handle to the registry in
/// `dir`.
macro_rules! suite {
    (|$dir:ident| $open:expr) => {
        $crate::conformance::suite! { @tests |$dir| $open;
            portals: a_portal_is_found_by_its_name_in_any_case,
            portals: a_portal_says_who_made_it_and_when,
            portals: an_org_sees_its_own_portals_only,
            portals: of_64_creates_of_one_name_exactly_one_succeeds,
            portals: an_org_with_a_limit_never_gets_a_second_portal,
            portals: the_limit_is_reported_before_the_name,
            portals: a_rename_frees_the_old_name_at_once,
            portals: a_name_may_change_the_case_of_its_letters,
            portals: an_unknown_old_name_is_reported_before_a_taken_new_one,
            portals: of_many_renames_and_creates_of_one_name_exactly_one_succeeds,
            portals: an_unknown_org_or_user_creates_nothing,
            portals: a_create_that_nobody_waits_for_is_kept,
            seeds: a_seed_applied_by_eight_at_once_is_applied_once,
            seeds: what_exists_stays_as_it_is,
            seeds: users_of_an_org_are_in_seed_order,
            seeds: neither_a_used_code_nor_a_revoked_token_revives,
            seeds: a_code_is_as_old_as_the_first_application_of_its_seed,
            tokens: a_token_leads_to_user_org_and_scopes,
            tokens: a_wrong_credential_is_refused_by_its_wrong_part,
            tokens: an_access_token_lives_for_an_hour,
            tokens: a_code_is_good_for_three_minutes,
            tokens: of_sixteen_exchanges_of_one_code_exactly_one_succeeds,
            tokens: the_refresh_token_of_a_code_has_its_scopes,
            tokens: a_revocation_ends_every_token_of_that_refresh_token_and_no_other,
            tokens: an_access_token_can_be_ended_before_its_time,
            tokens: the_eleventh_token_in_ten_minutes_is_denied,
            tokens: the_sixteenth_token_ends_the_oldest,
            tokens: without_the_limits_nothing_is_denied_and_nothing_ends,
        }
    };
    (@tests |$dir:ident| $open:expr; $($topic:ident: $name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let kept = tempfile::tempdir().unwrap();
                let $dir = kept.path().to_owned();
                // Lent: what it opens may live only as long.
                let open = $open;
                $crate::conformance::$topic::$name(&open).await;
            }
        )*
    };
}
pub(crate) use suite;

/// A time of the suite: seconds after its beginning.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + second).unwrap()
}

pub(crate) fn name(text: &str) -> PortalName {
    text.parse().unwrap()
}

/// Of the org `name`, whose admin has a refresh token `1000.<name>.all`.
pub(crate) fn org(name: &str, portal_limit: PortalLimit) -> SeedOrg {
    SeedOrg {
        name: name.to_owned(),
        environment: Environment::Production,
        portal_limit,
        users: vec![SeedUser {
            name: format!("{name} Admin"),
            email: format!("admin@{name}.example"),
            permissions: Permission::ALL.into(),
            credentials: vec![credential(name, SeedGrant::RefreshToken(refresh_token(name)))],
        }],
    }
}

/// For everything about portals; the client is `client_id(org)`.
pub(crate) fn credential(org: &str, grant: SeedGrant) -> SeedCredential {
    SeedCredential {
        client_id: client_id(org),
        client_secret: client_secret(org),
        grant,
        scopes: vec![Scope::PORTAL_ALL, Scope::new("ZohoCRM.users.READ")],
    }
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

/// The orgs `acme` and `globex` without a limit, `limited` with one.
pub(crate) fn seed() -> Seed {
    Seed {
        orgs: vec![
            org("acme", PortalLimit::Unlimited),
            org("globex", PortalLimit::Unlimited),
            org("limited", PortalLimit::One),
        ],
    }
}

/// [`seed`] with a code of `acme`.
pub(crate) fn seed_with_code(code: &str) -> Seed {
    let mut seed = seed();
    let grant = SeedGrant::Code(Secret::new(code.to_owned()));
    seed.orgs[0].users[0].credentials.push(credential("acme", grant));
    seed
}

/// A registry with [`seed`], and who acts for `acme`, `globex` and `limited`.
pub(crate) async fn seeded<R: Registry>(open: impl Fn() -> R) -> (R, [Principal; 3]) {
    let registry = open();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acting = [
        act(&registry, "acme").await,
        act(&registry, "globex").await,
        act(&registry, "limited").await,
    ];
    (registry, acting)
}

async fn act<R: Registry>(registry: &R, org: &str) -> Principal {
    let token = access_token(registry, &refresh(org), 0).await.unwrap();
    registry.principal(&token, at(0)).await.unwrap().unwrap()
}

/// The request of `org`'s client with its refresh token.
pub(crate) fn refresh(org: &str) -> TokenRequest {
    request(org, Grant::RefreshToken(refresh_token(org)))
}

/// The request of `acme`'s client with a code.
pub(crate) fn exchange(code: &str) -> TokenRequest {
    let code = Secret::new(code.to_owned());
    request("acme", Grant::AuthorizationCode { code, redirect_uri: None })
}

/// The request of `org`'s client.
pub(crate) fn request(org: &str, grant: Grant) -> TokenRequest {
    TokenRequest::new(client_id(org), client_secret(org), grant)
}

/// A new access token, without the limits.
pub(crate) async fn access_token<R: Registry>(
    registry: &R,
    request: &TokenRequest,
    second: i64,
) -> Result<String, OAuthError> {
    let granted = registry.grant(request, TokenRules::LifetimesOnly, at(second)).await.unwrap();
    granted.map(|granted| granted.access_token.expose().to_owned())
}
