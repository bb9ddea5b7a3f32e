//! `portal rename OLD NEW`: renames a portal, safely.

use std::time::Duration;

use portal_model::flow::Flow;
use portal_model::flow::{Activity, Intent, Policy};
use portal_model::name::is_same_name;
use portal_model::outcome::{Doubt, NotDone, Unverified};
use portal_model::{Outcome, PortalName, RenameOperation};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{About, Environment, Examples, ExitStatus, ORG, Sections, SeeAlso};
use crate::commands::target_args::TargetArgs;
use crate::org::destination::Org;
use crate::org::identity::Identity;
use crate::report::context::ReportContext;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorKind, Failure};
use crate::report::outcome::RenameReport;
use crate::safe::confirmation::{self, Facts};
use crate::safe::create::deliver;
use crate::safe::intent_log::{Entry, IntentLog, OpenIntent, OrgLock, State, Taken, Whose};
use crate::safe::recent::until_listed;
use crate::safe::recovery::{self, Determined, Recovered};
use crate::safe::unidentified::identify;
use crate::safe::withheld::withheld;
use crate::sys::signal::{raised, stop_flag};
use crate::terminal::name_argument;
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;
use crate::terminal::prompt;

/// Rename a portal; links to the old name stop working
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    About("Nobody is notified of the new name, and any organization can take the old one at once. \
        Waits while an earlier request for the portal may still take effect. If the response is \
        lost, lists the org's portals until the outcome is certain."),
    ExitStatus("0 renamed, 1 rejected or no such portal, 2 invalid name or usage, 3 no permission \
        or no valid token, 4 the new name is taken, 5 in doubt (see `portal recover`), 6 not \
        renamed, try again, 74 stdout not writable, 130 interrupted or declined"),
    Environment(&[ORG]),
    Examples("portal rename AcmeOld AcmeCustomers --profile acme"),
    SeeAlso(&["recover", "login", "profiles"]),
]))]
pub(crate) struct Args {
    /// The current name
    old: String,
    /// The new name
    new: String,
    /// Skip the prompt (required if stdin is not a terminal)
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let destination = args.target.destination()?;
    let place = destination.place().clone();
    let policy = args.policy.policy(destination.default_policy())?;
    let context = ReportContext {
        profile: place.profile().map(str::to_owned),
        org: args.target.arguments(&place),
        verified_after: Some(policy.processing_time.saturating_add(policy.list_lag)),
        ..ReportContext::default()
    };
    let old = args.old.as_str();
    let new = match name_argument::parse(&args.new, printer) {
        Ok(new) => new,
        Err(invalid) => {
            let report = RenameReport::invalid(&args.new, &invalid, &context);
            return Ok(report.print_json(printer));
        }
    };
    let asks = !args.yes && !destination.is_this_machine();
    if asks {
        prompt::require_terminal("links to the old name stop working", "pass `--yes` to confirm")?;
    } else {
        printer.warning(format_args!(
            "links to {old} stop working, its users are not notified, and any organization can \
             take the name {old}"
        ));
    }
    // Before anything is sent: without the log nothing is.
    let log = IntentLog::open()?;
    let org = destination.open(policy).await?;
    let mut stop = stop_flag();
    if asks && !confirm(&org, old, &new, &mut stop).await? {
        return Ok(RenameReport::cancelled(&new, &context).of(old).print_cancelled(printer));
    }
    let names = [old.to_owned(), new.to_string()];
    let rename = Rename { log: &log, org: &org, old, new: &new, names, printer };
    let progress = Progress::new(old, org.client.policy().deadline, printer);
    let work = rename.run(stop, |activity| progress.watch(activity));
    match progress.during(work).await {
        Ok((outcome, intent)) => {
            let exit = RenameReport::renamed(&outcome, old, &new, &context).print(printer);
            deliver(&intent, printer).await;
            Ok(exit)
        }
        Err(failure) => {
            Ok(RenameReport::withheld(new.as_str(), failure, &context).of(old).print(printer))
        }
    }
}

/// Has the new name typed.
async fn confirm(
    org: &Org,
    old: &str,
    new: &PortalName,
    stop: &mut watch::Receiver<bool>,
) -> Result<bool, Failure> {
    let identity = tokio::select! {
        // If it fails, the rename fails for the same reason, with nothing sent.
        identified = org.identify() => identified.unwrap_or_else(|_| org.known_identity()),
        () = raised(stop) => return Ok(false),
    };
    let facts = Facts::find(org, &identity).await;
    let facts = confirmation::of_rename(old, new, &facts);
    prompt::confirm_by_typing(&facts, "the new name", new.as_str(), raised(stop)).await
}

