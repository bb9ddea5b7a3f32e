//! [`ServedCall`]: a call that a server has served, as a line of text and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use portal_http::server::ServedRequest;
use portal_model::neutral::{escaped, printable_line};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A call that a server has served.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ServedCall {
    #[schemars(extend("format" = "date-time"))]
    pub(crate) time: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The name of the org whose token it was.
    pub(crate) org: Option<String>,
    /// The name in the request.
    pub(crate) portal: Option<String>,
    /// null if a fault withheld the response.
    pub(crate) status: Option<u16>,
    /// The code of an error.
    pub(crate) code: Option<String>,
    /// Milliseconds until the response was sent.
    pub(crate) ms: u64,
    /// Those that were injected.
    pub(crate) faults: Vec<String>,
}

impl From<&ServedRequest<'_>> for ServedCall {
    fn from(request: &ServedRequest<'_>) -> Self {
        Self {
            time: humantime::format_rfc3339_millis(request.received()).to_string(),
            method: request.method().to_string(),
            path: request.path().to_owned(),
            org: request.org().map(str::to_owned),
            portal: request.portal(),
            status: request.status(),
            code: request.code().map(str::to_owned),
            ms: u64::try_from(request.elapsed().as_millis()).unwrap_or(u64::MAX),
            faults: request.faults().iter().map(ToString::to_string).collect(),
        }
    }
}

impl ServedCall {
    /// `14:03:25.114Z POST /crm/v7/settings/portals  400 ALREADY_USED  2 ms  Acme  AcmePortal`
    pub(crate) fn text(&self) -> String {
        self.line(Style::new())
    }

    /// The same with a color for how it ended.
    pub(crate) fn styled(&self) -> String {
        self.line(match self.kind() {
            CallKind::Success => AnsiColor::Green.on_default(),
            CallKind::Refused => AnsiColor::Yellow.on_default(),
            CallKind::Failed => AnsiColor::Red.on_default(),
        })
    }

    fn line(&self, style: Style) -> String {
        let status =
            self.status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
        let mut line = format!(
            "{} {:4} {}  {style}{status}{}{style:#}  {} ms",
            printable_line(self.clock()),
            printable_line(&self.method),
            printable_line(&self.path),
            self.code
                .as_deref()
                .map(|code| format!(" {}", printable_line(code)))
                .unwrap_or_default(),
            self.ms,
        );
        for text in [&self.org, &self.portal].into_iter().flatten() {
            line.push_str("  ");
            line.push_str(&printable_line(text));
        }
        for fault in &self.faults {
            let _ = write!(line, "  fault {}", printable_line(fault));
        }
        line
    }

    /// The time without the date, which every line of a day has in common.
    pub(crate) fn clock(&self) -> &str {
        self.time.split_once('T').map_or(&self.time, |(_, clock)| clock)
    }

    /// In one line.
    pub(crate) fn json(&self) -> String {
        // Strings and numbers always serialize.
        escaped(&serde_json::to_string(self).unwrap_or_default())
    }

    pub(crate) fn kind(&self) -> CallKind {
        match self.status {
            // The accounts server refuses under 200.
            Some(200..300) if self.code.is_none() => CallKind::Success,
            Some(200..500) => CallKind::Refused,
            _ => CallKind::Failed,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    Success,
    Refused,
    /// By the server, or without a response.
    Failed,
}
