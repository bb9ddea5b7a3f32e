//! The list of requests, and one request in full.

use maud::{Markup, html};
use portal_model::neutral::{printable, printable_line};
use portal_store::Registry;

use super::super::curl;
use super::super::recorder::{Message, Recorded, Since, Summary};
use super::super::state::Admin;
use super::layout::{copyable, layout};
use crate::terminal::served_call::{CallKind, ServedCall};

/// Bytes of a text in a row.
const MAX_IN_ROW: usize = 200;

/// All requests, the latest first. Those that `filter` does not match are hidden.
pub(in super::super) fn requests<R: Registry>(
    admin: &Admin<R>,
    since: &Since,
    filter: &str,
) -> Markup {
    let Since { requests, skipped, .. } = since;
    let last = requests.last().map_or(0, |recorded| recorded.summary.id);
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
                tr {
                    th scope="col" { "Time (UTC)" }
                    th scope="col" { "Request" }
                    th scope="col" { "Org" }
                    th scope="col" { "Portal" }
                    th scope="col" { "Response" }
                    th scope="col" { "Duration" }
                }
            }
            tbody #requests data-last=(last) {
                @for recorded in requests.iter().rev() {
                    (row(&recorded.summary, !matches(&recorded.summary, filter)))
                }
            }
        }
        @if requests.is_empty() {
            div #none {
                p { "No request yet. The server is at " code { (admin.url) } "." }
                @if let Some(port) = admin.default_org_at {
                    (copyable("Create a portal", &format!(
                        "eval \"$(portal serve env --port {port})\"\nportal create AcmePortal"
                    )))
                }
            }
        }
    };
    layout(admin, "/", "Requests", &content)
}

/// One request in the list.
pub(in super::super) fn row(summary: &Summary, is_hidden: bool) -> Markup {
    let call = &summary.call;
    html! {
        tr hidden[is_hidden] {
            td.time { time datetime=(call.time) { (call.clock().trim_end_matches('Z')) } }
            td.target {
                a href={ "/requests/" (summary.id) } {
                    span.method { (short(&call.method)) } " " (short(&call.path))
                }
            }
            td.org { @if let Some(org) = &call.org { bdi { (short(org)) } } }
            td.portal { @if let Some(portal) = &call.portal { bdi { (short(portal)) } } }
            td.status {
                (outcome(call))
                @for fault in &call.faults { " " code.fault { (fault) } }
            }
            td.duration { (call.ms) " ms" }
        }
    }
}

fn outcome(call: &ServedCall) -> Markup {
    let class = match call.kind() {
        CallKind::Success => "success",
        CallKind::Refused => "refused",
        CallKind::Failed => "failed",
    };
    html! {
        span class=(class) {
            @match call.status {
                Some(status) => (status),
                None => "no response",
            }
            @if let Some(code) = &call.code { " " (code) }
        }
    }
}

/// What a row has of a text: a thousand of them are a page, and the request itself has all of it.
fn short(text: &str) -> String {
    if text.len() <= MAX_IN_ROW {
        return printable_line(text);
    }
    printable_line(&text[..text.floor_char_boundary(MAX_IN_ROW)]) + "…"
}

/// Whether each word of `filter` occurs in a row, in any case. The script does the same.
fn matches(summary: &Summary, filter: &str) -> bool {
    let ServedCall { method, path, org, portal, status, code, ms, faults, .. } = &summary.call;
    let texts = [org, portal, code].into_iter().flatten().chain(faults);
    let texts: Vec<_> = texts.map(|text| short(text)).collect();
    let status = status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
    let text = format!(
        "{} {} {} {status} {ms} ms {}",
        summary.call.clock(),
        short(method),
        short(path),
        texts.join(" ")
    );
    let text = text.to_lowercase();
    filter.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// A request and its response.
pub(in super::super) fn request<R: Registry>(admin: &Admin<R>, recorded: &Recorded) -> Markup {
    let call = &recorded.summary.call;
    let query = recorded.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    // One that was cut is not the same again, and one that can take over a terminal stays away from it.
    let command = curl::command(recorded, &admin.url);
    let is_cut = [&call.method, &call.path].iter().any(|text| text.ends_with('…'));
    let is_repeatable = recorded.request.left_out == 0 && !is_cut && printable(&command) == command;
    let content = html! {
        p { a href="/" { "← Requests" } }
        h1 { span.method { (printable_line(&call.method)) } " " (printable_line(&call.path)) (printable_line(&query)) }
        dl.facts {
            dt { "Time" } dd { time datetime=(call.time) { (call.time) } }
            dt { "Response" } dd { (outcome(call)) " after " (call.ms) " ms" }
            @if let Some(org) = &call.org { dt { "Org" } dd { bdi { (printable_line(org)) } } }
            @if let Some(portal) = &call.portal { dt { "Portal" } dd { bdi { (printable_line(portal)) } } }
            @if !call.faults.is_empty() {
                dt { "Injected fault" }
                dd { @for fault in &call.faults { code { (fault) } " " } }
            }
        }
        (message("Request", &recorded.request))
        @if call.status.is_some() {
            (message("Response", &recorded.response))
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
    let title = printable_line(&format!("{} {}", call.method, call.path));
    layout(admin, "/", &title, &content)
}

fn message(title: &str, message: &Message) -> Markup {
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
