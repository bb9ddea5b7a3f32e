//! Takes secrets out of what is logged and recorded: by name, and by value, wherever they stand.
//!
//! Headers, parameters and segments after `/oauth` are shown if they are known to be harmless: clients
//! put secrets under names of their own. JSON has too many names for that, so there the names of
//! secrets are known: what a client sends is left out if anything in it but the name of a portal looks
//! like one, and of what the server sends the values under such names are. A name counts however it is
//! spelled: in any case, with escapes, with `_` or `-`.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

/// Stands for a secret.
const MASK: &str = "•••";

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
/// Segments of paths that are shown where a token can stand.
const SEGMENTS: [&str; 13] = [
    "", "auth", "crm", "oauth", "org", "portals", "revoke", "settings", "token", "users", "v2",
    "v7", "v8",
];
/// Longest name of a parameter: what is longer can be a secret without a name.
const LONGEST_NAME: usize = 64;
/// What the name of a secret contains, without `_` and `-`. `code` is not one: errors have it.
const SECRETS: [&str; 8] =
    ["token", "secret", "password", "authorization", "apikey", "credential", "session", "cookie"];
/// Digits of a secret without a name: what is random has at least 128 bits.
const HEX_DIGITS: usize = 32;

/// A path without the secrets that are a part of it.
pub(super) fn path(path: &str) -> String {
    let mut is_after_accounts = false;
    let segments = path.split('/').map(|raw| {
        let name = decoded(raw).to_lowercase();
        let has_fields = name.contains(['=', '&', ';', ':', '?', '/', ' ']);
        let is_field = has_fields && is_suspicious(&name) || has_scheme(&name);
        let shown = if is_field || is_after_accounts { known_segment(raw) } else { by_value(raw) };
        is_after_accounts |= ["oauth", "token", "revoke"].iter().any(|it| name.starts_with(it));
        shown
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The known name that a segment begins with; the rest can be a token that somebody forgot a `?` for.
fn known_segment(raw: &str) -> Cow<'_, str> {
    let end = raw.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(raw.len());
    let (name, rest) = raw.split_at(end);
    match (SEGMENTS.contains(&&*name.to_lowercase()), rest) {
        (true, "") => raw.into(),
        (true, _) => format!("{name}{MASK}").into(),
        (false, _) => MASK.into(),
    }
}

/// Names and values, in their order.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let masked = headers.iter().map(|(name, value)| {
        let is_shown = HEADERS.contains(&name.as_str()) || name.as_str().starts_with("x-ratelimit");
        let value = match *name {
            header::AUTHORIZATION | header::PROXY_AUTHORIZATION => authorization(value),
            // It can have a user and a password.
            header::HOST | header::ORIGIN => match lossy(value).rsplit_once('@') {
                Some((_, host)) => format!("{MASK}@{}", by_value(host)),
                None => by_value(&lossy(value)).into_owned(),
            },
            _ if is_shown => text(&lossy(value)),
            _ => MASK.to_owned(),
        };
        (by_value(name.as_str()).into_owned(), value)
    });
    masked.collect()
}

