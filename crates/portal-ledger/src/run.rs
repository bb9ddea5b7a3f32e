//! [`run`]: claim, wait, flow, end. The one loop that performs an operation, for creates, renames and
//! recoveries alike.

mod perform;
mod stop;

use std::future::{Future, pending, ready};
use std::pin::pin;
use std::time::Duration;

use portal_model::outcome::{NotDone, Unverified};
use portal_model::{ApiVersion, Outcome, Portal};

use self::stop::{Stop, within};
use crate::claim::ClaimRequest;
use crate::decide::Look;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::outcome::{self, Ended};
use crate::time::Moment;

/// Operations that are looked at in one transaction.
const AT_ONCE: usize = 1000;
/// How often the ledger is asked for what can be asked again.
const MAX_ASKS: u32 = 3;

/// Performs one operation, or determines what came of one, and returns once that is known or the
/// deadline of its policy is past. The deadline counts from the first grant; until then it waits for others
/// as long as their attempts may take.
///
/// Once `stop` is ready nothing more is sent, and the outcome is what is known by then.
///
/// # Cancel safety
/// Dropping the future is as if the process had been killed: the operation is in the ledger, and the
/// same one, run again, goes on from there.
pub async fn run(
    ledger: &Ledger,
    request: ClaimRequest,
    version: ApiVersion,
    host: &mut impl Host,
    stop: impl Future<Output = ()>,
) -> Ended {
    let stop = Stop { future: pin!(stop), is_raised: false };
    let run = Run::new(ledger, request, version, host, stop);
    // The future has 16 KiB.
    Box::pin(run.finish()).await
}

/// What is known of an operation, and what a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// What the ledger has of the same operation.
    pub entry: Option<Entry>,
    /// Entries by which something may be done yet about its names, in any org of the API.
    pub undecided: Vec<Entry>,
    /// What would come of it: [`NotDone::Preview`] if something would be sent, or if only a later list can
    /// tell, since this ledger just renamed the portal; [`Outcome::Unknown`] if what the ledger has in doubt
    /// is to be determined first.
    pub outcome: Outcome,
}

/// Looks once into the ledger and once at the org's portals; claims and sends nothing.
///
/// # Errors
/// [`LedgerError`].
pub async fn preview(
    ledger: &Ledger,
    request: ClaimRequest,
    version: ApiVersion,
    host: &mut impl Host,
) -> Result<Preview, LedgerError> {
    let now = host.now();
    let look = ledger.look(&request, &now).await?;
    let stop = Stop { future: pin!(pending()), is_raised: false };
    let outcome = match outcome::to_list(&request, &look, version) {
        Ok((operation, flow)) => {
            let mut run = Run::new(ledger, request.clone(), version, host, stop);
            // As in `run`.
            let listed = Box::pin(run.listed(flow)).await;
            outcome::previewed((&request, operation), &look, listed, &now)
        }
        Err(outcome) => *outcome,
    };
    Ok(Preview { entry: look.entry, undecided: look.undecided, outcome })
}

/// The same of many operations, each with a complete list of its org if there is one; without one, what it
/// would decide stays [`NotDone::Preview`]. In the ledger it looks only at what was done under their keys
/// or about their names.
///
/// # Errors
/// [`LedgerError`].
pub async fn previews(
    ledger: &Ledger,
    operations: &[(ClaimRequest, Option<&[Portal]>)],
    now: &Moment,
) -> Result<Vec<Preview>, LedgerError> {
    let mut previews = Vec::with_capacity(operations.len());
    for operations in operations.chunks(AT_ONCE) {
        let requests: Vec<_> = operations.iter().map(|(request, _)| request).collect();
        let looks = ledger.looks(&requests, now).await?;
        for ((request, portals), look) in operations.iter().zip(looks) {
            let outcome = match outcome::to_list(request, &look, ApiVersion::default()) {
                Ok((operation, flow)) => {
                    let listed = portals.map(|portals| flow.outcome_by(portals));
                    outcome::previewed((request, operation), &look, listed, now)
                }
                Err(outcome) => *outcome,
            };
            previews.push(Preview { entry: look.entry, undecided: look.undecided, outcome });
        }
    }
    Ok(previews)
}

