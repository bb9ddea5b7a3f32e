//! The lines of a journal: JSON objects, each with a checksum of itself.

use anyhow::{Context as _, bail, ensure};
use portal_model::flow::{CreateIntent, Intent};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::batch::plan::Row;
use crate::batch::result::RowResult;
use crate::identity::Identity;

/// The version of the format that is written. Version 1 had no checksums, and named neither org nor
/// portal beside the event; it is read, and continued with lines of this version.
pub(super) const FORMAT: u32 = 2;

/// The rows that a journal is about: its first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of the format.
    pub(super) journal: u32,
    /// The file that the rows come from.
    pub(super) csv: String,
    pub(super) rows: usize,
    /// Of the rows as they are understood, not of the bytes of the file.
    pub(super) sha256: String,
}

/// Every other line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Counted from 1, without the header and blank lines of the file.
    pub(super) row: usize,
    pub(super) profile: String,
    /// The org that the profile led to, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) org: Option<Identity>,
    /// The portal that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(flatten)]
    pub(super) event: Event,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// An attempt is about to be made.
    #[serde(alias = "sending")]
    Attempt(Intent),
    /// The row has ended.
    Result(Box<RowResult>),
}

impl Line {
    /// Checks that it can be about `row`, which has its number.
    pub(super) fn check(&self, row: &Row) -> anyhow::Result<()> {
        ensure!(
            self.profile == row.profile,
            "it is about the profile {}, but row {} has {}",
            self.profile,
            self.row,
            row.profile
        );
        let own = self.event.name();
        let other = self.name.as_deref().filter(|name| !name.eq_ignore_ascii_case(own));
        for name in std::iter::once(own).chain(other) {
            ensure!(
                row.has_name(name),
                "it is about the portal {name}, but row {} has {}",
                self.row,
                row.name
            );
        }
        Ok(())
    }
}

impl Event {
    fn name(&self) -> &str {
        match self {
            Self::Attempt(intent) => intent.name().as_str(),
            Self::Result(result) => &result.report.name,
        }
    }

    /// What an attempt was to create.
    pub(super) fn into_create(intent: Intent) -> anyhow::Result<CreateIntent> {
        match intent {
            Intent::Create(create) => Ok(create),
            other => bail!("it is not about a create: {}", other.name()),
        }
    }
}

/// Around the checksum at the end of a line.
const BEFORE: &str = r#","check":""#;
const AFTER: &str = r#""}"#;

/// `value` as a line, with its checksum as the last field and a line break.
pub(super) fn encode(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let text = serde_json::to_string(value)?;
    let check = checksum(&text);
    let open = text.strip_suffix('}').unwrap_or(&text);
    Ok(format!("{open}{BEFORE}{check}{AFTER}\n").into_bytes())
}

/// Reads a line; the flag tells whether it has a checksum.
///
/// # Errors
/// A line that cannot be understood, or does not match its checksum.
pub(super) fn decode<T: DeserializeOwned>(line: &[u8]) -> anyhow::Result<(T, bool)> {
    let text = str::from_utf8(line).context("it is not UTF-8")?;
    let checked = text.strip_suffix(AFTER).and_then(|text| text.rsplit_once(BEFORE));
    let (text, has_checksum) = match checked {
        Some((open, check)) => {
            let text = format!("{open}}}");
            ensure!(checksum(&text) == check, "it does not match its checksum");
            (text, true)
        }
        None => (text.to_owned(), false),
    };
    Ok((serde_json::from_str(&text).context("it is not understood")?, has_checksum))
}

/// The first 8 hexadecimal digits of the SHA-256.
fn checksum(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().take(4).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
