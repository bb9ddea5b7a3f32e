//! [`Ledger`] and [`Permit`]: the decisions over a store that lasts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::{Intent, Receipt};
use portal_model::{Org, OrgIdentity};
use tokio::sync::oneshot;

use crate::claim::{ClaimRequest, Refusal};
use crate::decide::{self, Adopted, AttemptEnd, Grant};
use crate::entry::{Ending, Entry, EntryId};
use crate::error::LedgerError;
use crate::memory::Memory;
#[cfg(feature = "postgres")]
use crate::postgres::Postgres;
use crate::process::Process;
use crate::rows::{self, Decide, Engine, Filter, Rows};
#[cfg(feature = "sqlite")]
use crate::sqlite::{OpenError, Sqlite};
use crate::time::Moment;

/// The record of operations of everybody who shares it. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<dyn Engine>);

/// The right to make the next attempt of an entry, until its lease ends or somebody adopts it.
///
/// Dropping it gives the entry up, unless an attempt is under way: then the entry stays held for one
/// attempt budget, since nobody knows what the attempt did.
#[derive(Debug)]
pub struct Permit {
    ledger: Ledger,
    holder: EntryId,
    grant: Box<Grant>,
    granted_at: Moment,
    /// Until then nobody else can adopt the entry, on the caller's clock.
    held_until: Moment,
    last: Option<AttemptEnd>,
    has_ended: bool,
}

