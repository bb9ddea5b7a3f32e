//! Why a command failed: [`Failure`], and its JSON form.

use portal_model::{ApiError, Portal};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::org::OrgError;
use crate::org::place::profile_flag;
use crate::org::profile::check_name;
use crate::report::exit::ExitClass;
use crate::report::portal::PortalObject;
use crate::sys::invalid_input::InvalidInput;

/// Ends a command that has no result: why, and the exit status.
///
/// `?` turns any error into one, with exit status 1.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) report: Box<ErrorReport>,
    pub(crate) exit: ExitClass,
}

macro_rules! error_kinds {
    ($($kind:ident = $word:literal => $exit:ident,)*) => {
        /// The cause in one word, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
        #[schemars(inline)]
        pub(crate) enum ErrorKind {
            $(#[serde(rename = $word)] $kind,)*
        }

        impl ErrorKind {
            /// Its exit status, unless something is in doubt or the service's code has another one.
            const fn exit(self) -> ExitClass {
                match self { $(Self::$kind => ExitClass::$exit,)* }
            }
        }
    };
}

error_kinds! {
    Absent = "absent" => Unavailable,
    AnotherOrg = "another_org" => Unknown,
    Auth = "auth" => Forbidden,
    Cancelled = "cancelled" => Stopped,
    Conflict = "conflict" => Exists,
    DuplicateName = "duplicate_name" => Invalid,
    Exhausted = "exhausted" => Unavailable,
    Exists = "exists" => Exists,
    Failed = "failed" => Rejected,
    InDoubt = "in_doubt" => Unknown,
    InProgress = "in_progress" => Unknown,
    InvalidFile = "invalid_file" => Invalid,
    InvalidName = "invalid_name" => Invalid,
    NameTaken = "name_taken" => Exists,
    NotFound = "not_found" => Rejected,
    NotRecorded = "not_recorded" => Unavailable,
    OrgHasPortal = "org_has_portal" => Exists,
    RateLimited = "rate_limited" => Unavailable,
    Refused = "refused" => Rejected,
    Rejected = "rejected" => Rejected,
    Stopped = "stopped" => Stopped,
    Unknown = "unknown" => Unknown,
    Unreachable = "unreachable" => Unavailable,
    UnreadableLedger = "unreadable_ledger" => Unknown,
    Usage = "usage" => Invalid,
}

impl Failure {
    /// With the exit status of its kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let report = ErrorReport {
            kind,
            code: None,
            http_status: None,
            message: message.into(),
            details: None,
            hint: None,
        };
        Self { report: Box::new(report), exit: kind.exit() }
    }

    /// Wrong usage, or a file or profile that is not as it should be; nothing was sent.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// A permission, a scope or a valid token is missing.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Auth, message)
    }

    /// The user declined.
    pub(crate) fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Stopped, message)
    }

    #[must_use]
    pub(crate) fn message(mut self, message: String) -> Self {
        self.report.message = message;
        self
    }

    #[must_use]
    pub(crate) fn exit(self, exit: ExitClass) -> Self {
        Self { exit, ..self }
    }

    /// Adds the parts of a rejection by the service, for machines.
    #[must_use]
    pub(crate) fn of_service(mut self, error: &ApiError) -> Self {
        self.report.code = Some(error.code.to_string());
        self.report.http_status = Some(error.http_status);
        self.report.details =
            (!error.details.is_empty()).then(|| Details::OfService(error.details.to_value()));
        self
    }

    #[must_use]
    pub(crate) fn details(mut self, details: Details) -> Self {
        self.report.details = Some(details);
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.report.hint = Some(hint.into());
        self
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(cause: E) -> Self {
        let cause = cause.into();
        let message = format!("{cause:#}");
        if cause.is::<InvalidInput>() {
            return Self::usage(message);
        }
        match cause.downcast_ref::<OrgError>() {
            Some(error) => org_error(error, message),
            None => Self::new(ErrorKind::Failed, message),
        }
    }
}

