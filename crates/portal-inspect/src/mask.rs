//! Takes secrets out of what is recorded, so that neither memory nor a page has them.
//!
//! Headers and parameters are shown if their name is known to be harmless: clients put secrets under
//! names of their own. JSON has too many names for that, so there the names of secrets are known.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use portal_model::neutral::cut;
use portal_model::oauth::{REVOKE_PATH, TOKEN_PATH};
use serde_json::Value;

/// Stands for a secret.
pub(crate) const MASK: &str = "•••";

/// Headers whose values are shown, beside `x-ratelimit-…`: what HTTP itself and this API have.
const HEADERS: [&str; 19] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "origin",
    "retry-after",
    "transfer-encoding",
    "user-agent",
    "vary",
    "x-accesstoken-reset",
    "x-content-type-options",
];
/// What can stand before the secret of an `Authorization`.
const SCHEMES: [&str; 3] = ["Zoho-oauthtoken", "Bearer", "Basic"];
/// Parameters of forms and queries whose values are shown: those of OAuth that are public, and those
/// that the API's resources have.
const PARAMETERS: [&str; 14] = [
    "access_type",
    "client_id",
    "fields",
    "grant_type",
    "ids",
    "page",
    "per_page",
    "redirect_uri",
    "response_type",
    "scope",
    "sort_by",
    "sort_order",
    "token_type_hint",
    "type",
];
/// Longest name of a parameter: what is longer can be a secret without a name.
const LONGEST_NAME: usize = 64;
/// What the name of a secret contains, without `_` and `-`. `code` is not one: errors have it.
const SECRETS: [&str; 6] = ["token", "secret", "password", "authorization", "apikey", "credential"];

/// The path, without a token that was sent as a part of it.
pub(crate) fn path(path: &str) -> String {
    for endpoint in [REVOKE_PATH, TOKEN_PATH] {
        let rest = path.strip_prefix(endpoint).and_then(|rest| rest.strip_prefix('/'));
        if rest.is_some_and(|rest| !rest.is_empty()) && path != REVOKE_PATH {
            return format!("{endpoint}/{MASK}");
        }
    }
    cut(path)
}

/// Names and values, in their order.
pub(crate) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let masked = headers.iter().map(|(name, value)| {
        let is_shown = HEADERS.contains(&name.as_str()) || name.as_str().starts_with("x-ratelimit");
        let value = match *name {
            header::AUTHORIZATION | header::PROXY_AUTHORIZATION => authorization(value),
            // It can have a user and a password.
            header::HOST | header::ORIGIN => match text(value).rsplit_once('@') {
                Some((_, host)) => format!("{MASK}@{host}"),
                None => text(value).into_owned(),
            },
            _ if is_shown => text(value).into_owned(),
            _ => MASK.to_owned(),
        };
        (name.as_str().to_owned(), value)
    });
    masked.collect()
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The scheme is worth seeing.
fn authorization(value: &HeaderValue) -> String {
    let value = text(value);
    let scheme = value.split_once(' ').map(|(scheme, _)| scheme);
    let is_known = |scheme: &&str| SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    match scheme.filter(is_known) {
        Some(scheme) => format!("{scheme} {MASK}"),
        None => MASK.to_owned(),
    }
}

/// A query or the body of a form, as it was sent except for the masks.
pub(crate) fn parameters(text: &str) -> String {
    text.split('&').map(parameter).collect::<Vec<_>>().join("&")
}

fn parameter(text: &str) -> Cow<'_, str> {
    let Some((raw_name, _)) = text.split_once('=') else {
        return if text.is_empty() { text.into() } else { MASK.into() };
    };
    if let Some((name, value)) = form_urlencoded::parse(text.as_bytes()).next() {
        // A client that separates parameters in another way has several in the value of one.
        if PARAMETERS.contains(&&*name) && !value.contains(['=', ';', '\r', '\n']) {
            return text.into();
        }
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.%+".contains(c);
    if raw_name.len() <= LONGEST_NAME && raw_name.chars().all(is_plain) {
        format!("{raw_name}={MASK}").into()
    } else {
        MASK.into()
    }
}

