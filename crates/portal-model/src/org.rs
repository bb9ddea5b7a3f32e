//! `GET /crm/{version}/org`
//!
//! Reads the org of the token: the one way to learn which org a token acts on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::endpoint::{
    ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError, UnreadableReason,
};
use crate::envelope;
use crate::neutral::printable_line;
use crate::scope::Scope;

/// Read the org of the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetOrg;

/// An org, as far as telling it apart from others needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Org {
    /// The service's id of the org, which no other org has.
    pub id: String,
    /// The name of the company, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Org {
    /// An org without a name.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), name: None }
    }

    /// The same org with the name of its company.
    #[must_use]
    pub fn named(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }
}

/// Formats as `Acme Inc. (7000)`, or only the id.
impl fmt::Display for Org {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({})", printable_line(name), printable_line(&self.id)),
            None => f.write_str(&printable_line(&self.id)),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    org: [Record; 1],
}

/// A record of the response.
#[derive(Deserialize)]
struct Record {
    id: String,
    company_name: Option<String>,
}

impl ReadOnly for GetOrg {}

impl Endpoint for GetOrg {
    type Output = Org;
    const SCOPES: &'static [Scope] = &[Scope::ORG_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, format!("/crm/{version}/org"))
    }

    fn decode(&self, response: &Response) -> Result<Org, ResponseError> {
        if let Some(error) = envelope::refusal(response)? {
            return Err(ResponseError::Api(error));
        }
        // A token belongs to one org. Of several, none is certain to be it.
        let body = serde_json::from_slice::<Body>(&response.body).ok();
        let org = body.filter(|_| response.status == 200).map(|Body { org: [org] }| org);
        // An id that is empty would make strangers the same org.
        match org.filter(|org| !org.id.is_empty()) {
            Some(Record { id, company_name }) => Ok(Org::new(id).named(company_name)),
            None => Err(ResponseError::unreadable(response, UnreadableReason::NoEnvelope)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn decode(status: u16, body: &str) -> Result<Org, ResponseError> {
        GetOrg.decode(&Response::new(status, body))
    }

    #[test]
    fn request_is_get_of_org_in_version() {
        let request = GetOrg.request(ApiVersion::V8);
        assert_eq!((request.method, request.path.as_str()), (Method::Get, "/crm/v8/org"));
        assert!(request.body.is_empty());
    }

    #[test]
    fn response_with_one_org_is_its_id_and_name() {
        let body = r#"{"org":[{"country":"US","company_name":"Acme","zgid":"671442434",
            "id":"4150868000000225013","currency_locale":null}]}"#;
        let mut acme = Org::new("4150868000000225013");
        acme.name = Some("Acme".to_owned());
        assert_eq!(decode(200, body), Ok(acme));
        for body in [r#"{"org":[{"id":"7"}]}"#, r#"{"org":[{"id":"7","company_name":null}]}"#] {
            assert_eq!(decode(200, body), Ok(Org::new("7")));
        }
    }

    #[test]
    fn response_without_exactly_one_id_is_unreadable() {
        for (status, body) in [
            (204, ""),
            (200, ""),
            (200, "<html>"),
            (200, r#"{"org":[]}"#),
            (200, r#"{"org":[{"id":""}]}"#),
            (200, r#"{"org":[{"id":7}]}"#),
            (200, r#"{"org":[{"company_name":"Acme"}]}"#),
            (200, r#"{"org":[{"id":"7"},{"id":"8"}]}"#),
            (200, r#"{"org":{"id":"7"}}"#),
            (201, r#"{"org":[{"id":"7"}]}"#),
            (502, r#"{"org":[{"id":"7"}]}"#),
        ] {
            let result = decode(status, body);
            assert!(matches!(result, Err(ResponseError::Unreadable(_))), "{body}: {result:?}");
        }
    }

    #[test]
    fn rejection_keeps_its_code() {
        let body = r#"{"code":"OAUTH_SCOPE_MISMATCH","details":{},
            "message":"invalid oauth scope to access this URL","status":"error"}"#;
        let Err(ResponseError::Api(error)) = decode(401, body) else { panic!() };
        assert_eq!((error.http_status, error.code), (401, ErrorCode::OauthScopeMismatch));
    }
}
