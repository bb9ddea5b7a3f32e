//! The file of a batch: CSV with the columns `profile`, `name` and, optionally, `fallback`.

use std::collections::BinaryHeap;
use std::fmt;

use csv::{ByteRecord, ReaderBuilder};

/// A line of the file as typed; nothing is validated yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The line where it begins in the file, 1-based.
    pub(crate) line: usize,
    /// The profile whose org gets the portal.
    pub(crate) profile: String,
    /// The wanted name, followed by the fallbacks in order.
    pub(crate) names: Vec<String>,
}

/// A mistake in a line of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Its line in the file, 1-based.
    pub(crate) line: usize,
    /// What was found and what was expected.
    pub(crate) message: String,
}

impl Problem {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// The mistakes of a file: their number and the first of them, because a file may have a million.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// A max-heap, so that the last of the kept ones is on top.
    first: BinaryHeap<Problem>,
    count: usize,
}

impl Problems {
    /// Maximum number of mistakes that are kept.
    pub(crate) const SHOWN: usize = 100;

    pub(crate) fn add(&mut self, line: usize, message: impl Into<String>) {
        self.count += 1;
        self.first.push(Problem::new(line, message));
        if self.first.len() > Self::SHOWN {
            self.first.pop();
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether further mistakes are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= Self::SHOWN
    }

    /// Returns the kept mistakes, by line.
    pub(crate) fn into_first(self) -> Vec<Problem> {
        self.first.into_sorted_vec()
    }
}

/// Separator of names in the column `fallback`.
const SEPARATOR: char = '|';

const UTF16: &str = "the file is UTF-16, expected UTF-8: save it again as \"CSV UTF-8\"";

/// Reads all lines and passes each to `take`, continuing after mistakes. Ignores blank lines, a
/// byte-order mark, CRLF, quotes, and spaces around a field. The header defines the order of the
/// columns.
pub(crate) fn read(bytes: &[u8], mut take: impl FnMut(Entry, &mut Problems)) -> Problems {
    let mut problems = Problems::default();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        problems.add(1, UTF16);
        return problems;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut csv = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let lines = Lines::of(bytes);
    let (mut header, mut is_empty) = (None, true);
    let mut record = ByteRecord::new();
    // Reading from a slice can't fail, and neither can a flexible reader of byte records.
    while let Ok(true) = csv.read_byte_record(&mut record) {
        let line = lines.of_record(&record);
        let read = fields(&record).and_then(|fields| match &header {
            _ if fields.iter().all(String::is_empty) => Ok(()),
            Some(header) => {
                is_empty = false;
                entry(line, header, &fields).map(|entry| take(entry, &mut problems))
            }
            None => Header::parse(&fields).map(|parsed| header = Some(parsed)),
        });
        if let Err(message) = read {
            problems.add(line, message);
            if header.is_none() {
                // Without a header the other lines have no meaning.
                return problems;
            }
        }
    }
    // The reader closes it by itself, and a name that was cut off is another name.
    let is_open = bytes.iter().fold(false, |is_open, byte| is_open != (*byte == b'"'));
    if problems.count() == 0 && is_open {
        problems.add(lines.of_record(&record), "a quote is not closed");
    }
    if header.is_none() {
        problems.add(1, format!("the file is empty, expected {EXPECTED_HEADER}"));
    } else if is_empty && problems.count() == 0 {
        problems.add(1, "no rows below the header");
    }
    problems
}

/// Spreadsheets use the list separator of their language: semicolons or tabs.
fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let has = |delimiter| first.is_some_and(|line| line.contains(&delimiter));
    [b',', b';', b'\t'].into_iter().find(|delimiter| has(*delimiter)).unwrap_or(b',')
}

/// The offsets at which lines begin.
struct Lines<'a> {
    bytes: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let breaks = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { bytes, starts }
    }

    /// The reader counts blank lines before a record as part of it.
    fn of_record(&self, record: &ByteRecord) -> usize {
        let begins = record.position().map_or(0, csv::Position::byte);
        let begins = usize::try_from(begins).unwrap_or(usize::MAX);
        let rest = self.bytes.get(begins..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.starts.partition_point(|start| *start <= begins + blank)
    }
}

fn fields(record: &ByteRecord) -> Result<Vec<String>, String> {
    record
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let text = str::from_utf8(field).map_err(|error| {
                let wrong = field.get(error.valid_up_to()).copied().unwrap_or_default();
                format!(
                    "field {} has the byte {wrong:#04x}, which is not UTF-8: save the file again \
                     as \"CSV UTF-8\"",
                    index + 1
                )
            })?;
            if text.contains('\n') {
                return Err(format!(
                    "field {} does not end with the line: close its quote",
                    index + 1
                ));
            }
            Ok(text.trim().to_owned())
        })
        .collect()
}

const EXPECTED_HEADER: &str = "a header with the columns profile,name or profile,name,fallback";

/// The positions of the columns.
struct Header {
    profile: usize,
    name: usize,
    fallback: Option<usize>,
    columns: usize,
}

impl Header {
    fn parse(fields: &[String]) -> Result<Self, String> {
        let position = |wanted: &str| {
            let mut found =
                fields.iter().enumerate().filter(|(_, f)| f.eq_ignore_ascii_case(wanted));
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(format!("duplicate column {wanted}")),
                (first, None) => Ok(first.map(|(index, _)| index)),
            }
        };
        let found = [position("profile")?, position("name")?, position("fallback")?];
        if let Some(foreign) = fields
            .iter()
            .enumerate()
            .find(|(index, field)| !found.contains(&Some(*index)) && !field.is_empty())
        {
            return Err(format!("unknown column {:?}, expected {EXPECTED_HEADER}", foreign.1));
        }
        match found {
            [Some(profile), Some(name), fallback] => {
                Ok(Self { profile, name, fallback, columns: fields.len() })
            }
            [None, ..] => Err(format!("missing column profile, expected {EXPECTED_HEADER}")),
            _ => Err(format!("missing column name, expected {EXPECTED_HEADER}")),
        }
    }
}

fn entry(line: usize, header: &Header, fields: &[String]) -> Result<Entry, String> {
    if fields.iter().skip(header.columns).any(|field| !field.is_empty()) {
        return Err(format!(
            "{} fields, but the header has {} columns; fallback names go into the column \
             fallback, separated by {SEPARATOR}",
            fields.len(),
            header.columns
        ));
    }
    let field = |index: usize| fields.get(index).map_or("", String::as_str);
    let missing = |column: &str| Err(format!("missing {column}"));
    let (profile, name) = (field(header.profile), field(header.name));
    if profile.is_empty() {
        return missing("profile");
    }
    if name.is_empty() {
        return missing("name");
    }
    let fallback = header.fallback.map_or("", field);
    let fallbacks = fallback.split(SEPARATOR).map(str::trim).filter(|name| !name.is_empty());
    Ok(Entry {
        line,
        profile: profile.to_owned(),
        names: std::iter::once(name).chain(fallbacks).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests;
