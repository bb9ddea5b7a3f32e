//! The filter of a list of requests, as the page, its script and the JSON have it.

use portal_http::server::RequestRecord;
use portal_model::neutral::printable_line;

/// Bytes of a text in a row: a thousand of them are a page, and the request itself has all of it.
const MAX_IN_ROW: usize = 200;

/// What a row has of a text.
pub(crate) fn short(text: &str) -> String {
    if text.len() <= MAX_IN_ROW {
        return printable_line(text);
    }
    printable_line(&text[..text.floor_char_boundary(MAX_IN_ROW)]) + "…"
}

/// Whether each word of `filter` occurs in a row, in any case. The script does the same.
pub(crate) fn matches(record: &RequestRecord, filter: &str) -> bool {
    let RequestRecord { method, path, org, portal, status, code, faults, agent, .. } = record;
    let texts = [org, portal, code, agent].into_iter().flatten().chain(faults);
    let texts: Vec<_> = texts.map(|text| short(text)).collect();
    let status = status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
    let text = format!(
        "{} {} {} {status} {} {}",
        record.clock(),
        short(method),
        short(path),
        record.duration(),
        texts.join(" ")
    );
    let text = text.to_lowercase();
    filter.to_lowercase().split_whitespace().all(|word| text.contains(word))
}
