//! Values that must never be seen: [`Secret`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that `Debug` and `Display` show as `[redacted]`.
///
/// It is read with [`expose`](Self::expose) only, so that every place that uses the value can be
/// found by that word. Serialising writes the value: a token answer must carry its token.
///
/// ```
/// use portal_model::Secret;
///
/// let token = Secret::new("1000.abc.def".to_owned());
/// assert_eq!(format!("{token} {token:?}"), "[redacted] [redacted]");
/// assert_eq!(token.expose(), "1000.abc.def");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, given away.
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

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("[redacted]")
    }
}
