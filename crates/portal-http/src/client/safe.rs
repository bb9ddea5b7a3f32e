//! [`SafeClient`]: creates and renames over a ledger.
//!
//! # Order of the modules
//!
//! | module | what it holds |
//! |---|---|
//! | `in_flight` | [`InFlight`]: the task of an operation |
//! | `call` | [`Call`]: an operation before it starts |
//! | `host` | what `run` needs of a client |
//! | `identity` | which org it is |
//! | `client` | what a [`SafeClient`] is made of |
//! | `operations` | what is running, and how it is ended |

mod call;
mod client;
mod host;
mod identity;
mod in_flight;
mod operations;

use std::future::Future;
use std::time::Duration;

use portal_ledger::{Ended, Entry, EntryId, Filter, LedgerError, Wanted};
use portal_model::error::with_sources;
use portal_model::identity::SameOrg;
use portal_model::{CreateOperation, Operation, OrgIdentity, PortalName, RenameOperation};
use tokio::time::timeout;

pub use self::call::{Call, ReadError};
pub use self::client::SafeClient;
pub use self::identity::IdentifyError;
pub use self::in_flight::InFlight;

impl SafeClient {
    /// Creates a portal. Nothing happens until the [`Call`] is awaited or started.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let outcome = portals.create("AcmePortal".parse()?).await;
    /// assert!(outcome.is_ours(), "{outcome}");
    /// assert_eq!(server.portals().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(&self, name: PortalName) -> Call {
        self.perform(CreateOperation::new(name))
    }

    /// Renames a portal. Nothing happens until the [`Call`] is awaited or started.
    ///
    /// Links to the portal change with its name, and anyone can take the old name at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// portals.create("AcmePortal".parse()?).await;
    /// let outcome = portals.rename("AcmePortal", "AcmeHelp".parse()?).await;
    /// assert_eq!(outcome.to_string(), "AcmePortal was renamed to AcmeHelp");
    /// # Ok(())
    /// # }
    /// ```
    pub fn rename(&self, old: impl Into<String>, new: PortalName) -> Call {
        self.perform(RenameOperation::new(old, new))
    }

    /// Creates or renames a portal, as the operation says. Nothing happens until the [`Call`] is awaited
    /// or started.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use portal_http::model::CreateOperation;
    ///
    /// let create = CreateOperation::new("AcmePortal".parse()?);
    /// let create = create.with_fallbacks(vec!["AcmeHelp".parse()?]);
    /// assert!(portals.perform(create).await.is_ours());
    /// # Ok(())
    /// # }
    /// ```
    pub fn perform(&self, operation: impl Into<Operation>) -> Call {
        let operation = operation.into();
        let name = operation.names().next().unwrap_or_default().to_owned();
        Call::new(self.clone(), Wanted::Do(operation), name)
    }

    /// Determines what came of every operation of this org that the ledger has as unfinished, oldest
    /// first. Sends nothing but lists.
    ///
    /// Spawn it at the start of a service; an operation that is called again meanwhile waits for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// for ended in tokio::spawn(portals.recover()).await?? {
    ///     println!("{}", ended.outcome);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`], which is also logged as a warning: the operations are as they were.
    pub fn recover(&self) -> impl Future<Output = Result<Vec<Ended>, ReadError>> + Send + use<> {
        let safe = self.clone();
        async move {
            let unfinished = async {
                let org = safe.identify().await?;
                Ok(safe.unfinished(&org).await?)
            };
            let unfinished = unfinished.await.inspect_err(|error: &ReadError| {
                tracing::warn!(error = with_sources(error), "cannot recover");
            })?;
            let calls: Vec<_> = unfinished
                .iter()
                .rev()
                .map(|entry| safe.recover_named(entry.id.clone(), entry.name().to_owned()))
                .collect();
            let mut ended = Vec::new();
            for call in calls {
                ended.push(call.await);
            }
            Ok(ended)
        }
    }

    /// Determines what came of one entry. Sends nothing but lists.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use portal_http::ledger::Filter;
    ///
    /// portals.create("AcmePortal".parse()?).await;
    /// let entries = portals.ledger().entries(&Filter::default()).await?;
    /// let ended = portals.recover_entry(&entries[0].id).await;
    /// assert_eq!(ended.outcome.to_string(), "AcmePortal was created");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn recover_entry(&self, entry: &EntryId) -> InFlight {
        self.recover_named(entry.clone(), entry.to_string())
    }

    fn recover_named(&self, entry: EntryId, name: String) -> InFlight {
        Call::new(self.clone(), Wanted::Recover(entry), name).start()
    }

    /// The unfinished entries of `org`, newest first.
    async fn unfinished(&self, org: &OrgIdentity) -> Result<Vec<Entry>, LedgerError> {
        let mut filter = Filter::default();
        // Not known before there was a token.
        filter.origin = Some(org.origin().to_owned()).filter(|origin| !origin.is_empty());
        filter.is_unfinished = true;
        let limit = self.client.policy().record_timeout;
        let late = |_| Err(LedgerError::NotApplied(format!("no response within {limit:?}")));
        let mut entries =
            timeout(limit, self.ledger.entries(&filter)).await.unwrap_or_else(late)?;
        entries.retain(|entry| match org.origin() {
            "" => entry.org.fingerprint() == org.fingerprint(),
            _ => entry.org.compare(org) == SameOrg::Yes,
        });
        Ok(entries)
    }

    /// Ends the calls of this client and its clones: nothing new starts, what has nothing in doubt is
    /// stopped, and the rest has `grace` to be determined. Returns the entries of the org that are in
    /// doubt then, newest first, whenever and by whatever process they were begun: those that
    /// [`recover`](Self::recover) determines in the next process.
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
    /// for entry in portals.shutdown(Duration::from_secs(20)).await? {
    ///     println!("it is not known what came of {}", entry.name());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`LedgerError`] if the entries can't be read. The calls have ended all the same.
    pub async fn shutdown(&self, grace: Duration) -> Result<Vec<Entry>, LedgerError> {
        self.operations.shutdown(grace).await;
        // An org that was not identified is still that of the credential: nothing is sent to ask.
        let org = self.known.get().cloned().unwrap_or_else(|| self.unknown_org());
        let mut entries = self.unfinished(&org).await?;
        // The others have no attempt, such as what another process is about to begin.
        entries.retain(Entry::is_in_doubt);
        Ok(entries)
    }
}
