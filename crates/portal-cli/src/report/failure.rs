//! Why a command failed: [`Failure`], and its JSON form.

use portal_model::ApiError;
use serde::Serialize;
use serde_json::Value;

use crate::report::exit::ExitClass;
use crate::sys::invalid_input::InvalidInput;

/// Ends a command that has no result: why, and the exit status.
///
/// `?` turns any error into one, with exit status 1.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) report: Box<ErrorReport>,
    pub(crate) exit: ExitClass,
}

/// The cause in one word, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorKind {
    Absent,
    AnotherOrg,
    Auth,
    Cancelled,
    Conflict,
    DuplicateName,
    Exhausted,
    Exists,
    Failed,
    InDoubt,
    InProgress,
    InvalidFile,
    InvalidName,
    NameTaken,
    NotFound,
    NotRecorded,
    OrgHasPortal,
    RateLimited,
    Refused,
    Rejected,
    Stopped,
    Unknown,
    Unreachable,
    UnreadableLedger,
    Usage,
}

impl ErrorKind {
    /// Its exit status, unless something is in doubt or the service's code has another one.
    const fn exit(self) -> ExitClass {
        match self {
            Self::Failed | Self::NotFound | Self::Refused | Self::Rejected => ExitClass::Rejected,
            Self::DuplicateName | Self::InvalidFile | Self::InvalidName | Self::Usage => {
                ExitClass::Invalid
            }
            Self::Auth => ExitClass::Forbidden,
            Self::Conflict | Self::Exists | Self::NameTaken | Self::OrgHasPortal => {
                ExitClass::Exists
            }
            Self::AnotherOrg
            | Self::InDoubt
            | Self::InProgress
            | Self::Unknown
            | Self::UnreadableLedger => ExitClass::Unknown,
            Self::Absent
            | Self::Exhausted
            | Self::NotRecorded
            | Self::RateLimited
            | Self::Unreachable => ExitClass::Unavailable,
            Self::Cancelled | Self::Stopped => ExitClass::Stopped,
        }
    }
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
        self.report.details = (!error.details.is_empty()).then(|| error.details.to_value());
        self
    }

    #[must_use]
    pub(crate) fn details(mut self, details: Value) -> Self {
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
        let is_input = cause.is::<InvalidInput>();
        Self::new(if is_input { ErrorKind::Usage } else { ErrorKind::Failed }, message)
    }
}

/// What went wrong. The same text is on stderr.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ErrorReport {
    pub(crate) kind: ErrorKind,
    /// The code of the service or of its accounts server; `portal explain CODE` explains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    /// What was expected and what was found, for people.
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// More for programs. What it has depends on `kind`.
    pub(crate) details: Option<Value>,
    /// What to do about it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}