fn lossy(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The scheme is worth seeing.
fn authorization(value: &HeaderValue) -> String {
    let value = lossy(value);
    let scheme = value.split_once(' ').map(|(scheme, _)| scheme);
    let is_known = |scheme: &&str| SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    match scheme.filter(is_known) {
        Some(scheme) => format!("{scheme} {MASK}"),
        None => MASK.to_owned(),
    }
}

/// A query or the body of a form, as it was sent except for the masks.
pub(super) fn parameters(text: &str) -> String {
    text.split('&').map(parameter).collect::<Vec<_>>().join("&")
}

fn parameter(text: &str) -> Cow<'_, str> {
    let Some((raw_name, _)) = text.split_once('=') else {
        return if text.is_empty() { text.into() } else { MASK.into() };
    };
    let name = percent_decode_str(raw_name).decode_utf8_lossy();
    let value = decoded(text.get(raw_name.len() + 1..).unwrap_or_default());
    // A client that separates parameters in another way has several in the value of one.
    if PARAMETERS.contains(&&*name) && !value.contains(['=', ';', '\r', '\n', '\0']) {
        return by_value(text);
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.%+".contains(c);
    if raw_name.len() <= LONGEST_NAME && raw_name.chars().all(is_plain) {
        format!("{}={MASK}", by_value(raw_name)).into()
    } else {
        MASK.into()
    }
}

/// The body of a request as text, and how many bytes of it are left out: all if it may hold a secret
/// and is not understood.
pub(super) fn body(bytes: &[u8], path: &str, headers: &HeaderMap) -> (String, usize) {
    let left_out = (String::new(), bytes.len());
    let Ok(text) = std::str::from_utf8(bytes) else { return left_out };
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_form = content_type.is_some_and(|value| {
        let form = b"application/x-www-form-urlencoded";
        value.get(..form.len()).is_some_and(|value| value.eq_ignore_ascii_case(form))
    });
    if decoded(path).to_lowercase().contains("/oauth") {
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
    if is_clean(text) || is_named_portal(text) { (text.to_owned(), 0) } else { left_out }
}

/// The body of a response.
pub(super) fn response_body(bytes: &[u8]) -> (String, usize) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && is_clean(text)
    {
        return (text.to_owned(), 0);
    }
    let Ok(mut value) = serde_json::from_slice(bytes) else { return (String::new(), bytes.len()) };
    mask(&mut value);
    (value.to_string(), 0)
}

/// Whether nothing in a text looks like a secret or its name. With an escape or in another encoding a
/// name is not found in the text.
fn is_clean(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() || ['\t', '\r', '\n'].contains(&c);
    text.chars().all(is_plain)
        && !text.contains("\\u")
        && !is_suspicious(text)
        && !has_scheme(text)
        && by_value(text) == text
}

/// The body of a create or a rename, whose portal can be called `AcmeTokens`, or have an escape in its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    portals: Vec<NameOnly>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameOnly {
    name: String,
}

fn is_named_portal(json: &str) -> bool {
    serde_json::from_str::<Named>(json)
        .is_ok_and(|body| body.portals.iter().all(|portal| text(&portal.name) == portal.name))
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| {
            // That of a token response is `Bearer`.
            if is_suspicious(name) && name != "token_type" {
                *value = Value::from(MASK);
            } else {
                mask(value);
            }
        }),
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::String(string) => *string = text(string),
        _ => {}
    }
}

/// A text that can be JSON or a header itself. Messages such as `invalid oauth token` stay.
pub(super) fn text(text: &str) -> String {
    if text.trim_start().starts_with(['{', '[']) && !is_clean(text)
        || is_suspicious(text) && decoded(text).contains(['=', ':', '>'])
        || has_scheme(text)
        || text.contains('\0')
    {
        MASK.to_owned()
    } else {
        by_value(text).into_owned()
    }
}

/// The text with a mask for each secret that is known by its form.
fn by_value(text: &str) -> Cow<'_, str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let mut masked = Cow::Borrowed(text);
    for word in text.split(|c| !is_part(c)).filter(|word| is_secret(word)) {
        masked = masked.replace(word, MASK).into();
    }
    if decoded(&masked).split(|c| !is_part(c)).any(is_secret) { MASK.into() } else { masked }
}

/// `1000.….…` is a token or a code of the service; `1000.…` is the id of a client, which is public.
fn is_secret(word: &str) -> bool {
    let is_long_hex =
        |part: &str| part.len() >= HEX_DIGITS && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match word.strip_prefix("1000.") {
        Some(rest) => rest.trim_matches('.').contains('.'),
        None => word.split('.').any(is_long_hex),
    }
}

fn has_scheme(text: &str) -> bool {
    let text = decoded(text).to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| text.contains(&format!("{} ", scheme.to_ascii_lowercase())))
}

