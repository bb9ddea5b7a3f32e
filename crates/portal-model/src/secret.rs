//! Values that must not be shown: [`Secret`].

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serializer};

/// A text that `Debug` shows as `[redacted]`, and that is zeroed when it is dropped.
///
/// It has no `Display`, so that formatting it by mistake does not compile, and no `Serialize`: a field
/// that has to be written names [`serialize_exposed`]. Only [`expose`](Self::expose) reads it, so
/// that a search for that word finds every use of the value.
///
/// What is derived from it, such as a [`Request`](crate::Request) with a token, is not zeroed.
///
/// ```
/// use portal_model::Secret;
///
/// let token = Secret::new("1000.abc.def");
/// assert_eq!(format!("{token:?}"), "[redacted]");
/// assert_eq!(token.expose(), "1000.abc.def");
/// ```
///
/// ```compile_fail,E0277
/// # let token = portal_model::Secret::new("1000.abc.def");
/// format!("Zoho-oauthtoken {token}");
/// ```
///
/// ```compile_fail,E0277
/// # let token = portal_model::Secret::new("1000.abc.def");
/// serde_json::to_string(&token);
/// ```
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps `value`. An owned `String` is taken over, not copied, if it has no spare capacity.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Not in constant time: for tests and configuration. A server compares hashes.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// Writes the value itself, for `#[serde(serialize_with = "…")]` on a field of a file or of a
/// response that must hold it.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}
