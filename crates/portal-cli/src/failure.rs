//! Why a command could not do its work: [`Failure`], and the form that machines read it in.

use portal_model::outcome::ExitClass;
use serde::Serialize;
use serde_json::Value;

use crate::printer::Printer;

/// What ends a command that has no result: the causes, the exit status, and what to do.
///
/// Every error becomes one with `?`; it then exits with 1.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: anyhow::Error,
    exit: ExitClass,
    hint: Option<String>,
}

impl Failure {
    /// The command line, or what it names, is wrong: nothing was sent.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::from(anyhow::Error::msg(message.into())).exit(ExitClass::Invalid)
    }

    #[must_use]
    pub(crate) fn exit(self, exit: ExitClass) -> Self {
        Self { exit, ..self }
    }

    /// The one thing to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Says it on stderr, and for machines on stdout.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        let kind = match self.exit {
            ExitClass::Invalid => "usage",
            ExitClass::Forbidden => "auth",
            ExitClass::Unavailable => "unreachable",
            _ => "failed",
        };
        let report = ErrorReport {
            hint: self.hint.clone(),
            ..ErrorReport::new(kind, format!("{:#}", self.cause))
        };
        printer.error(&report);
        printer.json(&Failed { error: &report });
        self.exit
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(cause: E) -> Self {
        Self { cause: cause.into(), exit: ExitClass::Rejected, hint: None }
    }
}

/// What stands for the result that a command does not have.
#[derive(Serialize)]
struct Failed<'a> {
    error: &'a ErrorReport,
}

/// An error as `--output json` has it, and as stderr says it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorReport {
    /// What kind of cause it is, in one word.
    pub(crate) kind: &'static str,
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
            kind,
            code: None,
            http_status: None,
            message: message.into(),
            details: None,
            hint: None,
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
