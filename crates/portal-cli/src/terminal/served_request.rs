//! A request that a server has served, as a line of text and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use portal_http::server::{RequestRecord, RequestResult};
use portal_model::neutral::printable_line;

/// `14:03:25.114Z POST /crm/v7/settings/portals  400 ALREADY_USED  2.3 ms  Acme  AcmePortal`
pub(crate) fn text(record: &RequestRecord) -> String {
    line(record, Style::new())
}

/// The same with a color for how it ended.
pub(crate) fn styled(record: &RequestRecord) -> String {
    let color = match record.result() {
        RequestResult::Success => AnsiColor::Green,
        RequestResult::Refused => AnsiColor::Yellow,
        RequestResult::Failed => AnsiColor::Red,
    };
    line(record, color.on_default())
}

fn line(record: &RequestRecord, style: Style) -> String {
    let status = record.status.map_or_else(|| "no response".to_owned(), |it| it.to_string());
    let code = record.code.as_ref().map(|code| format!(" {}", printable_line(code)));
    let mut line = format!(
        "{} {:4} {}  {style}{status}{}{style:#}  {}",
        printable_line(record.clock()),
        printable_line(&record.method),
        printable_line(&record.path),
        code.unwrap_or_default(),
        record.duration(),
    );
    for text in [&record.org, &record.portal].into_iter().flatten() {
        let _ = write!(line, "  {}", printable_line(text));
    }
    for fault in &record.faults {
        let _ = write!(line, "  fault {}", printable_line(fault));
    }
    line
}
