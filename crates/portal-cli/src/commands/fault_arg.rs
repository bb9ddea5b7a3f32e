//! The value of `--fault`.

use portal_http::server::FaultSpec;

use crate::report::similar::similar;

const WORDS: &str = "GET POST PUT TOKEN request committed drop delay 429 500 html cut expire stale";

/// Parses a fault; an error has the best guess, or an example.
pub(crate) fn parse(text: &str) -> Result<FaultSpec, String> {
    text.parse().map_err(|error: portal_http::server::InvalidFaultSpec| {
        let unexpected = error.unexpected();
        let word = unexpected.split('=').next().unwrap_or_default();
        let expected = match word {
            "delay" => "a time with a unit, such as \"GET request:delay=300ms\"",
            "stale" => "a list and a time, such as \"GET request:stale=5s\"",
            _ if word.contains('/') => "N of every M, such as \"POST committed:drop:1/2\"",
            _ => "[METHOD ]POINT:ACTION[:WHICH], such as \"POST committed:drop:1/2\"",
        };
        match similar(word, WORDS.split(' ')).filter(|guess| *guess != word) {
            Some(guess) => format!("unexpected {unexpected:?}, did you mean {guess:?}?"),
            None => format!("unexpected {unexpected:?}, expected {expected}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_word_gets_best_guess() {
        for (text, expected) in [
            ("POST commited:drop", "unexpected \"commited\", did you mean \"committed\"?"),
            ("post request:drop", "unexpected \"post\", did you mean \"POST\"?"),
            ("request:dealy=1s", "unexpected \"dealy=1s\", did you mean \"delay\"?"),
            ("request:delay=7", "unexpected \"delay=7\", expected a time with a unit"),
            ("request:drop:3/2", "unexpected \"3/2\", expected N of every M"),
            ("GET committed:stale=5s", "unexpected \"stale=5s\", expected a list and a time"),
            ("request:teapot", "unexpected \"teapot\", expected [METHOD ]POINT:"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(parse("TOKEN request:429=7").is_ok());
    }
}
