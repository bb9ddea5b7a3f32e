//! One create with the duties of the intent log around it (rule 11): [`SafeCreate`].

mod waits;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use portal_http::client::{Client, IntentSink};
use portal_model::flow::{Activity, CreateIntent, Flow, Intent, Policy, Receipt};
use portal_model::outcome::{Doubt, NotDone, Unverified};
use portal_model::{CreateOperation, Outcome};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::report::exit::ExitClass;
use crate::report::failure::ErrorKind;
use crate::report::failure::Failure;
use crate::safe::intent_log::{
    Entry, Found, IntentLog, OpenIntent, OrgLock, State, Taken, Unreadable, Whose, receipts,
};
use crate::safe::late;
use crate::safe::recent::{is_superseded, renames_of};
use crate::safe::recovery::{self, Determined, Recovered};
use crate::safe::withheld::{discarded, in_progress, not_created};
use crate::sys::signal::raised;
use crate::terminal::printer::Printer;

/// One create in one org: a single one, or a row of a batch.
#[derive(Debug)]
pub(crate) struct SafeCreate<'a> {
    pub(crate) log: &'a IntentLog,
    pub(crate) client: &'a Client,
    pub(crate) whose: Whose,
    /// Prints notes about other creates.
    pub(crate) printer: &'a Printer,
}

/// The end of a create. Call [`OpenIntent::delivered`] once the outcome is printed or journaled.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    pub(crate) intent: OpenIntent,
}

/// A create that can proceed.
struct Clear {
    /// The entries of this org, each with a certain outcome except the one taken over.
    entries: Vec<Entry>,
    /// The create of an earlier process with the same name, which continues here.
    earlier: Option<(Box<Entry>, OpenIntent)>,
}

