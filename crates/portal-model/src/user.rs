//! `GET /crm/{version}/users?type=CurrentUser`
//!
//! Reads the user that a token acts for.

use serde::Deserialize;

use crate::endpoint::{ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError};
use crate::scope::Scope;

/// Read the name of the token's user, for display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetCurrentUser;

#[derive(Deserialize)]
struct Users {
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    full_name: String,
}

impl ReadOnly for GetCurrentUser {}

impl Endpoint for GetCurrentUser {
    /// `None` if the response does not have it, whatever it is.
    type Output = Option<String>;
    const SCOPES: &'static [Scope] = &[Scope::USERS_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, format!("/crm/{version}/users?type=CurrentUser"))
    }

    fn decode(&self, response: &Response) -> Result<Option<String>, ResponseError> {
        let users = serde_json::from_slice::<Users>(&response.body).ok();
        Ok(users.and_then(|users| Some(users.users.into_iter().next()?.full_name)))
    }
}
