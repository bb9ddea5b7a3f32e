//! Words of a command that is printed, as a shell reads them.

use std::borrow::Cow;

/// Quotes a word if a shell would not take it as it is.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unusual_words_are_quoted() {
        for (text, quoted) in [
            ("./portals.csv", "./portals.csv"),
            ("my portals.csv", "'my portals.csv'"),
            ("it's", r"'it'\''s'"),
            ("$(rm)", "'$(rm)'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }
}
