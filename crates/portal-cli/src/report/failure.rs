//! Why a command failed: [`Failure`], and its JSON form.

use std::borrow::Cow;

use portal_model::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::org::OrgError;
use crate::report::exit::ExitClass;

/// Ends a command that has no result: why, and the exit status.
///
/// `?` turns any error into one, with exit status 1.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) report: Box<ErrorReport>,
    pub(crate) exit: ExitClass,
}

impl Failure {
    pub(crate) fn new(exit: ExitClass, report: ErrorReport) -> Self {
        Self { report: Box::new(report), exit }
    }

    /// Wrong usage, or a file or profile that is not as it should be; nothing was sent.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitClass::Invalid, ErrorReport::new("usage", message))
    }

    /// A permission, a scope or a valid token is missing.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ExitClass::Forbidden, ErrorReport::new("auth", message))
    }

    /// The user said no.
    pub(crate) fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ExitClass::Stopped, ErrorReport::new("stopped", message))
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
        match cause.downcast_ref::<OrgError>() {
            Some(error) => org_error(error, message),
            None => Self::new(ExitClass::Rejected, ErrorReport::new("failed", message)),
        }
    }
}

/// What to do about an org that cannot be used.
fn org_error(error: &OrgError, message: String) -> Failure {
    let usage = Failure::usage(&*message);
    match error {
        OrgError::UnknownProfile { name, .. } => {
            usage.hint(format!("run `portal login --profile {name}` to create it"))
        }
        OrgError::NoSecrets { name, .. } => {
            usage.hint(format!("run `portal login --profile {name}` to store new ones"))
        }
        OrgError::SeveralServers { .. } => usage.hint("pass `--port` with one of them"),
        OrgError::NoServer { port: None } => usage.hint("run `portal serve` in another terminal"),
        OrgError::SeedDiffers { .. } => {
            Failure::new(ExitClass::Rejected, ErrorReport::new("failed", message))
                .hint("pass `--seed-replaces` to take the seed's values and revoke the rest")
        }
        OrgError::NoServer { port: Some(_) }
        | OrgError::UnusableSecrets(_)
        | OrgError::InvalidProfileName(_)
        | OrgError::Client(_) => usage,
    }
}

/// An error as `--output json` and stderr show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorReport {
    /// The kind of cause, in one word.
    pub(crate) kind: Cow<'static, str>,
    /// The service's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Value>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl ErrorReport {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            code: None,
            http_status: None,
            message: message.into(),
            details: None,
            hint: None,
        }
    }

    /// A rejection by the service, with its parts for machines.
    pub(crate) fn rejected(message: String, error: &ApiError) -> Self {
        Self {
            code: Some(error.code.to_string()),
            http_status: Some(error.http_status),
            details: (!error.details.is_empty()).then(|| error.details.as_value().clone()),
            ..Self::new("rejected", message)
        }
    }

    #[must_use]
    pub(crate) fn details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
