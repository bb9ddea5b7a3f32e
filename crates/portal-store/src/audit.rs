//! [`AuditEntry`]: who changed what in a registry, and when.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl AuditAction {
    /// Returns the name in snake case, such as `portal_created`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PortalCreated => "portal_created",
            Self::PortalRenamed => "portal_renamed",
            Self::OrgAdded => "org_added",
            Self::OrgRemoved => "org_removed",
            Self::UserAdded => "user_added",
            Self::UserRemoved => "user_removed",
            Self::PermissionsSet => "permissions_set",
            Self::CredentialAdded => "credential_added",
            Self::CodeExchanged => "code_exchanged",
            Self::SecretRotated => "secret_rotated",
            Self::CredentialRevoked => "credential_revoked",
            Self::SeedApplied => "seed_applied",
            Self::SeedReplaced => "seed_replaced",
        }
    }
}
