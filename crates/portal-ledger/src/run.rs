//! [`run`]: claim, wait, flow, end. The one loop that performs an operation, for creates, renames and
//! recoveries alike.

mod perform;
mod stop;
mod unattempted;

use std::future::{Future, pending, ready};
use std::pin::pin;

use portal_model::flow::Flow;
use portal_model::outcome::{NotDone, Origin, Owner, Unverified};
use portal_model::{ApiVersion, Operation, Outcome, Portal};

use self::stop::Stop;
use crate::claim::{Blocked, ClaimRequest, Wanted, Why};
use crate::decide::{Decision, Look};
use crate::entry::{Entry, EntryId};
use crate::error::LedgerError;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::time::Moment;

/// Operations that are looked at in one transaction.
const AT_ONCE: usize = 1000;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// What is true.
    pub outcome: Outcome,
    /// The operation in the ledger, if it got that far.
    pub entry: Option<EntryId>,
    /// Why the ledger does not hold the outcome, if it does not. The next claim determines it again.
    pub not_written: Option<LedgerError>,
}

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
    /// By what something may be done yet about its names, in what may be the org: that is determined first.
    pub undecided: Option<Entry>,
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
    let mut run = Run::new(ledger, request.clone(), version, host, stop);
    let outcome = look.outcome(&request, version, &now, async |flow| run.listed(flow).await);
    // As in `run`.
    let outcome = Box::pin(outcome).await;
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
            let listed = async |flow: Flow| portals.map(|portals| flow.outcome_by(portals));
            let outcome = look.outcome(request, ApiVersion::default(), now, listed).await;
            previews.push(Preview { entry: look.entry, undecided: look.undecided, outcome });
        }
    }
    Ok(previews)
}

impl Look {
    /// What would come of it; `listed` is what a flow comes to by a list, if there is one.
    async fn outcome(
        &self,
        request: &ClaimRequest,
        version: ApiVersion,
        now: &Moment,
        listed: impl AsyncFnOnce(Flow) -> Option<Outcome>,
    ) -> Outcome {
        let operation = match (&self.decision, &request.wanted) {
            // As in a run: no list makes up for what the ledger has against it.
            (Decision::Blocked(blocked), _) => return request.blocked(blocked.clone()).outcome,
            (Decision::Ended(ended), _) => return request.told(ended, None).outcome,
            (_, Wanted::Recover(id)) => {
                return request.blocked(Blocked::NoEntry(id.clone())).outcome;
            }
            (_, Wanted::Do(operation)) => operation,
        };
        let flow = Flow::preview(operation.clone(), request.policy.clone(), version);
        let is_renamed = matches!(&self.decision, Decision::Wait(wait) if wait.why == Why::Rename);
        let listed = listed(flow.with_receipts(self.receipts.iter().cloned())).await;
        let outcome = listed
            .filter(|outcome| !is_renamed || !may_lag_behind_rename(outcome))
            .unwrap_or_else(|| Outcome::not_done(operation, NotDone::Preview));
        let Some(entry) = &self.undecided else { return outcome };
        let is_other_create = matches!(entry.operation, Operation::Create(_))
            && !operation.is_same_as(&entry.operation)
            && self.entry.as_ref().is_none_or(|own| own.id != entry.id);
        match outcome {
            // Known from the ledger, not from the list.
            Outcome::Present { origin: Origin::CreatedEarlier { .. }, .. } => outcome,
            // It stays, whoever made it, unless a rename gives it another name.
            Outcome::Present { portal, taken, .. } if is_other_create => {
                Outcome::Present { portal, origin: Origin::Undetermined, taken }
            }
            _ if entry.is_under_way(now) => {
                request.unknown(Unverified::Elsewhere, Some(entry)).outcome
            }
            _ => request.unknown(Unverified::Stopped, Some(entry)).outcome,
        }
    }
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

impl From<Outcome> for Ended {
    /// Without an entry.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, entry: None, not_written: None }
    }
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
    /// The entry that it began, and lost to somebody who adopted it.
    began: Option<EntryId>,
}

impl<'a, H, S> Run<'a, H, S> {
    fn new(
        ledger: &'a Ledger,
        request: ClaimRequest,
        version: ApiVersion,
        host: &'a mut H,
        stop: Stop<'a, S>,
    ) -> Self {
        Self { ledger, request, version, host, stop, has_token: false, granted: None, began: None }
    }
}

/// Whether a list that does not show a rename of this ledger yet may say so of its portal.
const fn may_lag_behind_rename(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Present { origin: Origin::Preexisting, .. }
            | Outcome::Unchanged { .. }
            | Outcome::NotFound { .. }
            | Outcome::NameTaken { owner: Owner::ThisOrg, .. }
    )
}
