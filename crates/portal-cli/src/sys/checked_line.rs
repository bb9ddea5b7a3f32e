//! Lines of JSON with a checksum, for files that a later process relies on.

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::sys::hex::hex;

/// The text before the checksum, at the end of a line.
const BEFORE: &str = r#","check":""#;
const AFTER: &str = r#""}"#;

/// Encodes `value` as one line, with its checksum as the last field.
pub(crate) fn encode(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let text = serde_json::to_string(value)?;
    let check = checksum(&text);
    let open = text.strip_suffix('}').unwrap_or(&text);
    Ok(format!("{open}{BEFORE}{check}{AFTER}\n").into_bytes())
}

/// Decodes a line.
///
/// # Errors
/// Fails if the line is invalid, lacks its checksum or does not match it.
pub(crate) fn decode<T: DeserializeOwned>(line: &[u8]) -> anyhow::Result<T> {
    let text = str::from_utf8(line).context("not UTF-8")?;
    let checked = text.strip_suffix(AFTER).and_then(|text| text.rsplit_once(BEFORE));
    let (open, check) = checked.context("no checksum")?;
    let text = format!("{open}}}");
    ensure!(checksum(&text) == check, "checksum mismatch");
    serde_json::from_str(&text).context("invalid line")
}

/// Returns the first 8 hexadecimal digits of the SHA-256 of `text`.
fn checksum(text: &str) -> String {
    hex(&Sha256::digest(text)).chars().take(8).collect()
}
