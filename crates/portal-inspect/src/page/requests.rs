//! The list of requests, and one request in full.

use maud::{Markup, html};
use portal_http::server::{MaskedMessage, RequestRecord, RequestResult};
use portal_model::neutral::{printable, printable_line};

use super::layout::{copyable, layout};
use crate::curl;
use crate::filter::{matches, short};
use crate::inspector::About;
use crate::recorder::{Recorded, Since};

const COLUMNS: [&str; 6] = ["Time (UTC)", "Request", "Org", "Portal", "Response", "Duration"];

/// All requests, the latest first. Those that `filter` does not match are hidden.
pub(crate) fn requests(about: &About, since: &Since, filter: &str) -> Markup {
    let Since { requests, skipped, .. } = since;
    let last = requests.last().map_or(0, |recorded| recorded.id);
    let content = html! {
        h1 { "Requests" }
        form.filter role="search" {
            label for="filter" { "Filter" }
            input #filter type="search" name="q" value=(filter) placeholder="such as POST 400"
                autocomplete="off" spellcheck="false";
            button type="submit" { "Filter" }
            button #pause type="button" aria-pressed="false" hidden { "Pause" }
        }
        @if *skipped > 0 {
            p.note { (skipped) " more were served so fast that they are not kept." }
        }
        table.requests {
            thead {
                tr { @for column in COLUMNS { th scope="col" { (column) } } }
            }
            tbody #requests data-last=(last) {
                @for recorded in requests.iter().rev() {
                    (row(recorded, !matches(&recorded.record, filter)))
                }
            }
        }
        @if requests.is_empty() {
            div #none {
                p { "No request yet. The server is at " code { (about.url) } "." }
                @if let Some(command) = &about.environment_command {
                    (copyable("Create a portal", &format!(
                        "eval \"$({command})\"\nportal create AcmePortal"
                    )))
                }
            }
        }
    };
    layout(about, "/", "Requests", &content)
}

/// One request in the list.
pub(crate) fn row(recorded: &Recorded, is_hidden: bool) -> Markup {
    let Recorded { id, record, .. } = recorded;
    html! {
        tr hidden[is_hidden] {
            td.time { time datetime=(record.time) { (record.clock().trim_end_matches('Z')) } }
            td.target {
                a href={ "/requests/" (id) } {
                    span.method { (short(&record.method)) } " " (short(&record.path))
                }
            }
            td.org { @if let Some(org) = &record.org { bdi { (short(org)) } } }
            td.portal { @if let Some(portal) = &record.portal { bdi { (short(portal)) } } }
            td.status {
                (outcome(record))
                @for fault in &record.faults { " " code.fault { (fault) } }
            }
            td.duration { (record.duration()) }
        }
    }
}

fn outcome(record: &RequestRecord) -> Markup {
    let class = match record.result() {
        RequestResult::Success => "success",
        RequestResult::Refused => "refused",
        RequestResult::Failed => "failed",
    };
    html! {
        span class=(class) {
            @match record.status {
                Some(status) => (status),
                None => "no response",
            }
            @if let Some(code) = &record.code { " " (code) }
        }
    }
}

/// A request and its response.
pub(crate) fn request(about: &About, recorded: &Recorded) -> Markup {
    let record = &recorded.record;
    let query =
        recorded.masked.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    // One that was cut is not the same again, and one that can take over a terminal stays away from it.
    let command = curl::command(recorded, &about.url);
    let is_cut = [&record.method, &record.path].iter().any(|text| text.ends_with('…'));
    let is_repeatable =
        recorded.masked.request.left_out == 0 && !is_cut && printable(&command) == command;
    let content = html! {
        p { a href="/" { "← Requests" } }
        h1 { span.method { (printable_line(&record.method)) } " " (printable_line(&record.path)) (printable_line(&query)) }
        dl.facts {
            dt { "Time" } dd { time datetime=(record.time) { (record.time) } }
            dt { "Response" } dd { (outcome(record)) " after " (record.duration()) }
            @if let Some(org) = &record.org { dt { "Org" } dd { bdi { (printable_line(org)) } } }
            @if let Some(portal) = &record.portal { dt { "Portal" } dd { bdi { (printable_line(portal)) } } }
            @if !record.faults.is_empty() {
                dt { "Injected fault" }
                dd { @for fault in &record.faults { code { (fault) } " " } }
            }
        }
        (message("Request", &recorded.masked.request))
        @if record.status.is_some() {
            (message("Response", &recorded.masked.response))
        } @else {
            h2 { "Response" }
            p { "A fault withheld it." }
        }
        @if is_repeatable {
            h2 { "Repeat it" }
            p { "Secrets are not kept: set " code { "TOKEN" } " to an access token first." }
            (copyable("As curl", &command))
        }
    };
    let title = printable_line(&format!("{} {}", record.method, record.path));
    layout(about, "/", &title, &content)
}

fn message(title: &str, message: &MaskedMessage) -> Markup {
    html! {
        h2 { (title) }
        dl.headers {
            @for (name, value) in &message.headers {
                dt { (name) } dd { (printable_line(value)) }
            }
        }
        @if !message.body.is_empty() {
            pre.body { (printable(&message.body)) }
        }
        @match (message.left_out, message.body.is_empty()) {
            (0, true) => p.note { "No body" },
            (0, false) => {},
            (bytes, true) => p.note { "A body of " (bytes) " bytes that is not kept" },
            (bytes, false) => p.note { "… and " (bytes) " more bytes" },
        }
    }
}
