//! [`SafeClient`]: what it is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use portal_ledger::{About, Ledger};
use portal_model::{Org, OrgIdentity};
use tokio::sync::OnceCell;

use super::operations::Operations;
use crate::client::handle::Client;

/// Creates and renames portals of one org so that a crash, at any moment, makes no second portal: what
/// is attempted is in the ledger before it leaves, and the next claim of the same operation goes on
/// from there.
///
/// All runs about one org share one ledger. Cloning is cheap; clones share the client, the ledger, the
/// identity of the org, and what [`shutdown`](Self::shutdown) ends.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portal_http::client::SafeClient;
/// use portal_http::ledger::Ledger;
///
/// # let server = portal_http::server::LocalServer::start().await?;
/// # let client = server.client();
/// let portals = SafeClient::new(client, Ledger::in_memory()); // or Ledger::open(directory)?
/// let outcome = portals.create("AcmePortal".parse()?).key("sign-up 4711").await;
/// assert!(outcome.is_ours());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SafeClient {
    pub(super) client: Client,
    pub(super) ledger: Ledger,
    pub(super) label: Option<String>,
    pub(super) about: About,
    pub(super) distinct_from: Arc<BTreeSet<String>>,
    pub(super) stated: Option<Org>,
    /// Of the orgs, in place of that of the client's API.
    pub(super) origin: Option<String>,
    pub(super) known: Arc<OnceCell<OrgIdentity>>,
    pub(super) operations: Arc<Operations>,
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
            stated: None,
            origin: None,
            known: Arc::default(),
            operations: Arc::default(),
        }
    }

    /// States the id of the org, for a token that may not read it. If the service names another one,
    /// every call ends with nothing sent. A blank id, such as that of an unset variable, states nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let portals = portals.with_org_id(server.org_id().await?.to_string());
    /// assert!(portals.identify().await?.org().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_org_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        if id.trim().is_empty() { self } else { self.with_org(Org::new(id.trim())) }
    }

    /// The same, with the name of the org for people.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use portal_http::model::Org;
    ///
    /// let id = server.org_id().await?.to_string();
    /// let portals = portals.with_org(Org::new(&id).named(Some("Acme Inc.".to_owned())));
    /// assert_eq!(portals.identify().await?.org().map(|org| &org.id), Some(&id));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_org(self, org: Org) -> Self {
        Self { stated: Some(org), known: Arc::default(), ..self }
    }

    /// States that the credential leads to the org of an entry, whichever credential that had: to recover
    /// the entry with another one where no token may read the id of the org.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let began_with = portals.identify().await?; // as `Entry::org` has it
    /// let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let portals = portals.with_identity(began_with.clone());
    /// assert_eq!(portals.identify().await?.fingerprint(), began_with.fingerprint());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_identity(self, org: OrgIdentity) -> Self {
        Self { stated: None, known: Arc::new(OnceCell::from(org)), ..self }
    }

    /// Names the API in the ledger where its address is another one each time, such as that of a test
    /// server on a free port. Otherwise each address is an API of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let portals = portals.with_origin("rehearsal");
    /// assert_eq!(portals.identify().await?.origin(), "rehearsal");
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_origin(self, origin: impl Into<String>) -> Self {
        Self { origin: Some(origin.into()), known: Arc::default(), ..self }
    }

    /// States that the credentials with these [fingerprints](OrgIdentity::fingerprint) lead to other orgs
    /// than this client's. Without that, orgs whose ids no token may read take turns, since they may be
    /// one. Its own fingerprint does no harm.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use std::collections::BTreeSet;
    ///
    /// // One client for each tenant, over one ledger.
    /// let tenants = [portals];
    /// let mut all = BTreeSet::new();
    /// for tenant in &tenants {
    ///     all.insert(tenant.identify().await?.fingerprint().to_owned());
    /// }
    /// let tenants = tenants.map(|tenant| tenant.with_distinct_orgs(all.clone().into()));
    /// assert!(tenants[0].create("AcmePortal".parse()?).await.is_ours());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_distinct_orgs(self, fingerprints: Arc<BTreeSet<String>>) -> Self {
        Self { distinct_from: fingerprints, ..self }
    }

    /// Sets the caller's word for where the client's credentials are, such as a tenant. It is in every
    /// entry; a create whose first name it created, or left in doubt, in one org is not made in another.
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
    /// let portals = portals.with_label("tenant acme");
    /// portals.create("AcmePortal".parse()?).await;
    /// let entries = portals.ledger().entries(&Filter::default()).await?;
    /// assert_eq!(entries[0].label.as_deref(), Some("tenant acme"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Sets what entries say of the program and its user, for people.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use portal_http::ledger::{About, Filter};
    ///
    /// let program = Some("sign-up 2.1".to_owned());
    /// let portals = portals.with_about(About { program, ..About::default() });
    /// portals.create("AcmePortal".parse()?).await;
    /// let entries = portals.ledger().entries(&Filter::default()).await?;
    /// assert_eq!(entries[0].about.program.as_deref(), Some("sign-up 2.1"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// The ledger.
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
    /// for entry in portals.ledger().entries(&Filter::default()).await? {
    ///     println!("{} {:?}", entry.name(), entry.ending());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The client.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use portal_http::model::ListPortals;
    ///
    /// portals.create("AcmePortal".parse()?).await;
    /// let listed = portals.client().call(&ListPortals).await?;
    /// assert_eq!(listed[0].name, "AcmePortal");
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Client {
        &self.client
    }
}