impl SafeCreate<'_> {
    /// Locks the org, determines the outcomes that dead processes left in doubt there, takes over an
    /// unfinished create of the same name, then creates. `also` is a second intent sink, such as a
    /// journal; `show` is called with the progress of each part.
    ///
    /// # Errors
    /// Fails with nothing sent if another create of the org is in progress or in doubt, or if the
    /// log cannot be read.
    pub(crate) async fn run(
        &self,
        wish: CreateOperation,
        also: impl IntentSink + Clone,
        mut stop: watch::Receiver<bool>,
        mut show: impl FnMut(watch::Receiver<Activity>),
    ) -> Result<Finished, Failure> {
        let deadline = Instant::now() + self.policy().deadline;
        let _lock = if self.policy().allow_another {
            None
        } else {
            match self.lock_org(&wish, deadline, &mut stop).await? {
                Some(lock) => Some(lock),
                None => return self.stopped(&wish).await,
            }
        };
        let Some(clear) = self.clear(&wish, deadline, &mut stop, &mut show).await? else {
            return self.stopped(&wish).await;
        };
        let is_stopped = tokio::select! {
            () = late::warn(self.log, self.client, &clear.entries, self.printer) => false,
            () = raised(&mut stop) => true,
        };
        if is_stopped {
            // Release the file of the earlier run.
            drop(clear);
            return self.stopped(&wish).await;
        }
        if let Some((entry, intent)) = &clear.earlier
            && let Some(Recovered::Create(outcome)) = Recovered::recorded(entry)
        {
            return Ok(Finished { outcome, intent: intent.clone() });
        }
        let receipts = receipts(&clear.entries);
        let (flow, intent) = match clear.earlier {
            Some((entry, intent)) => {
                self.printer.note(format_args!(
                    "{} is in doubt from an earlier run; determining its outcome first",
                    entry.name()
                ));
                let since_end = entry.since_end();
                let earlier = match entry.history.intent.clone() {
                    Intent::Create(earlier) => earlier,
                    // `Entry::is_of` found it.
                    _ => CreateIntent::new(wish.name.clone()),
                };
                (self.take_over(earlier, since_end, &wish, deadline, receipts), intent)
            }
            None => (self.begin(&wish, deadline, receipts), self.new_intent()),
        };
        let running = self.client.perform(flow, Both(intent.clone(), also));
        let outcome = recovery::finish(running, &mut stop, &mut show).await;
        Ok(Finished { outcome, intent })
    }

    /// The outcome if the user stops before anything is sent: what an earlier run or another process
    /// leaves unknown stays so.
    async fn stopped(&self, wish: &CreateOperation) -> Result<Finished, Failure> {
        let found = self.find(wish).await?;
        if let Err(failure) = self.check(&found, wish)
            && failure.exit == ExitClass::Unknown
        {
            return Err(failure);
        }
        let own: Vec<&Entry> = self.own(&found).collect();
        if let Some(entry) = unfinished(&own, wish) {
            if let Some(Recovered::Create(outcome)) = Recovered::recorded(entry)
                && let Taken::Held(_, intent) = self.log.take(entry).await?
            {
                return Ok(Finished { outcome, intent });
            }
            if let Intent::Create(intent) = entry.history.intent.clone() {
                let (doubt, why) = (Doubt::Earlier, Unverified::Stopped);
                let outcome = Outcome::Unknown { name: intent.name.into(), doubt, why };
                return Ok(Finished { outcome, intent: self.new_intent() });
            }
        }
        let is_discarded = |entry: &&Entry| !self.until_safe(entry).is_zero();
        if let Some(entry) = self.own(&found).filter(is_discarded).find(|e| e.concerns(wish)) {
            return Err(discarded(wish, entry, self.until_safe(entry)));
        }
        let outcome = Outcome::NotCreated { name: wish.name.clone(), why: NotDone::Stopped };
        Ok(Finished { outcome, intent: self.new_intent() })
    }

    fn policy(&self) -> &Policy {
        self.client.policy()
    }

    fn new_intent(&self) -> OpenIntent {
        self.log.begin(self.whose.clone())
    }

    /// The policy with the remaining time: waiting for the org counts.
    fn policy_until(&self, deadline: Instant) -> Policy {
        let mut policy = self.policy().clone();
        policy.deadline = deadline.saturating_duration_since(Instant::now());
        policy
    }

    fn begin(&self, wish: &CreateOperation, deadline: Instant, receipts: Vec<Receipt>) -> Flow {
        let policy = self.policy_until(deadline);
        Flow::new(wish.clone().into(), policy, self.client.version()).with_receipts(receipts)
    }

    fn take_over(
        &self,
        earlier: CreateIntent,
        since_end: Duration,
        wish: &CreateOperation,
        deadline: Instant,
        receipts: Vec<Receipt>,
    ) -> Flow {
        let policy = self.policy_until(deadline);
        let horizon = policy.processing_time.saturating_sub(since_end);
        let (wish, version) = (wish.clone().into(), self.client.version());
        Flow::resume(wish, earlier.into(), horizon, policy, version).with_receipts(receipts)
    }

    /// Waits for the org's lock. Returns `None` if the flag is raised first.
    async fn lock_org(
        &self,
        wish: &CreateOperation,
        deadline: Instant,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<OrgLock>, Failure> {
        let mut is_noted = false;
        loop {
            if let Some(lock) = self.log.try_lock_org(&self.whose.identity)? {
                return Ok(Some(lock));
            }
            if !self.wait(&mut is_noted, wish, deadline, stop).await? {
                return Ok(None);
            }
        }
    }

    async fn find(&self, wish: &CreateOperation) -> Result<Found, Failure> {
        let names: Vec<String> = wish.names().map(ToString::to_string).collect();
        Ok(self.log.about(&self.whose.identity, &names).await?)
    }

    fn own<'f>(&self, found: &'f Found) -> impl Iterator<Item = &'f Entry> {
        let entries = found.entries.iter();
        entries.filter(|entry| entry.is_in(&self.whose.identity))
    }

    /// Whether an earlier run of this create is in `state`.
    fn is_in(&self, found: &Found, wish: &CreateOperation, state: State) -> bool {
        self.own(found).any(|entry| entry.state() == state && entry.is_of(wish))
    }

    /// Determines the outcomes that block this create. Returns `None` if the flag is raised first.
    async fn clear(
        &self,
        wish: &CreateOperation,
        deadline: Instant,
        stop: &mut watch::Receiver<bool>,
        show: &mut impl FnMut(watch::Receiver<Activity>),
    ) -> Result<Option<Clear>, Failure> {
        let mut is_noted = false;
        let mut waited_out: Vec<PathBuf> = Vec::new();
        loop {
            if *stop.borrow() {
                return Ok(None);
            }
            let found = self.find(wish).await?;
            self.check(&found, wish)?;
            let own: Vec<&Entry> = self.own(&found).collect();
            if own.iter().any(|entry| self.is_in_the_way(entry, wish)) {
                if !self.wait(&mut is_noted, wish, deadline, stop).await? {
                    return Ok(None);
                }
                continue;
            }
            let earlier = unfinished(&own, wish);
            let other = own.iter().find(|entry| {
                let is_earlier = earlier.is_some_and(|earlier| earlier.path() == entry.path());
                entry.state() == State::InDoubt && !is_earlier && self.counts(entry, wish)
            });
            if let Some(other) = other {
                self.determine(other, wish, stop, show).await?;
                continue;
            }
            let is_waited_out = |entry: &Entry| waited_out.iter().any(|path| path == entry.path());
            let discarded = own
                .iter()
                .filter(|entry| !is_waited_out(entry) && !self.until_safe(entry).is_zero());
            let discarded: Vec<&Entry> = discarded.copied().collect();
            if let Some(last) = discarded.iter().max_by_key(|entry| self.until_safe(entry)) {
                if !self.wait_out(last, wish, deadline, stop).await? {
                    return Ok(None);
                }
                // Without a boot clock, an age across processes is unreliable: count what this
                // process has waited.
                waited_out.extend(discarded.iter().map(|entry| entry.path().to_owned()));
                continue;
            }
            let renames = renames_of(&own, |name| wish.includes(name));
            let unlisted = renames
                .iter()
                .find(|entry| !is_waited_out(entry) && !self.until_listed(entry).is_zero());
            if let Some(rename) = unlisted {
                let is_in_doubt = earlier.is_some_and(|entry| entry.state() == State::InDoubt);
                if !self.wait_for_list(rename, wish, is_in_doubt, deadline, stop).await? {
                    return Ok(None);
                }
                waited_out.push(rename.path().to_owned());
                continue;
            }
            let earlier = match earlier {
                None => None,
                Some(entry) => match self.log.take(entry).await? {
                    Taken::Held(entry, intent) => Some((entry, intent)),
                    Taken::InProgress => return Err(in_progress(wish, &self.whose.place)),
                    Taken::Gone => continue,
                },
            };
            let entries = own.into_iter().cloned().collect();
            return Ok(Some(Clear { entries, earlier }));
        }
    }

    /// Whether an entry of this org matters: with `--allow-another`, only one of the same name does.
    fn counts(&self, entry: &Entry, wish: &CreateOperation) -> bool {
        !self.policy().allow_another || entry.concerns(wish)
    }

    /// Whether a create that matters, or a rename of one of the names, is in progress.
    fn is_in_the_way(&self, entry: &Entry, wish: &CreateOperation) -> bool {
        entry.state() == State::InProgress
            && (entry.is_create() || entry.concerns(wish))
            && !entry.is_of(wish)
            && self.counts(entry, wish)
    }

    /// Fails for obstacles that waiting does not remove.
    fn check(&self, found: &Found, wish: &CreateOperation) -> Result<(), Failure> {
        let is_about = |file: &Unreadable| wish.includes(file.portal());
        let unreadable = found.unreadable.iter().filter(|file| {
            file.may_concern(&self.whose.identity)
                && (!self.policy().allow_another || is_about(file))
        });
        if let Some(file) = unreadable.max_by_key(|file| is_about(file)) {
            let failure = file.failure().exit(ExitClass::Unavailable);
            return Err(not_created(wish, is_about(file), failure));
        }
        if self.is_in(found, wish, State::InProgress) {
            return Err(in_progress(wish, &self.whose.place));
        }
        // One request must not become two portals because a profile now leads to another org.
        let mut elsewhere = found.entries.iter().filter(|entry| {
            entry.is_of(wish)
                && entry.history.whose.place == self.whose.place
                && !entry.is_in(&self.whose.identity)
                && matches!(entry.state(), State::InDoubt | State::InProgress)
        });
        let Some(entry) = elsewhere.next() else { return Ok(()) };
        let (name, begun, now) = (entry.name(), entry.identity(), &self.whose.identity);
        let why = format!("{name} is in doubt in another org: {begun}; now this is {now}");
        let failure = Failure::new(ErrorKind::AnotherOrg, why).hint(format!(
            "use the credentials of that org and run `portal recover {name}`; if it is the same \
             org, `portal recover {name} --same-org`"
        ));
        Err(not_created(wish, true, failure))
    }

    /// Determines the outcome of another intent of this org.
    async fn determine(
        &self,
        entry: &Entry,
        wish: &CreateOperation,
        stop: &mut watch::Receiver<bool>,
        show: &mut impl FnMut(watch::Receiver<Activity>),
    ) -> Result<(), Failure> {
        let name = entry.name();
        let work = recovery::determine(self.log, self.client, entry, self.printer, stop, show);
        if work.await? == Determined::Certain || *stop.borrow() {
            return Ok(());
        }
        let is_in_doubt = self.is_in(&self.find(wish).await?, wish, State::InDoubt);
        let why =
            format!("{name} is in doubt in this org, and its outcome could not be determined");
        let failure = Failure::new(ErrorKind::OrgInDoubt, why).hint(format!(
            "run `portal recover {name}{}`, or pass `--allow-another` to create a second one",
            self.whose.place.arguments()
        ));
        Err(not_created(wish, is_in_doubt, failure))
    }
}

