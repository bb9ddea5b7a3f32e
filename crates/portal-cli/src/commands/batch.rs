//! `portal batch FILE`: one portal in each of many orgs.

mod progress;
mod table;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portal_http::client::FileTokenCache;
use portal_model::ApiVersion;
use portal_model::flow::Policy;
use tokio::sync::{OnceCell, watch};

use self::progress::Progress;
use crate::batch::doubt;
use crate::batch::file;
use crate::batch::in_flight::InFlight;
use crate::batch::journal::{Journal, State};
use crate::batch::plan::Row;
use crate::batch::result::{RowResult, Verdict};
use crate::batch::run::{Batch, Org, Stop, Task};
use crate::commands::policy_args::PolicyArgs;
use crate::org::profile::Profiles;
use crate::org::target::Target;
use crate::report::exit::{self, ExitClass};
use crate::report::failure::{ErrorReport, Failure};
use crate::safe::intent_log::{self, Entry, IntentLog, Taken};
use crate::sys::directories;
use crate::sys::signal;
use crate::terminal::printer::Printer;
use crate::terminal::prompt;
use crate::terminal::width;

/// Create a portal in each of many orgs
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = format!("{HELP}\n\nExample:\n  portal batch portals.csv"))]
pub(crate) struct Args {
    /// CSV with the columns profile,name and, if wanted, fallback
    file: PathBuf,
    /// Journal of the batch [default: beside FILE]
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// Succeed if a portal already exists
    #[arg(long)]
    ensure: bool,
    /// Create the portals even in orgs that have another one
    #[arg(long)]
    allow_another: bool,
    /// Check the file and say what would be done, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Skip the confirmation prompt (required if stdin is not a terminal)
    #[arg(short, long)]
    yes: bool,
    /// Try rejected rows again
    #[arg(long)]
    retry: bool,
    /// Recover rows in doubt even if the credentials of their profile changed since: you know that
    /// they lead to the same org
    #[arg(long)]
    same_org: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Version of the API, v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t, help_heading = "Org")]
    api_version: ApiVersion,
    /// PEM file with additional root certificates to trust
    #[arg(long, value_name = "FILE", help_heading = "Org")]
    ca_file: Option<PathBuf>,
}

const HELP: &str = "\
The column `fallback` holds names to try if the first is taken, separated by |. Nothing is sent \
unless the whole file is valid; `portal check --from FILE` does only that check. Progress is kept in a journal beside the file, and the same command \
continues where it stopped. The default deadline of a portal is 15 minutes.

Exit status: the common status of all rows (see `portal create --help`), or 1 if they differ.";

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let path = args.file.as_path();
    let mut policy = args.policy.policy(Policy::batch())?;
    policy.allow_another = args.allow_another;
    let profiles = Profiles::load(&directories::config()?)?;
    let rows = file::read(path, args.allow_another, &profiles, printer)?;
    if args.dry_run {
        let all = (0..rows.len()).map(|row| (row, Task::Create)).collect();
        let targets = targets(&rows, all, &profiles, args)?;
        printer.text(summary(&targets));
        return Ok(ExitClass::Success);
    }
    let default_path = path.with_extension("journal.jsonl");
    let named = args.journal.as_deref();
    let shown = named.unwrap_or(&default_path);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let journal = Journal::open(shown, named.is_some(), &name, &rows)
        .map_err(|error| Failure::usage(format!("{error:#}")))?;
    // The result of each row so far; those that are begun are replaced as they end.
    let states = journal.states().to_vec();
    let mut results: Vec<RowResult> =
        states.iter().zip(&rows).map(|(state, row)| state.so_far(row)).collect();
    let targets = targets(&rows, tasks(&states, args.retry), &profiles, args)?;
    if !targets.is_empty() {
        let in_all = rows.len();
        let open: usize = targets.iter().map(|(_, tasks)| tasks.len()).sum();
        if open < in_all {
            printer.note(format_args!("done already: {} of {in_all} rows", in_all - open));
        }
        let is_rehearsal = targets.iter().all(|(target, _)| target.is_this_machine());
        if args.yes || is_rehearsal {
            printer.note(summary(&targets));
        } else {
            prompt::require_terminal_for_create()?;
            let (facts, expected) = (summary(&targets), format!("create {open}"));
            let what = format!("`{expected}`");
            if !prompt::confirm_by_typing(&facts, &what, &expected, signal::interrupted()).await? {
                printer.note("Cancelled. Nothing was sent.");
                return Ok(ExitClass::Stopped);
            }
        }
        printer.note(format_args!("journal: {}", shown.display()));
        let log = IntentLog::open()?;
        let journal_path = std::path::absolute(shown)?;
        let default_path = std::path::absolute(&default_path)?;
        if default_path != journal_path {
            doubt::adopt_all(&log, &default_path, &rows).await?;
        }
        deliver_again(&log, &journal_path, &states).await?;
        let mut batch = Running {
            rows: &rows,
            results: &mut results,
            log: &log,
            journal_path,
            same_org: args.same_org,
            progress: Progress::new(open, printer),
            printer,
        };
        batch.run(orgs(targets, &policy)?, journal).await?;
    }
    for result in &results {
        printer.json(&result.report);
    }
    printer.text(table::of(&results, args.ensure, width::of_stdout()));
    Ok(exit::combined(results.iter().map(|result| result.exit(args.ensure))))
}

