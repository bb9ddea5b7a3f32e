//! The list of requests, and one request in full.

use std::sync::Arc;

use maud::{Markup, html};
use portal_store::Registry;

use super::super::curl;
use super::super::recorder::{Message, Recorded, Summary};
use super::super::state::Admin;
use super::layout::{copyable, layout};
use crate::terminal::served_call::{CallKind, ServedCall};

/// All requests, the latest first. Those that `filter` does not match are hidden.
pub(in super::super) fn requests<R: Registry>(
    admin: &Admin<R>,
    requests: &[Arc<Recorded>],
    skipped: u64,
    filter: &str,
) -> Markup {
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
        @if skipped > 0 {
            p.note { (skipped) " more were served so fast that they are not kept." }
        }
        table.requests {
            thead {
                tr {
                    th scope="col" { "Time" }
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
                p { "No request yet. The server is at " code { (admin.url) } "; in another terminal:" }
                (copyable("Create a portal", "eval \"$(portal serve env)\"\nportal create AcmePortal"))
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
                    span.method { (call.method) } " " (call.path)
                }
            }
            td.org { @if let Some(org) = &call.org { (org) } }
            td.portal { @if let Some(portal) = &call.portal { (portal) } }
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

/// Whether each word of `filter` occurs, in any case. The script does the same.
fn matches(summary: &Summary, filter: &str) -> bool {
    let text = row(summary, false).into_string().to_lowercase();
    filter.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// A request and its response.
pub(in super::super) fn request<R: Registry>(admin: &Admin<R>, recorded: &Recorded) -> Markup {
    let call = &recorded.summary.call;
    let query = recorded.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let content = html! {
        p { a href="/" { "← Requests" } }
        h1 { span.method { (call.method) } " " (call.path) (query) }
        dl.facts {
            dt { "Time" } dd { time datetime=(call.time) { (call.time) } }
            dt { "Response" } dd { (outcome(call)) " after " (call.ms) " ms" }
            @if let Some(org) = &call.org { dt { "Org" } dd { (org) } }
            @if let Some(portal) = &call.portal { dt { "Portal" } dd { (portal) } }
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
        @if recorded.request.left_out == 0 {
            h2 { "Repeat it" }
            p { "Secrets are not kept: set " code { "TOKEN" } " to an access token first." }
            (copyable("As curl", &curl::command(recorded, &admin.url)))
        }
    };
    layout(admin, "/", &format!("{} {}", call.method, call.path), &content)
}

fn message(title: &str, message: &Message) -> Markup {
    html! {
        h2 { (title) }
        dl.headers {
            @for (name, value) in &message.headers {
                dt { (name) } dd { (value) }
            }
        }
        @if !message.body.is_empty() {
            pre.body { (message.body) }
        }
        @match (message.left_out, message.body.is_empty()) {
            (0, true) => p.note { "No body" },
            (0, false) => {},
            (bytes, true) => p.note { "A body of " (bytes) " bytes that is not kept" },
            (bytes, false) => p.note { "… and " (bytes) " more bytes" },
        }
    }
}