/// The first of an org's entries that is an earlier run of this create, in doubt or not reported yet.
fn unfinished<'e>(own: &[&'e Entry], wish: &CreateOperation) -> Option<&'e Entry> {
    let is_unfinished = |entry: &&&Entry| match entry.state() {
        State::InDoubt => entry.is_of(wish),
        State::Undelivered => entry.is_of(wish) && !is_superseded(entry, own),
        State::InProgress | State::Receipt => false,
    };
    own.iter().find(is_unfinished).copied()
}

/// Two sinks as one, called in order.
#[derive(Clone, Debug)]
struct Both<A, B>(A, B);

impl<A: IntentSink, B: IntentSink> IntentSink for Both<A, B> {
    async fn record(&mut self, intent: &Intent) -> io::Result<()> {
        self.0.record(intent).await?;
        self.1.record(intent).await
    }

    async fn end(&mut self, outcome: &Outcome) -> io::Result<()> {
        let first = self.0.end(outcome).await;
        self.1.end(outcome).await?;
        first
    }
}

/// Records that the outcome was printed. If writing to stdout failed, the next run or `portal
/// recover` reports it.
pub(crate) async fn deliver(intent: &OpenIntent, printer: &Printer) {
    if printer.is_delivered()
        && let Err(error) = intent.delivered().await
    {
        tracing::warn!(%error, "the intent log was not updated");
    }
}
