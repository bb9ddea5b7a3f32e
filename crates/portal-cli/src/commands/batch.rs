//! `portal batch FILE`: one portal in each of many orgs.

mod preview;
mod progress;
mod report_file;
mod table;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portal_http::client::FileTokenCache;
use portal_model::ApiVersion;
use portal_model::flow::Policy;
use portal_model::neutral::shell_word;
use tokio::sync::{OnceCell, watch};

pub(super) use self::preview::Planned;
use self::preview::Preview;
use self::progress::Progress;
use crate::batch::doubt;
use crate::batch::file;
use crate::batch::in_flight::InFlight;
use crate::batch::journal::{self, Journal, State};
use crate::batch::plan::Row;
use crate::batch::result::{RowResult, Verdict};
use crate::batch::run::{Batch, Org, Stop, Task};
use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{
    About, Environment, Examples, ExitStatus, Sections, SeeAlso, Variables,
};
use crate::org::candidates;
use crate::org::profile::Profiles;
use crate::org::target::Target;
use crate::report::exit::{self, ExitClass};
use crate::report::failure::{ErrorKind, Failure};
use crate::safe::intent_log::{self, Entry, IntentLog, Taken};
use crate::sys::directories;
use crate::sys::signal;
use crate::terminal::printer::Printer;
use crate::terminal::prompt;
use crate::terminal::width;

/// Create a portal in each of many orgs
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(add = SECTIONS)]
pub(crate) struct Args {
    /// CSV with the columns profile, name and fallback; `-` reads stdin
    file: PathBuf,
    /// Journal of the batch [default: beside FILE]
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// Succeed if a portal already exists
    #[arg(long)]
    ensure: bool,
    /// Create portals even in orgs that have another one
    #[arg(long)]
    allow_another: bool,
    /// Show what would be done, and create nothing
    #[arg(long)]
    dry_run: bool,
    /// Skip the prompt (required if stdin is not a terminal)
    #[arg(short, long)]
    yes: bool,
    /// Try rejected rows again
    #[arg(long)]
    retry: bool,
    /// Stop after this many rows, such as 1 for a first try
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Begin no further row after this many failed
    #[arg(long, value_name = "N")]
    max_failures: Option<usize>,
    /// Orgs that are worked on at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Write the rows with their results to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Accept other credentials: they lead to the same org
    #[arg(long)]
    same_org: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    /// v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t, help_heading = "Org", add = candidates::api_versions())]
    api_version: ApiVersion,
    /// PEM file of root certificates to trust too
    #[arg(long, value_name = "FILE", help_heading = "Org")]
    ca_file: Option<PathBuf>,
}

const SECTIONS: Sections = Sections(&[
    About(
        "The column `fallback` is optional: names to try if the first is taken, separated by |. \
              Nothing is sent unless the whole file is valid. Progress is kept in a journal beside the \
              file, and the same command continues where it stopped.",
    ),
    Environment(&[Variables {
        names: &["PORTAL_STATE_DIR"],
        notes: "PORTAL_STATE_DIR is the directory of the intent log; hosts and credentials are \
                    those of the profiles",
    }]),
    ExitStatus("that of a create if all rows have the same (`portal create --help`), else 1"),
    Examples(
        "portal batch portals.csv --dry-run\n\
         portal batch portals.csv --limit 1\n\
         portal rehearse portals.csv",
    ),
    SeeAlso(&["create"]),
]);

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let path = args.file.as_path();
    if !file::is_regular(path) && args.journal.is_none() && !args.dry_run {
        return Err(Failure::usage(format!("{} cannot have a journal beside it", path.display()))
            .hint("pass `--journal PATH` with a file that survives a restart"));
    }
    let mut policy = args.policy.policy(Policy::batch())?;
    policy.allow_another = args.allow_another;
    let profiles = Profiles::load(&directories::config()?)?;
    let rows = file::read(path, args.allow_another, &profiles, printer)?;
    let default_path = path.with_extension("journal.jsonl");
    let named = args.journal.as_deref();
    let shown = named.unwrap_or(&default_path);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let states =
        journal::peek(shown, &name, &rows).map_err(|error| Failure::usage(format!("{error:#}")))?;
    // The result of each row so far; those that are begun are replaced as they end.
    let mut results: Vec<RowResult> =
        states.iter().zip(&rows).map(|(state, row)| state.so_far(row)).collect();
    let mut tasks = tasks(&states, args.retry);
    tasks.truncate(args.limit.unwrap_or(usize::MAX));
    let targets = targets(&rows, tasks, &profiles, args)?;
    let open: usize = targets.iter().map(|(_, tasks)| tasks.len()).sum();
    let command = Again { file: path, journal: named };
    if open == 0 && !args.dry_run {
        return Ok(nothing_to_do(&results, &command, args, printer));
    }
    let is_rehearsal = targets.iter().all(|(target, _)| target.is_this_machine());
    let summary = summary(&targets);
    let orgs = orgs(targets, &policy)?;
    if args.dry_run {
        let preview = Preview::probe(&rows, &states, &orgs, args.allow_another).await;
        preview.print(printer, width::of_stdout());
        return Ok(ExitClass::Success);
    }
    if open < rows.len() {
        printer.note(finished_earlier(&states, rows.len()));
    }
    if args.yes || is_rehearsal {
        printer.note(summary);
    } else {
        prompt::require_terminal_for_create()?;
        let preview = Preview::probe(&rows, &states, &orgs, args.allow_another).await;
        let facts = format!("{}\n{summary}", preview.table(width::of_stderr()));
        let expected = format!("create {open}");
        let what = format!("`{expected}`");
        if !prompt::confirm_by_typing(&facts, &what, &expected, signal::interrupted()).await? {
            printer.note("Cancelled. Nothing was sent or saved.");
            return Ok(ExitClass::Stopped);
        }
    }
    // Created only now: nothing is kept of a batch that was not confirmed.
    let log = IntentLog::open()?;
    let journal = Journal::open(shown, named.is_some(), &name, &rows)
        .map_err(|error| Failure::usage(format!("{error:#}")))?;
    if journal.states() != states {
        return Err(Failure::usage(format!(
            "another process has changed the journal {} meanwhile",
            shown.display()
        ))
        .hint("run the same command again"));
    }
    printer.note(format_args!("journal: {}", shown.display()));
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
        args,
        failures: 0,
        progress: Progress::new(open, printer),
        printer,
    };
    let begun = batch.run(orgs, journal).await?;
    for result in &results {
        printer.json(&result.report);
    }
    printer.text(table::of(&results, &begun, &command, args.ensure, width::of_stdout()));
    write_report(args, &rows, &results, &begun)?;
    Ok(exit::combined(results.iter().map(|result| result.exit(args.ensure))))
}

