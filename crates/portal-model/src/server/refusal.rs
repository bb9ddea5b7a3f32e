//! A rejection with its envelope: [`Refusal`].

use serde::Serialize;

use crate::endpoint::Response;
use crate::envelope::{Portals, to_json};
use crate::error::ApiError;

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
        let ApiError { code, details, message, http_status } = self.error();
        let reply = Reply { code: code.as_str(), details, message, status: "error" };
        let body = match self {
            Self::Request(_) => to_json(&reply),
            Self::Item(_) => to_json(&Portals { portals: [reply] }),
        };
        Response::new(*http_status, body)
    }
}

/// A result, without its envelope.
#[derive(Serialize)]
pub(super) struct Reply<'a, D> {
    pub(super) code: &'a str,
    pub(super) details: D,
    pub(super) message: &'a str,
    pub(super) status: &'static str,
}
