//! [`run`]: claim, wait, flow, end. The one loop that performs an operation, for creates, renames and
//! recoveries alike.

mod perform;
mod stop;

use std::future::{Future, pending, ready};
use std::pin::pin;

use portal_model::flow::Flow;
use portal_model::outcome::{NotDone, Origin, Unverified};
use portal_model::{ApiVersion, Outcome};

use self::stop::{Stop, within};
use crate::answer::{self, Ended, may_lag_behind, unknown};
use crate::claim::{Blocked, ClaimRequest, Refusal, Wanted};
use crate::decide::{Look, is_other_org};
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::time::Moment;

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
    // 16 KiB, of which no caller wants to know.
    Box::pin(run.finish()).await
}

/// What is known of an operation, and what a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// What the ledger has of the same operation.
    pub entry: Option<Entry>,
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
    let Look { entry, receipts, decision, .. } = ledger.look(&request, &host.now()).await?;
    let operation = match (&request.wanted, &entry) {
        (Wanted::Do(operation), _) => operation.clone(),
        (Wanted::Recover(_), Some(entry)) => entry.operation.clone(),
        (Wanted::Recover(id), None) => {
            return Err(LedgerError::NotApplied(Blocked::NoEntry(id.clone()).to_string()));
        }
    };
    let why = match decision {
        // As in a run: no list makes up for what the ledger has against it.
        Err(Refusal::Blocked(blocked)) => {
            return Ok(Preview { entry, outcome: answer::blocked(&request, &blocked).outcome });
        }
        Err(Refusal::Ended(ended)) => {
            return Ok(Preview { entry, outcome: answer::told(&request, &ended).outcome });
        }
        Err(Refusal::Wait(wait)) => Some(wait.why),
        Ok(_) => None,
    };
    let flow = Flow::preview(operation.clone(), request.policy.clone(), version);
    let stop = Stop { future: pin!(pending()), is_raised: false };
    let mut run = Run::new(ledger, request, version, host, stop);
    let outcome = match run.drive(flow.with_receipts(receipts), None).await {
        Ok(outcome) if !why.is_some_and(|why| may_lag_behind(&outcome, why)) => outcome,
        _ => Outcome::not_done(&operation, NotDone::Preview),
    };
    Ok(Preview { entry, outcome: run.previewed(outcome).await })
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
    async fn nothing_sent(&self, why: NotDone) -> Ended {
        match self.look().await {
            Ok(look) => answer::nothing_sent(&self.request, why, &look),
            Err(ended) => *ended,
        }
    }

    /// What a claim would find by now, or that anything may be in doubt.
    async fn look(&self) -> Result<Look, Box<Ended>> {
        let (limit, now) = (self.request.policy.record_timeout, self.host.now());
        let look = self.ledger.look(&self.request, &now);
        let why = match within(self.host.sleep(limit), look).await {
            Some(Ok(look)) => return Ok(look),
            Some(Err(error)) => error.to_string(),
            None => format!("no response of the ledger within {limit:?}"),
        };
        Err(unknown(&self.request, Unverified::Ledger(why), None).into())
    }

    /// What one list says, unless a run would first determine what the ledger has in doubt.
    async fn previewed(&self, outcome: Outcome) -> Outcome {
        match outcome {
            // Known from the ledger, not from the list.
            Outcome::Present { origin: Origin::CreatedEarlier { .. }, .. } => return outcome,
            // There is no list.
            Outcome::NotCreated { why, .. } | Outcome::NotRenamed { why, .. }
                if why != NotDone::Preview =>
            {
                return self.nothing_sent(why).await.outcome;
            }
            _ => {}
        }
        let look = match self.look().await {
            Ok(look) => look,
            Err(ended) => return ended.outcome,
        };
        let is_here = |entry: &&Entry| !is_other_org(entry, &self.request);
        let Some(entry) = look.undecided.iter().find(is_here) else { return outcome };
        let is_under_way = entry.is_under_way(&self.host.now());
        let why = if is_under_way { Unverified::Elsewhere } else { Unverified::Stopped };
        unknown(&self.request, why, Some(entry)).outcome
    }
}
