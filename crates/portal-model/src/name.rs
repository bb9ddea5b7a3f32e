//! Portal names: which ones the service accepts, and what is wrong with the others.
//!
//! | rule | source |
//! |---|---|
//! | ASCII letters and digits only; a leading digit is allowed | documented as "alphanumeric"; ASCII is ours |
//! | 6 to 30 characters | Zoho's OpenAPI file, and the metadata of the official SDKs |
//! | uniqueness ignores case, the case given is kept | ours: the name becomes a host name |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// Fewest characters of a name, in Unicode scalar values.
pub const MIN_LEN: usize = 6;
/// Most characters of a name, in Unicode scalar values.
pub const MAX_LEN: usize = 30;

/// The name of a portal that the service would accept: 6 to 30 ASCII letters and digits.
///
/// It is always valid. Names in responses are plain strings, because portals with other names may
/// exist.
///
/// ```
/// use portal_model::PortalName;
///
/// let name: PortalName = "PortalsAPItest100".parse()?;
/// assert!(name.is_same_as("portalsapitest100"));
/// assert!("my portal".parse::<PortalName>().is_err());
/// # Ok::<(), portal_model::InvalidPortalName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortalName(String);

impl PortalName {
    /// Checks `name` against every rule.
    ///
    /// # Errors
    /// [`InvalidPortalName`] lists every rule that `name` breaks.
    pub fn parse(name: &str) -> Result<Self, InvalidPortalName> {
        Self::try_from(name.to_owned())
    }

    /// The name in its original case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same name: see [`is_same_name`].
    pub fn is_same_as(&self, other: &str) -> bool {
        is_same_name(&self.0, other)
    }
}

/// Whether two texts are the same name of a portal, as the service and people see it: the case of ASCII
/// letters and outer blanks are ignored. Everything that compares names does so here (rule 5), except
/// a rename, which can change the case.
pub fn is_same_name(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// A text that is equal for [the same name](is_same_name) only, to look names up by.
pub fn name_key(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

impl TryFrom<String> for PortalName {
    type Error = InvalidPortalName;

    fn try_from(name: String) -> Result<Self, InvalidPortalName> {
        // The common case decides on bytes and without allocating.
        if (MIN_LEN..=MAX_LEN).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            Ok(Self(name))
        } else {
            Err(InvalidPortalName::explain(&name))
        }
    }
}

impl FromStr for PortalName {
    type Err = InvalidPortalName;

    fn from_str(name: &str) -> Result<Self, InvalidPortalName> {
        Self::parse(name)
    }
}

impl From<PortalName> for String {
    fn from(name: PortalName) -> Self {
        name.0
    }
}

impl AsRef<str> for PortalName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PortalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Every rule that a name breaks: the length first, then each character that is not allowed, in
/// the order of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPortalName {
    broken: Vec<BrokenRule>,
}

impl InvalidPortalName {
    /// The broken rules; at least one.
    pub fn broken_rules(&self) -> &[BrokenRule] {
        &self.broken
    }

    /// For a name that breaks at least one rule.
    fn explain(name: &str) -> Self {
        let length = name.chars().count();
        let length_rule = match length {
            ..MIN_LEN => Some(BrokenRule::TooShort { length }),
            MIN_LEN..=MAX_LEN => None,
            _ => Some(BrokenRule::TooLong { length }),
        };
        let characters = name
            .chars()
            .enumerate()
            .filter(|(_, character)| !character.is_ascii_alphanumeric())
            .map(|(position, character)| BrokenRule::NotAlphanumeric { position, character });
        Self { broken: length_rule.into_iter().chain(characters).collect() }
    }
}

/// How many broken rules a message spells out before it counts the rest.
const SPELLED_OUT: usize = 4;

impl fmt::Display for InvalidPortalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.broken.iter().take(SPELLED_OUT).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            rule.fmt(f)?;
        }
        match self.broken.len().saturating_sub(SPELLED_OUT) {
            0 => Ok(()),
            1 => f.write_str("; and one more broken rule"),
            rest => write!(f, "; and {rest} more broken rules"),
        }
    }
}

impl std::error::Error for InvalidPortalName {}

/// One rule that a name breaks. `{:#}` leaves out which characters are allowed, for lists. In JSON `rule`
/// says which, such as `too_short`, and positions are counted from 1, as in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BrokenRule {
    /// Fewer than [`MIN_LEN`] characters; an empty name has length 0.
    TooShort {
        /// In Unicode scalar values.
        length: usize,
    },
    /// More than [`MAX_LEN`] characters.
    TooLong {
        /// In Unicode scalar values.
        length: usize,
    },
    /// A character other than `A-Z`, `a-z`, `0-9`.
    NotAlphanumeric {
        /// 0-based, in Unicode scalar values.
        #[serde(serialize_with = "from_one")]
        position: usize,
        /// The character.
        character: char,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn from_one<S: Serializer>(position: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    (position + 1).serialize(serializer)
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { length: 0 } => {
                write!(f, "the name is empty, at least {MIN_LEN} characters are needed")
            }
            Self::TooShort { length } => write!(
                f,
                "the name has {length} {}, at least {MIN_LEN} are needed",
                if length == 1 { "character" } else { "characters" }
            ),
            Self::TooLong { length } => {
                write!(f, "the name has {length} characters, at most {MAX_LEN} are allowed")
            }
            Self::NotAlphanumeric { position, character } => {
                let code = u32::from(character);
                write!(f, "character {} is {} (U+{code:04X})", position + 1, Named(character))?;
                if f.alternate() {
                    return Ok(());
                }
                f.write_str(", only the letters A-Z, a-z and the digits 0-9 are allowed")
            }
        }
    }
}

