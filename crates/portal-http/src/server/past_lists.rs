//! [`PastLists`]: what lists showed some time ago, for a fault that makes them stale.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use portal_model::Portal;
use portal_store::{OrgId, Registry, RegistryError};
use tokio::sync::Mutex;

/// The lists of all orgs as they were a fixed time ago, as far as it was recorded.
#[derive(Debug)]
pub(super) struct PastLists {
    age: Duration,
    /// Locked while a list is read, so that two are recorded in the order in which they were read.
    orgs: Mutex<HashMap<OrgId, PastList>>,
}

/// The list of one org. A registry appends to it and renames in place, but never removes a portal.
#[derive(Debug)]
struct PastList {
    past: Vec<Portal>,
    /// What changed since, oldest first: when, and the portal at a place of the list.
    changes: VecDeque<(SystemTime, usize, Portal)>,
    present: Vec<Portal>,
}

impl PastLists {
    pub(super) fn new(age: Duration) -> Self {
        Self { age, orgs: Mutex::default() }
    }

    /// How old a list is.
    pub(super) fn age(&self) -> Duration {
        self.age
    }

    /// Records the present list of `org` and returns the past one. What is recorded first counts as
    /// the state before.
    ///
    /// # Errors
    /// [`RegistryError`] if the registry fails.
    pub(super) async fn look<R: Registry>(
        &self,
        registry: &R,
        org: OrgId,
        now: impl Fn() -> SystemTime,
    ) -> Result<Vec<Portal>, RegistryError> {
        let mut orgs = self.orgs.lock().await;
        let present = registry.portals(org).await?;
        let list = orgs.entry(org).or_insert_with(|| PastList::new(present.clone()));
        // After the read: until an effect is recorded, its request has no response.
        list.record(present, now(), self.age);
        Ok(list.past.clone())
    }
}

impl PastList {
    fn new(portals: Vec<Portal>) -> Self {
        Self { past: portals.clone(), changes: VecDeque::new(), present: portals }
    }

    fn record(&mut self, present: Vec<Portal>, now: SystemTime, age: Duration) {
        for (place, portal) in present.iter().enumerate() {
            if self.present.get(place) != Some(portal) {
                self.changes.push_back((now, place, portal.clone()));
            }
        }
        self.present = present;
        while let Some((since, ..)) = self.changes.front()
            && since.checked_add(age).is_some_and(|visible| visible <= now)
            && let Some((_, place, portal)) = self.changes.pop_front()
        {
            match self.past.get_mut(place) {
                Some(earlier) => *earlier = portal,
                None => self.past.push(portal),
            }
        }
    }
}