/// A body as text, and how many bytes of it are left out: all if it is not text, or if it may hold a
/// secret and is not understood.
pub(crate) fn body(bytes: &[u8], path: &str, headers: &HeaderMap) -> (String, usize) {
    let left_out = (String::new(), bytes.len());
    let Ok(text) = std::str::from_utf8(bytes) else { return left_out };
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_form = content_type.is_some_and(|value| {
        let form = b"application/x-www-form-urlencoded";
        value.get(..form.len()).is_some_and(|value| value.eq_ignore_ascii_case(form))
    });
    if path.starts_with("/oauth/") {
        // The accounts server reads what has no type as a form too.
        return match content_type {
            Some(_) if !is_form => left_out,
            _ => (parameters(text), 0),
        };
    }
    // curl says of all it sends that it is a form.
    if is_form && !text.trim_start().starts_with(['{', '[']) {
        return (parameters(text), 0);
    }
    response_body(bytes)
}

/// The body of a response.
pub(crate) fn response_body(bytes: &[u8]) -> (String, usize) {
    let text = std::str::from_utf8(bytes).ok().and_then(json);
    text.map_or((String::new(), bytes.len()), |text| (text, 0))
}

/// JSON without its secrets, other text if it can have none.
fn json(text: &str) -> Option<String> {
    // Written with an escape, a name is not found in the text.
    if !is_suspicious(text) && !text.contains("\\u") {
        return Some(text.to_owned());
    }
    let mut value = serde_json::from_str(text).ok()?;
    mask(&mut value);
    Some(value.to_string())
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                // That of a token response is `Bearer`.
                if is_suspicious(name) && name != "token_type" {
                    *value = Value::from(MASK);
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::String(text) => mask_text(text),
        _ => {}
    }
}

/// A string can be JSON or a header itself. Messages such as `invalid oauth token` stay.
fn mask_text(text: &mut String) {
    if text.trim_start().starts_with(['{', '[']) {
        *text = json(text).unwrap_or_else(|| MASK.to_owned());
    } else if is_suspicious(text) && text.contains(['=', ':']) || has_scheme(text) {
        MASK.clone_into(text);
    }
}

fn has_scheme(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| text.contains(&format!("{} ", scheme.to_ascii_lowercase())))
}

