//! [`AuditEntry`]: who changed what in a registry, and when.

use std::fmt;

use portal_model::Timestamp;
use serde::{Deserialize, Serialize};

/// One change of a registry, written in the same transaction as the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The time of the change.
    pub at: Timestamp,
    /// The e-mail address of a user, `operator NAME` for an administrator, or `seed`.
    pub actor: String,
    /// The kind of change.
    pub action: AuditAction,
    /// The name of the org; `None` if the change concerns no single org.
    pub org: Option<String>,
    /// The name of a portal or org, the e-mail address of a user, or a client id with the
    /// fingerprint of its refresh token.
    pub subject: String,
    /// The old name of a renamed portal, the new permissions of a user, or the scopes of a
    /// credential.
    pub detail: Option<String>,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditAction {
    /// A portal was created.
    PortalCreated,
    /// A portal was renamed.
    PortalRenamed,
    /// An org was added or restored.
    OrgAdded,
    /// An org was removed with its users and their credentials.
    OrgRemoved,
    /// A user was added or restored.
    UserAdded,
    /// A user was removed with their credentials.
    UserRemoved,
    /// The permissions of a user were replaced.
    PermissionsSet,
    /// A client with a refresh token was added for a user.
    CredentialAdded,
    /// A client exchanged a code for a refresh token.
    CodeExchanged,
    /// The secret of a client was replaced.
    SecretRotated,
    /// A refresh token was revoked along with its access tokens.
    CredentialRevoked,
    /// A seed added missing entries.
    SeedApplied,
    /// A seed replaced the stored entries.
    SeedReplaced,
}

/// The name in snake case, such as `portal_created`.
impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
