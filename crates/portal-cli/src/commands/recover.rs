//! `portal recover [NAME]`: determines the outcome of what earlier processes left unfinished.

use portal_http::client::SafeClient;
use portal_ledger::{Entry, Filter, Ledger};
use portal_model::flow::Policy;
use portal_model::identity::SameOrg;
use portal_model::{ListPortals, OrgIdentity};
use tokio::sync::watch;

use crate::commands::candidates;
use crate::commands::operation::finish;
use crate::commands::policy_args::RecoveryArgs;
use crate::commands::sections::{Environment, ORG, STATE};
use crate::commands::target_args::TargetArgs;
use crate::org::ledger;
use crate::org::target::Target;
use crate::report::cause::ReportContext;
use crate::report::failure::{ErrorKind, ExitClass, Failure, combined};
use crate::report::outcome::Report;
use crate::report::place::Place;
use crate::report::{self, cause};
use crate::sys::signal::{raised, stop_flag};
use crate::terminal::printer::Printer;

/// Determine the outcome of unfinished creates and renames
///
/// Never creates or renames anything. A create or rename is unfinished if its process was killed,
/// interrupted or out of time while a request was in doubt; `portal history --open` lists them.
/// Recovery lists the org's portals until the outcome is certain: an absent portal is certain once
/// the processing time and the list lag have passed since the last attempt. It also warns of what
/// appeared after it was reported as not done.
///
/// # Exit status
/// 0 the portal exists or nothing is unfinished, 5 still in doubt or under way in another process,
/// 6 not created, 1 if several differ
///
/// # Examples
///
///     portal recover
///     portal recover AcmePortal
///
/// # See also
/// history, login, profiles
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, add = Environment(&[ORG, STATE]))]
pub(crate) struct Args {
    /// Only the portal of this name, or the entry of this id [default: all]
    #[arg(add = candidates::names(true))]
    name: Option<String>,
    /// The new credentials are for the same org as before
    #[arg(long)]
    same_org: bool,
    #[command(flatten)]
    policy: RecoveryArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    // Where the user wants to look, if they said so. With a name, the org that it was begun in is
    // compared by identity instead.
    let is_explicit = args.target.is_explicit();
    let place = if is_explicit { Some(args.target.target().await?.place) } else { None };
    let ledger = place.as_ref().map_or_else(ledger::Place::new, ledger::Place::of)?;
    let ledger = ledger.open().await?;
    let entries = ledger::entries_of(&ledger, &Filter::default()).await?;
    let place = place.filter(|_| args.name.is_none());
    let wanted = entries.iter().filter(|entry| {
        args.name
            .as_ref()
            .is_none_or(|name| entry.operation.concerns(name) || entry.id.as_str() == name)
            && place.as_ref().is_none_or(|place| Place::of(entry) == *place)
    });
    let wanted: Vec<&Entry> = wanted.collect();
    let recovery = Recovery { ledger: &ledger, args, printer, stop: stop_flag() };
    let mut exits = Vec::new();
    for entry in wanted.iter().filter(|entry| entry.is_unfinished()) {
        let report = recovery.run(entry).await;
        let report = report.unwrap_or_else(|failure| recovery.undetermined(entry, failure));
        exits.push(report.print(printer));
        if *recovery.stop.borrow() {
            return Ok(combined(exits));
        }
    }
    if exits.is_empty() && !printer.is_json() {
        printer.note(match &args.name {
            Some(name) => format!("no create or rename of {name} is unfinished"),
            None => "no create or rename is unfinished".to_owned(),
        });
    }
    recovery.warn_of_late(&wanted, &entries).await;
    Ok(combined(exits))
}

struct Recovery<'a> {
    ledger: &'a Ledger,
    args: &'a Args,
    printer: &'a Printer,
    stop: watch::Receiver<bool>,
}

