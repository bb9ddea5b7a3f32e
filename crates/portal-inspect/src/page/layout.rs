//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};
use portal_http::server::FaultSpec;
use portal_model::neutral::printable_line;
use portal_store::Registry;

use crate::inspector::{About, Inspector};

/// The sections of the navigation.
const SECTIONS: [(&str, &str); 3] = [("/", "Requests"), ("/orgs", "Orgs"), ("/faults", "Faults")];

/// What the frame of a page shows.
pub(crate) struct Frame<'a> {
    pub(super) about: &'a About,
    pub(super) faults: Vec<FaultSpec>,
}

impl<'a> Frame<'a> {
    pub(crate) fn of<R: Registry>(inspector: &'a Inspector<R>) -> Self {
        Self { about: &inspector.about, faults: inspector.service.faults() }
    }
}

/// The section to which a form leads back.
pub(crate) fn section(path: &str) -> &'static str {
    SECTIONS.iter().find(|(link, _)| *link == path).map_or("/", |(link, _)| link)
}

/// A page in the section at `path`.
pub(super) fn layout(frame: &Frame<'_>, path: &str, title: &str, content: &Markup) -> Markup {
    let about = frame.about;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Portal server" }
                link rel="icon" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
                script src="/script.js" defer {}
            }
            body {
                header {
                    nav aria-label="Sections" {
                        @for (link, name) in SECTIONS {
                            a href=(link) aria-current=[(link == path).then_some("page")] { (name) }
                        }
                    }
                    p.server { "The server at " code { (about.url) } }
                    @if !frame.faults.is_empty() {
                        (faults_on(frame, path))
                    }
                }
                main { (content) }
            }
        }
    }
}

/// The faults that make requests fail, on every page: who forgets one looks for its cause elsewhere.
fn faults_on(frame: &Frame<'_>, path: &str) -> Markup {
    html! {
        div.faults-on role="group" aria-label="Faults that are on" {
            a href="/faults" { "Faults on" }
            @for fault in &frame.faults {
                form.chip method="post" action="/faults" {
                    code { (fault) } @if fault.is_once() { " once" }
                    (switch_off(fault, path, "×"))
                }
            }
        }
    }
}

/// What a form has that switches a fault off and leads back to `path`.
pub(super) fn switch_off(fault: &FaultSpec, path: &str, text: &str) -> Markup {
    let action = if fault.is_once() { "remove-once" } else { "remove" };
    html! {
        input type="hidden" name="spec" value=(fault);
        input type="hidden" name="back" value=(path);
        button type="submit" name="action" value=(action)
            aria-label={ "Switch off " (fault) } title="Switch off" { (text) }
    }
}

/// Why a page is not shown.
pub(crate) fn refused(frame: &Frame<'_>, message: &str) -> Markup {
    let content = html! { p.error role="alert" { (printable_line(message)) } };
    layout(frame, "", "Not shown", &content)
}

/// Text to copy, with a button where scripts run.
pub(super) fn copyable(label: &str, text: &str) -> Markup {
    html! {
        figure.copyable {
            figcaption { (label) button type="button" data-copy hidden { "Copy" } }
            pre { (text) }
        }
    }
}
