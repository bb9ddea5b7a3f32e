//! [`AuditEntry`]: who changed what in a registry, and when.

use portal_model::Timestamp;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::error::RegistryError;

/// The actor of what a seed brought.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const SEED: &str = "seed";

/// One change of a registry. It is written in the transaction of the change itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// The e-mail address of the user, `operator NAME` of an administrator, or `seed`.
    pub actor: String,
    /// What kind of change.
    pub action: AuditAction,
    /// The name of the org; `None` for a change of no single org.
    pub org: Option<String>,
    /// The name of a portal or org, the e-mail address of a user, or a client and the fingerprint of
    /// its refresh token.
    pub subject: String,
    /// The old name of a renamed portal, the new permissions of a user, the scopes of a credential.
    pub detail: Option<String>,
}

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditAction {
    /// A portal was created.
    PortalCreated,
    /// A portal got another name.
    PortalRenamed,
    /// An org was added, or restored after its removal.
    OrgAdded,
    /// An org was removed with its users and credentials.
    OrgRemoved,
    /// A user was added, or restored after the removal.
    UserAdded,
    /// A user was removed with the credentials.
    UserRemoved,
    /// A user got other permissions.
    PermissionsSet,
    /// A user got a client and a refresh token.
    CredentialAdded,
    /// A client exchanged a code for a refresh token.
    CodeExchanged,
    /// A client got another secret.
    SecretRotated,
    /// A refresh token was revoked, with the access tokens that came from it.
    CredentialRevoked,
    /// A seed added something.
    SeedApplied,
    /// A seed took the place of what was kept.
    SeedReplaced,
}

impl AuditAction {
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    const ALL: [Self; 13] = [
        Self::PortalCreated,
        Self::PortalRenamed,
        Self::OrgAdded,
        Self::OrgRemoved,
        Self::UserAdded,
        Self::UserRemoved,
        Self::PermissionsSet,
        Self::CredentialAdded,
        Self::CodeExchanged,
        Self::SecretRotated,
        Self::CredentialRevoked,
        Self::SeedApplied,
        Self::SeedReplaced,
    ];

    /// In lower case with underscores, such as `portal_created`.
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

/// An entry as the engines read it, in the order of their columns.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) type AuditRow = (i64, String, String, Option<String>, String, Option<String>);

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl AuditEntry {
    pub(crate) fn read(row: AuditRow) -> Result<Self, RegistryError> {
        let (at, actor, action, org, subject, detail) = row;
        let broken =
            |what: String| RegistryError::NotApplied(format!("the audit table is damaged: {what}"));
        Ok(Self {
            at: Timestamp::from_unix_seconds(at).ok_or_else(|| broken(format!("time {at}")))?,
            actor,
            action: AuditAction::ALL
                .into_iter()
                .find(|known| known.as_str() == action)
                .ok_or_else(|| broken(format!("action {action}")))?,
            org,
            subject,
            detail,
        })
    }
}

/// What an engine writes into its table.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) struct NewEntry<'a> {
    pub(crate) at: i64,
    pub(crate) actor: &'a str,
    pub(crate) action: AuditAction,
    pub(crate) org: Option<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) detail: Option<&'a str>,
}
