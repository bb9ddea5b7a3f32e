//! [`GetCurrentUser`]: the user that a token acts for.

use portal_model::{
    ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError, Scope,
};
use serde::Deserialize;

/// Requests the name of the token's user, for display. `None` if the response doesn't have it.
pub(crate) struct GetCurrentUser;

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
