//! [`Call`]: one create or rename, with its options.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use portal_ledger::{Entry, LedgerError};
use portal_model::flow::{DeadlineTooShort, NameTaken, Policy};
use portal_model::{Operation, Outcome, Portal, PortalName};

use super::SafeClient;
use super::identity::IdentifyError;
use super::in_flight::{self, InFlight};

/// A create or a rename, with its options. Awaiting it, or [`start`](Self::start), begins.
///
/// # Cancel safety
/// The call runs in a task of its own from the first poll. Dropping the future does not stop it.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is awaited or started"]
pub struct Call {
    pub(super) safe: SafeClient,
    pub(super) operation: Operation,
    pub(super) policy: Policy,
    pub(super) key: Option<String>,
}

/// What is known of an operation, and what a list shows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preview {
    /// What the ledger has of the same operation.
    pub entry: Option<Entry>,
    /// The org's portals, unless the token may not list them or the list failed.
    pub portals: Option<Vec<Portal>>,
    /// What would come of it: [`NotDone::Preview`](portal_model::outcome::NotDone) if it would be sent.
    pub outcome: Outcome,
}

/// Why there is no preview.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The org could not be identified.
    #[error(transparent)]
    Identify(#[from] IdentifyError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Call {
    pub(super) fn new(safe: SafeClient, operation: Operation) -> Self {
        let policy = safe.client.policy().clone();
        Self { safe, operation, policy, key: None }
    }

    /// Adds a name to try if those before belong to other orgs. A rename has no other names, and
    /// ignores it.
    pub fn fallback(mut self, name: PortalName) -> Self {
        if let Operation::Create(create) = &mut self.operation {
            create.fallbacks.push(name);
        }
        self
    }

    /// Creates the portal even if the org has one of another name.
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
    /// operation, at any time and in any process: once created, that is the outcome.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the time for all of it, counted from when it is this operation's turn.
    ///
    /// # Errors
    /// [`DeadlineTooShort`], which names the least, if an attempt and its proof don't fit.
    pub fn deadline(mut self, deadline: Duration) -> Result<Self, DeadlineTooShort> {
        self.policy.deadline = deadline;
        self.policy.check()?;
        Ok(self)
    }

    /// Starts the call in a task of its own.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> InFlight {
        in_flight::start(self)
    }

    /// Looks once into the ledger and once at the org's portals, and sends nothing else: what a prompt
    /// or a dry run shows.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub async fn preview(self) -> Result<Preview, PreviewError> {
        in_flight::preview(self).await
    }
}

impl IntoFuture for Call {
    type Output = Outcome;
    type IntoFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await.outcome })
    }
}
