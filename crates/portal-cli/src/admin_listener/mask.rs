//! Takes secrets out of what is recorded, so that neither memory nor a page has them.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

/// Stands for a secret.
pub(super) const MASK: &str = "•••";

/// Members of JSON objects whose values are secrets. `code` is not one: errors have it.
const JSON_MEMBERS: [&str; 3] = ["access_token", "client_secret", "refresh_token"];
/// Parameters of forms and queries whose values are secrets.
const PARAMETERS: [&str; 5] = ["access_token", "client_secret", "code", "refresh_token", "token"];

/// Names and values, in their order.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let masked = headers.iter().map(|(name, value)| {
        let value = match *name {
            // The scheme is worth seeing.
            header::AUTHORIZATION | header::PROXY_AUTHORIZATION => {
                match text(value).split_once(' ') {
                    Some((scheme, _)) => format!("{scheme} {MASK}"),
                    None => MASK.to_owned(),
                }
            }
            header::COOKIE => MASK.to_owned(),
            _ => text(value),
        };
        (name.as_str().to_owned(), value)
    });
    masked.collect()
}

/// A query or the body of a form.
pub(super) fn parameters(text: &str) -> Cow<'_, str> {
    let is_secret = |name: &str| PARAMETERS.contains(&name.to_ascii_lowercase().as_str());
    if !form_urlencoded::parse(text.as_bytes()).any(|(name, _)| is_secret(&name)) {
        return Cow::Borrowed(text);
    }
    // Written without encoding: it is for reading.
    let masked = form_urlencoded::parse(text.as_bytes()).map(|(name, value)| {
        let value = if is_secret(&name) { Cow::Borrowed(MASK) } else { value };
        format!("{name}={value}")
    });
    Cow::Owned(masked.collect::<Vec<_>>().join("&"))
}

/// A body as text, and how many bytes of it are left out: all if it is no text, or if it may hold a
/// secret and is not understood.
pub(super) fn body(bytes: &[u8], is_form: bool) -> (String, usize) {
    let left_out = (String::new(), bytes.len());
    let Ok(text) = std::str::from_utf8(bytes) else { return left_out };
    if is_form {
        return (parameters(text).into_owned(), 0);
    }
    if !JSON_MEMBERS.iter().any(|member| text.contains(member)) {
        return (text.to_owned(), 0);
    }
    match serde_json::from_str(text) {
        Ok(mut value) => {
            mask(&mut value);
            (value.to_string(), 0)
        }
        Err(_) => left_out,
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if JSON_MEMBERS.contains(&name.as_str()) {
                    *value = Value::from(MASK);
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let authorization = HeaderValue::from_static("Zoho-oauthtoken 1000.hush");
        let map = HeaderMap::from_iter([(header::AUTHORIZATION, authorization)]);
        assert_eq!(headers(&map)[0].1, "Zoho-oauthtoken •••");
        let form = "grant_type=refresh_token&client_secret=hush&refresh_token=hu%73h&x=%3Cb%3E";
        let (masked, _) = body(form.as_bytes(), true);
        assert_eq!(masked, "grant_type=refresh_token&client_secret=•••&refresh_token=•••&x=<b>");
        assert_eq!(parameters("type=CurrentUser&page=%31"), "type=CurrentUser&page=%31");
        let granted = br#"{"access_token":"hush","api_domain":"http://a","expires_in":3600}"#;
        assert!(!body(granted, false).0.contains("hush"));
        let nested = br#"[{"x":{"refresh_token":["hush"]}}]"#;
        assert!(!body(nested, false).0.contains("hush"));
    }

    #[test]
    fn what_is_not_understood_is_withheld_if_it_may_hold_secrets() {
        for hostile in [&b"access_token=hush"[..], b"{\"client_secret\": \"hush\"", b"\xffhush"] {
            assert_eq!(body(hostile, false), (String::new(), hostile.len()), "{hostile:?}");
        }
        let broken = "{\"code\":\"INVALID_DATA\"";
        assert_eq!(body(broken.as_bytes(), false), (broken.to_owned(), 0));
    }
}