/// A crash between the journal and the intent log leaves outcomes that the log takes for
/// unreported: the journal has them.
async fn deliver_again(log: &IntentLog, journal: &Path, states: &[State]) -> Result<(), Failure> {
    let is_reported = |entry: &Entry| {
        let row = entry.history.whose.batch_row.as_ref().filter(|row| row.journal == journal);
        let index = row.and_then(|row| row.row.checked_sub(1));
        matches!(index.and_then(|index| states.get(index)), Some(State::Done(_)))
    };
    for entry in log.all().await?.entries {
        if entry.state() == intent_log::State::Undelivered
            && is_reported(&entry)
            && let Taken::Held(_, intent) = log.take(&entry).await?
        {
            intent.delivered().await?;
        }
    }
    Ok(())
}

/// What is still to be done.
fn tasks(states: &[State], retry: bool) -> Vec<(usize, Task)> {
    let task = |state: &State| match state {
        State::Open => Some(Task::Create),
        State::InDoubt(doubt) => Some(Task::Recover(doubt.clone())),
        State::Done(result) => match result.verdict() {
            Verdict::NotCreated => Some(Task::Create),
            Verdict::Rejected if retry => Some(Task::Create),
            Verdict::Rejected | Verdict::Done | Verdict::InDoubt => None,
        },
    };
    let tasks = states.iter().enumerate();
    tasks.filter_map(|(row, state)| Some((row, task(state)?))).collect()
}

type Tasks = Vec<(usize, Task)>;

/// The orgs where something is to be done, in the order of the file.
fn targets(
    rows: &[Row],
    tasks: Tasks,
    profiles: &Profiles,
    args: &Args,
) -> Result<Vec<(Target, Tasks)>, Failure> {
    let mut targets: Vec<(Target, Tasks)> = Vec::new();
    let mut places = HashMap::new();
    for (index, task) in tasks {
        let Some(row) = rows.get(index) else { continue };
        let place = *places.entry(&row.profile).or_insert(targets.len());
        if place == targets.len() {
            let profile = profiles.get(&row.profile)?;
            let (version, ca_file) = (args.api_version, args.ca_file.clone());
            targets.push((profile.target(&row.profile, version, ca_file), Vec::new()));
        }
        if let Some((_, tasks)) = targets.get_mut(place) {
            tasks.push((index, task));
        }
    }
    Ok(targets)
}