/// What to do about an org that cannot be used.
fn org_error(error: &OrgError, message: String) -> Failure {
    let usage = Failure::usage(&*message);
    match error {
        OrgError::UnknownProfile { name, .. } => usage.hint(match check_name(name) {
            Ok(()) => format!("run `portal login --profile {name}` to create it"),
            Err(_) => "run `portal profiles` to list them".to_owned(),
        }),
        OrgError::NoSecrets { name, .. } => {
            usage.hint(format!("run `portal login{}` to store new ones", profile_flag(name)))
        }
        OrgError::SeveralServers { .. } => usage.hint("pass `--port` with one of them"),
        OrgError::NoServer { port: None } => usage.hint("run `portal serve` in another terminal"),
        OrgError::UnknownOrg { .. } | OrgError::SeveralOrgs { .. } => {
            usage.hint("pass `--org` with one of them")
        }
        OrgError::NoRefreshToken { .. } => usage.hint("give it one, or exchange its code by `portal login`"),
        OrgError::SeedDiffers { .. } => Failure::new(ErrorKind::Failed, message)
            .hint("pass `--seed-replaces` to take the seed's values and revoke the rest"),
        OrgError::LedgerDatabase { .. } => Failure::new(ErrorKind::UnreadableLedger, message)
            .hint("start that database or correct PORTAL_LEDGER, then run the same command again"),
        OrgError::Ledger { may_hold_something: true, .. } => {
            Failure::new(ErrorKind::UnreadableLedger, message).hint(
                "make the file readable and writable, or restore a copy of it; without one, move it \
                 away and check in Zoho CRM what may be in doubt",
            )
        }
        OrgError::Ledger { may_hold_something: false, .. } => {
            Failure::new(ErrorKind::NotRecorded, message)
                .hint("make the state directory writable, or, if there is no ledger yet, set PORTAL_STATE_DIR")
        }
        OrgError::NoServer { port: Some(_) }
        | OrgError::Unusable(_)
        | OrgError::InvalidProfileName(_) => usage,
    }
}

/// What went wrong. The same text is on stderr.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "error", extend("allOf" = [
    {
        "if": { "properties": { "kind": { "enum": ["invalid_name", "invalid_file"] } } },
        "then": { "required": ["details"] }
    },
    {
        "if": { "properties": { "kind": { "const": "rejected" } } },
        "then": { "required": ["code", "http_status"] }
    }
]))]
pub(crate) struct ErrorReport {
    pub(crate) kind: ErrorKind,
    /// The code of the service or of its accounts server; `portal explain CODE` explains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[schemars(range(min = 100, max = 599))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    /// What was expected and what was found, for people.
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Details>,
    /// What to do about it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// More for programs. What it has depends on `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "details")]
#[serde(untagged)]
pub(crate) enum Details {
    /// Of `invalid_name`: the first broken name rules, and how many more there are.
    BrokenRules {
        #[schemars(length(min = 1))]
        broken_rules: Vec<BrokenRule>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        more: Option<usize>,
    },
    /// Of `invalid_file`: the first mistakes of the file, and how many more there are.
    Mistakes {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        more: Option<usize>,
        #[schemars(length(min = 1))]
        problems: Vec<Mistake>,
    },
    /// Of `org_has_portal`.
    Portal {
        #[schemars(with = "PortalObject")]
        portal: Box<Portal>,
    },
    /// Of `rejected`: the service's own.
    #[schemars(extend("type" = ["object", "array"]))]
    OfService(Value),
}

/// A broken rule of a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "broken_rule")]
pub(crate) struct BrokenRule {
    /// One that is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) character: Option<char>,
    /// In characters, of a name that is too short or too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) length: Option<usize>,
    /// Of a character that is not allowed, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(crate) position: Option<usize>,
    #[schemars(extend("enum" = ["too_short", "too_long", "not_alphanumeric"]))]
    pub(crate) rule: String,
}

/// A mistake in a line of a file.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "mistake")]
pub(crate) struct Mistake {
    /// Counted from 1.
    #[schemars(range(min = 1))]
    pub(crate) line: usize,
    pub(crate) message: String,
}
