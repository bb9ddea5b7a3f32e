//! [`Problem`]: what is wrong with a line of the file of a batch.

use portal_model::InvalidPortalName;

/// Separator of names in the column `fallback`.
pub(super) const SEPARATOR: char = '|';

const HEADER: &str = "a header with the columns profile,name or profile,name,fallback";

/// What was found, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("the file is UTF-16, expected UTF-8: save it again as \"CSV UTF-8\"")]
    Utf16,
    #[error(
        "field {field} has the byte {byte:#04x}, which is not UTF-8: save the file again as \
         \"CSV UTF-8\""
    )]
    NotUtf8 { field: usize, byte: u8 },
    #[error("this is {0}, expected CSV: save it as \"CSV UTF-8\"")]
    Workbook(&'static str),
    #[error("field {field} has a line break: remove it, or close the quote before it")]
    LineBreak { field: usize },
    #[error("a quote is not closed")]
    OpenQuote,
    #[error("the file is empty, expected {header}", header = HEADER)]
    Empty,
    #[error("no rows below the header")]
    NoRows,
    #[error("duplicate column {0}")]
    DuplicateColumn(&'static str),
    #[error("unknown column {0:?}, expected {header}", header = HEADER)]
    UnknownColumn(String),
    #[error("missing column {0}, expected {header}", header = HEADER)]
    MissingColumn(&'static str),
    #[error(
        "{found} fields, but the header has {columns} columns; fallback names go into the column \
         fallback, separated by {}",
        SEPARATOR
    )]
    TooManyFields { found: usize, columns: usize },
    #[error("missing {0}")]
    Missing(&'static str),
    #[error("{}: {invalid}", quoted(.name))]
    InvalidName { name: String, invalid: InvalidPortalName },
    #[error(
        "{} is already in {}; upper and lower case are the same name",
        quoted(.name), place(*.first, *.line)
    )]
    DuplicateName { name: String, line: usize, first: usize },
    #[error("unknown profile {}", quoted(.0))]
    UnknownProfile(String),
    #[error(
        "the profile {profile} already has a portal in line {first}; pass `--allow-another` if its \
         org may have several"
    )]
    DuplicateProfile { profile: String, first: usize },
    #[error(
        "the profiles {profile} and {earlier} (line {first}) lead to one org; pass \
         `--allow-another` if it may have several portals"
    )]
    SameOrg { profile: String, earlier: String, first: usize },
}

/// Shortens and escapes a text of the file for a message.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    let shown: String = text.chars().take(SHOWN).collect();
    format!("{shown:?}{}", if shown.len() < text.len() { "…" } else { "" })
}

/// The line `first`, as one says it in `line`.
fn place(first: usize, line: usize) -> String {
    if first == line { "this line".to_owned() } else { format!("line {first}") }
}

/// A mistake in a line of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {mistake}")]
pub(crate) struct Problem {
    /// Its line in the file, 1-based.
    pub(crate) line: usize,
    pub(crate) mistake: Mistake,
}
