//! [`Call`]: one create or rename, with its options.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portal_ledger::{ClaimRequest, EntryId, LedgerError, Preview, Wanted, preview};
use portal_model::flow::{Activity, DeadlineTooShort, NameTaken, Policy};
use portal_model::{Operation, OrgIdentity, PortalName};
use tokio::sync::watch;

use super::client::SafeClient;
use super::identity::IdentifyError;
use crate::client::token_cache::digest;

/// A create or a rename, with its options. Awaiting it, or [`start`](Self::start), begins.
///
/// # Cancel safety
/// The call runs in a task of its own from the first poll. Dropping the future does not stop it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use portal_http::client::SafeClient;
/// # use portal_http::ledger::Ledger;
/// # let server = portal_http::server::LocalServer::start().await?;
/// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
/// use portal_http::model::flow::NameTaken;
///
/// let create = portals
///     .create("AcmePortal".parse()?)
///     .fallback("AcmeHelp".parse()?)
///     .allow_another()
///     .name_taken(NameTaken::AtOnce)
///     .key("sign-up 4711");
/// assert!(create.await.is_ours());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is awaited or started"]
pub struct Call {
    pub(super) safe: SafeClient,
    pub(super) wanted: Wanted,
    pub(super) policy: Policy,
    pub(super) key: Option<String>,
    /// The name that it is about.
    pub(super) name: String,
}

/// Why the entries of the org could not be read from the ledger.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The org could not be identified.
    #[error(transparent)]
    Identify(#[from] IdentifyError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Call {
    pub(super) fn new(safe: SafeClient, wanted: Wanted, name: String) -> Self {
        let policy = safe.client.policy().clone();
        Self { safe, wanted, policy, key: None, name }
    }

    /// Adds a name to try if those before belong to other orgs. A rename has no other names, and
    /// ignores it.
    pub fn fallback(mut self, name: PortalName) -> Self {
        if let Wanted::Do(Operation::Create(create)) = &mut self.wanted {
            *create = create.clone().with_fallbacks([name]);
        }
        self
    }

    /// Creates the portal even if the org has one of another name, or, with a token that may not list its
    /// portals, whatever it has.
    pub fn allow_another(mut self) -> Self {
        self.policy.allow_another = true;
        self
    }

    /// Sets how to find out whose a taken name is.
    pub fn name_taken(mut self, name_taken: NameTaken) -> Self {
        self.policy.name_taken = name_taken;
        self
    }

    /// Sets the caller's own id of the operation, such as that of a sign-up. Calls of one key are one
    /// operation, at any time and in any process: once created, that is the outcome. It has to be unique
    /// over all orgs of the ledger. At another address of the API it is another key.
    ///
    /// An empty one, such as of a field that a form lacks, is none. One that is longer than 1,000 bytes or
    /// has a NUL, which not every ledger can keep, is kept as its hash.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        let is_kept = key.len() <= 1000 && !key.contains('\0');
        let key = if is_kept { key } else { digest(&[&key]) };
        self.key = Some(key).filter(|key| !key.is_empty());
        self
    }

    /// Sets the time for all of it, counted from when it is this operation's turn.
    ///
    /// # Errors
    /// [`DeadlineTooShort`], which names the least, if an attempt and its proof don't fit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use std::time::Duration;
    ///
    /// let create = portals.create("AcmePortal".parse()?);
    /// let error = create.clone().deadline(Duration::from_secs(1)).unwrap_err();
    /// assert!(create.deadline(error.needed)?.await.is_ours());
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Result<Self, DeadlineTooShort> {
        self.policy.deadline = deadline;
        self.policy.check()?;
        Ok(self)
    }

    /// Asks for it.
    pub(super) fn request(self, id: EntryId, org: OrgIdentity) -> ClaimRequest {
        let mut request = ClaimRequest::new(id, org, self.wanted);
        request.label = self.safe.label;
        request.key = self.key;
        request.policy = self.policy;
        request.distinct_from = self.safe.distinct_from;
        request.about = self.safe.about;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        request.about.wall_time = since_1970.ok().map(|time| time.as_secs());
        request
    }

    /// Looks once into the ledger and once at the org's portals, and sends nothing else: what a prompt
    /// or a dry run shows.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let preview = portals.create("AcmePortal".parse()?).preview().await?;
    /// assert!(preview.entry.is_none() && !preview.outcome.exists());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn preview(self) -> Result<Preview, ReadError> {
        let safe = self.safe.clone();
        let org = safe.identify().await?;
        let (activity, _) = watch::channel(Activity::Authenticating);
        let mut host = safe.host(&org, activity);
        let request = self.request(EntryId::random()?, org);
        Ok(preview(&safe.ledger, request, safe.client.version(), &mut host).await?)
    }
}
