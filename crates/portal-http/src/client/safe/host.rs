//! [`ClientHost`]: what `run` needs of a client.

use std::future::Future;
use std::time::Duration;

use portal_ledger::{Host, Moment, Terms};
use portal_model::datacenter::origin;
use portal_model::flow::{Activity, NoResponse, NotSent, TokenError, TokenId, TransportError};
use portal_model::{OrgIdentity, Request, Response};
use tokio::sync::watch;
use tokio::time::timeout;

use super::client::SafeClient;
use crate::client::clock;
use crate::client::handle::Client;
use crate::client::slots::{Slot, Urgency};
use crate::client::token::Token;
use crate::client::transport::Bounds;

/// Performs one operation with the parts of a client.
pub(super) struct ClientHost {
    client: Client,
    /// The origin of the API that the operation is about (rule 14).
    origin: String,
    token: Option<Token>,
    slot: Slot,
    activity: watch::Sender<Activity>,
}

impl SafeClient {
    /// A host of calls in `org`, which shows in `activity` what it does.
    pub(super) fn host(&self, org: &OrgIdentity, activity: watch::Sender<Activity>) -> ClientHost {
        let origin = match (&self.origin, self.client.api_url()) {
            (Some(_), Some(url)) => origin(url.as_str()),
            _ => org.origin().to_owned(),
        };
        ClientHost { client: self.client.clone(), origin, token: None, slot: None, activity }
    }
}

impl ClientHost {
    /// Rule 14: a token response may name another API, to which nothing of this operation goes.
    fn check_origin(&self) -> Result<(), TokenError> {
        let url = self.client.api_url();
        let named = url.as_ref().map(|url| origin(url.as_str())).unwrap_or_default();
        if named == self.origin { Ok(()) } else { Err(TokenError::OtherOrigin(named)) }
    }
}

impl Host for ClientHost {
    fn now(&self) -> Moment {
        clock::now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }

    async fn token(
        &mut self,
        rejected: Option<TokenId>,
        limit: Duration,
    ) -> Result<TokenId, TokenError> {
        let late = |_| Err(TokenError::NoResponse(NoResponse::TimedOut));
        let token =
            timeout(limit, self.client.0.tokens.get(rejected)).await.unwrap_or_else(late)?;
        self.check_origin()?;
        Ok(self.token.insert(token).id)
    }

    async fn send(&mut self, request: Request, terms: Terms) -> Result<Response, TransportError> {
        self.check_origin().map_err(|error| NotSent::NotStarted(error.to_string()))?;
        let bounds = match &terms.attempt {
            Some(until) => Bounds::of_attempt(terms.timeout).not_after(until),
            None => Bounds::of_list(terms.timeout),
        };
        self.client.send(request, self.token.as_ref(), bounds).await
    }

    async fn admit(&mut self, begun: bool, limit: Duration) {
        let urgency = if begun { Urgency::Begun } else { Urgency::New };
        if self.slot.is_none() {
            self.slot = timeout(limit, self.client.0.slots.acquire(urgency)).await.ok().flatten();
        }
    }

    fn pause(&mut self) {
        self.slot = None;
    }

    fn show(&mut self, activity: &Activity) {
        self.activity.send_if_modified(|shown| {
            let is_new = shown != activity;
            if is_new {
                tracing::debug!(?activity);
                shown.clone_from(activity);
            }
            is_new
        });
    }
}

#[cfg(all(feature = "sockets", feature = "test-util"))]
#[cfg(test)]
mod tests {
    use portal_ledger::Ledger;

    use super::*;
    use crate::client::{Client, Credential, HttpTransport, Proxy, conformance};

    #[tokio::test]
    async fn client_conforms_as_host() {
        let make = |url: &str| {
            let transport = HttpTransport::builder().proxy(Proxy::none()).build().unwrap();
            let builder = Client::builder().transport(transport).api_url(url).accounts_url(url);
            let credential = Credential::refresh_token("id", "s".to_owned(), "r".to_owned());
            let safe = SafeClient::new(builder.build(credential).unwrap(), Ledger::in_memory());
            safe.host(&safe.unknown_org(), watch::channel(Activity::Authenticating).0)
        };
        conformance::host(make).await.unwrap();
    }
}