/// Whether a name, or any in a text, is that of a secret.
fn is_suspicious(text: &str) -> bool {
    let letters = text.chars().filter(|c| !['_', '-'].contains(c)).map(|c| c.to_ascii_lowercase());
    let letters: String = letters.collect();
    SECRETS.iter().any(|secret| letters.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn typed(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    fn shown(text: &str, path: &str, content_type: &'static str) -> String {
        let (shown, left_out) = body(text.as_bytes(), path, &typed(content_type));
        assert!(left_out == 0 || shown.is_empty());
        shown
    }

    #[test]
    fn values_of_unknown_headers_are_masked() {
        let mut map = typed("application/json");
        for (name, value, expected) in [
            ("authorization", "Zoho-oauthtoken 1000.hush", "Zoho-oauthtoken •••"),
            ("authorization", "bearer hush", "bearer •••"),
            ("authorization", "hush", MASK),
            ("authorization", "hush Zoho-oauthtoken", MASK),
            ("authorization", "Zoho-oauthtoken\thush", MASK),
            ("authorization", "Bearer:hush x", MASK),
            ("x-api-key", "hush", MASK),
            ("zoho-oauthtoken", "hush", MASK),
            ("cookie", "hush", MASK),
            ("referer", "http://x/?access_token=hush", MASK),
            ("host", "u:hush@127.0.0.1:1", "•••@127.0.0.1:1"),
            ("host", "127.0.0.1:1", "127.0.0.1:1"),
            ("content-type", "text/plain", "text/plain"),
            ("x-ratelimit-limit", "5", "5"),
        ] {
            map.clear();
            map.insert(name, HeaderValue::from_static(value));
            assert_eq!(headers(&map), [(name.to_owned(), expected.to_owned())]);
        }
    }

    #[test]
    fn unknown_parameters_keep_their_names_only() {
        for (text, expected) in [
            ("type=CurrentUser&page=%31", "type=CurrentUser&page=%31"),
            (
                "grant_type=refresh_token&client_secret=hush",
                "grant_type=refresh_token&client_secret=•••",
            ),
            ("%74oken=hu%73h&x=%3Cb%3E", "%74oken=•••&x=•••"),
            ("grant_type=refresh_token;client_secret=hush", "grant_type=•••"),
            ("page=1%3Btoken%3Dhush", "page=•••"),
            ("page=1\ncode=hush", "page=•••"),
            ("a b;token=hush", MASK),
            ("{\"code\":\"hush\",\"x\":\"=\"}", MASK),
            ("hush", MASK),
            ("", ""),
        ] {
            assert_eq!(parameters(text), expected);
        }
    }

    #[test]
    fn bodies_of_accounts_server_are_forms_or_left_out() {
        let form = "grant_type=authorization_code&code=hush";
        let masked = "grant_type=authorization_code&code=•••";
        assert_eq!(
            shown(form, TOKEN_PATH, "Application/X-WWW-Form-Urlencoded; charset=utf-8"),
            masked
        );
        assert_eq!(body(form.as_bytes(), TOKEN_PATH, &HeaderMap::new()).0, masked);
        let part = "--X\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\nhush\r\n--X--\r\n";
        assert_eq!(shown(part, TOKEN_PATH, "multipart/form-data; boundary=X"), "");
        assert_eq!(body(part.as_bytes(), TOKEN_PATH, &HeaderMap::new()).0, MASK);
        assert_eq!(shown("{\"code\":\"hush\"}", TOKEN_PATH, "application/json"), "");
        assert_eq!(path(&format!("{REVOKE_PATH}/hush")), format!("{REVOKE_PATH}/•••"));
        assert_eq!(path(&format!("{TOKEN_PATH}/hush")), format!("{TOKEN_PATH}/•••"));
        assert_eq!(path(REVOKE_PATH), REVOKE_PATH);
        assert_eq!(path(TOKEN_PATH), TOKEN_PATH);
    }

    #[test]
    fn secrets_in_json_are_masked_wherever_they_stand() {
        for hostile in [
            r#"{"access_token":"hush"}"#,
            r#"[{"x":{"refresh_token":["hush"]}}]"#,
            r#"{"client\u005fsecret":"hush"}"#,
            r#"{"Access_Token":"hush"}"#,
            r#"{"accessToken":"hush"}"#,
            r#"{"zapikey":"hush","Pass-Word":"hush"}"#,
            r#"{"x":{"token":"hush"},"x":1}"#,
            r#"{"x":{"t\u006fken":"hush"},"x":1}"#,
            r#"{"x":"{\"client_secret\":\"hush\"}"}"#,
            r#"{"x":"{\"client\\u005fsecret\":\"hush\"}"}"#,
            r#"{"x":"Authorization: Zoho-oauthtoken hush"}"#,
            r#"{"x":"Zoho-oauthtoken hush"}"#,
            r#"{"x":"token=hush"}"#,
            r#"{"token": "hush""#,
            "--X\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nhush\r\n--X--\r\n",
            "client_secret=hush",
            "\u{feff}{\"password\":\"hush\"}",
        ] {
            for content_type in ["application/json", FORM] {
                let shown = shown(hostile, "/crm/v7/settings/portals", content_type);
                assert!(!shown.contains("hush"), "{hostile} {shown}");
            }
        }
        assert_eq!(body(b"\xffhush", "/", &HeaderMap::new()), (String::new(), 5));
    }

    #[test]
    fn other_json_stays_as_it_was_sent() {
        for harmless in [
            r#"{ "portals": [ {"name":"AcmePortal"} ], "n": 1.0e5, "n": 2 }"#,
            r#"{"code":"INVALID_TOKEN","message":"invalid oauth token","status":"error"}"#,
            "{\"code\":\"INVALID_DATA\"",
        ] {
            for content_type in ["application/json", FORM] {
                let shown = shown(harmless, "/crm/v7/settings/portals", content_type);
                assert_eq!(shown, harmless);
            }
        }
        let granted = br#"{"access_token":"hush","expires_in":3600,"token_type":"Bearer"}"#;
        let (shown, _) = response_body(granted);
        assert_eq!(shown, r#"{"access_token":"•••","expires_in":3600,"token_type":"Bearer"}"#);
    }
}
