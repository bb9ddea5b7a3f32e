//! [`FaultInjector`]: which requests get which faults.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use portal_model::oauth::TOKEN_PATH;

use super::fault::{Action, FaultResponse, FaultSpec, Matches, Point};

/// The faults of a server, each with the number of requests that it has matched.
#[derive(Debug, Default)]
pub(super) struct FaultInjector(Vec<(FaultSpec, AtomicU64)>);

impl FromIterator<FaultSpec> for FaultInjector {
    fn from_iter<I: IntoIterator<Item = FaultSpec>>(specs: I) -> Self {
        Self(specs.into_iter().map(|spec| (spec, AtomicU64::new(0))).collect())
    }
}

/// The faults injected at one point of a request, combined.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Injected {
    delay: Duration,
    pub(super) expire: bool,
    pub(super) response: Option<FaultResponse>,
}

impl Injected {
    pub(super) async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

impl FaultInjector {
    /// Counts a request that has reached `point` and combines the faults to inject.
    pub(super) fn check(&self, point: Point, method: &Method, path: &str) -> Injected {
        let mut injected = Injected::default();
        for (spec, seen) in &self.0 {
            if spec.point != point || !spec.matches.include(method, path) {
                continue;
            }
            let count = seen.fetch_add(1, Ordering::Relaxed) + 1;
            if !is_hit(count, spec.share) {
                continue;
            }
            match spec.action {
                Action::Delay(duration) => {
                    injected.delay = injected.delay.saturating_add(duration);
                }
                Action::Expire => injected.expire = true,
                Action::Respond(response) => {
                    injected.response = injected.response.or(Some(response));
                }
            }
        }
        injected
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
}
