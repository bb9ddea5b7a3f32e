//! `portal recover [NAME]`: determines the outcome of what earlier processes left unfinished.

mod listing;

pub(super) use self::listing::Listed;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use portal_model::flow::Intent;
use portal_model::name::is_same_name;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{
    About, Environment, Examples, ExitStatus, ORG, STATE, Sections, SeeAlso,
};
use crate::commands::target_args::TargetArgs;
use crate::org::destination::{Destination, Org};
use crate::org::place::Place;
use crate::report::call_error;
use crate::report::context::ReportContext;
use crate::report::exit::{ExitClass, combined};
use crate::report::failure::{ErrorKind, Failure};
use crate::report::outcome::Report;
use crate::safe::create::deliver;
use crate::safe::intent_log::{Entry, IntentLog, State, Taken, Unreadable};
use crate::safe::late;
use crate::safe::recovery::{self, Recovered};
use crate::sys::signal::{raised, stop_flag};
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;
use crate::terminal::prompt;

/// Determine the outcome of unfinished creates and renames
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    About("Never creates or renames anything. A create or rename is unfinished if its process was \
        killed, interrupted or out of time while a request was in doubt. Recovery lists the org's \
        portals until the outcome is certain: an absent portal is certain once the processing \
        time and the list lag have passed since the last attempt."),
    ExitStatus("0 the portal exists or nothing is unfinished, 5 still in doubt or in progress in \
        another process, 6 not created, 1 if several differ"),
    Environment(&[ORG, STATE]),
    Examples("\
portal recover --list
portal recover AcmePortal"),
    SeeAlso(&["login", "profiles"]),
]))]
pub(crate) struct Args {
    /// Only this portal; without it, all of them
    #[arg(add = unfinished())]
    name: Option<String>,
    /// List what is unfinished, and send nothing
    #[arg(long)]
    list: bool,
    /// Give up determining the outcome for this portal
    #[arg(long, value_name = "NAME", add = unfinished(), conflicts_with_all = ["name", "list", "same_org"])]
    discard: Option<String>,
    /// Accept other credentials: they lead to the same org
    #[arg(long)]
    same_org: bool,
    /// Skip the confirmation prompt of --discard
    #[arg(short, long, requires = "discard")]
    yes: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// What `portal recover` reports beside the outcomes of creates and renames.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Noted<'a> {
    /// The outcome stays unknown.
    Discarded {
        name: &'a str,
        #[schemars(extend("const" = "discarded"))]
        outcome: &'static str,
    },
    AppearedLate(late::Appeared<'a>),
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let log = IntentLog::open()?;
    let found = log.all().await?;
    let only = args.name.as_deref().or(args.discard.as_deref());
    // Where the user wants to look, if they said so.
    let place = args.target.is_explicit().then(|| args.target.destination()).transpose()?;
    let place = place.as_ref().map(Destination::place);
    let is_wanted = |entry: &&Entry| {
        only.is_none_or(|name| entry.has_name(name))
            // With a name, the org that was begun in is compared by identity instead.
            && (args.name.is_some()
                || place.is_none_or(|place| entry.history.whose.place == *place))
    };
    let (receipts, unfinished): (Vec<&Entry>, Vec<&Entry>) =
        found.entries.iter().filter(is_wanted).partition(|entry| entry.state() == State::Receipt);
    let may_be_wanted =
        |file: &&Unreadable| only.is_none_or(|name| is_same_name(file.portal(), name));
    let unreadable = found.unreadable.iter().filter(may_be_wanted);
    let mut exits: Vec<ExitClass> = unreadable.map(|file| file.failure().print(printer)).collect();
    if unfinished.is_empty() && exits.is_empty() && !printer.is_json() {
        printer.note(match only {
            Some(name) => format!("no create or rename of {name} is unfinished"),
            None => "no create or rename is unfinished".to_owned(),
        });
    }
    if args.list {
        listing::print(&unfinished, printer);
        return Ok(combined(exits));
    }
    if args.discard.is_some() {
        let exit = discard(&log, &unfinished, args.yes, printer).await?;
        // What cannot be read was not discarded.
        let is_left = exit == ExitClass::Success && !exits.is_empty();
        return Ok(if is_left { ExitClass::Unknown } else { exit });
    }
    let recovery = Recovery { log: &log, args, printer, stop: stop_flag() };
    for entry in unfinished {
        let exit = recovery.run(entry).await;
        exits.push(exit.unwrap_or_else(|failure| undetermined(entry, failure).print(printer)));
        if *recovery.stop.borrow() {
            return Ok(combined(exits));
        }
    }
    recovery.warn_of_late(&receipts, &found.entries).await;
    Ok(combined(exits))
}

/// What shells complete: the names of what is unfinished.
fn unfinished() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        // A shell has no place for errors.
        let entries = IntentLog::list_blocking().unwrap_or_default();
        let unfinished = entries.iter().filter(|entry| entry.state() != State::Receipt);
        unfinished.map(|entry| CompletionCandidate::new(entry.name())).collect()
    })
}

