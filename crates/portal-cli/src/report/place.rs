//! [`Place`]: how an org was selected.

use std::fmt;

use portal_ledger::Entry;
use portal_model::neutral::shell_word;

/// The origin of the server of `--local` in the ledger: its port differs each time.
pub(crate) const LOCAL: &str = "local";

/// How an org was selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Local,
    Profile(String),
    /// By flags and environment; the URL of the API, if it is known.
    Explicit(Option<String>),
}

impl Place {
    /// Where an operation was begun.
    pub(crate) fn of(entry: &Entry) -> Self {
        match &entry.label {
            Some(profile) => Self::Profile(profile.clone()),
            None if entry.org.origin() == LOCAL => Self::Local,
            None => Self::Explicit(None),
        }
    }

    /// Returns the profile, if one was used.
    pub(crate) fn profile(&self) -> Option<&str> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Local | Self::Explicit(_) => None,
        }
    }

    /// Returns the arguments that select the org again, each preceded by a space, for suggested
    /// commands. An explicit place needs none, because the environment selects it.
    pub(crate) fn arguments(&self) -> String {
        match self {
            Self::Local => " --local".to_owned(),
            Self::Profile(name) => profile_flag(name),
            Self::Explicit(_) => String::new(),
        }
    }
}

/// The flag that selects a profile, after a space.
pub(crate) fn profile_flag(name: &str) -> String {
    flag_with("--profile", name)
}

/// A flag with its value, after a space, as a shell takes it.
pub(crate) fn flag_with(flag: &str, value: &str) -> String {
    // A value that looks like a flag is not one beside the equals sign.
    let separator = if value.starts_with('-') { '=' } else { ' ' };
    format!(" {flag}{separator}{}", shell_word(value))
}

/// Operands of a command, each after a space, as a shell and the command line take them.
pub(crate) fn operands<const N: usize>(words: [&str; N]) -> String {
    let begins = if words.iter().any(|word| word.starts_with('-')) { " --" } else { "" };
    words.iter().fold(begins.to_owned(), |text, word| format!("{text} {}", shell_word(word)))
}

/// Formats as `the local org`, `the org of profile acme` or `the org at https://www.zohoapis.eu`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("the local org"),
            Self::Profile(name) => write!(f, "the org of profile {name}"),
            Self::Explicit(Some(url)) => write!(f, "the org at {url}"),
            Self::Explicit(None) => f.write_str("the org of the credentials"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggested_words_are_those_of_shell() {
        assert_eq!(operands(["AcmeOld", "AcmeNew"]), " AcmeOld AcmeNew");
        assert_eq!(operands(["-old it's", "AcmeNew"]), r" -- '-old it'\''s' AcmeNew");
        assert_eq!(operands(["$(rm)"]), " '$(rm)'");
        assert_eq!(profile_flag("acme"), " --profile acme");
        assert_eq!(profile_flag("-x"), " --profile=-x");
        assert_eq!(flag_with("--ca-file", "my ca.pem"), " --ca-file 'my ca.pem'");
    }
}
