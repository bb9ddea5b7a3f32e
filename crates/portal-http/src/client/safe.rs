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

use portal_ledger::{Ended, Entry, EntryId, Filter, Wanted};
use portal_model::error::with_sources;
use portal_model::identity::SameOrg;
use portal_model::{CreateOperation, Operation, PortalName, RenameOperation};

pub use self::call::{Call, PreviewError};
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
    /// for ended in tokio::spawn(portals.recover()).await? {
    ///     println!("{}", ended.outcome);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn recover(&self) -> impl Future<Output = Vec<Ended>> + Send + use<> {
        let safe = self.clone();
        async move {
            let entries = match safe.unfinished().await {
                Ok(entries) => entries,
                Err(error) => {
                    tracing::warn!(error = with_sources(&error), "cannot recover");
                    return Vec::new();
                }
            };
            let calls: Vec<_> = entries
                .iter()
                .rev()
                .map(|entry| safe.recover_named(entry.id.clone(), entry.name().to_owned()))
                .collect();
            let mut ended = Vec::new();
            for call in calls {
                ended.push(call.await);
            }
            ended
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

    /// The unfinished entries of this org, newest first.
    async fn unfinished(&self) -> Result<Vec<Entry>, PreviewError> {
        let org = self.identify().await?;
        let mut filter = Filter::default();
        filter.origin = Some(org.origin().to_owned());
        filter.is_unfinished = true;
        let mut entries = self.ledger.entries(&filter).await?;
        entries.retain(|entry| entry.org.compare(&org) == SameOrg::Yes);
        Ok(entries)
    }

    /// Ends the calls of this client and its clones: nothing new starts, what has nothing in doubt is
    /// stopped, and the rest has `grace` to be determined. Returns the entries that stay in doubt,
    /// which [`recover`](Self::recover) determines in the next process.
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
    /// for entry in portals.shutdown(Duration::from_secs(20)).await {
    ///     println!("it is not known what came of {}", entry.name());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> Vec<Entry> {
        let mut entries = Vec::new();
        for id in self.operations.shutdown(grace).await {
            match self.ledger.entry(&id).await {
                // A recovery that was stopped may have waited for the very operation that ended since.
                Ok(entry) => entries.extend(entry.filter(Entry::is_unfinished)),
                Err(error) => tracing::warn!(%id, error = with_sources(&error), "in doubt"),
            }
        }
        entries
    }
}