/// How an operation ends that got no further than before its claim, for the reason `why`: nothing was
/// sent for it, but an earlier one of its names may be in doubt, in whatever org.
pub async fn end_unclaimed(
    ledger: &Ledger,
    request: ClaimRequest,
    why: NotDone,
    host: &mut impl Host,
) -> Ended {
    let stop = Stop { future: pin!(ready(())), is_raised: true };
    Run::new(ledger, request, ApiVersion::default(), host, stop).nothing_sent(why).await
}

struct Run<'a, H, S> {
    ledger: &'a Ledger,
    request: ClaimRequest,
    version: ApiVersion,
    host: &'a mut H,
    stop: Stop<'a, S>,
    has_token: bool,
    /// When the first permit was granted.
    granted: Option<Moment>,
}

impl<'a, H, S> Run<'a, H, S> {
    fn new(
        ledger: &'a Ledger,
        request: ClaimRequest,
        version: ApiVersion,
        host: &'a mut H,
        stop: Stop<'a, S>,
    ) -> Self {
        Self { ledger, request, version, host, stop, has_token: false, granted: None }
    }
}

/// What the ledger has, beside claims.
impl<H: Host, S> Run<'_, H, S> {
    /// How it ends where nothing was sent, for the reason `why`.
    async fn nothing_sent(&self, why: NotDone) -> Ended {
        match self.look().await {
            Ok(look) => outcome::nothing_sent(&self.request, why, &look, &self.host.now()),
            Err(error) => self.unknown_by(&error, None),
        }
    }

    /// What a claim would find by now.
    async fn look(&self) -> Result<Look, LedgerError> {
        let limit = self.request.policy.record_timeout;
        let look = || async { self.ledger.look(&self.request, &self.host.now()).await };
        ask(|| self.host.sleep(limit), look, limit).await
    }

    fn unknown_by(&self, error: &LedgerError, entry: Option<&Entry>) -> Ended {
        outcome::unknown(&self.request, Unverified::Ledger(error.to_string()), entry)
    }
}

/// Asks the ledger, and again where the result is lost or somebody else uses it all the time: what can be
/// asked again.
async fn ask<T, S: Future<Output = ()>, F: Future<Output = Result<T, LedgerError>>>(
    sleep: impl Fn() -> S,
    ask: impl Fn() -> F,
    limit: Duration,
) -> Result<T, LedgerError> {
    let mut asks = 1;
    loop {
        match within(sleep(), ask()).await.unwrap_or_else(|| Err(late(limit))) {
            Err(LedgerError::Unknown(_) | LedgerError::Busy(_)) if asks < MAX_ASKS => asks += 1,
            result => return result,
        }
    }
}

/// A ledger that did not respond within `limit`.
fn late(limit: Duration) -> LedgerError {
    LedgerError::Unknown(format!("no response within {limit:?}"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn busy_ledger_is_asked_again() {
        let error = |of: fn(String) -> LedgerError| Some(Err(of("why".to_owned())));
        let (busy, lost) = (error(LedgerError::Busy), error(LedgerError::Unknown));
        let failed = error(LedgerError::NotApplied);
        let table = [
            (vec![busy.clone(), lost.clone(), Some(Ok(1))], Ok(1)),
            (vec![None, Some(Ok(2))], Ok(2)),
            (vec![busy.clone(), busy.clone(), busy.clone()], busy.unwrap()),
            (vec![lost, failed.clone()], failed.clone().unwrap()),
            (vec![failed.clone()], failed.unwrap()),
        ];
        let limit = Duration::from_secs(5);
        for (script, expected) in table {
            let script = RefCell::new(script.into_iter());
            let next = || async {
                let next = script.borrow_mut().next();
                match next.expect("asked too often") {
                    Some(result) => result,
                    None => pending().await,
                }
            };
            assert_eq!(ask(|| tokio::time::sleep(limit), next, limit).await, expected);
            assert_eq!(script.into_inner().len(), 0);
        }
    }
}
