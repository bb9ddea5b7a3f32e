//! The lines of a journal: JSON objects, each with its checksum.

use anyhow::{bail, ensure};
use portal_model::flow::{CreateIntent, Intent};
use serde::{Deserialize, Serialize};

use crate::batch::plan::{Row, fingerprint};
use crate::batch::result::RowResult;
use crate::org::identity::Identity;

/// The version of the format.
pub(super) const FORMAT: u32 = 2;

/// The first line: which rows the journal is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of the format.
    pub(super) journal: u32,
    /// The file that the rows come from.
    pub(super) csv: String,
    pub(super) rows: usize,
    /// A hash of the parsed rows, not of the bytes of the file.
    pub(super) sha256: String,
}

impl Header {
    /// Returns the header for the rows of the file `csv`.
    pub(super) fn of(csv: &str, rows: &[Row]) -> Self {
        let (csv, sha256) = (csv.to_owned(), fingerprint(rows));
        Self { journal: FORMAT, csv, rows: rows.len(), sha256 }
    }
}

/// Every other line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// The number of the row, 1-based, not counting the header and blank lines.
    pub(super) row: usize,
    pub(super) profile: String,
    /// The org that the profile led to; `None` if it could not be identified, before any attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) org: Option<Identity>,
    /// The portal that the event is about.
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) event: Event,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// An attempt is about to be made.
    Attempt(Intent),
    /// The row has ended.
    Result(Box<RowResult>),
}

impl Line {
    /// Checks that the line can be about `row`, which has its number.
    pub(super) fn check(&self, row: &Row) -> anyhow::Result<()> {
        ensure!(
            self.profile == row.profile,
            "it is about the profile {}, but row {} has {}",
            self.profile,
            self.row,
            row.profile
        );
        for name in [self.event.name(), &self.name] {
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

    /// Returns the create that an attempt was for.
    pub(super) fn into_create(intent: Intent) -> anyhow::Result<CreateIntent> {
        match intent {
            Intent::Create(create) => Ok(create),
            other => bail!("it is not about a create: {}", other.name()),
        }
    }
}
