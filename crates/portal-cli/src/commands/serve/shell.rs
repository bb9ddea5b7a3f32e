//! [`Shell`]: how a shell is told an environment.

use portal_inspect::leading_elsewhere;
use portal_model::neutral::shell_word;

/// Who reads the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shell {
    /// Any POSIX shell, and fish
    #[default]
    Sh,
    /// `portal serve env --shell powershell | Out-String | Invoke-Expression`
    Powershell,
}

impl Shell {
    /// Sets the variables, and unsets what would lead elsewhere.
    pub(super) fn environment(self, variables: &[(&str, String)]) -> String {
        let others = leading_elsewhere(variables.iter().map(|(name, _)| *name));
        let mut lines = match self {
            // fish has no `unset`, and a POSIX shell another `set -e`: each runs its own line.
            Self::Sh => vec![
                format!("command -v unset >/dev/null && unset {}", others.join(" ")),
                format!("command -v unset >/dev/null || set -e {}", others.join(" ")),
            ],
            Self::Powershell => others
                .iter()
                .map(|name| format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue"))
                .collect(),
        };
        lines.extend(variables.iter().map(|(name, value)| match self {
            Self::Sh => format!("export {name}={}", shell_word(value)),
            Self::Powershell => format!("$env:{name} = {}", powershell_word(value)),
        }));
        lines.join("\n")
    }
}

/// A literal string: `PowerShell` takes each of these for a quote, and two for one in it.
fn powershell_word(text: &str) -> String {
    let mut word = "'".to_owned();
    for c in text.chars() {
        word.push(c);
        if ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'].contains(&c) {
            word.push(c);
        }
    }
    word + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_their_shell() {
        for (text, sh, powershell) in [
            ("http://127.0.0.1:1", "http://127.0.0.1:1", "'http://127.0.0.1:1'"),
            ("", "''", "''"),
            ("*", "'*'", "'*'"),
            ("a$b `c`", "'a$b `c`'", "'a$b `c`'"),
            ("it's", r"'it'\''s'", "'it''s'"),
            ("a\\b", "'a'\"\\\\\"'b'", "'a\\b'"),
            ("\u{2019}", "'\u{2019}'", "'\u{2019}\u{2019}'"),
        ] {
            assert_eq!(shell_word(text), sh);
            assert_eq!(powershell_word(text), powershell);
        }
    }

    #[test]
    fn powershell_sets_and_removes() {
        let variables = [("PORTAL_API_DOMAIN", "http://127.0.0.1:1".to_owned())];
        let text = Shell::Powershell.environment(&variables);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "Remove-Item Env:PORTAL_PROFILE -ErrorAction SilentlyContinue");
        assert_eq!(lines.last(), Some(&"$env:PORTAL_API_DOMAIN = 'http://127.0.0.1:1'"));
        assert!(!text.contains("Env:PORTAL_API_DOMAIN -"));
    }
}
