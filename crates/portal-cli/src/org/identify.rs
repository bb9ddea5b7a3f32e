//! Determines which org a credential belongs to, by asking the service (rule 10).
//!
//! Identified by fingerprint, two credentials of one org would count as two orgs, and each could
//! get a portal. The fingerprint is therefore used only if the service does not give the org's id.
//! If the service is unreachable, the command ends before anything is sent.

use std::time::Duration;

use portal_http::client::{Client, ClientError};
use portal_model::flow::{NoResponse, TokenError};
use portal_model::{GetOrg, Org};
use tokio::time::{Instant, sleep_until, timeout};

use crate::org::identity::Identity;
use crate::org::identity_cache::IdentityCache;
use crate::org::target::Target;

/// Timeout for all attempts, unless the deadline of the operation is earlier.
const LIMIT: Duration = Duration::from_secs(20);
/// Timeout for one attempt, so that a single hanging response leaves time for another.
const TRY_LIMIT: Duration = Duration::from_secs(8);
const TRIES: u32 = 5;
/// Pause after the first attempt; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The result of one attempt.
enum Reply {
    Id(Org),
    /// The service does not give the id to this credential.
    Refused,
    /// A response without an id, for example from a server without this resource.
    NoId,
    /// A retry may help.
    Transient(ClientError),
    /// A retry does not help.
    Failed(ClientError),
}

impl Target {
    /// Determines which org the client's credential belongs to, by its id if the service gives it.
    /// The service is asked once per credential.
    ///
    /// # Errors
    /// The service is unreachable.
    pub(crate) async fn identify(&self, client: &Client) -> Result<Identity, ClientError> {
        self.identify_with(&IdentityCache::new(), client).await
    }

    async fn identify_with(
        &self,
        cache: &IdentityCache,
        client: &Client,
    ) -> Result<Identity, ClientError> {
        let declared = self.declared_identity();
        // An org on this machine is a new one after every reset, with the same credentials.
        let cached = if self.is_this_machine() { None } else { cache.load(&declared) };
        if let Some(identity) = cached {
            return Ok(identity);
        }
        let reply = ask(client).await;
        // The response to the token request may have corrected the host.
        let identity = match client.api_url() {
            Some(url) => self.identity_at(Some(url.as_str())),
            None => declared.clone(),
        };
        let identity = match reply {
            Reply::Id(org) => identity.with_org(Some(org)),
            Reply::Refused => identity,
            // Not cached, because a later request may find the resource.
            Reply::NoId => return Ok(identity),
            Reply::Transient(error) | Reply::Failed(error) => return Err(error),
        };
        cache.store(&declared, &identity);
        Ok(identity)
    }
}

/// Retries until the result is certain, the attempts are used up or the time is over.
async fn ask(client: &Client) -> Reply {
    let end = Instant::now() + LIMIT.min(client.policy().deadline);
    let mut pause = FIRST_PAUSE;
    let mut tries = 0;
    loop {
        tries += 1;
        let left = end.saturating_duration_since(Instant::now());
        let response = timeout(TRY_LIMIT.min(left), client.call(&GetOrg)).await;
        let reply = match response {
            Ok(Ok(org)) => Reply::Id(org),
            Ok(Err(error)) => of_error(error),
            Err(_) => Reply::Transient(ClientError::NoResponse(NoResponse::TimedOut)),
        };
        let next = Instant::now() + jittered(pause);
        if !reply.is_worth_another_try() || tries == TRIES || next >= end {
            return reply;
        }
        sleep_until(next).await;
        pause *= 2;
    }
}

fn of_error(error: ClientError) -> Reply {
    match &error {
        ClientError::Api(api) if api.is_rate_limited() || api.is_server_error() => {
            Reply::Transient(error)
        }
        // A rejected token fails everything else as well.
        ClientError::Api(api) if api.is_token_rejected() => Reply::Failed(error),
        ClientError::Api(api) => match api.http_status {
            400 | 401 | 403 | 404 | 405 => Reply::Refused,
            _ => Reply::Transient(error),
        },
        ClientError::Unreadable(response) => match response.http_status {
            200 | 204 | 404 | 405 => Reply::NoId,
            _ => Reply::Transient(error),
        },
        ClientError::NotSent(why) | ClientError::Token(TokenError::NotSent(why))
            if why.is_permanent() =>
        {
            Reply::Failed(error)
        }
        ClientError::Token(
            TokenError::Rejected(_) | TokenError::NotRenewable | TokenError::Local(_),
        ) => Reply::Failed(error),
        _ => Reply::Transient(error),
    }
}

