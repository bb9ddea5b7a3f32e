//! Why a command could not do its work: [`Failure`], and the form that machines read it in.

use std::borrow::Cow;

use portal_model::ApiError;
use portal_model::outcome::ExitClass;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::printer::Printer;

/// What ends a command that has no result: why, and the exit status.
///
/// Every error becomes one with `?`; it then exits with 1.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) report: Box<ErrorReport>,
    pub(crate) exit: ExitClass,
}

impl Failure {
    pub(crate) fn new(exit: ExitClass, report: ErrorReport) -> Self {
        Self { report: Box::new(report), exit }
    }

    /// The command line, or what it names, is wrong: nothing was sent.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitClass::Invalid, ErrorReport::new("usage", message))
    }

    /// The service refuses the caller: credential, scope or permission.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ExitClass::Forbidden, ErrorReport::new("auth", message))
    }

    /// The one thing to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.report.hint = Some(hint.into());
        self
    }

    /// Says it on stderr, and for machines on stdout.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        printer.error(&self.report);
        self.print_json(printer);
        self.exit
    }

    /// Says it for machines only.
    pub(crate) fn print_json(&self, printer: &Printer) {
        printer.json(&Failed { error: &self.report });
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(cause: E) -> Self {
        let message = format!("{:#}", cause.into());
        Self::new(ExitClass::Rejected, ErrorReport::new("failed", message))
    }
}

/// What stands for the result that a command does not have.
#[derive(Serialize)]
struct Failed<'a> {
    error: &'a ErrorReport,
}

/// An error as `--output json` has it, and as stderr says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorReport {
    /// What kind of cause it is, in one word.
    pub(crate) kind: Cow<'static, str>,
    /// The service's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Value>,
    /// The one thing to do about it.
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

    /// With the parts of a refusal that machines read.
    pub(crate) fn refused(message: String, error: &ApiError) -> Self {
        Self {
            code: Some(error.code.to_string()),
            http_status: Some(error.http_status),
            details: (!error.details.is_empty()).then(|| error.details.as_value().clone()),
            ..Self::new("refused", message)
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