/// A rename in an org of which the intent log may have entries.
struct Rename<'a> {
    log: &'a IntentLog,
    org: &'a Org,
    old: &'a str,
    new: &'a PortalName,
    /// The old one and the new one.
    names: [String; 2],
    printer: &'a Printer,
}

/// The result of [`Rename::clear`].
enum Cleared {
    /// The rename can begin while the org's lock is held.
    Free(OrgLock),
    /// An earlier run of this very rename has this outcome.
    Ended(Box<Outcome>, OpenIntent),
    /// The user stopped.
    Stopped,
}

impl Rename<'_> {
    async fn run(
        &self,
        mut stop: watch::Receiver<bool>,
        mut show: impl FnMut(watch::Receiver<Activity>),
    ) -> Result<(Outcome, OpenIntent), Failure> {
        let deadline = Instant::now() + self.policy().deadline;
        let identity = identify(self.log, self.org, &self.names, "renamed", &mut stop).await?;
        let place = self.org.place.clone();
        let intent = self.log.begin(Whose { identity: identity.clone(), place, batch_row: None });
        let _lock = match self.clear(&identity, deadline, &mut stop, &mut show).await? {
            Cleared::Free(lock) => lock,
            Cleared::Ended(outcome, intent) => return Ok((*outcome, intent)),
            Cleared::Stopped => return self.stopped(&identity, intent).await,
        };
        let mut policy = self.policy().clone();
        // Waiting counts.
        policy.deadline = deadline.saturating_duration_since(Instant::now());
        let client = &self.org.client;
        let rename = RenameOperation::new(self.old, self.new.clone());
        let flow = Flow::new(rename.into(), policy, client.version());
        let running = client.perform(flow, intent.clone());
        let outcome = recovery::finish(running, &mut stop, &mut show).await;
        Ok((outcome, intent))
    }

    /// The outcome if the user stops before anything is sent: what an earlier run or another process
    /// leaves unknown stays so. `unsent` is an intent without attempts.
    async fn stopped(
        &self,
        identity: &Identity,
        unsent: OpenIntent,
    ) -> Result<(Outcome, OpenIntent), Failure> {
        for entry in self.find(identity).await? {
            let Intent::Rename(intent) = &entry.history.intent else { continue };
            let is_here = entry.is_in(identity) || entry.history.whose.place == self.org.place;
            if !(is_here && self.is_same(&entry)) {
                continue;
            }
            match entry.state() {
                State::InProgress => return Err(self.in_progress()),
                State::InDoubt => {
                    let name = intent.new.to_string();
                    let (doubt, why) = (Doubt::Earlier, Unverified::Stopped);
                    return Ok((Outcome::Unknown { name, doubt, why }, unsent));
                }
                State::Undelivered => {
                    if let Some(Recovered::Rename(outcome)) = Recovered::recorded(&entry)
                        && let Taken::Held(_, intent) = self.log.take(&entry).await?
                    {
                        return Ok((outcome, intent));
                    }
                }
                State::Receipt => {}
            }
        }
        let (old, new, why) = (self.old.to_owned(), self.new.clone(), NotDone::Stopped);
        Ok((Outcome::NotRenamed { old, new, why }, unsent))
    }

    fn policy(&self) -> &Policy {
        self.org.client.policy()
    }

    /// What the log has about the names. Fails if an earlier create or rename of them may be in doubt
    /// in a file that cannot be read.
    async fn find(&self, identity: &Identity) -> Result<Vec<Entry>, Failure> {
        let found = self.log.about(identity, &self.names).await?;
        match found.unreadable.iter().find(|file| file.is_of(identity, &self.names)) {
            Some(file) => Err(withheld(self.old, "renamed", true, file.failure())),
            None => Ok(found.entries),
        }
    }

    /// Waits while an earlier attempt for the portal may still take effect: a late create would
    /// take the name that the rename sets free (rule 11). Determines first what dead processes left
    /// in doubt.
    async fn clear(
        &self,
        identity: &Identity,
        deadline: Instant,
        stop: &mut watch::Receiver<bool>,
        show: &mut impl FnMut(watch::Receiver<Activity>),
    ) -> Result<Cleared, Failure> {
        const POLL: Duration = Duration::from_millis(100);
        let mut is_noted = false;
        loop {
            if *stop.borrow() {
                return Ok(Cleared::Stopped);
            }
            // Not held while this waits, since other creates of the org need not wait for that.
            let lock = self.log.try_lock_org(identity)?;
            let mut entries = self.find(identity).await?;
            entries.retain(|entry| {
                entry.is_in(identity) && self.names.iter().any(|name| entry.has_name(name))
            });
            let unfinished = entries.iter().find(|entry| match entry.state() {
                State::InDoubt => true,
                State::Undelivered => self.is_same(entry),
                State::InProgress | State::Receipt => false,
            });
            if let Some(entry) = unfinished {
                if let Some(ended) = self.finish_earlier(entry, stop, show).await? {
                    return Ok(ended);
                }
                continue;
            }
            let is_in_progress = entries.iter().any(|entry| entry.state() == State::InProgress);
            let remaining = entries.iter().map(|entry| self.until_clear(entry)).max();
            let remaining = remaining.unwrap_or_default();
            let waits_for_age = lock.is_some() && !is_in_progress;
            if let Some(lock) = lock.filter(|_| waits_for_age && remaining.is_zero()) {
                return Ok(Cleared::Free(lock));
            }
            let next = if waits_for_age { remaining } else { POLL };
            if Instant::now() + next >= deadline {
                return Err(self.too_late(is_in_progress));
            }
            if !std::mem::replace(&mut is_noted, true) {
                self.printer.waiting("waiting until an earlier request in this org has ended");
            }
            tokio::select! {
                () = sleep(next) => {}
                () = raised(stop) => return Ok(Cleared::Stopped),
            }
        }
    }

    /// How long an attempt of `entry` may still take effect on the portal, or a list may miss its
    /// effect.
    fn until_clear(&self, entry: &Entry) -> Duration {
        let policy = self.policy();
        let unlisted = until_listed(entry, policy.list_lag);
        if !entry.has_name(self.old) {
            return unlisted;
        }
        policy.processing_time.saturating_sub(entry.attempt_age()).max(unlisted)
    }

    /// Whether `entry` is an earlier run of this very rename.
    fn is_same(&self, entry: &Entry) -> bool {
        matches!(&entry.history.intent, Intent::Rename(rename)
            if is_same_name(&rename.old, self.old) && rename.new == *self.new)
    }

    /// Determines the outcome of what a dead process left; the result is how this rename ends
    /// because of it, if it does.
    async fn finish_earlier(
        &self,
        entry: &Entry,
        stop: &mut watch::Receiver<bool>,
        show: &mut impl FnMut(watch::Receiver<Activity>),
    ) -> Result<Option<Cleared>, Failure> {
        let client = &self.org.client;
        if !self.is_same(entry) {
            let determined =
                recovery::determine(self.log, client, entry, self.printer, stop, show).await?;
            return match determined {
                Determined::Unknown if !*stop.borrow() => Err(self.in_doubt(entry.name())),
                Determined::Unknown | Determined::Certain => Ok(None),
            };
        }
        // If another process holds it now, the next pass over the log shows that.
        let Taken::Held(entry, intent) = self.log.take(entry).await? else { return Ok(None) };
        if !matches!(entry.state(), State::InDoubt | State::Undelivered) {
            return Ok(None);
        }
        self.printer.note(format_args!(
            "the rename is in doubt from an earlier run; determining its outcome first"
        ));
        match recovery::recover(client, &entry, intent.clone(), stop, show).await {
            Recovered::Rename(Outcome::NotRenamed { .. }) if !*stop.borrow() => {
                // It did not happen, so it is done now; nobody waits for this outcome.
                intent.delivered().await?;
                Ok(None)
            }
            Recovered::Rename(outcome) => Ok(Some(Cleared::Ended(Box::new(outcome), intent))),
            // `is_same` found a rename.
            Recovered::Create(_) => Ok(None),
        }
    }

    fn too_late(&self, is_in_progress: bool) -> Failure {
        if is_in_progress {
            return self.in_progress();
        }
        let why = "an earlier request in this org did not end before the deadline";
        let failure = Failure::new(ErrorKind::OrgBusy, why)
            .hint("run the same command again later, or lengthen `--deadline`");
        withheld(self.old, "renamed", false, failure)
    }

    fn in_progress(&self) -> Failure {
        let message = format!("{} is in progress in another process; nothing was sent", self.old);
        Failure::new(ErrorKind::InProgress, message)
            .hint("wait for that process, then run the same command again")
    }

    fn in_doubt(&self, name: &str) -> Failure {
        let why =
            format!("{name} is in doubt in this org, and its outcome could not be determined");
        let failure = Failure::new(ErrorKind::OrgInDoubt, why).hint(format!(
            "run `portal recover {name}{}`, then the same command again",
            self.org.place.arguments()
        ));
        withheld(self.old, "renamed", false, failure)
    }
}