/// Everything was finished by earlier runs.
fn nothing_to_do(
    results: &[RowResult],
    command: &Again<'_>,
    args: &Args,
    printer: &Printer,
) -> ExitClass {
    for result in results {
        printer.json(&result.report);
    }
    let counts = table::counts(results.iter());
    let rows = results.len();
    printer.text(format_args!(
        "Nothing to do: {rows} of {rows} rows were finished earlier ({counts}). Nothing was sent."
    ));
    if results.iter().any(|result| result.verdict() == Verdict::Rejected) {
        printer.hint(format_args!("run `{command} --retry` to try rejected rows again"));
    }
    exit::combined(results.iter().map(|result| result.exit(args.ensure)))
}

/// `already finished: 62 of 200 rows (60 created, 2 rejected)`
fn finished_earlier(states: &[State], rows: usize) -> String {
    let done: Vec<&RowResult> = states
        .iter()
        .filter_map(|state| match state {
            State::Done(result) => Some(result.as_ref()),
            State::Open | State::InDoubt(_) => None,
        })
        .collect();
    let counts = table::counts(done.iter().copied());
    format!("already finished: {} of {rows} rows ({counts})", done.len())
}

/// Writes the file of `--report`, if it is asked for: the rows of the file with a result for each.
fn write_report(
    args: &Args,
    rows: &[Row],
    results: &[RowResult],
    begun: &HashSet<usize>,
) -> Result<(), Failure> {
    let Some(path) = &args.report else { return Ok(()) };
    report_file::write(path, rows, results, begun).map_err(|error| {
        Failure::from(error.context(format!("cannot write the report {}", path.display())))
            .hint("run the same command again: finished rows are not sent again")
    })
}

/// The command that continues a batch.
pub(super) struct Again<'a> {
    file: &'a Path,
    journal: Option<&'a Path>,
}

impl fmt::Display for Again<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "portal batch {}", shell_word(&self.file.to_string_lossy()))?;
        match self.journal {
            Some(journal) => {
                write!(f, " --journal {}", shell_word(&journal.to_string_lossy()))
            }
            None => Ok(()),
        }
    }
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
    args: &'a Args,
    failures: usize,
    progress: Progress<'a>,
    printer: &'a Printer,
}

impl Running<'_> {
    /// Returns the rows that were begun.
    async fn run(
        &mut self,
        orgs: Vec<(Org, Tasks)>,
        journal: Journal,
    ) -> Result<HashSet<usize>, Failure> {
        let mut begun = HashSet::new();
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
            same_org: self.args.same_org,
            jobs: self.args.jobs.into(),
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
                Some((row, result)) = ended.recv() => {
                    begun.insert(row);
                    self.take(row, result);
                    if self.has_failed_enough() && *stop.borrow() == Stop::No {
                        self.printer.note("stopping: as many rows failed as `--max-failures` allows");
                        stop.send_replace(Stop::BeforeTheNext);
                    }
                }
                unwritable = &mut work => break unwritable,
                () = &mut interrupted => {
                    // Rule 13: what is in doubt is in the journal and in the intent log.
                    if *stop.borrow() == Stop::Now {
                        signal::exit_at_once();
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
            begun.insert(row);
            self.take(row, result);
        }
        self.progress.finish();
        if let Some(error) = unwritable {
            let message = format!("{error}; nothing was sent after that");
            let failure = Failure::new(ErrorKind::Journal, message)
                .hint("free some space, then run the same command again; nothing is lost");
            self.printer.error(&failure.report);
        }
        Ok(begun)
    }

    fn has_failed_enough(&self) -> bool {
        self.args.max_failures.is_some_and(|most| self.failures >= most)
    }

    fn take(&mut self, row: usize, result: RowResult) {
        self.progress.over(&result);
        self.failures += usize::from(result.verdict() != Verdict::Done);
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
