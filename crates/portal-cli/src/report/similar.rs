//! The best guess for a mistyped word.

/// Words that are less alike have nothing in common.
const ALIKE: f64 = 0.8;

/// The one of `known` that `word` may be meant to be.
pub(crate) fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word);
    let rated =
        known.into_iter().map(|known| (strsim::jaro_winkler(&word, &letters(known)), known));
    let best = rated.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness > ALIKE).map(|(_, known)| known)
}

/// What counts: `already-used` and `ALREADY_USED` are one word.
pub(crate) fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_guess_is_found_or_none() {
        let known = ["ALREADY_USED", "NO_PERMISSION", "request", "committed", "drop"];
        for (word, guess) in [
            ("already", Some("ALREADY_USED")),
            ("NOPERMISION", Some("NO_PERMISSION")),
            ("commited", Some("committed")),
            ("requests", Some("request")),
            ("dorp", Some("drop")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(similar(word, known), guess, "{word}");
        }
    }
}
