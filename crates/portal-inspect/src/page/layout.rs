//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};
use portal_model::neutral::printable_line;

use crate::inspector::About;

/// The sections of the navigation.
const SECTIONS: [(&str, &str); 3] = [("/", "Requests"), ("/orgs", "Orgs"), ("/faults", "Faults")];

/// A page in the section at `path`.
pub(super) fn layout(about: &About, path: &str, title: &str, content: &Markup) -> Markup {
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
                }
                main { (content) }
            }
        }
    }
}

/// Why a page is not shown.
pub(crate) fn refused(about: &About, message: &str) -> Markup {
    let content = html! { p.error role="alert" { (printable_line(message)) } };
    layout(about, "", "Not shown", &content)
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
