//! What `portal create` and `portal rename` have in common: preview, prompt, progress and report.

use std::time::SystemTime;

use portal_http::client::{Call, Client, Ended, InFlight, SafeClient};
use portal_ledger::{Entry, EntryId, Ledger};
use portal_model::flow::Policy;
use portal_model::outcome::{NotDone, Origin};
use portal_model::{ListPortals, Operation, Outcome};
use tokio::sync::watch;

use crate::org::destination::Destination;
use crate::org::ledger;
use crate::org::place::Place;
use crate::report::call_error;
use crate::report::confirmation::Facts;
use crate::report::context::ReportContext;
use crate::report::entry::begun;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorKind, Failure};
use crate::report::outcome::Report;
use crate::sys::signal::{self, raised, stop_flag};
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;
use crate::terminal::prompt;

/// What to do if there is no terminal to ask on.
pub(super) const HOW_TO_CONFIRM: &str =
    "pass `--yes` to confirm; `--dry-run` shows what would be done";

/// A create or a rename, as the command line asks for it.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) destination: Destination,
    pub(super) policy: Policy,
    pub(super) consent: Consent,
    pub(super) context: ReportContext,
}

/// Whether it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// With `--yes`, or on this machine.
    Given,
    /// Once the user has typed the name.
    Asked,
    /// A preview is all.
    DryRun,
}

impl Consent {
    /// # Errors
    /// Somebody has to be asked, and there is no terminal. `why` names what has to be confirmed.
    pub(super) fn new(
        dry_run: bool,
        yes: bool,
        destination: &Destination,
        why: &str,
    ) -> Result<Self, Failure> {
        if dry_run {
            return Ok(Self::DryRun);
        }
        if yes || destination.is_this_machine() {
            return Ok(Self::Given);
        }
        prompt::require_terminal(why, HOW_TO_CONFIRM)?;
        Ok(Self::Asked)
    }
}

impl Request {
    /// Runs it. `call` makes the call of the operation.
    pub(super) async fn run(
        self,
        call: impl FnOnce(&SafeClient) -> Call,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        // Before anything is sent: without the ledger nothing is.
        let place = ledger::Place::of(self.destination.place())?;
        let ledger = match place.open().await {
            Ok(ledger) => ledger,
            Err(error) => return Ok(self.withheld(error.into()).print(printer)),
        };
        let mut stop = stop_flag();
        let deadline = self.policy.deadline;
        let org = self.destination.clone().open(self.policy.clone()).await?;
        let safe = org.safe(&ledger);
        let call = call(&safe);
        let report = match self.consent {
            Consent::Given => None,
            Consent::Asked | Consent::DryRun => {
                Box::pin(self.ask(&safe, call.clone(), &mut stop)).await?
            }
        };
        if let Some(report) = report {
            return Ok(report.print(printer));
        }
        let name = self.operation.names().next().unwrap_or_default();
        let progress = Progress::new(name, deadline, printer);
        let ended = finish(call.start(), &mut stop, &progress, printer).await;
        warn_of_another_api(&org.client, printer);
        let exit = self.report(&ledger, &ended.outcome).await.print(printer);
        if matches!(ended.outcome, Outcome::Created { .. }) && !printer.is_json() {
            printer.note(format_args!("Next: {}", self.next()));
        }
        if let (Consent::Given, Outcome::Renamed { old, .. }) = (self.consent, &ended.outcome) {
            printer.warning(format_args!(
                "links to {old} no longer work, its users were not notified, and any organization \
                 can take the name {old}"
            ));
        }
        Ok(exit)
    }

