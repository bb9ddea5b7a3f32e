//! Which org a credential leads to (rule 10).

use portal_ledger::Ledger;
use portal_model::{Org, OrgIdentity};

use crate::client::error::ClientError;
use crate::client::handle::Client;

/// What is known of the org.
#[derive(Debug, Default)]
pub(super) struct Identity {
    stated: Option<String>,
}

/// Why it is not known which org a credential leads to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifyError {
    /// The service was not reached, or sent no valid response.
    #[error("cannot determine which org this is")]
    Client(#[from] ClientError),
    /// The service, or the ledger, names another org than the one stated.
    #[error("the credential leads to org {}, not to {stated}", found.id)]
    Contradicted {
        /// The id that was stated.
        stated: String,
        /// The org that the credential leads to.
        found: Org,
    },
}

impl Identity {
    pub(super) fn stated(id: String) -> Self {
        Self { stated: Some(id) }
    }

    pub(super) async fn of(
        &self,
        client: &Client,
        _: &Ledger,
    ) -> Result<OrgIdentity, IdentifyError> {
        client.authenticate().await.map_err(ClientError::from)?;
        let url = client.api_url();
        let identity = OrgIdentity::new(url.as_ref().map_or("", |url| url.as_str()), "");
        Ok(identity.with_org(self.stated.as_ref().map(Org::new)))
    }
}
