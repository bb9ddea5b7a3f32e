//! Which org a credential leads to (rule 10).
//!
//! Identified by fingerprint, two credentials of one org count as two that may be the same, and wait
//! for each other. Mistaken for two orgs, each could get a portal: only the service's own refusal makes
//! an org unknown, and anything else is a failure.

use portal_model::flow::TokenError;
use portal_model::outcome::{AuthFailure, Failure, NotDone};
use portal_model::{ErrorCode, GetOrg, Org, OrgIdentity, ResponseError};

use super::client::SafeClient;
use crate::client::base_url::BaseUrl;
use crate::client::error::ClientError;
use crate::client::retry::retried;

const TRIES: u32 = 5;

/// Why it is not known which org a credential leads to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifyError {
    /// The service was not reached, or sent no valid response.
    #[error("cannot determine which org this is")]
    Client(#[from] ClientError),
    /// The service, or an earlier entry of the ledger, names another org than the one stated.
    #[error("the credential leads to org {}, not to {stated}", found.id)]
    Contradicted {
        /// The id that was stated.
        stated: String,
        /// The org that the credential leads to.
        found: Org,
    },
}

impl From<IdentifyError> for NotDone {
    fn from(error: IdentifyError) -> Self {
        let error = match error {
            IdentifyError::Client(error) => error,
            IdentifyError::Contradicted { stated, found } => {
                let (expected, found) = (format!("org {stated}"), format!("org {found}"));
                return Self::OtherOrg { expected, found };
            }
        };
        let no_answer = |response| Self::Unreachable(Failure::Response(response));
        let rate_limited = |cause| Self::RateLimited { retry_after: None, cause };
        match error {
            ClientError::Token(TokenError::Rejected(error)) if !error.is_rate_limited() => {
                Self::Auth(AuthFailure::Rejected(error))
            }
            ClientError::Token(error @ TokenError::Rejected(_)) => {
                rate_limited(Failure::Token(error))
            }
            ClientError::Token(TokenError::OtherOrigin(api)) => Self::Origin(api),
            ClientError::Token(error @ (TokenError::NotRenewable | TokenError::Local(_))) => {
                Self::Auth(AuthFailure::Unavailable(error.to_string()))
            }
            ClientError::Token(error) => Self::Unreachable(Failure::Token(error)),
            ClientError::NotSent(why) => Self::Unreachable(Failure::NotSent(why)),
            ClientError::NoResponse(why) => Self::Unreachable(Failure::NoResponse(why)),
            ClientError::Api(error) if error.is_token_rejected() => {
                Self::Auth(AuthFailure::TokenRejected(ResponseError::Api(error)))
            }
            ClientError::Api(error) if error.is_rate_limited() => {
                rate_limited(Failure::Response(ResponseError::Api(error)))
            }
            ClientError::Api(error) => no_answer(ResponseError::Api(error)),
            ClientError::Unreadable(page) => no_answer(ResponseError::Unreadable(page)),
        }
    }
}

impl SafeClient {
    /// Returns which org the client's credential leads to: asked once, and found in the ledger by later
    /// processes.
    ///
    /// # Errors
    /// [`IdentifyError`] if that can't be determined. Nothing is sent for the operation then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let org = portals.identify().await?;
    /// assert_eq!(org.org().map(|org| org.id.clone()), Some(server.org_id().await?.to_string()));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn identify(&self) -> Result<OrgIdentity, IdentifyError> {
        self.known.get_or_try_init(|| self.determine()).await.cloned()
    }

    /// The org that is not known yet. The response to a token request may have corrected the host.
    pub(super) fn unknown_org(&self) -> OrgIdentity {
        let url = self.client.api_url();
        let url = self.origin.as_deref().or(url.as_ref().map(BaseUrl::as_str));
        OrgIdentity::new(url.unwrap_or_default(), self.client.fingerprint())
    }

    async fn determine(&self) -> Result<OrgIdentity, IdentifyError> {
        let client = &self.client;
        if client.api_url().is_none() {
            // The origin is part of an identity, and the response to a token request names it.
            retried(client, TRIES, || async { Ok(client.authenticate().await?) }).await?;
        }
        let stated = self.stated.as_ref();
        let earlier = self.earlier().await;
        if let Some(org) = &earlier
            && stated.is_none_or(|stated| stated.id == org.id)
        {
            return Ok(self.unknown_org().with_org(earlier));
        }
        // A stated id needs no response, but one may contradict it.
        let tries = if stated.is_some() { 1 } else { TRIES };
        let found = match client.call_retrying(&GetOrg, tries).await {
            Ok(found) => Some(found),
            Err(error) if is_refusal(&error) || stated.is_some() => None,
            Err(error) => return Err(error.into()),
        };
        match (found.or(earlier), stated) {
            (Some(found), Some(stated)) if found.id != stated.id => {
                Err(IdentifyError::Contradicted { stated: stated.id.clone(), found })
            }
            (Some(found), _) => Ok(self.unknown_org().with_org(Some(found))),
            (None, Some(stated)) => Ok(self.unknown_org().with_stated_org(stated.clone())),
            (None, None) => {
                tracing::warn!(
                    "this token may not read its org, which counts as any org that is not known \
                     either: state its id, or add the scope {}",
                    portal_model::Scope::ORG_READ
                );
                Ok(self.unknown_org())
            }
        }
    }

    /// The org that the service told an earlier entry of the credential; one that was stated is stated
    /// anew by each run. An org on this machine is a new one after every restart of its server, with the
    /// same credentials.
    async fn earlier(&self) -> Option<Org> {
        if self.client.api_url().is_none_or(|url| url.is_this_machine()) {
            return None;
        }
        // Should the ledger fail, so will the claim, and say why.
        self.ledger.org_of(&self.unknown_org()).await.ok().flatten()
    }
}

/// Whether the service itself does not let this token read its org.
fn is_refusal(error: &ClientError) -> bool {
    error.api().is_some_and(|error| {
        matches!(
            (error.http_status, &error.code),
            (401, ErrorCode::OauthScopeMismatch) | (403, ErrorCode::NoPermission)
        )
    })
}
