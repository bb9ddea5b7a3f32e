//! What a list and a portal are read as.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use super::*;
use crate::error::{ApiError, Details, ErrorCode};

fn got(body: &str) -> Result<Option<Portal>, ResponseError> {
    GetPortal::new("AcmePortal").decode(&Response::new(200, body))
}

#[test]
fn list_is_complete_unless_it_says_otherwise() {
    let why = |info: &str| {
        let body = format!(r#"{{"portals":[{{"name":"AcmePortal"}}],"info":{info}}}"#);
        decode_page(&Response::new(200, body)).unwrap().1
    };
    for info in [
        "null",
        "{}",
        r#"{"more_records":false,"count":1,"page":1,"next_page_token":null}"#,
        r#"{"more_records":"False","count":"1","next_page_token":""}"#,
        r#"{"moreRecords":false,"TotalCount":1,"PAGE":1}"#,
        r#"{"per_page":200,"pages":1,"status":"success","cursor":null}"#,
        // All that the service sends with its other lists.
        r#"{"call":false,"per_page":200,"next_page_token":null,"count":1,"sort_by":"id","page":1,
            "previous_page_token":null,"page_token_expiry":null,"sort_order":"desc","email":false,
            "more_records":false,"total_count":1}"#,
    ] {
        assert_eq!(why(info), None, "{info}");
    }
    for info in [
        r#"{"more_records":true}"#,
        r#"{"more_records":"true"}"#,
        r#"{"more_records":1}"#,
        r#"{"more_records":[]}"#,
        r#"{"moreRecords":true}"#,
        r#"{"MORE_RECORDS":"1"}"#,
        r#"{"more_records":false,"More-Records":true}"#,
        r#"{"nextPageToken":"c8582e"}"#,
        r#"{"totalCount":2}"#,
        r#"{"count":3}"#,
        r#"{"count":"0"}"#,
        r#"{"next_page_token":"c8582e"}"#,
        r#"{"next_page":2}"#,
        r#"{"page":2,"more_records":false}"#,
        r#"{"total_count":2}"#,
        r#"{"status":"error"}"#,
        r#"{"has_more":true}"#,
        r#"{"cursor":"c8582e"}"#,
        r#"{"isTruncated":true}"#,
        r#"{"size":4}"#,
        r#"{"complete":false}"#,
        r#"{"pages":2}"#,
        r#"{"total-pages":"2"}"#,
        "[]",
        "7",
    ] {
        assert!(why(info).is_some(), "{info}");
    }
}

