//! One look at an org for several creates: [`Baseline`].

use std::future::Future;
use std::sync::Arc;

use portal_model::{Endpoint as _, ListPortals, Response};
use tokio::sync::OnceCell;

use super::transport::TransportError;

/// The list of an org's portals that its creates begin with, got once for all of them: see
/// [`Client::create_sharing`](super::Client::create_sharing). Clones are the same list.
///
/// It gets older than a create's own would be, which makes no outcome untrue: no portal is ever
/// deleted, and one that somebody else made in the meantime is found by the look that follows a
/// refusal or a doubt. Only who made it can't be told then: after a doubt it counts as
/// [appeared](portal_model::outcome::Origin::Appeared).
#[derive(Clone, Debug, Default)]
pub struct Baseline(Arc<OnceCell<Response>>);

impl Baseline {
    /// One that nobody has got yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The list, by `look` where there is none. Another answer than a list is not kept.
    pub(super) async fn get_or(
        &self,
        look: impl Future<Output = Result<Response, TransportError>>,
    ) -> Result<Response, TransportError> {
        let list = async {
            match look.await {
                Ok(answer) if ListPortals.decode(&answer).is_ok() => Ok(answer),
                other => Err(other),
            }
        };
        self.0.get_or_try_init(|| list).await.cloned().or_else(|other| other)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use portal_model::flow::NoAnswer;

    use super::*;

    #[tokio::test]
    async fn the_first_list_is_kept_and_nothing_else() {
        let baseline = Baseline::new();
        let throttled = Response::new(429, "{}");
        let html = Response::new(200, "<html>");
        for other in [Err(NoAnswer::TimedOut.into()), Ok(throttled), Ok(html)] {
            assert_eq!(baseline.get_or(ready(other.clone())).await, other);
        }
        let empty = Response::new(204, "");
        assert_eq!(baseline.clone().get_or(ready(Ok(empty.clone()))).await, Ok(empty.clone()));
        let later = Response::new(200, r#"{"portals":[{"name":"AcmePortal"}]}"#);
        assert_eq!(baseline.get_or(ready(Ok(later))).await, Ok(empty));
    }
}
