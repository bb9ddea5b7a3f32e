//! A call of the server as a line of its log.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use portal_http::server::AccessLogEntry;
use serde_json::json;

use crate::terminal::neutral::{escaped, printable_line};

/// `14:03:25.114Z POST /crm/v7/settings/portals  400 ALREADY_USED  2 ms  Acme  AcmePortal`
pub(super) fn text(call: &AccessLogEntry) -> String {
    let status = call.status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
    let style = style(call);
    let time = humantime::format_rfc3339_millis(call.received).to_string();
    let mut line = format!(
        "{} {:4} {}  {style}{status}{}{style:#}  {} ms",
        time.split_once('T').map_or(time.as_str(), |(_, time)| time),
        call.method.as_str(),
        printable_line(&call.path),
        call.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default(),
        call.elapsed.as_millis(),
    );
    for text in [&call.org, &call.portal].into_iter().flatten() {
        line.push_str("  ");
        line.push_str(&printable_line(text));
    }
    for fault in &call.faults {
        let _ = write!(line, "  fault {fault}");
    }
    line
}

fn style(call: &AccessLogEntry) -> Style {
    match call.status {
        // The accounts server refuses under 200.
        Some(200..300) if call.code.is_none() => AnsiColor::Green.on_default(),
        Some(200..500) => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Red.on_default(),
    }
}

pub(super) fn json(call: &AccessLogEntry) -> String {
    let line = json!({
        "time": humantime::format_rfc3339_millis(call.received).to_string(),
        "method": call.method.as_str(),
        "path": call.path,
        "org": call.org,
        "portal": call.portal,
        "status": call.status,
        "code": call.code,
        "ms": u64::try_from(call.elapsed.as_millis()).unwrap_or(u64::MAX),
        "faults": call.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    escaped(&line.to_string())
}
