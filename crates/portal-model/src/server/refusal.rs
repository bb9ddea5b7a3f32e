//! A rejection with its envelope: [`Refusal`].

use serde::Serialize;

use crate::endpoint::Response;
use crate::envelope::{Portals, to_json};
use crate::error::{ApiError, Details, ErrorCode};

/// A rejection, with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// About the whole request: bare.
    Request(ApiError),
    /// About the one portal in it: wrapped.
    Item(ApiError),
}

impl Refusal {
    /// The error without its envelope.
    pub fn error(&self) -> &ApiError {
        match self {
            Self::Request(error) | Self::Item(error) => error,
        }
    }

    /// The response with this rejection.
    pub fn response(&self) -> Response {
        let error = Failure::from(self.error());
        let body = match self {
            Self::Request(_) => to_json(&error),
            Self::Item(_) => to_json(&Portals { portals: [error] }),
        };
        Response::new(self.error().http_status, body)
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a ErrorCode,
    details: &'a Details,
    message: &'a str,
    status: &'static str,
}

impl<'a> From<&'a ApiError> for Failure<'a> {
    fn from(error: &'a ApiError) -> Self {
        Self {
            code: &error.code,
            details: &error.details,
            message: &error.message,
            status: "error",
        }
    }
}
