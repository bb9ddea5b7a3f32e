//! `GET /crm/{version}/users?type=CurrentUser`
//!
//! Reads the user that a token acts for.

use serde_json::Value;

use crate::endpoint::{ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError};
use crate::scope::Scope;

/// Read the name of the token's user, for display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetCurrentUser;

impl ReadOnly for GetCurrentUser {}

impl Endpoint for GetCurrentUser {
    /// `None` if the response does not have it, whatever it is.
    type Output = Option<String>;
    const SCOPES: &'static [Scope] = &[Scope::USERS_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, format!("/crm/{version}/users?type=CurrentUser"))
    }

    fn decode(&self, response: &Response) -> Result<Option<String>, ResponseError> {
        let body = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
        let name = body.pointer("/users/0/full_name").and_then(Value::as_str);
        Ok(name.map(ToOwned::to_owned))
    }
}
