//! The faults: those in force, and those to switch on.

use maud::{Markup, html};
use portal_http::server::{FaultSpec, InvalidFaultSpec};

use super::layout::{Frame, layout, switch_off};

/// What goes wrong most often, and what it looks like to a client.
const COMMON: [(&str, &str); 9] = [
    ("POST committed:drop", "The portal is created, and the response is lost"),
    ("POST request:drop", "The connection is closed before anything is done"),
    ("POST committed:cut", "The portal is created, and the response breaks off"),
    ("POST committed:delay=15s", "The portal is created, and the response is slow"),
    ("POST request:html", "A gateway responds with an error page"),
    ("POST request:429=5", "Too many requests, to be retried after five seconds"),
    ("GET request:500", "The list fails"),
    ("TOKEN request:500", "The accounts server fails"),
    ("request:expire", "The access token expires"),
];

/// The faults, and what was wrong with one that was sent.
pub(crate) fn faults(frame: &Frame<'_>, invalid: Option<(&str, &InvalidFaultSpec)>) -> Markup {
    let content = html! {
        h1 { "Faults" }
        @if frame.faults.is_empty() {
            p { "None: requests are served normally." }
        } @else {
            ul.faults {
                @for fault in &frame.faults {
                    li {
                        span {
                            code { (fault) } " "
                            span.state { (if fault.is_once() { "next request only" } else { "on" }) }
                        }
                        form method="post" action="/faults" {
                            (switch_off(fault, "/faults", "Switch off"))
                        }
                    }
                }
            }
        }
        h2 { "Switch on" }
        ul.faults {
            @for (spec, description) in COMMON {
                li {
                    span { (description) br; code { (spec) } }
                    form method="post" action="/faults" {
                        input type="hidden" name="spec" value=(spec);
                        input type="hidden" name="back" value="/faults";
                        (buttons(description))
                    }
                }
            }
        }
        h2 { "Another" }
        form.another method="post" action="/faults" {
            input type="hidden" name="back" value="/faults";
            label for="spec" { "Fault" }
            input #spec name="spec" value=(invalid.map_or("", |(text, _)| text)) required
                placeholder="POST committed:drop:1/2" autocomplete="off" spellcheck="false"
                aria-describedby="grammar";
            (buttons("this fault"))
            @if let Some((_, error)) = invalid { p.error role="alert" { (error) } }
            p #grammar .note { (FaultSpec::GRAMMAR) }
        }
    };
    layout(frame, "/faults", "Faults", &content)
}

fn buttons(what: &str) -> Markup {
    html! {
        button type="submit" name="action" value="add" aria-label={ "Switch on: " (what) } { "On" }
        button type="submit" name="action" value="once" aria-label={ "Next request only: " (what) } {
            "Next request only"
        }
    }
}
