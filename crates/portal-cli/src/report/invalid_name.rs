//! What is wrong with a name, shown under the name itself.

use portal_model::name::{MAX_LEN, MIN_LEN};
use portal_model::{BrokenRule, InvalidPortalName};
use serde_json::json;
use unicode_width::UnicodeWidthChar as _;

use crate::report::failure::{ErrorKind, Failure};

/// How many broken rules are listed: a name may be as long as a command line.
const LISTED: usize = 8;

/// The failure, with the broken rules for machines.
pub(crate) fn failure(invalid: &InvalidPortalName) -> Failure {
    let (listed, more) = listed(invalid);
    let details = match more {
        0 => json!({ "broken_rules": listed }),
        more => json!({ "broken_rules": listed, "more": more }),
    };
    Failure::new(ErrorKind::InvalidName, invalid.to_string()).details(details).hint(format!(
        "a name is {MIN_LEN} to {MAX_LEN} of the letters A-Z, a-z and the digits 0-9"
    ))
}

/// The first broken rules, and how many more there are.
fn listed(invalid: &InvalidPortalName) -> (&[BrokenRule], usize) {
    let rules = invalid.broken_rules();
    let (listed, more) = rules.split_at_checked(LISTED).unwrap_or((rules, &[]));
    (listed, more.len())
}

/// The name, a caret under each character that is not allowed, and the broken rules.
pub(crate) fn show(name: &str, invalid: &InvalidPortalName) -> String {
    /// A longer name is cut: that it is too long is said anyway.
    const COLUMNS: usize = 70;
    let mut shown = String::from("\"");
    let mut carets = String::from(" ");
    for character in name.chars() {
        let (cell, width) = cell(character);
        if carets.len() + width > COLUMNS {
            shown.push('…');
            break;
        }
        shown.push_str(&cell);
        let mark = if character.is_ascii_alphanumeric() { " " } else { "^" };
        carets.push_str(&mark.repeat(width));
    }
    let mut lines =
        vec!["this can't be the name of a portal:".to_owned(), format!("    {shown}\"")];
    if carets.contains('^') {
        lines.push(format!("    {}", carets.trim_end()));
    }
    let (listed, more) = listed(invalid);
    lines.extend(listed.iter().map(|rule| format!("  {rule:#}")));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}

/// A character as a terminal can show it, and its width in columns. What has no width, or would
/// move the cursor, is escaped.
fn cell(character: char) -> (String, usize) {
    if let Some(width @ 1..) = character.width() {
        return (character.to_string(), width);
    }
    let escaped = character.escape_default().to_string();
    let width = escaped.len();
    (escaped, width)
}

#[cfg(test)]
mod tests {
    use portal_model::PortalName;

    use super::*;

    fn shown(name: &str) -> String {
        show(name, &PortalName::parse(name).unwrap_err())
    }

    #[test]
    fn caret_is_under_each_invalid_character() {
        assert_eq!(
            shown("my portal!"),
            "this can't be the name of a portal:\n    \
             \"my portal!\"\n    \
             \u{20}  ^      ^\n  \
             character 3 is a space (U+0020)\n  \
             character 10 is '!' (U+0021)"
        );
    }

    #[test]
    fn wide_character_has_two_carets() {
        let text = shown("ポrtal\u{202e}9\t");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], r#"    "ポrtal\u{202e}9\t""#);
        assert_eq!(lines[2], "     ^^    ^^^^^^^^ ^^");
        assert!(!text.contains('\u{202e}') && !text.contains('\t'));
    }

    #[test]
    fn short_name_has_no_carets_and_long_one_is_cut() {
        assert_eq!(shown("abc").lines().count(), 3);
        let endless = shown(&"a".repeat(5000));
        assert!(endless.lines().all(|line| line.chars().count() <= 80), "{endless}");
    }

    #[test]
    fn long_list_of_broken_rules_is_counted() {
        let name = "-".repeat(180);
        let text = shown(&name);
        assert!(text.ends_with("character 7 is '-' (U+002D)\n  and 173 more"), "{text}");
        let details = failure(&PortalName::parse(&name).unwrap_err()).report.details;
        let details = serde_json::to_value(details).unwrap();
        let rules = details["broken_rules"].as_array().unwrap();
        assert_eq!((rules.len(), &details["more"]), (LISTED, &173.into()));
        assert_eq!(rules[1]["position"], 1, "as in the text");
    }
}