/// `12 portals in 12 orgs, 3 data centers; this cannot be undone`
fn summary(targets: &[(Target, Tasks)]) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let tasks = || targets.iter().flat_map(|(_, tasks)| tasks);
    let in_doubt = tasks().filter(|(_, task)| matches!(task, Task::Recover(_))).count();
    let servers: HashSet<_> = targets.iter().map(|(target, _)| &target.accounts).collect();
    let first = match in_doubt {
        0 => String::new(),
        1 => "; one of them is in doubt, and its outcome is determined first".to_owned(),
        several => {
            format!("; {several} of them are in doubt, and their outcome is determined first")
        }
    };
    format!(
        "{} in {}, {}; this cannot be undone{first}",
        count(tasks().count(), "portal"),
        count(targets.len(), "org"),
        count(servers.len(), "data center"),
    )
}

fn orgs(targets: Vec<(Target, Tasks)>, policy: &Policy) -> Result<Vec<(Org, Tasks)>, Failure> {
    let Some((first, _)) = targets.first() else { return Ok(Vec::new()) };
    // All of them were given the same certificates.
    let transport = first.transport()?;
    let cache = directories::cache()?.join("tokens");
    targets
        .into_iter()
        .map(|(target, tasks)| {
            let client = target
                .builder_over(transport.clone())
                .policy(policy.clone())
                .token_cache(FileTokenCache::new(&cache))
                .build(target.credential.clone())
                .map_err(|error| Failure::usage(format!("{}: {error}", target.place)))?;
            Ok((Org { target, client, identity: OnceCell::new() }, tasks))
        })
        .collect()
}

/// A batch at work.
struct Running<'a> {
    rows: &'a [Row],
    results: &'a mut [RowResult],
    log: &'a IntentLog,
    journal_path: PathBuf,
    same_org: bool,
    progress: Progress<'a>,
    printer: &'a Printer,
}

impl Running<'_> {
    async fn run(&mut self, orgs: Vec<(Org, Tasks)>, journal: Journal) -> Result<(), Failure> {
        let in_flight = InFlight::default();
        let (stop, _) = watch::channel(Stop::No);
        let journal = Arc::new(journal.into_writer()?);
        let (stop_now, stopped_now) = watch::channel(false);
        let batch = Batch {
            rows: self.rows,
            log: self.log,
            journal,
            journal_path: self.journal_path.clone(),
            stop: stop.clone(),
            stop_now: stopped_now,
            same_org: self.same_org,
            in_flight: &in_flight,
            printer: self.printer,
        };
        let (over, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let mut work = std::pin::pin!(batch.run(orgs, |row, result| {
            // The receiver lives as long as the work.
            let _ = over.send((row, result));
        }));
        let mut interrupted = Box::pin(signal::interrupted());
        let unwritable = loop {
            tokio::select! {
                biased;
                Some((row, result)) = ended.recv() => self.take(row, result),
                unwritable = &mut work => break unwritable,
                () = &mut interrupted => {
                    // Rule 13: what is in doubt is in the journal and in the intent log.
                    if *stop.borrow() == Stop::Now {
                        std::process::exit(ExitClass::Stopped as i32);
                    }
                    let next = self.interrupt(*stop.borrow(), in_flight.len());
                    stop.send_replace(next);
                    stop_now.send_replace(next == Stop::Now);
                    interrupted = Box::pin(signal::interrupted());
                }
                () = self.progress.tick(&in_flight) => {}
            }
        };
        while let Ok((row, result)) = ended.try_recv() {
            self.take(row, result);
        }
        self.progress.finish();
        if let Some(error) = unwritable {
            let message = format!("{error}; nothing was sent after that");
            let report = ErrorReport::new("journal", message);
            let hint = "free some space, then run the same command again; nothing is lost";
            self.printer.error(&report.hint(hint));
        }
        Ok(())
    }

    fn take(&mut self, row: usize, result: RowResult) {
        self.progress.over(&result);
        if let Some(slot) = self.results.get_mut(row) {
            *slot = result;
        }
    }

    /// What the first Ctrl-C means, and what the second one.
    fn interrupt(&self, stop: Stop, in_flight: usize) -> Stop {
        match stop {
            Stop::No => {
                self.printer.note(format_args!(
                    "stopping: waiting for {in_flight} in flight; press Ctrl-C again to end them now"
                ));
                Stop::BeforeTheNext
            }
            Stop::BeforeTheNext | Stop::Now => Stop::Now,
        }
    }
}