/// A character as a message can show it: never a raw control character.
struct Named(char);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ' ' => f.write_str("a space"),
            '\t' => f.write_str("a tab"),
            '\n' | '\r' => f.write_str("a line break"),
            '\'' => f.write_str("an apostrophe"),
            character => write!(f, "'{}'", character.escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rules once more, written differently: a scan over a table of allowed characters.
    fn oracle(name: &str) -> Vec<BrokenRule> {
        const ALLOWED: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut broken = Vec::new();
        let characters: Vec<char> = name.chars().collect();
        if characters.len() < 6 {
            broken.push(BrokenRule::TooShort { length: characters.len() });
        }
        if characters.len() > 30 {
            broken.push(BrokenRule::TooLong { length: characters.len() });
        }
        for (position, &character) in characters.iter().enumerate() {
            if !ALLOWED.contains(character) {
                broken.push(BrokenRule::NotAlphanumeric { position, character });
            }
        }
        broken
    }

    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof![
            // Arbitrary Unicode of any plane.
            proptest::collection::vec(any::<char>(), 0..48).prop_map(String::from_iter),
            // Valid, and valid but for the length.
            "[A-Za-z0-9]{0,40}",
            // Around both bounds.
            "[A-Za-z0-9]{5,7}",
            "[A-Za-z0-9]{29,31}",
            // Near-valid: one character of a valid name replaced.
            ("[A-Za-z0-9]{6,30}", any::<prop::sample::Index>(), any::<char>()).prop_map(
                |(name, index, character)| {
                    let mut characters: Vec<char> = name.chars().collect();
                    let at = index.index(characters.len());
                    characters[at] = character;
                    characters.into_iter().collect()
                }
            ),
            // Alphanumeric, but not ASCII.
            "[\\p{L}\\p{N}]{0,34}",
        ]
    }

    proptest! {
        #[test]
        fn validator_agrees_with_oracle(name in any_name()) {
            let broken = oracle(&name);
            match PortalName::parse(&name) {
                Ok(parsed) => {
                    prop_assert!(broken.is_empty(), "{name:?} is accepted but breaks {broken:?}");
                    prop_assert_eq!(parsed.as_str(), &name);
                }
                Err(error) => prop_assert_eq!(error.broken_rules(), broken.as_slice()),
            }
        }

        #[test]
        fn name_survives_json_and_invalid_one_is_refused(name in any_name()) {
            let json = serde_json::to_string(&name).unwrap();
            match serde_json::from_str::<PortalName>(&json) {
                Ok(parsed) => prop_assert_eq!(serde_json::to_string(&parsed).unwrap(), json),
                Err(_) => prop_assert!(!oracle(&name).is_empty()),
            }
        }

        #[test]
        fn message_never_has_control_character(name in any_name()) {
            if let Err(error) = PortalName::parse(&name) {
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    }

    #[test]
    fn every_broken_rule_is_named_at_once() {
        let error = PortalName::parse("a b!").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the name has 4 characters, at least 6 are needed; \
             character 2 is a space (U+0020), only the letters A-Z, a-z and the digits 0-9 are \
             allowed; \
             character 4 is '!' (U+0021), only the letters A-Z, a-z and the digits 0-9 are allowed"
        );
    }

    #[test]
    fn many_broken_rules_are_counted() {
        let error = PortalName::parse("- - - -").unwrap_err();
        assert_eq!(error.broken_rules().len(), 7);
        assert!(error.to_string().ends_with("; and 3 more broken rules"), "{error}");
    }

    #[test]
    fn name_keeps_its_text_in_every_form() {
        let name = PortalName::parse("AcmePortal").unwrap();
        assert_eq!(
            [name.as_ref(), format!("{name}").as_str(), &String::from(name.clone())],
            ["AcmePortal"; 3]
        );
    }

    #[test]
    fn letters_in_other_case_are_same_name() {
        let name = PortalName::parse("AcmePortal").unwrap();
        assert!(name.is_same_as("acmeportaL"));
        assert!(!name.is_same_as("acmeportal1"));
        assert!(is_same_name(" my Portal\t", "My portal"));
        assert_eq!(name_key(" my Portal\t"), name_key("My portal"));
        assert_ne!(name_key("my portal"), name_key("myportal"));
        assert!(!is_same_name("my portal", "myportal"));
    }
}
