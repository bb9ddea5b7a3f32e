//! Which calls are hit, and by what.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use portal_model::oauth::TOKEN_PATH;

use super::{Action, Calls, Ending, FaultSpec, Point};

/// The faults of a server, each with the number of calls that it has matched.
#[derive(Debug, Default)]
pub(in crate::server) struct Faults(Vec<(FaultSpec, AtomicU64)>);

impl FromIterator<FaultSpec> for Faults {
    fn from_iter<I: IntoIterator<Item = FaultSpec>>(specs: I) -> Self {
        Self(specs.into_iter().map(|spec| (spec, AtomicU64::new(0))).collect())
    }
}

/// What the faults at one point of a call add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Strike {
    delay: Duration,
    pub(in crate::server) expire: bool,
    pub(in crate::server) ending: Option<Ending>,
}

impl Strike {
    pub(in crate::server) async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

impl Faults {
    /// Counts a call that has come to `point` and says what hits it.
    pub(in crate::server) fn strike(&self, point: Point, method: &Method, path: &str) -> Strike {
        let mut strike = Strike::default();
        for (spec, seen) in &self.0 {
            if spec.point != point || !spec.calls.include(method, path) {
                continue;
            }
            let count = seen.fetch_add(1, Ordering::Relaxed) + 1;
            if !is_hit(count, spec.share) {
                continue;
            }
            match spec.action {
                Action::Delay(duration) => strike.delay += duration,
                Action::Expire => strike.expire = true,
                Action::End(ending) => strike.ending = strike.ending.or(Some(ending)),
            }
        }
        strike
    }
}

impl Calls {
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

/// Whether the `count`th call, from 1, is among the evenly spread `share`: the last of every M
/// is, and the others stand as far apart as they can.
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
        fn of_every_m_calls_n_are_hit(share in (1..50_u32).prop_flat_map(|of| (1..=of, Just(of)))) {
            let (hit, of) = share;
            for start in [0, 1, u64::from(of) * 7 + 3] {
                let window = start + 1..=start + u64::from(of);
                let hits = window.filter(|&count| is_hit(count, share)).count();
                prop_assert_eq!(hits, hit as usize);
            }
        }
    }

    #[test]
    fn every_second_call_means_the_second_and_the_fourth() {
        let hits: Vec<_> = (1..=6).filter(|&count| is_hit(count, (1, 2))).collect();
        assert_eq!(hits, [2, 4, 6]);
    }

    #[test]
    fn a_method_means_calls_under_crm_and_token_means_the_token_endpoint() {
        let hits = |spec: &str, method: Method, path: &str| {
            let faults = Faults::from_iter([spec.parse().unwrap()]);
            faults.strike(Point::Request, &method, path) != Strike::default()
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
    fn delays_add_up_and_the_first_ending_decides() {
        let specs = ["request:delay=1s", "request:500", "request:delay=500ms", "request:drop"];
        let faults: Faults = specs.iter().map(|spec| spec.parse().unwrap()).collect();
        let strike = faults.strike(Point::Request, &Method::GET, "/crm/v7/org");
        assert_eq!(strike.delay, Duration::from_millis(1500));
        assert_eq!(strike.ending, Some(Ending::Fail));
    }
}
