//! The list of requests, and one request in full.

use std::borrow::Cow;
use std::sync::Arc;

use maud::{Markup, html};
use portal_http::server::{MaskedMessage, RequestRecord, RequestResult};
use portal_model::neutral::{printable, printable_line};
use serde_json::{Deserializer, Serializer};

use super::layout::{Frame, copyable, layout};
use super::orgs::TOKEN_OF_ENVIRONMENT;
use crate::curl;
use crate::filter::{matches, short};
use crate::inspector::About;
use crate::recorder::{Recorded, Since};

const COLUMNS: [&str; 7] =
    ["Time (UTC)", "Request", "Client", "Org", "Portal", "Response", "Duration"];

/// All requests, the latest first. Those that `filter` does not match are hidden.
pub(crate) fn requests(frame: &Frame<'_>, since: &Since, filter: &str) -> Markup {
    let (about, Since { requests, skipped, .. }) = (frame.about, since);
    let is_shown = |recorded: &&Arc<Recorded>| matches(&recorded.record, filter);
    let has_match = requests.is_empty() || requests.iter().any(|recorded| is_shown(&recorded));
    let last = requests.last().map_or(0, |recorded| recorded.id);
    // They are numbered as they end. The script puts later ones into the same order.
    let mut latest_first: Vec<_> = requests.iter().rev().collect();
    latest_first.sort_by(|one, other| other.record.time.cmp(&one.record.time));
    let content = html! {
        h1 { "Requests" }
        form.filter role="search" {
            label for="filter" { "Filter" }
            input #filter type="search" name="q" value=(filter) placeholder="such as POST 400"
                autocomplete="off" spellcheck="false";
            button type="submit" { "Filter" }
            button #pause type="button" aria-pressed="false" hidden { "Pause" }
            button type="submit" form="clear" { "Clear" }
            @if about.throwaway.is_some() {
                button.danger type="submit" form="start-over"
                    title="Portals, access tokens and this list are gone; faults are those of the start" { "Start over" }
            }
        }
        form #clear method="post" action="/clear" hidden {}
        form #start-over method="post" action="/reset" hidden {}
        @if *skipped > 0 {
            p.note { (skipped) " more were served so fast that they are not kept." }
        }
        table.requests {
            thead {
                tr { @for column in COLUMNS { th scope="col" { (column) } } }
            }
            tbody #requests data-last=(last) {
                @for recorded in latest_first {
                    (row(recorded, !is_shown(&recorded)))
                }
            }
        }
        p #unmatched .note role="status" hidden[has_match] { "No request matches the filter." }
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
    layout(frame, "/", "Requests", &content)
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
            td.client { @if let Some(agent) = &record.agent { (short(product(agent))) } }
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

/// The first product of a user agent, such as `curl/8.14.1`.
fn product(agent: &str) -> &str {
    agent.split(' ').next().unwrap_or_default()
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
pub(crate) fn request(frame: &Frame<'_>, recorded: &Recorded) -> Markup {
    let (about, record) = (frame.about, &recorded.record);
    // One that was cut is not the same again, and one that can take over a terminal stays away from it.
    let command = curl::command(recorded, &about.url);
    let is_cut = [&record.method, &record.path].iter().any(|text| text.ends_with('…'));
    let is_repeatable =
        recorded.masked.request.left_out == 0 && !is_cut && printable(&command) == command;
    let content = html! {
        p { a href="/" { "← Requests" } }
        h1 { span.method { (printable_line(&record.method)) } " " (printable_line(&recorded.target())) }
        dl.facts {
            dt { "Time" } dd { time datetime=(record.time) { (record.time) } }
            dt { "Response" } dd { (outcome(record)) " after " (record.duration()) }
            @if let Some(agent) = &record.agent { dt { "Client" } dd { (printable_line(agent)) } }
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
            @if command.contains("\"$TOKEN\"") {
                p { "Secrets are not kept: set " code { "TOKEN" } " to an access token first." }
                (copyable("An access token", &token(about)))
            }
            @if command.contains('•') {
                p { "Secrets are not kept: put yours in place of each " code { "•••" } "." }
            }
            (copyable("As curl", &command))
        }
    };
    let title = printable_line(&format!("{} {}", record.method, record.path));
    layout(frame, "/", &title, &content)
}

/// The commands that set `TOKEN`.
fn token(about: &About) -> String {
    let environment = about.environment_command.as_ref();
    let environment = environment.map(|command| format!("eval \"$({command})\"\n"));
    let member = r#"sed 's/.*"access_token":"\([^"]*\)".*/\1/'"#;
    let environment = environment.unwrap_or_default();
    format!("{environment}TOKEN=$({TOKEN_OF_ENVIRONMENT} |\n  {member})")
}

/// JSON with a line for each member; any other text as it is, also JSON with an escape or a number that
/// would be written in another way.
fn indented(text: &str) -> Cow<'_, str> {
    let (mut source, mut indented) = (Deserializer::from_str(text), Vec::new());
    let copied = serde_transcode::transcode(&mut source, &mut Serializer::pretty(&mut indented));
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    match (copied.and_then(|()| source.end()), String::from_utf8(indented)) {
        (Ok(()), Ok(indented)) if dense(&indented) == dense(text) => indented.into(),
        _ => text.into(),
    }
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
            pre.body { (printable(&indented(&message.body))) }
        }
        @match (message.left_out, message.body.is_empty()) {
            (0, true) => p.note { "No body" },
            (0, false) => {},
            (bytes, true) => p.note { "A body of " (bytes) " bytes that is not kept" },
            (bytes, false) => p.note { "… and " (bytes) " more bytes" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_stays_what_it_was() {
        for (text, expected) in [
            (
                r#"{"b":1,"a":[{"x":"{,}:\\\""},[],{ }],"b":2}"#,
                "{\n  \"b\": 1,\n  \"a\": [\n    {\n      \"x\": \"{,}:\\\\\\\"\"\n    },\n    [],\n    {}\n  ],\n  \"b\": 2\n}",
            ),
            ("[ 1 , null ]", "[\n  1,\n  null\n]"),
            ("[1.0e5]", "[1.0e5]"),
            ("[123456789012345678901234567890]", "[123456789012345678901234567890]"),
            (r#"["caf\u00e9"]"#, r#"["caf\u00e9"]"#),
            ("{\"cut", "{\"cut"),
            ("grant_type=refresh_token", "grant_type=refresh_token"),
            ("{}", "{}"),
        ] {
            assert_eq!(indented(text), expected);
        }
    }
}
