//! [`Registry`]: the operations of every engine, and their guarantees.

use std::sync::Arc;

use portal_model::oauth::{AccessToken, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};

use crate::error::RegistryError;
use crate::org::{Org, OrgId, Principal, User, UserId};
use crate::seed::Seed;
use crate::token::TokenRules;

/// A registry of orgs, users, credentials and portals. A value is a handle: its clones share one
/// registry.
///
/// - An acknowledged change is durable, by the means of the engine.
/// - Of any number of concurrent creates and renames to one name, ignoring case, from any number of
///   handles and processes, exactly one succeeds. An org with
///   [`PortalLimit::One`](crate::PortalLimit::One) never has two portals.
/// - There is no clock: `now` is an argument, truncated to whole seconds.
/// - Secrets are passed as text and stored as hashes only.
///
/// # Cancel safety
/// A change starts with the first poll: dropping the future afterwards drops the result, not the
/// change.
///
/// The trait is sealed. It gains a method with every operation of the API, and only crash tests,
/// which are part of this crate, can show that an engine keeps these guarantees.
///
/// # Errors
/// Every method: [`RegistryError`] if the engine fails. A refusal of the service, such as a name
/// that is taken, is the inner result.
#[trait_variant::make(Send)]
pub trait Registry: sealed::Sealed + Clone + Send + Sync + 'static {
    /// Adds what is in `seed` and missing from the registry. Orgs are identified by name, users by
    /// org and e-mail address, clients by id, credentials by their hash. Existing entries are left
    /// unchanged, so a used code or a revoked token never revives. A new code is created at `now`.
    async fn apply_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError>;

    /// Issues an access token for a refresh token or, once, for a code. A code also yields a new
    /// refresh token with the scopes of the code.
    ///
    /// The inner error is `invalid_client`; `invalid_client_secret` if only the secret is wrong;
    /// `invalid_code`; or, with [`TokenRules::ServiceLimits`], `Access Denied`.
    async fn issue_token(
        &self,
        request: &TokenRequest,
        rules: TokenRules,
        now: Timestamp,
    ) -> Result<Result<AccessToken, OAuthError>, RegistryError>;

    /// Revokes a refresh token and every access token issued for it. Returns `false` if the refresh
    /// token is unknown or already revoked.
    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError>;

    /// Expires one access token. Returns `false` if it is unknown.
    async fn expire_access_token(&self, access_token: &str) -> Result<bool, RegistryError>;

    /// Returns the principal of an access token, or `None` if the token is unknown, expired or
    /// revoked. A token revoked by another process may stay valid for up to one second. The
    /// durable engines share one principal among calls with the same token within a second.
    async fn authenticate(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, RegistryError>;

    /// Returns the orgs that are not removed, by number.
    async fn orgs(&self) -> Result<Vec<Org>, RegistryError>;

    /// Returns the users of an org, in the order in which they were added.
    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError>;

    /// Creates an active portal in the org of `user`, its creator. A `user` unknown to the registry
    /// is a bug of the caller and yields [`RegistryError::NotApplied`].
    async fn create_portal(
        &self,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> Result<Result<(), CreateConflict>, RegistryError>;

    /// Renames the portal `old` in the org of `user`; `old` is free at once. Changing only the case
    /// of the name is not a conflict.
    async fn rename_portal(
        &self,
        user: UserId,
        old: &str,
        new: &PortalName,
        now: Timestamp,
    ) -> Result<Result<Portal, RenameConflict>, RegistryError>;

    /// Returns the portals of an org, in the order of their creation.
    async fn portals(&self, org: OrgId) -> Result<Vec<Portal>, RegistryError>;

    /// Returns the portal of an org by its name, ignoring case.
    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError>;
}

/// Why a portal was not created. The limit takes precedence if both apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateConflict {
    /// The org already has its one portal.
    #[error("the org has reached its portal limit")]
    LimitReached,
    /// Some org has a portal of that name, ignoring case.
    #[error("the name is taken")]
    NameTaken,
}

/// Why a portal was not renamed. A missing portal takes precedence if both apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameConflict {
    /// The org has no portal of the old name.
    #[error("the org has no portal of that name")]
    NotFound,
    /// Another portal, of any org, has the new name, ignoring case.
    #[error("the new name is taken")]
    NameTaken,
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
