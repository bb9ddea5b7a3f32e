//! One call that has arrived: faults before it, the operation, faults after it, and the log.

use std::time::Instant;

use http::{HeaderMap, Method, Uri};
use portal_model::oauth::{AccessToken, TOKEN_PATH};
use portal_model::{ApiError, Response, Timestamp};
use portal_store::Registry;

use super::authorize::bearer;
use super::body::{BODY_LIMIT, Received};
use super::fault::Point;
use super::log::CallLog;
use super::reply::{Refused, Reply};
use super::route::Route;
use super::service::Inner;

/// A request that has arrived.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Received,
}

impl Call {
    /// The body; checked last, since everything else about a call comes before it.
    pub(super) fn body(&self) -> Result<&[u8], ApiError> {
        match &self.body {
            Received::Whole(body) => Ok(body),
            Received::TooLong => Err(ApiError::body_too_large(BODY_LIMIT)),
            Received::Partial => Err(ApiError::invalid_body()),
        }
    }
}

impl<R: Registry> Inner<R> {
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Makes the answer, and a line of the log.
    pub(super) async fn logged(&self, call: &Call) -> Reply {
        let started = Instant::now();
        let reply = Reply::from(self.with_faults(call).await);
        if let Some(on_call) = &self.on_call {
            on_call(&CallLog {
                method: call.method.clone(),
                path: call.uri.path().to_owned(),
                org: reply.org.clone(),
                status: reply.status(),
                code: reply.code.clone(),
                elapsed: started.elapsed(),
            });
        }
        reply
    }

    async fn with_faults(&self, call: &Call) -> Result<Reply, Refused> {
        let is_token_call = call.uri.path() == TOKEN_PATH;
        let strike = self.faults.strike(Point::Request, &call.method, call.uri.path());
        if let Some(token) = bearer(&call.headers).filter(|_| strike.expire) {
            self.registry.end_access_token(token).await?;
        }
        strike.wait().await;
        if let Some(ending) = strike.ending {
            return Ok(Reply::from(Response::new(204, "")).struck(ending, is_token_call));
        }
        let reply = self.perform(call).await;
        if !reply.is_success() {
            return Ok(reply);
        }
        let strike = self.faults.strike(Point::Committed, &call.method, call.uri.path());
        if strike.expire {
            if let Ok(granted) = AccessToken::decode(&reply.response) {
                self.registry.end_access_token(granted.access_token.expose()).await?;
            } else if let Some(token) = bearer(&call.headers) {
                self.registry.end_access_token(token).await?;
            }
        }
        strike.wait().await;
        Ok(match strike.ending {
            Some(ending) => reply.struck(ending, is_token_call),
            None => reply,
        })
    }

    async fn perform(&self, call: &Call) -> Reply {
        match Route::of(&call.method, call.uri.path()) {
            Ok(Route::Crm(version, operation)) => self.crm(call, version, &operation).await,
            Ok(Route::Token) => self.token(call).await.into(),
            Ok(Route::Revoke) => self.revoke(call).await.into(),
            Err(error) => error.into(),
        }
    }
}
