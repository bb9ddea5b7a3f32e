//! [`FaultInjector`]: which requests get which faults.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Method;
use portal_model::oauth::TOKEN_PATH;

use super::fault::{Action, FaultResponse, FaultSpec, Matches, Point};
use super::past_lists::PastLists;
use super::route::{Operation, Route};

/// The faults of a server, which can be changed while it runs.
#[derive(Debug, Default)]
pub(super) struct FaultInjector {
    armed: RwLock<Vec<Armed>>,
}

/// One fault in force.
#[derive(Debug)]
struct Armed {
    spec: FaultSpec,
    /// How many requests it has matched.
    matched: AtomicU64,
    /// What a stale list shows.
    past: Option<Arc<PastLists>>,
}

/// The faults injected at one point of a request, combined.
#[derive(Debug, Default)]
pub(super) struct Injected {
    delay: Duration,
    pub(super) expire: bool,
    /// What a list shows, if it is stale.
    pub(super) past: Option<Arc<PastLists>>,
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

    fn add(&mut self, fault: &Armed) {
        match fault.spec.action {
            Action::Delay(duration) => self.delay = self.delay.saturating_add(duration),
            Action::Expire => self.expire = true,
            Action::Stale(_) => {
                let both = self.past.take().into_iter().chain(fault.past.clone());
                self.past = both.max_by_key(|past| past.age());
            }
            Action::Respond(response) => self.response = self.response.or(Some(response)),
        }
        self.faults.push(fault.spec.clone());
    }
}

impl FaultInjector {
    /// Counts a request that has reached `point` and combines the faults to inject.
    pub(super) fn check(&self, point: Point, method: &Method, path: &str) -> Injected {
        let mut injected = Injected::default();
        let mut is_spent = false;
        for fault in self.armed.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if !fault.spec.includes(point, method, path) {
                continue;
            }
            let count = fault.matched.fetch_add(1, Ordering::Relaxed) + 1;
            is_spent |= fault.spec.is_once();
            if fault.spec.which.includes(count) {
                injected.add(fault);
            }
        }
        if is_spent {
            // It removes what is spent.
            self.update(|_| ());
        }
        injected
    }

    /// The faults in force.
    pub(super) fn specs(&self) -> Vec<FaultSpec> {
        specs(&self.armed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The past of every stale list in force.
    pub(super) fn past_lists(&self) -> Vec<Arc<PastLists>> {
        let armed = self.armed.read().unwrap_or_else(PoisonError::into_inner);
        armed.iter().filter_map(|fault| fault.past.clone()).collect()
    }

    /// Changes the faults in force. Those that stay keep their count and their past.
    pub(super) fn update<T>(&self, update: impl FnOnce(&mut Vec<FaultSpec>) -> T) -> T {
        let mut armed = self.armed.write().unwrap_or_else(PoisonError::into_inner);
        armed.retain(|fault| !fault.is_spent());
        let mut in_force = specs(&armed);
        let result = update(&mut in_force);
        let mut old = mem::take(&mut *armed);
        for spec in in_force {
            let kept = old.iter().position(|fault| fault.spec == spec);
            armed.push(kept.map_or_else(|| Armed::new(spec), |at| old.swap_remove(at)));
        }
        result
    }
}

fn specs(armed: &[Armed]) -> Vec<FaultSpec> {
    armed.iter().map(|fault| fault.spec.clone()).collect()
}

impl Armed {
    fn new(spec: FaultSpec) -> Self {
        let past = match spec.action {
            Action::Stale(age) => Some(Arc::new(PastLists::new(age))),
            Action::Delay(_) | Action::Expire | Action::Respond(_) => None,
        };
        Self { spec, matched: AtomicU64::new(0), past }
    }

    /// Whether it was injected into the only request that it is for.
    fn is_spent(&self) -> bool {
        self.spec.is_once() && self.matched.load(Ordering::Relaxed) > 0
    }
}

impl FaultSpec {
    fn includes(&self, point: Point, method: &Method, path: &str) -> bool {
        let is_token = path == TOKEN_PATH;
        let is_crm = path.starts_with("/crm/");
        let includes_request = match &self.matches {
            Matches::All => is_token || is_crm,
            Matches::Crm(wanted) => is_crm && method == wanted,
            Matches::Token => is_token,
        };
        // Other requests neither are stale nor count.
        let includes_operation = match self.action {
            Action::Stale(_) => {
                matches!(Route::of(method, path), Ok(Route::Crm(_, Operation::List)))
            }
            Action::Delay(_) | Action::Expire | Action::Respond(_) => true,
        };
        self.point == point && includes_request && includes_operation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injector<'a>(specs: impl IntoIterator<Item = &'a str>) -> FaultInjector {
        let injector = FaultInjector::default();
        let specs = specs.into_iter().map(|spec| spec.parse().unwrap());
        injector.update(|in_force| in_force.extend(specs));
        injector
    }

    #[test]
    fn method_matches_crm_and_token_matches_endpoint() {
        let hits = |spec: &str, method: Method, path: &str| {
            let faults = injector([spec]);
            !faults.check(Point::Request, &method, path).faults.is_empty()
        };
        assert!(hits("POST request:drop", Method::POST, "/crm/v7/settings/portals"));
        assert!(!hits("POST request:drop", Method::GET, "/crm/v7/settings/portals"));
        assert!(!hits("POST request:drop", Method::POST, "/oauth/v2/token"));
        assert!(hits("TOKEN request:drop", Method::POST, "/oauth/v2/token"));
        assert!(!hits("TOKEN request:drop", Method::POST, "/oauth/v2/token/revoke"));
        assert!(hits("request:drop", Method::POST, "/oauth/v2/token"));
        assert!(!hits("committed:drop", Method::POST, "/oauth/v2/token"));
        assert!(hits("request:stale=5s", Method::GET, "/crm/v7/settings/portals"));
        assert!(!hits("request:stale=5s", Method::GET, "/crm/v7/settings/portals/AcmePortal"));
        assert!(!hits("request:stale=5s", Method::POST, "/crm/v7/settings/portals"));
    }

    #[test]
    fn delays_add_up_and_first_response_decides() {
        let specs = ["request:delay=1s", "request:500", "request:delay=500ms", "request:drop"];
        let faults = injector(specs);
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
        let fault: FaultSpec = "POST request:drop:1/9".parse().unwrap();
        faults.update(|in_force| in_force.push(fault.once()));
        assert_eq!(faults.check(Point::Request, &Method::GET, "/crm/v7/org").faults, []);
        assert_eq!([check(), check()], [1, 0]);
        assert_eq!(faults.specs(), []);
    }

    #[test]
    fn replaced_faults_keep_their_count_if_they_stay() {
        let faults = injector(["request:500:1/2"]);
        let check = || !faults.check(Point::Request, &Method::GET, "/crm/v7/org").faults.is_empty();
        assert!(!check());
        faults.update(|in_force| in_force.insert(0, "TOKEN request:429".parse().unwrap()));
        assert!(check());
        faults.update(Vec::clear);
        assert!(!check() && !check());
    }

    #[test]
    fn fault_for_one_request_is_another_than_same_in_force() {
        let spec: FaultSpec = "request:500".parse().unwrap();
        let faults = injector(["request:500"]);
        faults.update(|in_force| in_force.push(spec.clone().once()));
        faults.update(|in_force| in_force.retain(|fault| *fault != spec));
        assert_eq!(faults.specs(), [spec.once()]);
        faults.check(Point::Request, &Method::GET, "/crm/v7/org");
        assert_eq!(faults.specs(), []);
    }
}
