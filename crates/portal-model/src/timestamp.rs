//! [`Timestamp`]: a point in time as the service writes it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time with the offset that it was written with, such as
/// `2021-11-25T16:13:33+05:30`. Ordered and compared by the point, whatever the offset.
///
/// ```
/// use portal_model::Timestamp;
///
/// let created: Timestamp = "2021-11-25T16:13:33+05:30".parse()?;
/// assert_eq!(created.unix_seconds(), 1_637_837_013);
/// assert_eq!(created, "2021-11-25T10:43:33Z".parse()?);
/// assert_eq!(created.to_string(), "2021-11-25T16:13:33+05:30");
/// # Ok::<(), portal_model::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// A point in time in seconds since 1970-01-01 00:00 UTC; `None` before the year 0 and after
    /// the year 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        OffsetDateTime::from_unix_timestamp(seconds)
            .ok()
            .filter(|time| (0..=9999).contains(&time.year()))
            .map(Self)
    }

    /// Seconds since 1970-01-01 00:00 UTC, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(&Rfc3339).map_err(|_| fmt::Error)?;
        // The service writes an offset in any case.
        match text.strip_suffix('Z') {
            Some(utc) => write!(f, "{utc}+00:00"),
            None => f.write_str(&text),
        }
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(Self)
            .map_err(|_| InvalidTimestamp(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, InvalidTimestamp> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

/// A text that is not a point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid time {0:?}: expected one such as 2021-11-25T16:13:33+05:30")]
pub struct InvalidTimestamp(String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn time_survives_its_text(seconds in any::<i64>()) {
            if let Some(timestamp) = Timestamp::from_unix_seconds(seconds) {
                prop_assert_eq!(timestamp.unix_seconds(), seconds);
                prop_assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
            }
        }

        #[test]
        fn recent_times_exist(seconds in 0..253_402_300_799_i64) {
            prop_assert!(Timestamp::from_unix_seconds(seconds).is_some());
        }
    }
}
