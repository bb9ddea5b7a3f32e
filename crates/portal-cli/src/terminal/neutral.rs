//! Text from a service, a file or a user, made harmless for a terminal.

use std::fmt::Write as _;

/// Longest text of a service that is shown.
const LONGEST: usize = 1024;

/// Whether a character can take over a terminal, or make a line read as another one: the controls
/// of C0 and C1, DEL, and the controls of bidirectional text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The text with a replacement character for each harmful one. Its line breaks stay.
pub(crate) fn printable(text: &str) -> String {
    let visible =
        |c: char| if is_harmful(c) && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(visible).collect()
}

/// One line, whatever is in the text.
pub(crate) fn printable_line(text: &str) -> String {
    printable(text).replace('\n', "\u{fffd}")
}

/// A JSON document with its harmful characters escaped. `serde_json` leaves DEL, C1 and bidirectional
/// controls as they are, and outside of strings a document has none of them.
pub(crate) fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmful(c) {
            // Every one of them is in the basic plane.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// The first 1,024 bytes of a message, whose end is the text of a service.
pub(crate) fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARMFUL: &str = "a\u{1b}]0;owned\u{7}\u{7f}\u{9b}31m\u{202e}b\u{2066}\u{61c}";

    #[test]
    fn response_cannot_take_over_terminal() {
        let shown = printable(&format!("{HARMFUL}\nc"));
        assert_eq!(
            shown,
            "a\u{fffd}]0;owned\u{fffd}\u{fffd}\u{fffd}31m\u{fffd}b\u{fffd}\u{fffd}\nc"
        );
        assert_eq!(printable_line("a\nb\r"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn json_is_escaped_and_stays_same_value() {
        let json = serde_json::to_string(HARMFUL).unwrap();
        let escaped = escaped(&json);
        assert!(!escaped.chars().any(is_harmful), "{escaped}");
        assert!(escaped.contains("\\u007f\\u009b31m\\u202eb"), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), HARMFUL);
    }

    #[test]
    fn cut_text_ends_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(1024)).len(), 1024);
        let long = cut(&"ä€".repeat(1000));
        assert!(long.len() <= 1024 + '…'.len_utf8() && long.ends_with('…'), "{long}");
    }
}
