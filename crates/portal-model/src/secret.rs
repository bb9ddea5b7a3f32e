//! Values that must not be shown: [`Secret`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that `Debug` shows as `[redacted]`. It has no `Display`: formatting it by mistake would
/// send the word instead of the value.
///
/// Only [`expose`](Self::expose) reads it, so that every use of the value can be found by that
/// word. Serializing writes the value: a token response must carry its token.
///
/// ```
/// use portal_model::Secret;
///
/// let token = Secret::new("1000.abc.def".to_owned());
/// assert_eq!(format!("{token:?}"), "[redacted]");
/// assert_eq!(token.expose(), "1000.abc.def");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Consumes it and returns the value.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
