//! A recorded request as a command line.

use std::fmt::Write as _;

use portal_model::neutral::{escaped, shell_word};

use crate::recorder::Recorded;

/// Headers that curl sends by itself.
const OF_CURL: [&str; 6] =
    ["accept", "accept-encoding", "connection", "content-length", "host", "user-agent"];

/// The same request to the server at `url`; the token is taken from the environment.
pub(crate) fn command(recorded: &Recorded, url: &str) -> String {
    let (method, request) = (&recorded.record.method, &recorded.masked.request);
    let url = format!("{url}{}", recorded.target());
    // As it was sent: no ranges, and no `..` taken out.
    let mut command = format!("curl --globoff --path-as-is {}", shell_word(&url));
    if method == "HEAD" {
        command.push_str(" --head");
    } else if method != "GET" || !request.body.is_empty() {
        let _ = write!(command, " -X {}", shell_word(method));
    }
    for (name, value) in &request.headers {
        if name == "authorization" {
            let scheme = value.split_once(' ').map_or("Zoho-oauthtoken", |(scheme, _)| scheme);
            let header = format!("Authorization: {scheme} ");
            let _ = write!(command, " \\\n  -H {}\"$TOKEN\"", shell_word(&header));
        } else if !OF_CURL.contains(&name.as_str()) {
            let _ = write!(command, " \\\n  -H {}", shell_word(&format!("{name}: {value}")));
        }
    }
    if !request.body.is_empty() {
        if !request.headers.iter().any(|(name, _)| name == "content-type") {
            // curl would say that it is a form.
            command.push_str(" \\\n  -H 'Content-Type:'");
        }
        let body = &request.body;
        // The same JSON, without characters that do something to the terminal it is pasted into.
        let body = if body.starts_with(['{', '[']) { escaped(body) } else { body.clone() };
        let _ = write!(command, " \\\n  --data-raw {}", shell_word(&body));
    }
    command
}
