//! [`Registry`]: what every engine keeps, and what it guarantees.

use std::future::Future;

use portal_model::oauth::{AccessToken, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};

use crate::error::RegistryError;
use crate::org::{Org, OrgId, Principal, User, UserId};
use crate::seed::Seed;
use crate::token::TokenRules;

/// A registry of orgs, users, credentials and portals. A value is a handle: its clones share one
/// registry.
///
/// - An acknowledged change is kept, by the means of the engine.
/// - Of any number of concurrent creates and renames to one name, in any case, from any
///   number of handles and processes, exactly one succeeds. An org with
///   [`PortalLimit::One`](crate::PortalLimit::One) never has two.
/// - There is no clock: `now` is an argument, whole seconds count.
/// - Secrets go in and out as text and are kept as hashes only.
///
/// # Cancel safety
/// A change is made from the first poll on: dropping the future afterwards drops the result, not the
/// change.
///
/// The trait is sealed: it gains a method with every operation of the API, and whether an engine
/// keeps these guarantees only its crash tests show, which are part of this crate.
///
/// # Errors
/// Every method: [`RegistryError`] if the engine fails. What the service would refuse is the inner
/// result.
pub trait Registry: sealed::Sealed + Clone + Send + Sync + 'static {
    /// Adds what `seed` has and the registry has not: orgs by name, users by org and e-mail,
    /// clients by id, credentials by their hash. What exists stays as it is, so a used code or a
    /// revoked token never revives. A code is created at `now`.
    fn apply_seed(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// Issues an access token for a refresh token or, once, for a code; for a code also a new
    /// refresh token with the code's scopes.
    ///
    /// The inner error is `invalid_client`, `invalid_client_secret` if only that is wrong,
    /// `invalid_code`, or, with [`TokenRules::AsTheService`], `Access Denied`.
    fn grant(
        &self,
        request: &TokenRequest,
        rules: TokenRules,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<AccessToken, OAuthError>, RegistryError>> + Send;

    /// Revokes a refresh token and every access token that came from it. False if there is no such
    /// refresh token, or it was revoked before.
    fn revoke(
        &self,
        refresh_token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, RegistryError>> + Send;

    /// Revokes one access token. False if there is no such token.
    fn end_access_token(
        &self,
        access_token: &str,
    ) -> impl Future<Output = Result<bool, RegistryError>> + Send;

    /// The principal of an access token; `None` if it is unknown, expired or revoked. A token that
    /// another process revoked can be valid for one more second.
    fn principal(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Principal>, RegistryError>> + Send;

    /// The orgs that are not removed, in the order of their numbers.
    fn orgs(&self) -> impl Future<Output = Result<Vec<Org>, RegistryError>> + Send;

    /// The users of an org, in the order in which they were added.
    fn users(&self, org: OrgId) -> impl Future<Output = Result<Vec<User>, RegistryError>> + Send;

    /// Creates a portal, active from now on, its creator `user`. An org or user that the registry
    /// does not have is an error of the caller: [`RegistryError::NotApplied`].
    fn create_portal(
        &self,
        org: OrgId,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<(), CreateConflict>, RegistryError>> + Send;

    /// Gives the portal `old` of `org` another name, and `old` free at once. The same name in
    /// another case is not a conflict.
    fn rename_portal(
        &self,
        org: OrgId,
        user: UserId,
        old: &str,
        new: &PortalName,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<Portal, RenameConflict>, RegistryError>> + Send;

    /// The portals of an org, in the order of their creation.
    fn portals(
        &self,
        org: OrgId,
    ) -> impl Future<Output = Result<Vec<Portal>, RegistryError>> + Send;

    /// The portal of that name in that org, in any case.
    fn portal(
        &self,
        org: OrgId,
        name: &str,
    ) -> impl Future<Output = Result<Option<Portal>, RegistryError>> + Send;
}

/// Why there is no new portal. If both are true it is the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateConflict {
    /// The org has its one portal.
    #[error("the org has reached its portal limit")]
    LimitReached,
    /// Some org has a portal of that name, in any case.
    #[error("the name is taken")]
    NameTaken,
}

/// Why a portal keeps its name. If both are true it is the old name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameConflict {
    /// The org has no portal of the old name.
    #[error("the org has no portal of that name")]
    NotFound,
    /// Another portal, of any org, has the new name, in any case.
    #[error("the new name is taken")]
    NameTaken,
}

/// The form in which names are compared: case is ignored.
pub(crate) fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