impl Reply {
    /// A gateway may briefly respond with a page of its own; a response that stays without an id is
    /// the service's.
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::NoId)
    }
}

/// Returns between half of and the full pause, so that clients don't retry at the same time.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use portal_http::client::{Bounds, Credential, Transport, TransportError};

    use super::*;

    /// A transport that returns scripted responses in turn, repeating the last one.
    #[derive(Clone)]
    struct Scripted {
        replies: &'static [Result<(u16, &'static str), NoResponse>],
        sent: Arc<AtomicUsize>,
    }

    impl Transport for Scripted {
        async fn send(
            &self,
            _: http::Request<Bytes>,
            _: Bounds,
        ) -> Result<http::Response<Bytes>, TransportError> {
            let sent = self.sent.fetch_add(1, Ordering::SeqCst);
            let (status, body) = self.replies[sent.min(self.replies.len() - 1)].clone()?;
            let response = http::Response::builder().status(status);
            Ok(response.body(Bytes::from_static(body.as_bytes())).unwrap())
        }
    }

    /// Returns the result for the scripted responses, and the number of requests made.
    async fn ask_with(
        replies: &'static [Result<(u16, &'static str), NoResponse>],
    ) -> (Reply, usize) {
        let transport = Scripted { replies, sent: Arc::default() };
        let client = Client::builder()
            .api_url("http://127.0.0.1:1")
            .transport(transport.clone())
            .build(Credential::access_token("1000.token".to_owned()))
            .unwrap();
        (ask(&client).await, transport.sent.load(Ordering::SeqCst))
    }

    const SCOPE: (u16, &str) =
        (401, r#"{"code":"OAUTH_SCOPE_MISMATCH","status":"error","message":"m","details":{}}"#);
    const ORG: (u16, &str) = (200, r#"{"org":[{"id":"7"}]}"#);

    #[tokio::test(start_paused = true)]
    async fn id_after_transient_failures_is_found() {
        let (reply, requests) = ask_with(&[
            Ok((503, "busy")),
            Err(NoResponse::TimedOut),
            Ok((404, "gateway")),
            Ok(ORG),
        ])
        .await;
        assert!(matches!(reply, Reply::Id(org) if org.id == "7"));
        assert_eq!(requests, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_by_service_is_final() {
        let (reply, requests) = ask_with(&[Ok(SCOPE)]).await;
        assert!(matches!(reply, Reply::Refused));
        assert_eq!(requests, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn resource_that_stays_away_has_no_id() {
        for reply in [Ok((404, "no such page")), Ok((204, "")), Ok((200, "{}"))] {
            let replies = Box::leak(Box::new([reply]));
            let (reply, requests) = ask_with(replies).await;
            assert!(matches!(reply, Reply::NoId));
            assert_eq!(requests, 5);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn service_that_fails_gives_no_identity() {
        const ERROR: &str =
            r#"{"code":"INTERNAL_ERROR","status":"error","message":"m","details":{}}"#;
        for reply in [Ok((500, ERROR)), Ok((502, "")), Err(NoResponse::TimedOut)] {
            let replies = Box::leak(Box::new([reply]));
            let (reply, requests) = ask_with(replies).await;
            assert!(matches!(reply, Reply::Transient(_)));
            assert_eq!(requests, 5);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rejected_token_gives_no_identity_at_once() {
        const ERROR: &str =
            r#"{"code":"INVALID_TOKEN","status":"error","message":"m","details":{}}"#;
        let (reply, requests) = ask_with(&[Ok((401, ERROR))]).await;
        assert!(matches!(reply, Reply::Failed(_)));
        assert_eq!(requests, 1);
    }
}
