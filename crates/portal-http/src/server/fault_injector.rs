//! [`FaultInjector`]: which requests get which faults.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::Method;
use portal_model::oauth::TOKEN_PATH;

use super::fault::{Action, FaultResponse, FaultSpec, Matches, Point};

/// The faults of a server, which can be changed while it runs.
#[derive(Debug, Default)]
pub(super) struct FaultInjector {
    armed: RwLock<Vec<Armed>>,
    /// Spares a server without faults the lock.
    is_armed: AtomicBool,
}

/// One fault in force.
#[derive(Debug)]
struct Armed {
    spec: FaultSpec,
    /// How many requests it has matched.
    matched: AtomicU64,
    /// Injected into the next request that it matches only.
    once: bool,
}

impl FromIterator<FaultSpec> for FaultInjector {
    fn from_iter<I: IntoIterator<Item = FaultSpec>>(specs: I) -> Self {
        let injector = Self::default();
        injector.replace(specs.into_iter().collect());
        injector
    }
}

/// The faults injected at one point of a request, combined.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Injected {
    delay: Duration,
    pub(super) expire: bool,
    pub(super) response: Option<FaultResponse>,
    /// What was injected, for the access log.
    pub(super) faults: Vec<FaultSpec>,
}

impl Injected {
    pub(super) async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }

    fn add(&mut self, spec: &FaultSpec) {
        match spec.action {
            Action::Delay(duration) => self.delay = self.delay.saturating_add(duration),
            Action::Expire => self.expire = true,
            Action::Respond(response) => self.response = self.response.or(Some(response)),
        }
        self.faults.push(spec.clone());
    }
}

impl FaultInjector {
    /// Counts a request that has reached `point` and combines the faults to inject.
    pub(super) fn check(&self, point: Point, method: &Method, path: &str) -> Injected {
        let mut injected = Injected::default();
        if !self.is_armed.load(Ordering::Acquire) {
            return injected;
        }
        let mut is_spent = false;
        for fault in self.armed.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let spec = &fault.spec;
            if spec.point != point || !spec.matches.include(method, path) {
                continue;
            }
            let count = fault.matched.fetch_add(1, Ordering::Relaxed) + 1;
            is_spent |= fault.once;
            if if fault.once { count == 1 } else { is_hit(count, spec.share) } {
                injected.add(spec);
            }
        }
        if is_spent {
            self.change(|armed| armed.retain(|fault| !fault.is_spent()));
        }
        injected
    }

    /// The faults in force: those for one request only, or the others.
    pub(super) fn specs(&self, once: bool) -> Vec<FaultSpec> {
        let armed = self.armed.read().unwrap_or_else(PoisonError::into_inner);
        armed.iter().filter(|fault| fault.once == once).map(|fault| fault.spec.clone()).collect()
    }

    /// Replaces all faults. Those that stay keep their count.
    pub(super) fn replace(&self, specs: Vec<FaultSpec>) {
        self.update(|in_force, once| {
            *in_force = specs;
            once.clear();
        });
    }

    /// Adds a fault for the next request that it matches.
    pub(super) fn add_once(&self, spec: FaultSpec) {
        self.change(|armed| armed.push(Armed::new(spec, true)));
    }

    /// Changes the faults in force and those for one request. Those that stay keep their count.
    pub(super) fn update<T>(
        &self,
        update: impl FnOnce(&mut Vec<FaultSpec>, &mut Vec<FaultSpec>) -> T,
    ) -> T {
        self.change(|armed| {
            let specs = |wanted: bool| {
                // One that a request has matched at this moment is about to be removed.
                let all = armed.iter().filter(|fault| fault.once == wanted && !fault.is_spent());
                all.map(|fault| fault.spec.clone()).collect::<Vec<_>>()
            };
            let (mut in_force, mut once) = (specs(false), specs(true));
            let result = update(&mut in_force, &mut once);
            let mut old = mem::take(armed);
            old.retain(|fault| !fault.is_spent());
            let new = in_force.into_iter().map(|spec| (spec, false));
            for (spec, once) in new.chain(once.into_iter().map(|spec| (spec, true))) {
                let kept = old.iter().position(|fault| fault.once == once && fault.spec == spec);
                armed.push(kept.map_or_else(|| Armed::new(spec, once), |at| old.swap_remove(at)));
            }
            result
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Armed>) -> T) -> T {
        let mut armed = self.armed.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut armed);
        self.is_armed.store(!armed.is_empty(), Ordering::Release);
        result
    }
}

impl Armed {
    const fn new(spec: FaultSpec, once: bool) -> Self {
        Self { spec, matched: AtomicU64::new(0), once }
    }