/// Gives up what stays unknown then.
async fn discard(
    log: &IntentLog,
    entries: &[&Entry],
    yes: bool,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    for entry in entries {
        let name = entry.name();
        if entry.state() == State::InProgress {
            return Ok(in_progress(entry).print(printer));
        }
        let what = if entry.is_create() { "created" } else { "renamed" };
        let question = format!(
            "Stop tracking {name} in {}? Whether it was {what} stays unknown.",
            entry.identity()
        );
        let why = format!("whether {name} was {what} stays unknown after this");
        if !yes && !prompt::confirm(&question, &why, "pass `--yes` to confirm")? {
            return Ok(ExitClass::Stopped);
        }
        if !log.discard(entry).await? {
            return Ok(in_progress(entry).print(printer));
        }
        printer.result(
            format_args!("{name} is discarded; whether it was {what} stays unknown"),
            &Noted::Discarded { name, outcome: "discarded" },
        );
    }
    Ok(ExitClass::Success)
}

/// What was not determined is in doubt still, whatever stood in the way.
fn undetermined(entry: &Entry, failure: Failure) -> Report {
    Report::withheld(entry.name(), failure.exit(ExitClass::Unknown), &context(entry))
}

fn in_progress(entry: &Entry) -> Report {
    let name = entry.name();
    let message = format!("{name} is in progress in another process");
    let failure = Failure::new(ErrorKind::InProgress, message)
        .hint("wait for that process, or end it, and recover then");
    Report::withheld(name, failure, &context(entry))
}

fn cannot_recover(entry: &Entry, failure: Failure) -> Failure {
    let message = format!("cannot recover {}: {}", entry.name(), failure.report.message);
    failure.message(message)
}

fn context(entry: &Entry) -> ReportContext {
    let place = &entry.history.whose.place;
    ReportContext {
        profile: place.profile().map(str::to_owned),
        org: place.arguments(),
        recovered: true,
        // The portal exists, which is what recovery had to find out: success, whatever its origin.
        ensure: true,
        ..ReportContext::default()
    }
}

struct Recovery<'a> {
    log: &'a IntentLog,
    args: &'a Args,
    printer: &'a Printer,
    stop: tokio::sync::watch::Receiver<bool>,
}