#[test]
fn incomplete_list_is_error_of_its_own() {
    let body = r#"{"portals":[{"name":"AcmePortal"}]}"#;
    let (list, one) = (Response::new(200, body), Response::new(204, ""));
    assert_eq!(ListPortals.decode(&list).unwrap().len(), 1);
    assert_eq!(GetPortal::new("AcmePortal").decode(&one), Ok(None));
    for (header, value, why) in [
        ("age", "3600", "incomplete list: it comes from a cache"),
        ("x-cache", "HIT", "incomplete list: it comes from a cache"),
        ("link", "</2>; rel=next", "incomplete list: it has more pages"),
        ("warning", "112 - \"disconnected operation\"", "incomplete list: it comes from a cache"),
        ("x-next-page", "2", "incomplete list: it has more pages"),
        ("x-total-pages", "2", "incomplete list: it has more pages"),
        ("content-range", "items 0-0/5", "incomplete list: it has more pages"),
        ("x-total-count", "25", "incomplete list: it has not as many portals as it says"),
    ] {
        let marked = |response: &Response| {
            response.clone().with_headers(|name| (name == header).then_some(value))
        };
        let error = ListPortals.decode(&marked(&list)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        let error = GetPortal::new("AcmePortal").decode(&marked(&one)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    // A part, which `Content-Range` describes.
    assert!(ListPortals.decode(&Response::new(206, body)).is_err());
    let more = Response::new(200, r#"{"portals":[],"info":{"more_records":true}}"#);
    assert!(ListPortals.decode(&more).unwrap_err().to_string().contains("it has more pages"));
    assert!(got(r#"{"portals":[],"info":{"more_records":true}}"#).is_err());
}

#[test]
fn every_list_is_asked_past_caches() {
    let requests =
        [ListPortals.request(ApiVersion::V7), GetPortal::new("x").request(ApiVersion::V8)];
    for request in requests {
        assert_eq!(request.headers, [("cache-control", "no-cache".to_owned())]);
    }
}

#[test]
fn what_stands_beside_records_counts_as_well() {
    let page = |body: &str| decode_page(&Response::new(200, body));
    for body in [
        r#"{"portals":[],"more_records":true}"#,
        r#"{"portals":[],"info":null,"count":3}"#,
        r#"{"portals":[{"name":"AcmePortal"}],"next_page_token":"c8582e"}"#,
        r#"{"portals":[{"name":"AcmePortal"}],"paging":{"next":"/x?page=2"}}"#,
        r#"{"portals":[],"meta":{"total":3},"info":{}}"#,
        r#"{"portals":[],"status":"error"}"#,
        r#"{"portals":[],"truncated":true}"#,
    ] {
        assert!(page(body).unwrap().1.is_some(), "{body}");
    }
    for body in [r#"{"portals":[],"count":0}"#, r#"{"portals":[],"paging":{"next":null}}"#] {
        assert_eq!(page(body).unwrap(), (vec![], None));
    }
    for (header, value) in [("x-next-page", ""), ("x-total-pages", "1"), ("warning", "299 - x")] {
        let response = Response::new(200, r#"{"portals":[]}"#);
        let response = response.with_headers(|name| (name == header).then_some(value));
        assert_eq!(decode_page(&response).unwrap().1, None, "{header}");
    }
    let counted = Response::new(200, r#"{"portals":[]}"#);
    let counted = counted.with_headers(|name| (name == "x-total-count").then_some(" 0"));
    assert_eq!(decode_page(&counted).unwrap().1, None);
    let failed = r#"{"portals":[],"code":"INTERNAL_ERROR","message":"","status":"error"}"#;
    assert!(matches!(page(failed), Err(ResponseError::Api(_))), "{failed}");
}

#[test]
fn details_without_name_have_that_of_request() {
    let body = r#"{"portals":[{"admin_zuid":7,"login_url":"https://acme.example",
        "saml_configuration":{"active":true,"login_url":"https://idp.example"}}]}"#;
    let portal = got(body).unwrap().unwrap();
    assert_eq!(portal.name, "AcmePortal");
    let other = |field| portal.other.get(field).unwrap();
    assert_eq!(other("login_url"), "https://acme.example");
    assert_eq!(other("saml_configuration")["active"], true);
    assert_eq!(other("admin_zuid"), 7);
}

#[test]
fn record_of_nothing_known_is_unreadable() {
    for record in [
        "{}",
        r#"{"code":"SUCCESS","details":{},"message":"","status":"success"}"#,
        r#"{"name":null,"zaid":"1"}"#,
    ] {
        let error = got(&format!(r#"{{"portals":[{record}]}}"#)).unwrap_err().to_string();
        assert!(error.contains("without a name"), "{error}");
    }
}

#[test]
fn list_with_nameless_record_is_unreadable() {
    let list = |body| ListPortals.decode(&Response::new(200, body)).unwrap_err().to_string();
    assert_eq!(
        list(r#"{"portals":[{"name":"AcmePortal"},{"zaid":"1"}]}"#),
        "invalid response (HTTP 200): portal record without a name: \
         {\"portals\":[{\"name\":\"AcmePortal\"},{\"zaid\":\"1\"}]}"
    );
    assert!(list(r#"{"portals":[null]}"#).contains("without a name"));
    assert!(list(r#"{"portals":null}"#).contains("unexpected JSON"));
}

#[test]
fn response_about_other_portal_is_contradiction() {
    for body in [
        r#"{"portals":[{"name":"Another"}]}"#,
        r#"{"portals":[{"name":"AcmePortal"},{"name":"Another"}]}"#,
    ] {
        assert!(got(body).unwrap_err().to_string().contains("contradicts"), "{body}");
    }
    assert_eq!(got(r#"{"portals":[]}"#), Ok(None));
    assert_eq!(got(r#"{"portals":[{"name":"acmeportal"}]}"#).unwrap().unwrap().name, "acmeportal");
}

/// The same by way of a tree, which refuses what a text of the same kind may hold: numbers that are too
/// large, lone surrogates, and deep nesting.
mod tree {
    use serde::de::DeserializeOwned;

    use super::*;

    fn take<T: DeserializeOwned>(fields: &mut Map<String, Value>, key: &str) -> Option<T> {
        let value = T::deserialize(fields.get(key)?).ok()?;
        fields.remove(key);
        Some(value)
    }

    fn portal(record: &Value) -> Result<Portal, UnreadableReason> {
        let mut fields = record.as_object().cloned().ok_or(UnreadableReason::NoName)?;
        let name = take::<String>(&mut fields, "name").ok_or(UnreadableReason::NoName)?;
        let mut portal = Portal::new(name);
        portal.created_time = take(&mut fields, "created_time");
        portal.modified_time = take(&mut fields, "modified_time");
        portal.modified_by = take(&mut fields, "modified_by");
        portal.active = take(&mut fields, "active");
        portal.zaid = take(&mut fields, "zaid");
        portal.created_by = take(&mut fields, "created_by");
        for (name, value) in fields {
            portal.other.insert(name, value);
        }
        Ok(portal)
    }

    fn refusal(result: &Value, status: u16) -> Option<ApiError> {
        let text = |key| result.get(key).and_then(Value::as_str);
        let code = text("code").filter(|code| *code != "SUCCESS")?;
        text("status").filter(|status| status.eq_ignore_ascii_case("error"))?;
        let message = text("message").unwrap_or_default();
        let mut error = ApiError::new(status, ErrorCode::from(code), message);
        if let Some(details) = result.get("details") {
            error.details = Details::from(details.clone());
        }
        Some(error)
    }

    pub(super) fn decode(response: &Response) -> Result<Vec<Portal>, ResponseError> {
        let unreadable = |why| ResponseError::unreadable(response, why);
        let body = serde_json::from_slice::<Value>(&response.body).map_err(|_| {
            let is_empty = response.body.iter().all(u8::is_ascii_whitespace);
            unreadable(if is_empty { UnreadableReason::Empty } else { UnreadableReason::NotJson })
        })?;
        let records = body.get("portals").and_then(Value::as_array);
        let result = match (records.map(Vec::as_slice), body.get("portals")) {
            (None, None) => Some(&body),
            (Some([record]), _) => Some(record),
            _ => None,
        };
        if let Some(error) = result.and_then(|result| refusal(result, response.status)) {
            return Err(ResponseError::Api(error));
        }
        let records = records.filter(|_| response.status == 200);
        let records = records.ok_or_else(|| unreadable(UnreadableReason::NoEnvelope))?;
        records.iter().map(portal).collect::<Result<_, _>>().map_err(unreadable)
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec!["null", "true", "7", "-0", "0.5", "[]", "{}", "", "]"]),
        select(vec![r#""x""#, r#""\u0000ä""#, "\"\u{1}\"", "\u{feff}1"]),
        select(vec![r#"{"name":"AcmePortal"}"#, r#"{"name":7}"#, r#"{"active":"yes"}"#]),
        select(vec![
            r#"{"name":"A","active":true,"active":1,"zaid":"1","b":[{}]}"#,
            r#"{"name":"A","x":1,"zaid":2,"x":{"y":0.10},"zaid":"1"}"#,
            r#"{"created_by":{"id":"1","name":"B"},"name":"A","modified_by":{"id":1},"x":{}}"#,
            r#"{"created_by":{"id":"1","x":0,"name":"B"},"name":"A","modified_by":["1","B"]}"#,
            r#"{"created_time":"2021-11-25T16:13:33+05:30","name":7,"name":"A"}"#,
            r#"{"code":"ALREADY_USED","details":{"b":1,"a":[]},"message":"m","status":"error"}"#,
            r#"{"code":"SUCCESS","status":"error","message":null}"#,
        ]),
    ]
    .prop_map(ToOwned::to_owned);
    let key = select(vec!["portals", "info", "code", "status", "message", "details", "x", "y"]);
    leaf.prop_recursive(4, 32, 4, move |value| {
        prop_oneof![
            vec(value.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((key.clone(), value.clone()), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            vec(value.clone(), 0..4)
                .prop_map(|items| format!(r#"{{"portals":[{}]}}"#, items.join(" , "))),
            (value, 2..20_usize).prop_map(|(value, depth)| {
                format!(r#"{{"x":{}{value}{}}}"#, "[".repeat(depth), "]".repeat(depth))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn list_agrees_with_tree(
        text in any_text(),
        damage in proptest::option::weighted(0.3, (any::<Index>(), any::<u8>())),
        status in select(vec![200_u16, 400]),
    ) {
        let mut body = text.into_bytes();
        if let Some((at, byte)) = damage && !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let response = Response::new(status, body);
        let portals = decode_page(&response).map(|(portals, _)| portals);
        prop_assert_eq!(portals, tree::decode(&response));
    }
}

#[test]
fn body_that_is_not_object_has_reason() {
    for (body, why) in [
        ("", UnreadableReason::Empty),
        (" \r\n", UnreadableReason::Empty),
        ("<html>", UnreadableReason::NotJson),
        ("[1, 2", UnreadableReason::NotJson),
        ("[1] 2", UnreadableReason::NotJson),
        ("[1, 2]", UnreadableReason::NoEnvelope),
    ] {
        let response = Response::new(200, body);
        let error = ResponseError::unreadable(&response, why);
        assert_eq!(ListPortals.decode(&response), Err(error), "{body}");
    }
}
