//! The variables of the environment, each read here, so that none that is unusable counts as unset.

use std::ffi::OsString;
use std::path::PathBuf;

use portal_inspect::ORG_VARIABLES;

use crate::sys::InvalidInput;

/// The variables that users set beside those that select an org.
const OTHERS: [&str; 12] = [
    "PORTAL_ADMIN_LISTEN",
    "PORTAL_ADMIN_URL",
    "PORTAL_CA_FILE",
    "PORTAL_DATABASE_URL",
    "PORTAL_LEDGER",
    "PORTAL_LIST_LAG",
    "PORTAL_LOG",
    "PORTAL_PROCESSING_TIME",
    "PORTAL_PUBLIC_URL",
    "PORTAL_STATE_DIR",
    "PORTAL_TLS_CERT",
    "PORTAL_TLS_KEY",
];

/// The variables that users set; programs that `portal` starts get more.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ORG_VARIABLES.into_iter().chain(OTHERS)
}

/// Returns the value of a variable without the blanks around it; `None` if it is unset.
///
/// # Errors
/// It is empty, as a secret that is missing in a CI job, or not UTF-8, or has a quote or a control character: a
/// sign that a file was read as if it were a shell's.
pub(crate) fn text(name: &str) -> Result<Option<String>, InvalidInput> {
    debug_assert!(names().any(|known| known == name), "{name}");
    std::env::var_os(name).map(|value| parse(name, value)).transpose()
}

/// Checks a variable that something else reads as it is.
pub(crate) fn check(name: &str) -> Result<(), InvalidInput> {
    let raw = std::env::var(name).unwrap_or_default();
    match text(name)? {
        Some(text) if text != raw => Err(InvalidInput(format!("{name} has blanks around it"))),
        _ => Ok(()),
    }
}

/// Returns the value of a variable that is a path, of any bytes; `None` if it is unset.
///
/// # Errors
/// It is empty.
pub(crate) fn path(name: &str) -> Result<Option<PathBuf>, InvalidInput> {
    match std::env::var_os(name) {
        Some(path) if path.is_empty() => parse(name, path).map(|text| Some(text.into())),
        path => Ok(path.map(PathBuf::from)),
    }
}

fn parse(name: &str, value: OsString) -> Result<String, InvalidInput> {
    let invalid = |what| InvalidInput(format!("{name} {what}"));
    let text = value.into_string().map_err(|_| invalid("is not UTF-8"))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid("is empty: unset it"));
    }
    if text.contains(['"', '\'', '`']) {
        return Err(invalid("has a quote: expected its value alone"));
    }
    if text.contains(char::is_control) {
        return Err(invalid("has a line break or another control character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_value_names_variable_and_is_not_repeated() {
        for (value, expected) in [
            ("acme", Ok("acme")),
            (" acme \r\n", Ok("acme")),
            ("", Err("PORTAL_PROFILE is empty: unset it")),
            (" ", Err("PORTAL_PROFILE is empty: unset it")),
            ("caf\u{e9}", Ok("caf\u{e9}")),
            ("\"hush\"", Err("PORTAL_PROFILE has a quote")),
            ("'hush'", Err("PORTAL_PROFILE has a quote")),
            ("hush\nhush", Err("PORTAL_PROFILE has a line break")),
            ("hush\u{1b}[31m", Err("PORTAL_PROFILE has a line break or another control")),
        ] {
            match (parse("PORTAL_PROFILE", value.into()), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(InvalidInput(error)), Err(expected)) => {
                    assert!(error.starts_with(expected) && !error.contains("hush"), "{error}");
                }
                (found, _) => panic!("{value:?}: {found:?}"),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn value_beyond_utf8_is_error() {
        use std::os::unix::ffi::OsStringExt as _;
        let error = parse("PORTAL_PROFILE", OsString::from_vec(b"caf\xe9".to_vec())).unwrap_err();
        assert_eq!(error.to_string(), "PORTAL_PROFILE is not UTF-8");
    }
}
