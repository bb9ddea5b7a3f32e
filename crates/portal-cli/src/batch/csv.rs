//! The file of a batch: CSV with the columns `profile`, `name` and, optionally, `fallback`.

use csv::{ByteRecord, ReaderBuilder};

use super::mistake::{Mistake, Problem, SEPARATOR};

/// The columns that a report has besides. As input they are ignored: people edit it and run it again.
pub(crate) const RESULT: [&str; 4] = ["outcome", "portal", "message", "hint"];

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

/// Reads all lines, also after mistakes. Ignores blank lines, a byte-order mark, CRLF, quotes, and spaces
/// around a field. The header defines the order of the columns.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Entry>, Vec<Problem>) {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    if let Some(mistake) = not_csv(bytes) {
        problems.push(Problem { line: 1, mistake });
        return (entries, problems);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Lines of a Mac's time have no numbers of their own.
    let with_line_feeds: Vec<u8>;
    let bytes = if bytes.contains(&b'\n') {
        bytes
    } else {
        with_line_feeds =
            bytes.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect();
        &with_line_feeds
    };
    // Some programs of DOS's time end a text with Ctrl-Z.
    let bytes = bytes.trim_ascii_end().strip_suffix(b"\x1a").unwrap_or(bytes);
    let (delimiter, stated) = delimiter(bytes);
    let mut csv = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes);
    let (mut header, mut line) = (None, 1);
    let mut record = ByteRecord::new();
    // Reading from a slice can't fail, and neither can a flexible reader of byte records.
    while let Ok(true) = csv.read_byte_record(&mut record) {
        line = line_of(&record, bytes);
        let read = fields(&record).and_then(|fields| match &header {
            _ if fields.iter().all(String::is_empty) => Ok(()),
            None if line == stated => Ok(()),
            Some(header) => entry(line, header, &fields).map(|entry| entries.push(entry)),
            None => Header::parse(&fields).map(|parsed| header = Some(parsed)),
        });
        if let Err(mistake) = read {
            problems.push(Problem { line, mistake });
            if header.is_none() {
                // Without a header the other lines have no meaning.
                return (entries, problems);
            }
        }
    }
    // The reader closes it by itself, and a name that was cut off is another name.
    let is_open = bytes.iter().fold(false, |is_open, byte| is_open != (*byte == b'"'));
    if problems.is_empty() && is_open {
        problems.push(Problem { line, mistake: Mistake::OpenQuote });
    }
    if header.is_none() {
        problems.push(Problem { line: 1, mistake: Mistake::Empty });
    } else if entries.is_empty() && problems.is_empty() {
        problems.push(Problem { line: 1, mistake: Mistake::NoRows });
    }
    (entries, problems)
}

/// A file that is not CSV in UTF-8, by what it begins with.
fn not_csv(bytes: &[u8]) -> Option<Mistake> {
    const OLD_EXCEL: &[u8] = b"\xd0\xcf\x11\xe0";
    let has = |text: &[u8]| bytes.windows(text.len()).take(4096).any(|found| found == text);
    Some(match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Mistake::Utf16,
        // An archive; which one it is follows from the names of its files.
        [b'P', b'K', 3, 4, ..] if has(b"opendocument") => Mistake::Workbook("an OpenDocument file"),
        [b'P', b'K', 3, 4, ..] => Mistake::Workbook("an Excel workbook, or another archive"),
        _ if bytes.starts_with(OLD_EXCEL) => Mistake::Workbook("an Excel workbook"),
        _ if bytes.starts_with(b"%PDF") => Mistake::Workbook("a PDF"),
        [0x1f, 0x8b, ..] => Mistake::Workbook("a gzip archive"),
        // Without a byte-order mark every other byte shows it.
        [0, _, ..] | [_, 0, ..] => Mistake::Utf16,
        _ => return None,
    })
}

/// The delimiter, and the line that states it, or 0: Excel writes `sep=;`. Spreadsheets use the list
/// separator of their language: semicolons or tabs.
fn delimiter(bytes: &[u8]) -> (u8, usize) {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1..);
    let Some((first, line)) = lines.find(|(line, _)| !line.is_empty()) else { return (b',', 0) };
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', rest @ ..] = first.trim_ascii_end() {
        return (rest.first().copied().unwrap_or(b'\t'), line);
    }
    let has = |delimiter: &u8| first.contains(delimiter);
    ([b',', b';', b'\t'].into_iter().find(has).unwrap_or(b','), 0)
}

/// The reader counts blank lines before a record as part of it.
fn line_of(record: &ByteRecord, bytes: &[u8]) -> usize {
    let Some(position) = record.position() else { return 1 };
    let [line, begins] =
        [position.line(), position.byte()].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
    let rest = bytes.get(begins..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    line + blank.filter(|byte| **byte == b'\n').count()
}

fn fields(record: &ByteRecord) -> Result<Vec<String>, Mistake> {
    let text = |(field, bytes): (usize, &[u8])| {
        let text = str::from_utf8(bytes).map_err(|error| {
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            Mistake::NotUtf8 { field, byte }
        })?;
        match text.trim() {
            text if text.contains(['\n', '\r']) => Err(Mistake::LineBreak { field }),
            text => Ok(text.to_owned()),
        }
    };
    (1..).zip(record).map(text).collect()
}

/// The positions of the columns.
struct Header {
    profile: usize,
    name: usize,
    fallback: Option<usize>,
    columns: usize,
}

impl Header {
    fn parse(fields: &[String]) -> Result<Self, Mistake> {
        let position = |wanted| {
            let is_wanted = |(_, field): &(usize, &String)| field.eq_ignore_ascii_case(wanted);
            let mut found = fields.iter().enumerate().filter(is_wanted);
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(Mistake::DuplicateColumn(wanted)),
                (first, None) => Ok(first.map(|(index, _)| index)),
            }
        };
        let known = [position("profile")?, position("name")?, position("fallback")?];
        let [profile, name, fallback] = known;
        let is_foreign = |(index, field): &(usize, &String)| {
            let is_result = RESULT.iter().any(|column| field.eq_ignore_ascii_case(column));
            !field.is_empty() && !is_result && !known.contains(&Some(*index))
        };
        if let Some((_, column)) = fields.iter().enumerate().find(is_foreign) {
            return Err(Mistake::UnknownColumn(column.clone()));
        }
        Ok(Self {
            profile: profile.ok_or(Mistake::MissingColumn("profile"))?,
            name: name.ok_or(Mistake::MissingColumn("name"))?,
            fallback,
            columns: fields.len(),
        })
    }
}

fn entry(line: usize, header: &Header, fields: &[String]) -> Result<Entry, Mistake> {
    let Header { profile, name, fallback, columns } = *header;
    if fields.iter().skip(columns).any(|field| !field.is_empty()) {
        return Err(Mistake::TooManyFields { found: fields.len(), columns });
    }
    let field = |index| fields.get(index).map_or("", String::as_str);
    let required = |column, index| match field(index) {
        "" => Err(Mistake::Missing(column)),
        text => Ok(text),
    };
    let (profile, name) = (required("profile", profile)?, required("name", name)?);
    let fallbacks = fallback.map_or("", field).split(SEPARATOR).map(str::trim);
    let names = std::iter::once(name).chain(fallbacks.filter(|name| !name.is_empty()));
    Ok(Entry { line, profile: profile.to_owned(), names: names.map(str::to_owned).collect() })
}

#[cfg(test)]
mod tests;