impl Recovery<'_> {
    /// Determines the outcome of one where it was begun. What stays unknown stays in the log.
    async fn run(&self, entry: &Entry) -> Result<ExitClass, Failure> {
        if entry.state() == State::InProgress {
            return Ok(in_progress(entry).print(self.printer));
        }
        if entry.state() == State::Undelivered {
            return self.recover(entry, None).await;
        }
        let org = self.open(&entry.history.whose.place).await;
        // Such as an environment that is not set as it was.
        let org = org.map_err(|failure| cannot_recover(entry, failure))?;
        self.check_identity(entry, &org).await?;
        self.recover(entry, Some(&org)).await
    }

    async fn open(&self, place: &Place) -> Result<Org, Failure> {
        // The user may lead to the same org another way than it was begun.
        let is_given = self.args.name.is_some() && self.args.target.is_explicit();
        let target =
            if is_given { self.args.target.clone() } else { self.args.target.again(place) };
        let destination = target.destination()?;
        let policy = self.args.policy.policy(destination.default_policy())?;
        Ok(destination.open(policy).await?)
    }

    /// Rule 10: absence in another org would prove nothing.
    async fn check_identity(&self, entry: &Entry, org: &Org) -> Result<(), Failure> {
        // A credential belongs to one org: the one that it was begun with needs no question.
        if self.args.same_org || entry.is_in(&org.known_identity()) {
            return Ok(());
        }
        let now = org.identify().await;
        let now = now.map_err(|error| cannot_recover(entry, call_error::unidentified(&error)))?;
        if entry.is_in(&now) {
            return Ok(());
        }
        let name = entry.name();
        let message = format!("{name} was begun in {}; now this is {now}", entry.identity());
        Err(Failure::new(ErrorKind::AnotherOrg, message)
            .hint("use the credentials of that org, or pass `--same-org` if it is the same org"))
    }

    async fn recover(&self, entry: &Entry, org: Option<&Org>) -> Result<ExitClass, Failure> {
        let (entry, intent) = match self.log.take(entry).await? {
            Taken::Held(entry, intent) => (entry, intent),
            Taken::InProgress => return Ok(in_progress(entry).print(self.printer)),
            Taken::Gone => return Ok(ExitClass::Success),
        };
        let mut context = context(&entry);
        let recovered = match (Recovered::recorded(&entry), org) {
            (Some(recorded), _) => recorded,
            (None, Some(org)) if entry.state() == State::InDoubt => {
                context.verified_after = Some(recovery::verified_after(&org.client));
                let deadline = org.client.policy().deadline;
                let progress = Progress::new(entry.name(), deadline, self.printer);
                let mut stop = self.stop.clone();
                let mut show = |activity| progress.watch(activity);
                let work =
                    recovery::recover(&org.client, &entry, intent.clone(), &mut stop, &mut show);
                progress.during(work).await
            }
            // Another process determined it meanwhile.
            (None, _) => return Ok(ExitClass::Success),
        };
        let exit = match &recovered {
            Recovered::Create(outcome) => Report::new(outcome, &context).print(self.printer),
            Recovered::Rename(outcome) => {
                let (old, new) = match &entry.history.intent {
                    Intent::Rename(rename) => (rename.old.as_str(), &rename.new),
                    other => ("", other.name()),
                };
                Report::renamed(outcome, old, new, &context).print(self.printer)
            }
        };
        deliver(&intent, self.printer).await;
        Ok(exit)
    }

    /// Compares what was reported as not created with the list of its org.
    async fn warn_of_late(&self, receipts: &[&Entry], all: &[Entry]) {
        let mut places: Vec<&Place> = Vec::new();
        for entry in receipts.iter().filter(|entry| entry.may_appear_late()) {
            let place = &entry.history.whose.place;
            if places.contains(&place) || *self.stop.borrow() {
                continue;
            }
            places.push(place);
            // An org that cannot be reached is left to the next time.
            let Ok(org) = self.open(place).await else { continue };
            let Ok(identity) = org.identify().await else { continue };
            let own: Vec<Entry> =
                all.iter().filter(|entry| entry.is_in(&identity)).cloned().collect();
            let mut stop = self.stop.clone();
            let appeared = tokio::select! {
                appeared = late::list_appeared(&org.client, &own) => appeared,
                () = raised(&mut stop) => return,
            };
            for entry in appeared {
                self.printer.warning(late::text(entry));
                self.printer.json(&Noted::AppearedLate(late::Appeared::new(entry)));
                // What was not delivered is said again the next time.
                if self.printer.is_delivered() {
                    late::note(self.log, entry).await;
                }
            }
        }
    }
}