    /// What people do once a portal was created.
    fn next(&self) -> &'static str {
        match &self.destination {
            Destination::Local(_) => {
                "`portal serve` for your own code; `portal login` for an org of Zoho CRM"
            }
            Destination::Remote(target) if target.is_this_machine() => {
                "`portal requests` shows what was sent"
            }
            Destination::Remote(_) => {
                "invite its users in Zoho CRM, under Setup > Channels > Portals"
            }
        }
    }

    /// Looks at what would come of it, and has the name typed if it would be sent. Returns the report of
    /// what is not begun.
    async fn ask(
        &self,
        safe: &SafeClient,
        call: Call,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<Report>, Failure> {
        let previewed = tokio::select! {
            preview = Box::pin(call.clone().preview()) => preview,
            () = raised(stop) => return Ok(Some(self.not_begun(safe, call, cancelled()).await)),
        };
        let previewed = match previewed {
            Ok(preview) => Ok((preview, safe.identify().await?)),
            Err(error) => Err(call_error::preview(&error)),
        };
        let (preview, org) = match previewed {
            Ok(previewed) => previewed,
            Err(failure) => return Ok(Some(self.not_begun(safe, call, failure).await)),
        };
        let would_be_sent = is_preview(&preview.outcome);
        let is_dry = self.consent == Consent::DryRun;
        if is_dry && would_be_sent {
            let place = match self.destination.place() {
                Place::Local => Place::Local.to_string(),
                Place::Profile(_) | Place::Explicit(_) => org.to_string(),
            };
            return Ok(Some(Report::would_be_sent(&self.operation, &place, &self.context)));
        }
        // Don't ask if the reply changes nothing.
        if is_dry || (!would_be_sent && preview.outcome.is_certain()) {
            return Ok(Some(self.report(safe.ledger(), &preview.outcome).await));
        }
        let portals = safe.client().call(&ListPortals).await.ok();
        let facts = Facts {
            operation: &self.operation,
            org: &org,
            profile: self.context.profile.as_deref(),
            portals: portals.as_deref(),
            is_in_doubt: preview.entry.as_ref().is_some_and(Entry::is_in_doubt),
        };
        let (what, expected) = facts.to_type();
        if prompt::confirm_by_typing(&facts.text(), what, expected, raised(stop)).await? {
            return Ok(None);
        }
        Ok(Some(self.not_begun(safe, call, cancelled()).await))
    }

    /// Of what is not begun because of `why`: what an earlier run left in doubt stays so (rule 11).
    async fn not_begun(&self, safe: &SafeClient, call: Call, why: Failure) -> Report {
        let call = call.start();
        call.stop();
        let outcome = call.await.outcome;
        if outcome.is_certain() {
            self.withheld(why)
        } else {
            self.report(safe.ledger(), &outcome).await
        }
    }

    fn withheld(&self, why: Failure) -> Report {
        Report::withheld(&self.operation, why, &self.context)
    }

    async fn report(&self, ledger: &Ledger, outcome: &Outcome) -> Report {
        let begun = begun_earlier(ledger, outcome).await;
        let context = ReportContext { begun, ..self.context.clone() };
        Report::new(outcome, &self.operation, &context)
    }
}

/// Waits for the end of a call, with its progress on stderr. Ctrl-C stops it, and it ends soon.
pub(super) async fn finish(
    mut call: InFlight,
    stop: &mut watch::Receiver<bool>,
    progress: &Progress<'_>,
    printer: &Printer,
) -> Ended {
    progress.watch(call.activity());
    signal::watch(call.activity());
    let work = async {
        tokio::select! {
            biased;
            ended = &mut call => return ended,
            () = raised(stop) => call.stop(),
        }
        call.await
    };
    let ended = progress.during(work).await;
    if let Some(error) = &ended.not_written {
        printer.warning(format_args!(
            "the outcome is not in the ledger, and the next run determines it again: {error}"
        ));
    }
    ended
}

/// When the create was begun that made the portal of `outcome`, if the ledger has it.
async fn begun_earlier(ledger: &Ledger, outcome: &Outcome) -> Option<SystemTime> {
    let Outcome::Present { origin: Origin::CreatedEarlier { entry, .. }, .. } = outcome else {
        return None;
    };
    begun(&ledger.entry(&EntryId::new(entry)).await.ok()??)
}

/// The account may live elsewhere than the user said.
fn warn_of_another_api(client: &Client, printer: &Printer) {
    if let (Some(named), Some(used)) = (client.api_domain_mismatch(), client.api_url()) {
        printer.warning(format_args!(
            "the accounts server names {named} as the API; {used} was used, as given"
        ));
    }
}

const fn is_preview(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NotCreated { why: NotDone::Preview, .. }
            | Outcome::NotRenamed { why: NotDone::Preview, .. }
    )
}

fn cancelled() -> Failure {
    Failure::new(ErrorKind::Cancelled, "cancelled; nothing was sent")
}