    /// Whether it was injected into the only request that it is for.
    fn is_spent(&self) -> bool {
        self.once && self.matched.load(Ordering::Relaxed) > 0
    }
}

impl Matches {
    fn include(&self, method: &Method, path: &str) -> bool {
        let is_token = path == TOKEN_PATH;
        let is_crm = path.starts_with("/crm/");
        match self {
            Self::All => is_token || is_crm,
            Self::Crm(wanted) => is_crm && method == wanted,
            Self::Token => is_token,
        }
    }
}

/// Whether the `count`th request, from 1, is in the evenly spread `share`: the last of every M is,
/// and the others are as far apart as possible.
fn is_hit(count: u64, (hit, of): (u32, u32)) -> bool {
    let (hit, of) = (u64::from(hit), u64::from(of));
    (count % of) * hit % of < hit
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn n_of_every_m_requests_are_hit(share in (1..50_u32).prop_flat_map(|of| (1..=of, Just(of)))) {
            let (hit, of) = share;
            for start in [0, 1, u64::from(of) * 7 + 3] {
                let window = start + 1..=start + u64::from(of);
                let hits = window.filter(|&count| is_hit(count, share)).count();
                prop_assert_eq!(hits, hit as usize);
            }
        }
    }

    #[test]
    fn one_of_two_hits_second_and_fourth() {
        let hits: Vec<_> = (1..=6).filter(|&count| is_hit(count, (1, 2))).collect();
        assert_eq!(hits, [2, 4, 6]);
    }

    #[test]
    fn method_matches_crm_and_token_matches_endpoint() {
        let hits = |spec: &str, method: Method, path: &str| {
            let faults = FaultInjector::from_iter([spec.parse().unwrap()]);
            faults.check(Point::Request, &method, path) != Injected::default()
        };
        assert!(hits("POST request:drop", Method::POST, "/crm/v7/settings/portals"));
        assert!(!hits("POST request:drop", Method::GET, "/crm/v7/settings/portals"));
        assert!(!hits("POST request:drop", Method::POST, "/oauth/v2/token"));
        assert!(hits("TOKEN request:drop", Method::POST, "/oauth/v2/token"));
        assert!(!hits("TOKEN request:drop", Method::POST, "/oauth/v2/token/revoke"));
        assert!(hits("request:drop", Method::POST, "/oauth/v2/token"));
        assert!(!hits("committed:drop", Method::POST, "/oauth/v2/token"));
    }

    #[test]
    fn delays_add_up_and_first_response_decides() {
        let specs = ["request:delay=1s", "request:500", "request:delay=500ms", "request:drop"];
        let faults: FaultInjector = specs.iter().map(|spec| spec.parse().unwrap()).collect();
        let injected = faults.check(Point::Request, &Method::GET, "/crm/v7/org");
        assert_eq!(injected.delay, Duration::from_millis(1500));
        assert_eq!(injected.response, Some(FaultResponse::Fail));
    }

    #[test]
    fn fault_for_one_request_is_injected_once() {
        let faults = FaultInjector::default();
        let check = || {
            let injected = faults.check(Point::Request, &Method::POST, "/crm/v7/settings/portals");
            injected.faults.len()
        };
        faults.add_once("POST request:drop:1/9".parse().unwrap());
        assert_eq!(faults.specs(false), []);
        assert_eq!(faults.check(Point::Request, &Method::GET, "/crm/v7/org").faults, []);
        assert_eq!([check(), check()], [1, 0]);
        assert!(!faults.is_armed.load(Ordering::Relaxed));
    }

    #[test]
    fn replaced_faults_keep_their_count_if_they_stay() {
        let every_second: FaultSpec = "request:500:1/2".parse().unwrap();
        let faults = FaultInjector::from_iter([every_second.clone()]);
        let check = || !faults.check(Point::Request, &Method::GET, "/crm/v7/org").faults.is_empty();
        assert!(!check());
        faults.replace(vec!["TOKEN request:429".parse().unwrap(), every_second]);
        assert!(check());
        faults.replace(Vec::new());
        assert!(!check() && !check());
    }

    #[test]
    fn updated_faults_are_of_their_kind() {
        let spec: FaultSpec = "request:500".parse().unwrap();
        let faults = FaultInjector::from_iter([spec.clone()]);
        faults.add_once(spec.clone());
        let removed = faults.update(|in_force, once| {
            in_force.clear();
            once.len()
        });
        assert_eq!(removed, 1);
        assert_eq!((faults.specs(false), faults.specs(true)), (vec![], vec![spec]));
        faults.check(Point::Request, &Method::GET, "/crm/v7/org");
        assert_eq!(faults.update(|_, once| once.len()), 0);
    }
}