/// Whether a name, or any in a text, is that of a secret.
fn is_suspicious(text: &str) -> bool {
    let text = decoded(text);
    let letters = text.chars().filter(|c| !['_', '-'].contains(c)).map(|c| c.to_ascii_lowercase());
    let letters: String = letters.collect();
    SECRETS.iter().any(|secret| letters.contains(secret))
}

/// The text without percent-escapes, also without those of an escape.
fn decoded(text: &str) -> Cow<'_, str> {
    let mut plain = Cow::Borrowed(text);
    for _ in 0..3 {
        if !plain.contains('%') {
            break;
        }
        plain = percent_decode_str(&plain).decode_utf8_lossy().into_owned().into();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN_PATH: &str = portal_model::oauth::TOKEN_PATH;
    const REVOKE_PATH: &str = portal_model::oauth::REVOKE_PATH;
    const TOKEN: &str = "1000.5f2a9c0e.77aa01";
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
            ("user-agent", "acme/1.0 1000.5f2a9c0e.77aa01", "acme/1.0 •••"),
            ("user-agent", "acme (token=hush)", MASK),
            ("accept", "Bearer hush", MASK),
            ("host", "1000.5f2a9c0e.77aa01", MASK),
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
            ("page=%2531000.5f.77", MASK),
            ("client_id=1000.5f.77", "client_id=•••"),
            ("client_id=1000.0A2D", "client_id=1000.0A2D"),
            ("1000.5f.77=1", "•••=•••"),
            ("fields=%00h%00u", "fields=•••"),
        ] {
            assert_eq!(parameters(text), expected);
        }
    }

    #[test]
    fn tokens_in_paths_are_masked_wherever_they_stand() {
        for (sent, expected) in [
            ("/oauth/v2/token&refresh_token=hush", "/oauth/v2/token•••"),
            ("/oauth/v2/token%3Frefresh_token=hush&client_id=1", "/oauth/v2/token•••"),
            ("/oauth/v2/token%253Frefresh_token=hush", "/oauth/v2/token•••"),
            ("/oauth/v2/token;hush", "/oauth/v2/token•••"),
            ("//oauth/v2/token/revoke/hush", "//oauth/v2/token/revoke/•••"),
            ("/%6Fauth/v2/token/hush", "/%6Fauth/v2/token/•••"),
            ("/OAuth/v2/TOKEN/hush/more", "/OAuth/v2/TOKEN/•••/•••"),
            ("/proxy/oauth/v2/hush", "/proxy/oauth/v2/•••"),
            ("/oauth%2Fv2%2Ftoken%2Frevoke%2Fhush", "/oauth•••"),
            ("/oauth/hush", "/oauth/•••"),
            ("/token/hush", "/token/•••"),
            ("/crm/v7/org&access_token=hush", "/crm/v7/org•••"),
            ("/crm/v7/settings/portals/x?Client-Secret:hush", "/crm/v7/settings/portals/•••"),
            ("/crm/v7/settings/portals/1000.5f2a9c0e.77aa01", "/crm/v7/settings/portals/•••"),
            ("/crm/v7/settings/portals/%31000%2E5f%2E77", "/crm/v7/settings/portals/•••"),
            ("/crm/v7/settings/portals/Bearer%20hush", "/crm/v7/settings/portals/•••"),
            ("/x/5f2a9c0e5f2a9c0e5f2a9c0e5f2a9c0e", "/x/•••"),
        ] {
            assert_eq!(path(sent), expected);
        }
        for harmless in [
            "/oauth/v2/token/revoke",
            "/oauth/v2/token/",
            "/crm/v8/settings/portals",
            "/crm/v7/settings/portals/AcmeTokens",
            "/crm/v7/settings/portals/a%20b%2Fc",
            "/nowhere",
            "",
            "*",
        ] {
            assert_eq!(path(harmless), harmless);
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
            r#"{"name":"client_secret","value":"hush"}"#,
            r#"[["refresh_token","hush"],["x",1]]"#,
            r#"{"header":[{"key":"Authorization","value":["hush"]}]}"#,
            r#"{"%73ecret":"hush"}"#,
            r#"{"x":"%73ecret%3Dhush"}"#,
            "Bearer hush",
            "%62earer%20hush",
            "%73ecret=hush",
            "{\"\0c\0o\0d\0e\0\":\"hush\"}",
            "<token>hush</token>",
            "<input name=\"password\" value=\"hush\">",
            "client_secret:\n  hush",
            "token = 'hush'",
            "Basic hush",
            "Zoho-oauthtoken%09hush",
            r#"{"x":{"session_id":"hush","Set-Cookie":"hush"}}"#,
            r#"{"x":"token%253Dhush"}"#,
            r#"{"x":"<token>hush</token>"}"#,
            r#"{"x":"{\"to\\u006ben\":\"hush\"}"}"#,
            r#"{"x":"Bearer\u0020hush"}"#,
            r#"{"name":"Authorization","value":"hush"}"#,
            r#"[{"name":"Token"},{"token":"hush"}]"#,
            r#"{"portals":[{"name":"Token"},{"value":"hush"}]}"#,
            r#"{"portals":[{"name":"t\u006fken=hush"}]}"#,
            r#"{"portals":[{"token":"hush","name":"A"}],"portals":[{"name":"A"}]}"#,
        ] {
            for content_type in ["application/json", FORM] {
                let shown = shown(hostile, "/crm/v7/settings/portals", content_type);
                assert!(!shown.contains("hush"), "{hostile} {shown}");
            }
        }
        assert_eq!(body(b"\xffhush", "/", &HeaderMap::new()), (String::new(), 5));
    }

    #[test]
    fn tokens_in_bodies_are_masked_by_their_form() {
        for hostile in [
            format!("{{\"portals\":[{{\"name\":\"{TOKEN}\"}}]}}"),
            format!("{{\"portals\":[{{\"name\":\"\\u0061 {TOKEN}\"}}]}}"),
            format!("{{\"{TOKEN}\":1}}"),
            format!("a letter about {TOKEN}, which is lost"),
            format!("type={TOKEN}"),
            TOKEN.replace('.', "%2E"),
            "5f2a9c0e5f2a9c0e5f2a9c0e5f2a9c0e".to_owned(),
        ] {
            for content_type in ["application/json", FORM] {
                let shown = shown(&hostile, "/crm/v7/settings/portals", content_type);
                assert!(!shown.contains("5f2a9c0e"), "{hostile} {shown}");
            }
        }
        let utf_16: Vec<u8> = "token=hush".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(body(&utf_16, "/", &HeaderMap::new()), (String::new(), 20));
    }

    #[test]
    fn other_json_stays_as_it_was_sent() {
        for harmless in [
            r#"{ "portals": [ {"name":"AcmePortal"} ], "n": 1.0e5, "n": 2 }"#,
            "{\"code\":\"INVALID_DATA\"",
            r#"{"portals":[{"name":"Caf\u00e9 \ud83d\ude00"}]}"#,
            r#"{ "portals": [{ "name": "CookieShop" }, {"name":"AcmeTokens"}] }"#,
        ] {
            for content_type in ["application/json", FORM] {
                let shown = shown(harmless, "/crm/v7/settings/portals", content_type);
                assert_eq!(shown, harmless);
            }
        }
        let refused =
            r#"{"code":"INVALID_TOKEN","message":"invalid oauth token","status":"error"}"#;
        let (shown, _) = response_body(refused.as_bytes());
        assert_eq!(shown, refused);
        let granted = br#"{"access_token":"hush","expires_in":3600,"token_type":"Bearer"}"#;
        let (shown, _) = response_body(granted);
        assert_eq!(shown, r#"{"access_token":"•••","expires_in":3600,"token_type":"Bearer"}"#);
    }
}
