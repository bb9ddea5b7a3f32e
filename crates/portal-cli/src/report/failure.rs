//! Why a command failed: [`Failure`] with its exit status, [`ExitClass`], and its JSON form.

use portal_model::ApiError;
use serde::Serialize;
use serde_json::Value;

use crate::sys::InvalidInput;

/// Ends a command that has no result: why, and the exit status.
///
/// `?` turns any error into one, with exit status 1.
#[derive(Clone, Debug, PartialEq)]
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

/// The exit status of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum ExitClass {
    /// What was asked for is so.
    #[default]
    Success = 0,
    /// The service rejected the request, or the command failed.
    Rejected = 1,
    /// Invalid usage or an invalid name; nothing was sent.
    Invalid = 2,
    /// A permission, a scope or a valid token is missing.
    Forbidden = 3,
    /// The portal, another one of the org, or the name exists.
    Exists = 4,
    /// In doubt.
    Unknown = 5,
    /// Nothing was done; trying again is safe.
    Unavailable = 6,
    /// Stdout did not take the result: `EX_IOERR`.
    Io = 74,
    /// Interrupted with nothing in doubt, or declined: as after SIGINT.
    Stopped = 130,
}

impl ExitClass {
    /// All of them, and what each means, for the manual.
    pub(crate) const ALL: [(Self, &str); 9] = [
        (Self::Success, "what was asked for is so"),
        (Self::Rejected, "the service rejected the request, or the command failed"),
        (Self::Invalid, "invalid usage, name or file; nothing was sent"),
        (Self::Forbidden, "a permission, a scope or a valid token is missing"),
        (Self::Exists, "the portal, another one of the org, or the name exists"),
        (Self::Unknown, "in doubt, or under way in another process"),
        (Self::Unavailable, "nothing was done; running the same command again is safe"),
        (Self::Io, "the result could not be written to stdout"),
        (Self::Stopped, "interrupted with nothing in doubt, or declined"),
    ];
}

/// The status of a child process; one that is not known counts as rejected.
impl From<u8> for ExitClass {
    fn from(number: u8) -> Self {
        let mut all = Self::ALL.into_iter().map(|(exit, _)| exit);
        all.find(|exit| *exit as u8 == number).unwrap_or(Self::Rejected)
    }
}

/// The common status of several results, or 1 if they differ; success if there are none.
pub(crate) fn combined(exits: impl IntoIterator<Item = ExitClass>) -> ExitClass {
    let mut exits = exits.into_iter();
    let Some(first) = exits.next() else { return ExitClass::Success };
    if exits.all(|exit| exit == first) { first } else { ExitClass::Rejected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_agree_keep_their_status_and_others_give_1() {
        assert_eq!(combined([]), ExitClass::Success);
        assert_eq!(combined([ExitClass::Exists, ExitClass::Exists]), ExitClass::Exists);
        assert_eq!(combined([ExitClass::Success, ExitClass::Unknown]), ExitClass::Rejected);
    }

    #[test]
    fn status_reads_back_from_its_number() {
        for (exit, _) in ExitClass::ALL {
            assert_eq!(ExitClass::from(exit as u8), exit);
        }
        assert_eq!(ExitClass::from(99), ExitClass::Rejected);
    }
}
