//! [`SafeClient`]: creates and renames over a ledger.

mod call;
mod host;
mod identity;
mod in_flight;
mod operations;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use portal_ledger::{About, Ended, Entry, EntryId, Filter, Ledger, Wanted};
use portal_model::error::with_sources;
use portal_model::identity::SameOrg;
use portal_model::{CreateOperation, Org, OrgIdentity, PortalName, RenameOperation};

pub use self::call::{Call, PreviewError};
pub use self::identity::IdentifyError;
use self::identity::Identity;
pub use self::in_flight::InFlight;
use self::in_flight::Work;
use self::operations::Operations;
use super::handle::Client;

/// Creates and renames portals of one org so that a crash, at any moment, makes no second portal: what
/// is attempted is in the ledger before it leaves, and the next claim of the same operation goes on
/// from there.
///
/// All runs about one org share one ledger. Cloning is cheap; clones share the client, the ledger, the
/// identity of the org, and what [`shutdown`](Self::shutdown) ends.
#[derive(Clone)]
pub struct SafeClient {
    client: Client,
    ledger: Ledger,
    label: Option<String>,
    about: About,
    distinct_from: Arc<BTreeSet<String>>,
    identity: Arc<Identity>,
    operations: Arc<Operations>,
}

impl SafeClient {
    /// Makes the calls of `client` safe with `ledger`. Nothing is sent or read yet: the org is
    /// identified on first use.
    pub fn new(client: Client, ledger: Ledger) -> Self {
        Self {
            client,
            ledger,
            label: None,
            about: About::default(),
            distinct_from: Arc::default(),
            identity: Arc::default(),
            operations: Arc::default(),
        }
    }

    /// States the id of the org, for a token that may not read it. If the service names another one,
    /// every call ends with nothing sent.
    pub fn with_org_id(self, id: impl Into<String>) -> Self {
        self.with_org(Org::new(id))
    }

    /// The same, with the name of the org for people.
    pub fn with_org(self, org: Org) -> Self {
        Self { identity: Arc::new(self.identity.with_org(org)), ..self }
    }

    /// Names the API in the ledger where its address is another one each time, such as that of a test
    /// server on a free port. Otherwise each address is an API of its own.
    pub fn with_origin(self, origin: impl Into<String>) -> Self {
        Self { identity: Arc::new(self.identity.with_origin(origin.into())), ..self }
    }

    /// States that the credentials with these [fingerprints](OrgIdentity::fingerprint) lead to other orgs
    /// than this client's. Without that, orgs whose ids no token may read take turns, since they may be
    /// one. Its own fingerprint does no harm.
    pub fn with_distinct_orgs(self, fingerprints: Arc<BTreeSet<String>>) -> Self {
        Self { distinct_from: fingerprints, ..self }
    }

    /// Sets the caller's word for where the client's credentials are, such as a tenant. It is in every
    /// entry; a name that it created, or left in doubt, in one org is not created in another.
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Sets what entries say of the program and its user, for people.
    pub fn with_about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// Creates a portal. Nothing happens until the [`Call`] is awaited or started.
    pub fn create(&self, name: PortalName) -> Call {
        Call::new(self.clone(), CreateOperation::new(name).into())
    }

    /// Renames a portal. Nothing happens until the [`Call`] is awaited or started.
    ///
    /// Links to the portal change with its name, and anyone can take the old name at once.
    pub fn rename(&self, old: impl Into<String>, new: PortalName) -> Call {
        Call::new(self.clone(), RenameOperation::new(old, new).into())
    }

    /// Determines what came of every operation of this org that the ledger has as unfinished, oldest
    /// first. Sends nothing but lists.
    ///
    /// Spawn it at the start of a service; an operation that is called again meanwhile waits for it.
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
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn recover_entry(&self, entry: &EntryId) -> InFlight {
        self.recover_named(entry.clone(), entry.to_string())
    }

    fn recover_named(&self, entry: EntryId, name: String) -> InFlight {
        let (wanted, policy) = (Wanted::Recover(entry), self.client.policy().clone());
        in_flight::start(self.clone(), Work { wanted, policy, key: None, name })
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
    pub async fn shutdown(&self, grace: Duration) -> Vec<Entry> {
        let mut entries = Vec::new();
        for id in self.operations.shutdown(grace).await {
            match self.ledger.entry(&id).await {
                Ok(entry) => entries.extend(entry),
                Err(error) => tracing::warn!(%id, error = with_sources(&error), "in doubt"),
            }
        }
        entries
    }

    /// Returns which org the client's credential leads to: asked once, and found in the ledger by later
    /// processes.
    ///
    /// # Errors
    /// [`IdentifyError`] if that can't be determined. Nothing is sent for the operation then.
    pub async fn identify(&self) -> Result<OrgIdentity, IdentifyError> {
        self.identity.of(&self.client, &self.ledger).await
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for SafeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SafeClient")
            .field("client", &self.client)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}