impl Recovery<'_> {
    /// Determines the outcome of an entry where it was begun. What stays unknown stays in the ledger.
    async fn run(&self, entry: &Entry) -> Result<Report, Failure> {
        let cannot = |failure: Failure| {
            let message = format!("cannot recover {}: {}", entry.name(), failure.report.message);
            failure.message(message)
        };
        // Such as an environment that is not set as it was.
        let (_target, safe) = self.open(&Place::of(entry)).await.map_err(cannot)?;
        let mut stop = self.stop.clone();
        let now = tokio::select! {
            now = safe.identify() => now.map_err(|error| cannot(cause::unidentified(&error)))?,
            () = raised(&mut stop) => return Err(cannot(Failure::cancelled("interrupted"))),
        };
        // Absence in another org would prove nothing (rule 10).
        let safe = match now.compare(&entry.org) {
            SameOrg::Yes => safe,
            // On the word of the user.
            SameOrg::Unknown if self.args.same_org => safe.with_identity(entry.org.clone()),
            SameOrg::Unknown => {
                return Err(another_org(entry, &now).hint(
                    "use the credentials of that org, or pass `--same-org` if it is the same org",
                ));
            }
            SameOrg::No => {
                return Err(another_org(entry, &now).hint("use the credentials of that org"));
            }
        };
        let policy = safe.client().policy();
        let call = safe.recover_entry(&entry.id);
        let ended = finish(call, entry.name(), policy.deadline, &mut stop, self.printer).await;
        let context = self.context(entry, policy);
        Ok(Report::new(&ended.outcome, &entry.operation, &context))
    }

    /// The target is to be kept: the server of `--local` ends with it.
    async fn open(&self, place: &Place) -> Result<(Target, SafeClient), Failure> {
        // The user may lead to the same org another way than it was begun.
        let is_given = self.args.name.is_some() && self.args.target.is_explicit();
        let given = &self.args.target;
        let target = if is_given { given.clone() } else { given.again(place) }.target().await?;
        let defaults = target.policy(Policy::default());
        let policy = self.args.policy.policy(defaults, target.hosts.is_this_machine())?;
        let safe = target.safe(target.client(policy)?, self.ledger, None);
        Ok((target, safe))
    }

    fn context(&self, entry: &Entry, policy: &Policy) -> ReportContext {
        let place = Place::of(entry);
        let org = self.args.target.again(&place).arguments(&place);
        ReportContext {
            recovered: true,
            // The portal exists, which is what recovery had to find out, whatever its origin.
            ensure: true,
            ..ReportContext::new(&place, org, policy)
        }
    }

    /// What was not determined is in doubt still, whatever stood in the way.
    fn undetermined(&self, entry: &Entry, failure: Failure) -> Report {
        let context = self.context(entry, &Policy::default());
        Report::withheld(&entry.operation, failure.exit(ExitClass::Unknown), &context)
    }

    /// Compares what a later list can contradict with the list of its org (rule 16).
    async fn warn_of_late(&self, wanted: &[&Entry], all: &[Entry]) {
        let mut places: Vec<Place> = Vec::new();
        for entry in wanted.iter().filter(|entry| entry.may_be_contradicted()) {
            let place = Place::of(entry);
            if places.contains(&place) || *self.stop.borrow() {
                continue;
            }
            let mut stop = self.stop.clone();
            tokio::select! {
                () = self.warn_of_late_in(&place, all) => places.push(place),
                () = raised(&mut stop) => return,
            }
        }
    }

    async fn warn_of_late_in(&self, place: &Place, all: &[Entry]) {
        // An org that can't be reached is left to the next time.
        let Ok((_target, safe)) = self.open(place).await else { return };
        let Ok(identity) = safe.identify().await else { return };
        let Ok(portals) = safe.client().call(&ListPortals).await else { return };
        let own = all.iter().filter(|entry| entry.org.compare(&identity) == SameOrg::Yes);
        let own: Vec<Entry> = own.cloned().collect();
        for entry in &own {
            let Some(late) = entry.contradicted_by(&portals, &own) else { continue };
            if let Some((text, object)) = report::entry::late(entry, &late) {
                self.printer.warning(text);
                self.printer.json(&object);
            }
        }
    }
}

fn another_org(entry: &Entry, now: &OrgIdentity) -> Failure {
    let (name, then) = (entry.name(), &entry.org);
    Failure::new(ErrorKind::AnotherOrg, format!("{name} was begun in {then}; now this is {now}"))
}
