//! What was found for the access tokens of the last second, at most.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::org::Principal;
use crate::token::Hashed;

/// A cache that is emptied when the second changes, so that a revocation by another process is
/// never missed for longer; one by this process empties it at once.
#[derive(Default)]
pub(crate) struct Principals(Mutex<Found>);

#[derive(Default)]
struct Found {
    second: i64,
    /// How often it was emptied for a revocation.
    epoch: u64,
    principals: HashMap<Hashed, Principal>,
}

/// When a look-up began: what it finds is kept only if nothing was revoked meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Epoch(u64);

impl Principals {
    pub(crate) fn get(&self, access_token: &Hashed, now: i64) -> Result<Principal, Epoch> {
        let mut found = self.lock();
        if found.second != now {
            found.second = now;
            found.principals.clear();
        }
        found.principals.get(access_token).cloned().ok_or(Epoch(found.epoch))
    }

    pub(crate) fn keep(&self, access_token: Hashed, principal: &Principal, now: i64, since: Epoch) {
        let mut found = self.lock();
        if found.second == now && found.epoch == since.0 {
            found.principals.insert(access_token, principal.clone());
        }
    }

    pub(crate) fn forget(&self) {
        let mut found = self.lock();
        found.epoch += 1;
        found.principals.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