/// Why an attempt must not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Somebody else adopted the entry: claim again, under a new id.
    #[error(transparent)]
    Adopted(#[from] Adopted),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Ledger {
    /// A ledger that lasts as long as this value and its clones.
    pub fn in_memory() -> Self {
        Self(Arc::new(Memory::default()))
    }

    /// Opens the ledger in `directory`, creating it if missing, readable only by its owner. Any
    /// number of processes of one machine may do so at once.
    ///
    /// # Errors
    /// [`OpenError`] if it can't be opened, is damaged, or was written by a later version.
    #[cfg(feature = "sqlite")]
    pub fn open(directory: impl AsRef<std::path::Path>) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Sqlite::open(directory.as_ref())?)))
    }

    /// The ledger in the schema `portal_ledger` of a PostgreSQL database, which the first transaction
    /// creates if it is missing. Any number of processes on any number of machines may use it at once.
    ///
    /// A transaction uses one connection of the pool, keeps nothing in its session, and takes at most
    /// 5 s, the wait for the connection included. It needs a tokio runtime with time and I/O enabled.
    ///
    /// ```
    /// use portal_ledger::Ledger;
    /// use portal_ledger::deadpool_postgres::{Manager, Pool, tokio_postgres::NoTls};
    ///
    /// let database = "postgres://portal@db.example.com/portal".parse()?;
    /// let pool = Pool::builder(Manager::new(database, NoTls)).build()?;
    /// let ledger = Ledger::postgres(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "postgres")]
    pub fn postgres(pool: deadpool_postgres::Pool) -> Self {
        Self(Arc::new(Postgres(pool)))
    }

    /// The same ledger as a process finds it that starts now: to test a crash. Permits of one in memory
    /// are held by nobody, as those of a process that was killed: their writes fail. One that lasts is
    /// the same for every process: kill one to test it.
    pub fn after_restart(&self) -> Self {
        self.0.after_restart().map_or_else(|| self.clone(), Self)
    }

    /// The file of a ledger that [`Self::open`] opened; `None` for others. Another process may copy it; one that
    /// has it open must not, since on Unix a process that closes a file gives up its locks of it.
    pub fn path(&self) -> Option<&std::path::Path> {
        self.0.path()
    }

    /// Where [`Self::open`] has the file of the ledger in `directory`, whether it exists or not.
    #[cfg(feature = "sqlite")]
    pub fn path_in(directory: impl AsRef<std::path::Path>) -> std::path::PathBuf {
        crate::sqlite::path_in(directory.as_ref())
    }

    /// Asks for the next attempt of an operation, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError`]. After [`LedgerError::Unknown`] ask again with the same request.
    ///
    /// # Cancel safety
    /// If the future is dropped, the claim may have been granted; the same request, asked again, is
    /// granted again, and otherwise the entry is held for one attempt budget.
    pub async fn claim(
        &self,
        request: &ClaimRequest,
        now: &Moment,
    ) -> Result<Result<Permit, Refusal>, LedgerError> {
        let asked = ClaimRequest { process: Process::current(), ..request.clone() };
        let (decision, at) = self.decide(&asked, now, Rows::of_claim, decide::claim).await?;
        let granted = decision.map(|grant| Permit {
            ledger: self.clone(),
            holder: request.id.clone(),
            held_until: now.plus(grant.entry.times.attempt_budget),
            grant,
            granted_at: at.clone(),
            last: None,
            has_ended: false,
        });
        Ok(granted.map_err(|mut refusal| {
            if let Refusal::Wait(wait) = &mut refusal {
                // `now` was read earlier than the clock: too early, if anything, and asked again then.
                wait.until = wait.until.read_at(&at, now);
            }
            refusal
        }))
    }

    /// The org that the credential of `identity` led to, if the service told that to an entry.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn org_of(&self, identity: &OrgIdentity) -> Result<Option<Org>, LedgerError> {
        let find = |rows: Vec<Entry>, _: Option<&Moment>| {
            (Vec::new(), rows.first().and_then(|entry| entry.org.org().cloned()))
        };
        self.transact(Rows::org_of(identity), find).await
    }

    /// What a claim would find, of what was done under its key or about its names.
    pub(crate) async fn look(
        &self,
        request: &ClaimRequest,
        now: &Moment,
    ) -> Result<decide::Look, LedgerError> {
        let look = |rows, asked: &_, at: &_| (Vec::new(), decide::look(rows, asked, at));
        Ok(self.decide(request, now, Rows::of_names, look).await?.0)
    }

    /// The same of many claims, with few transactions.
    pub(crate) async fn looks(
        &self,
        requests: &[&ClaimRequest],
        now: &Moment,
    ) -> Result<Vec<decide::Look>, LedgerError> {
        let terms_of = |request: &&ClaimRequest| {
            Rows::of_names(request, &decide::names_of(&[], request)).terms
        };
        let mut terms: BTreeSet<String> = requests.iter().flat_map(terms_of).collect();
        let (mut rows, mut now, mut read) = (Vec::new(), now.clone(), 0);
        while read < terms.len() {
            read = terms.len();
            let filter = Some(Filter::default());
            let asked = Rows { terms: terms.iter().cloned().collect(), filter, ..Rows::default() };
            let all = |rows, clock: Option<&Moment>| (Vec::new(), (rows, clock.cloned()));
            let found: (Vec<Entry>, _) = self.transact(asked, all).await?;
            (rows, now) = (found.0, found.1.unwrap_or(now));
            // Renames may have given the portals other names.
            terms.extend(rows.iter().flat_map(rows::name_terms));
        }
        rows.reverse();
        let copy = Self::in_memory();
        copy.transact(Rows::default(), |_, _| (rows, ())).await?;
        let mut looks = Vec::with_capacity(requests.len());
        for request in requests {
            looks.push(copy.look(request, &now).await?);
        }
        Ok(looks)
    }

    /// Decides over every entry that `rows` selects by the names that the claim turns on, and says when.
    async fn decide<T: Send + 'static>(
        &self,
        request: &ClaimRequest,
        now: &Moment,
        rows: impl Fn(&ClaimRequest, &BTreeSet<String>) -> Rows,
        decide: impl Fn(Vec<Entry>, &ClaimRequest, &Moment) -> (Vec<Entry>, T) + Copy + Send + 'static,
    ) -> Result<(T, Moment), LedgerError> {
        let mut names = decide::names_of(&[], request);
        loop {
            let (asked, at, read) = (request.clone(), now.clone(), names.clone());
            let decide = move |rows: Vec<Entry>, clock: Option<&Moment>| {
                let names = decide::names_of(&rows, &asked);
                if !names.is_subset(&read) {
                    return (Vec::new(), Err(names));
                }
                let at = clock.unwrap_or(&at).clone();
                let (written, decision) = decide(rows, &asked, &at);
                (written, Ok((decision, at)))
            };
            match self.transact(rows(request, &names), decide).await? {
                Ok(decided) => return Ok(decided),
                Err(more) => names = more,
            }
        }
    }

    /// The entry of that id, if there is one.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn entry(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        self.transact(Rows::entry(id), |mut rows, _| (Vec::new(), rows.pop())).await
    }

    /// The entries that `filter` selects, newest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn entries(&self, filter: &Filter) -> Result<Vec<Entry>, LedgerError> {
        self.transact(Rows::seen(filter.clone()), |rows, _| (Vec::new(), rows)).await
    }

    /// Reads rows, decides, and writes rows, in one transaction.
    async fn transact<T: Send + 'static>(
        &self,
        rows: Rows,
        decide: impl FnOnce(Vec<Entry>, Option<&Moment>) -> (Vec<Entry>, T) + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (decided, decision) = oneshot::channel();
        let decide: Decide = Box::new(move |rows, clock| {
            let (written, decision) = decide(rows, clock);
            drop(decided.send(decision));
            written
        });
        self.0.submit(rows, decide).await?;
        decision.await.map_err(|_| LedgerError::Unknown("nothing was decided".to_owned()))
    }
}

impl Permit {
    /// The entry: a new one, or the one that is adopted, with its attempts and its first baseline.
    pub fn entry(&self) -> &Entry {
        &self.grant.entry
    }

