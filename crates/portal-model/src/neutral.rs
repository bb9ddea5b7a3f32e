//! Text from a service, a file or a user, made harmless for a terminal, a JSON reader or a shell.
//!
//! Names and messages of the service can hold any character, so whoever prints them needs this.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest text of a service that is shown.
const LONGEST: usize = 1024;

/// Whether a character can take over a terminal, or make a line read as another one or as two: the
/// controls of C0 and C1, DEL, Unicode's separators of lines, and the controls of bidirectional text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The text with U+FFFD for each control character, those of bidirectional text included. Its line
/// breaks stay.
///
/// ```
/// use portal_model::neutral::printable;
///
/// assert_eq!(printable("\u{1b}[31mAcme\nPortal"), "\u{fffd}[31mAcme\nPortal");
/// ```
pub fn printable(text: &str) -> String {
    let visible =
        |c: char| if is_harmful(c) && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(visible).collect()
}

/// Like [`printable`], but always one line.
pub fn printable_line(text: &str) -> String {
    printable(text).replace('\n', "\u{fffd}")
}

/// A JSON document with its control characters escaped, those of bidirectional text included.
/// `serde_json` leaves DEL, C1 and the latter as they are; outside of strings a document has none of
/// them, so the value stays the same.
pub fn escaped(json: &str) -> String {
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

/// The first 1,024 bytes of a text, with an ellipsis if there are more.
pub fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let mut end = LONGEST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// The text as one word that POSIX shells and fish read alike, quoted only if it has to be.
///
/// ```
/// use portal_model::neutral::shell_word;
///
/// assert_eq!(shell_word("./portals.csv"), "./portals.csv");
/// assert_eq!(shell_word("$(rm)"), "'$(rm)'");
/// ```
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into();
    }
    let quoted = text.chars().fold(String::new(), |text, c| match c {
        '\'' => text + r"'\''",
        // fish has escapes within single quotes, too.
        '\\' => text + r#"'"\\"'"#,
        c => text + c.encode_utf8(&mut [0; 4]),
    });
    format!("'{quoted}'").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARMFUL: &str =
        "a\u{1b}]0;owned\u{7}\u{7f}\u{9b}31m\u{202e}b\u{2066}\u{61c}\u{2028}\u{2029}";

    #[test]
    fn response_cannot_take_over_terminal() {
        let shown = printable(&format!("{HARMFUL}\nc"));
        assert_eq!(
            shown,
            "a\u{fffd}]0;owned\u{fffd}\u{fffd}\u{fffd}31m\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}\nc"
        );
        assert_eq!(printable_line("a\nb\r\u{85}\u{2028}"), "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}");
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

    #[test]
    fn only_unusual_words_are_quoted() {
        for (text, quoted) in [
            ("./portals.csv", "./portals.csv"),
            ("my portals.csv", "'my portals.csv'"),
            ("it's", r"'it'\''s'"),
            (r"a\b", r#"'a'"\\"'b'"#),
            ("$(rm)", "'$(rm)'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), quoted);
        }
    }
}
