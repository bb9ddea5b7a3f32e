//! `GET /crm/{version}/settings/portals` and `GET /crm/{version}/settings/portals/{name}`
//!
//! Both read portals of the token's org: all of them, or the one of a name. After `ALREADY_USED`, 200 to
//! the second means that this org has the name and 204 that another org does.

use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use crate::endpoint::{
    ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError, UNRESERVED,
    UnreadableReason,
};
use crate::envelope;
use crate::name::is_same_name;
use crate::portal::Portal;
use crate::read::page::{Page, Records};
use crate::scope::Scope;

mod page;

/// List the portals of the org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListPortals;

impl ReadOnly for ListPortals {}

impl Endpoint for ListPortals {
    /// In the order of the service.
    type Output = Vec<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, portals_path(version))
    }

    fn decode(&self, response: &Response) -> Result<Vec<Portal>, ResponseError> {
        decode_page(response).map(|(portals, _)| portals)
    }
}

/// Read one portal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetPortal {
    /// The name. Any text: portals with names that [`PortalName`](crate::PortalName) rejects may exist.
    pub name: String,
}

impl GetPortal {
    /// A request for the portal `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Fields by which a record without a name is a portal's.
const DETAILS: [&str; 4] = ["admin_zuid", "login_url", "saml_configuration", "zaid"];

impl ReadOnly for GetPortal {}

impl Endpoint for GetPortal {
    /// `None` if the org has no portal of that name.
    type Output = Option<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, portal_path(version, &self.name))
    }

    fn decode(&self, response: &Response) -> Result<Option<Portal>, ResponseError> {
        let mut records = records(response)?.0;
        // In the latest edition of the API the details have no name: it is that of the request.
        if let Records::One(Value::Object(record)) = &mut records
            && DETAILS.iter().any(|field| record.contains_key(*field))
        {
            record.entry("name").or_insert_with(|| Value::String(self.name.clone()));
        }
        let mut portals = records
            .into_portals()
            .map_err(|why| ResponseError::unreadable(response, why))?
            .into_iter();
        let is_requested = |portal: &Portal| is_same_name(&portal.name, &self.name);
        match (portals.next(), portals.next()) {
            (None, _) => Ok(None),
            (Some(portal), None) if is_requested(&portal) => Ok(Some(portal)),
            _ => Err(ResponseError::unreadable(response, UnreadableReason::Contradiction)),
        }
    }
}

/// `/crm/{version}/settings/portals`
pub(crate) fn portals_path(version: ApiVersion) -> String {
    format!("/crm/{version}/settings/portals")
}

/// `/crm/{version}/settings/portals/{name}`
pub(crate) fn portal_path(version: ApiVersion, name: &str) -> String {
    format!("{}/{}", portals_path(version), utf8_percent_encode(name, UNRESERVED))
}

/// The portals of a list, and why there may be more of them, if so.
///
/// A list is one response, never paged, as far as any source shows; `info` is how the service marks its
/// other lists as incomplete.
pub(crate) fn decode_page(
    response: &Response,
) -> Result<(Vec<Portal>, Option<&'static str>), ResponseError> {
    let (records, info) = records(response)?;
    let portals = records.into_portals().map_err(|why| ResponseError::unreadable(response, why))?;
    let why = info.and_then(|info| incomplete(&info, portals.len()));
    Ok((portals, why))
}

/// Why a list of `count` records with this `info` is not all that there is.
fn incomplete(info: &Value, count: usize) -> Option<&'static str> {
    let Value::Object(info) = info else { return Some("what it says of itself is unreadable") };
    // In any spelling: a number or a flag may come as a text.
    let text = |value: &Value| match value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        other => other.to_string(),
    };
    let is_absent = |value: &Value| matches!(text(value).as_str(), "" | "null" | "false");
    let more = info.get("more_records").is_some_and(|more| !is_absent(more));
    let next = |(key, value): (&String, &Value)| key.starts_with("next") && !is_absent(value);
    if more || info.iter().any(next) {
        return Some("it has more pages");
    }
    let counted = info.get("count").filter(|count| !count.is_null());
    let differs = counted.is_some_and(|counted| text(counted) != count.to_string());
    differs.then_some("it has not as many portals as it says")
}

/// The records of a response, and what a list says of itself. 204 has none.
fn records(response: &Response) -> Result<(Records, Option<Value>), ResponseError> {
    if response.status == 204 {
        return Ok((Records::Several(Ok(Vec::new())), None));
    }
    let Page { mut members, records } =
        Page::read(&response.body).map_err(|why| ResponseError::unreadable(response, why))?;
    // A single record may be the error of the request instead of a portal.
    let result = match &records {
        Records::Absent => Some(&members),
        Records::One(Value::Object(record)) => Some(record),
        _ => None,
    };
    if let Some(error) = result.and_then(|result| envelope::refusal(result, response.status)) {
        return Err(ResponseError::Api(error));
    }
    match records {
        Records::One(_) | Records::Several(_) if response.status == 200 => {
            Ok((records, members.remove("info").filter(|info| !info.is_null())))
        }
        _ => Err(ResponseError::unreadable(response, UnreadableReason::NoEnvelope)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(why(info), None, "{info}");
        }
        for info in [
            r#"{"more_records":true}"#,
            r#"{"more_records":"true"}"#,
            r#"{"more_records":1}"#,
            r#"{"more_records":[]}"#,
            r#"{"count":3}"#,
            r#"{"count":"0"}"#,
            r#"{"next_page_token":"c8582e"}"#,
            r#"{"next_page":2}"#,
            "[]",
            "7",
        ] {
            assert!(why(info).is_some(), "{info}");
        }
    }

    #[test]
    fn details_without_name_have_that_of_request() {
        let body = r#"{"portals":[{"admin_zuid":7,"login_url":"https://acme.example",
            "saml_configuration":{"active":true,"login_url":"https://idp.example"}}]}"#;
        let portal = got(body).unwrap().unwrap();
        assert_eq!(portal.name, "AcmePortal");
        assert_eq!(portal.other["login_url"], "https://acme.example");
        assert_eq!(portal.other["saml_configuration"]["active"], true);
        assert_eq!(portal.other["admin_zuid"], 7);
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
        assert!(list(r#"{"portals":[null]}"#).contains("unexpected JSON"));
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
        assert_eq!(
            got(r#"{"portals":[{"name":"acmeportal"}]}"#).unwrap().unwrap().name,
            "acmeportal"
        );
    }
}