    /// How long from the grant the attempts of those who held the entry before may still take effect;
    /// zero if there was none, none in doubt, or not any more. Count it from after the claim.
    pub fn horizon(&self) -> Duration {
        let entry = &self.grant.entry;
        let horizon = entry.horizon(&self.granted_at, entry.times.processing_time);
        horizon.and_then(|horizon| horizon.since(&self.granted_at)).unwrap_or_default()
    }

    /// Whether a portal that appears may be the doing of another operation that wants the name.
    pub fn has_rival(&self) -> bool {
        self.grant.has_rival
    }

    /// Until then nobody else can have adopted the entry.
    pub(crate) fn held_until(&self) -> &Moment {
        &self.held_until
    }

    /// What this ledger created, or may have created, in what may be the org: a list may not show it yet.
    pub fn receipts(&self) -> &[Receipt] {
        &self.grant.receipts
    }

    /// Notes the end of the attempt that was recorded last; it is written with the next record or
    /// the end.
    pub fn attempt_ended(&mut self, end: AttemptEnd) {
        self.last = Some(end);
    }

    /// Records an attempt, durably, before it is made. `now` is read before the call, and the
    /// attempt ends at most one attempt budget after it: check that right before the first byte.
    ///
    /// # Errors
    /// [`RecordError`]: no attempt may be made. After an error of the ledger it may be recorded or not, and
    /// can be recorded again.
    ///
    /// # Cancel safety
    /// If the future is dropped, the attempt may be recorded; it must not be made.
    pub async fn record(&mut self, intent: &Intent, now: &Moment) -> Result<(), RecordError> {
        let (last, intent) = (self.last.clone(), intent.clone());
        // As long as this has not returned, the attempt is not made.
        self.last.get_or_insert_with(|| AttemptEnd::new(now.clone(), false));
        self.write(last, now, move |entry, holder, last, now| {
            decide::record(entry, holder, &intent, last, now)
        })
        .await?;
        self.held_until = now.plus(self.grant.entry.times.attempt_budget);
        self.last = None;
        Ok(())
    }

    /// Keeps the end that was noted, durably.
    ///
    /// # Errors
    /// [`RecordError`]: the ending may keep it yet.
    pub async fn keep_end(&mut self, now: &Moment) -> Result<(), RecordError> {
        let last = self.last.clone();
        self.write(last, now, |entry, holder, last, _| decide::attempt_ended(entry, holder, last))
            .await
    }

    /// Ends the entry, durably, and returns it.
    ///
    /// # Errors
    /// [`RecordError::Adopted`] if somebody else holds the entry, and `ending` is not that the portal
    /// was created, or somebody else was told that it is theirs; the ending is then for them to determine. After an error of the ledger the
    /// outcome is as true as before, and the next claim determines it again.
    pub async fn end(mut self, ending: &Ending, now: &Moment) -> Result<Entry, RecordError> {
        let (last, ending) = (self.last.take(), ending.clone());
        self.write(last, now, move |entry, holder, last, now| {
            decide::end(entry, holder, &ending, last, now)
        })
        .await?;
        self.has_ended = true;
        Ok(self.grant.entry.clone())
    }

    /// Writes the row that is held, with the end of its last attempt.
    async fn write(
        &mut self,
        last: Option<AttemptEnd>,
        now: &Moment,
        decide: impl FnOnce(Entry, &EntryId, Option<&AttemptEnd>, &Moment) -> Result<Entry, Adopted>
        + Send
        + 'static,
    ) -> Result<(), RecordError> {
        let (holder, now) = (self.holder.clone(), now.clone());
        let decide = move |mut rows: Vec<Entry>, clock: Option<&Moment>| {
            let clock = clock.unwrap_or(&now);
            // The clock was read later than `now`: the end is not too early.
            let last = last.map(|last| AttemptEnd { at: last.at.read_at(&now, clock), ..last });
            let row = rows.pop().ok_or(Adopted);
            let written = row.and_then(|row| decide(row, &holder, last.as_ref(), clock));
            (written.iter().cloned().collect(), written)
        };
        let row = Rows::entry(&self.grant.entry.id);
        self.grant.entry = self.ledger.transact(row, decide).await??;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let (holder, last) = (self.holder.clone(), self.last.take());
        let decide = move |mut rows: Vec<Entry>, clock: Option<&Moment>| {
            // Without a reading of the caller's clock, the attempt ended now at the latest.
            let last =
                last.map(|last| AttemptEnd { at: clock.unwrap_or(&last.at).clone(), ..last });
            let released = rows.pop().and_then(|row| decide::release(row, &holder, last.as_ref()));
            released.into_iter().collect()
        };
        // Best effort: without it the entry is held until its lease ends.
        let row = Rows::entry(&self.grant.entry.id);
        drop(self.ledger.0.submit(row, Box::new(decide)));
    }
}
