//! `portal batch FILE`: one portal in each of many orgs.

mod preview;
mod progress;
mod report_file;
mod table;

use std::cell::Cell;
use std::collections::{HashMap, HashSet, hash_map};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use portal_model::ApiVersion;
use portal_model::flow::Policy;
use portal_model::neutral::{cut, shell_word};
use tokio::sync::{OnceCell, watch};

pub(super) use self::preview::Planned;
use self::preview::Preview;
use self::progress::Progress;
use crate::batch::doubt;
use crate::batch::file;
use crate::batch::in_flight::InFlight;
use crate::batch::journal::{self, Journal, State};
use crate::batch::mistake::Problems;
use crate::batch::plan::Row;
use crate::batch::result::{RowResult, Verdict};
use crate::batch::run::{Batch, Ended, Org, Tasks};
use crate::commands::candidates;
use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{
    About, Environment, Examples, ExitStatus, Sections, SeeAlso, Variables,
};
use crate::org::profile::Profiles;
use crate::org::target::Target;
use crate::report::exit::{self, ExitClass};
use crate::report::failure::{Details, ErrorKind, Failure, Mistake};
use crate::safe::intent_log::{self, Entry, IntentLog, Taken};
use crate::sys::directories;
use crate::sys::files::{self, OutputFile};
use crate::sys::signal;
use crate::terminal::printer::Printer;
use crate::terminal::prompt;
use crate::terminal::width;

/// Create a portal in each of many orgs
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(add = Sections(&[
    About("The column `fallback` is optional: names to try if the first is taken, separated by |. \
        Nothing is sent unless the whole file is valid. Progress is kept in a journal beside the \
        file, and the same command continues where it stopped."),
    Environment(&[Variables {
        names: &["PORTAL_STATE_DIR"],
        notes: "PORTAL_STATE_DIR is the directory of the intent log; hosts and credentials are \
            those of the profiles",
    }]),
    ExitStatus("that of a create if all rows have the same (`portal create --help`), else 1"),
    Examples("\
portal batch portals.csv --dry-run
portal batch portals.csv --limit 1
portal rehearse portals.csv"),
    SeeAlso(&["create"]),
]))]
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
    /// PEM file of root certificates to trust too [env: PORTAL_CA_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Org")]
    ca_file: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let mut plan = plan(args, printer)?;
    if args.dry_run {
        plan.preview().await.print(printer, width::of_stdout());
        return Ok(ExitClass::Success);
    }
    if plan.open == 0 {
        return Ok(plan.nothing_to_do(printer));
    }
    if !plan.confirm(printer).await? {
        printer.note("Cancelled. Nothing was sent or saved.");
        return Ok(ExitClass::Stopped);
    }
    let report = args.report.as_deref().map(OutputFile::open).transpose()?;
    let begun = plan.execute(printer).await?;
    plan.summarize(&begun, report, printer)
}

/// What is to be done, and what was.
struct Plan<'a> {
    args: &'a Args,
    rows: Vec<Row>,
    /// Of each row, according to the journal.
    states: Vec<State>,
    /// Of each row so far.
    results: Vec<RowResult>,
    orgs: Vec<(Org, Tasks)>,
    /// The number of rows in `orgs`.
    open: usize,
    journal: PathBuf,
}

fn plan<'a>(args: &'a Args, printer: &Printer) -> Result<Plan<'a>, Failure> {
    let path = args.file.as_path();
    if !file::is_regular(path) && args.journal.is_none() && !args.dry_run {
        return Err(Failure::usage(format!("{} cannot have a journal beside it", path.display()))
            .hint("pass `--journal PATH` with a file that survives a restart"));
    }
    let files = [("FILE", Some(path)), ("--report", args.report.as_deref())];
    let files = files
        .into_iter()
        .chain([("--journal", args.journal.as_deref()), ("--ca-file", args.ca_file.as_deref())]);
    let files: Vec<_> = files.filter_map(|(what, path)| Some((what, path?))).collect();
    files::refuse_same(&files)?;
    let profiles = Profiles::load(&directories::config()?)?;
    let rows = rows(path, args.allow_another, &profiles, printer)?;
    let journal = args.journal.clone().unwrap_or_else(|| args.default_journal());
    let states =
        journal::peek(&journal, &args.file_name(), &rows).map_err(|error| unusable(&error))?;
    let mut tasks = tasks(&states, args.retry);
    tasks.truncate(args.limit.unwrap_or(usize::MAX));
    let open = tasks.len();
    let orgs = orgs(&rows, tasks, &profiles, args)?;
    let results = states.iter().zip(&rows).map(|(state, row)| state.so_far(row)).collect();
    Ok(Plan { args, rows, states, results, orgs, open, journal })
}

/// The journal is not that of the file.
fn unusable(error: &anyhow::Error) -> Failure {
    Failure::usage(format!("{error:#}"))
}

/// Returns the rows of a file; its mistakes go to stderr.
pub(super) fn rows(
    path: &Path,
    allow_another: bool,
    profiles: &Profiles,
    printer: &Printer,
) -> Result<Vec<Row>, Failure> {
    let bytes = file::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    file::rows(&bytes, allow_another, profiles).map_err(|problems| refuse(path, problems, printer))
}

fn refuse(path: &Path, problems: Problems, printer: &Printer) -> Failure {
    let shown = path.display();
    let count = problems.count();
    let first = problems.into_first();
    for problem in &first {
        printer.note(cut(&format!("{shown}, {problem}")));
    }
    let more = count - first.len();
    if more > 0 {
        printer.note(format_args!("… and {more} more"));
    }
    let problems = first
        .iter()
        .map(|problem| Mistake { line: problem.line, message: problem.mistake.to_string() });
    let details =
        Details::Mistakes { more: (more > 0).then_some(more), problems: problems.collect() };
    let message = format!("{shown} has {}; nothing was sent", counted(count, "mistake"));
    Failure::new(ErrorKind::InvalidFile, message).details(details)
}

/// `1 portal` or `2 portals`
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl Args {
    fn default_journal(&self) -> PathBuf {
        self.file.with_extension("journal.jsonl")
    }

    /// The name of the file, as its journal has it.
    fn file_name(&self) -> String {
        self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy().into_owned()
    }

    /// The command that continues a batch.
    fn resume_command(&self) -> String {
        let word = |path: &Path| shell_word(&path.to_string_lossy()).into_owned();
        let journal = self.journal.as_deref().map(|path| format!(" --journal {}", word(path)));
        format!("portal batch {}{}", word(&self.file), journal.unwrap_or_default())
    }
}

/// What is still to be done.
fn tasks(states: &[State], retry: bool) -> Tasks {
    let is_open = |state: &State| match state {
        State::Open | State::InDoubt(_) => true,
        State::Done(result) => match result.verdict() {
            Verdict::NotCreated => true,
            Verdict::Rejected => retry,
            Verdict::Done | Verdict::InDoubt => false,
        },
    };
    let open = states.iter().enumerate().filter(|(_, state)| is_open(state));
    open.map(|(row, _)| row).collect()
}

/// The orgs where something is to be done, in the order of the file.
fn orgs(
    rows: &[Row],
    tasks: Tasks,
    profiles: &Profiles,
    args: &Args,
) -> Result<Vec<(Org, Tasks)>, Failure> {
    let mut targets: Vec<(Target, Tasks)> = Vec::new();
    let mut places = HashMap::new();
    for index in tasks {
        let Some(row) = rows.get(index) else { continue };
        let place = *places.entry(&row.profile).or_insert(targets.len());
        if place == targets.len() {
            let profile = profiles.get(&row.profile)?;
            let target = profile.target(&row.profile, args.ca_file.clone());
            targets.push((Target { version: args.api_version, ..target }, Vec::new()));
        }
        if let Some((_, tasks)) = targets.get_mut(place) {
            tasks.push(index);
        }
    }
    // Those with the same certificates share connections.
    let mut transports = HashMap::new();
    let org = |(target, tasks): (Target, Tasks)| {
        let defaults = target.policy(Policy::batch());
        let mut policy = args.policy.policy(defaults, target.is_this_machine())?;
        policy.allow_another = args.allow_another;
        let key = (target.ca_file.clone(), target.is_this_machine());
        let transport = match transports.entry(key) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(vacant) => vacant.insert(target.transport()?),
        };
        let client = target.client_over(transport.clone(), policy);
        let client = client.with_context(|| target.place.to_string())?;
        Ok((Org { target, client, identity: OnceCell::new() }, tasks))
    };
    targets.into_iter().map(org).collect()
}

impl Plan<'_> {
    async fn preview(&self) -> Preview<'_> {
        Preview::probe(&self.rows, &self.states, &self.orgs, self.args.allow_another).await
    }

    /// Prints the results for machines. Returns the exit status.
    fn print_json(&self, printer: &Printer) -> ExitClass {
        self.results.iter().for_each(|result| printer.json(&result.report));
        exit::combined(self.results.iter().map(|result| result.exit(self.args.ensure)))
    }

    /// Everything was finished by earlier runs.
    fn nothing_to_do(&self, printer: &Printer) -> ExitClass {
        let exit = self.print_json(printer);
        let (rows, counts) = (self.rows.len(), table::counts(&self.results));
        printer.text(format_args!(
            "Nothing to do: {rows} of {rows} rows were finished earlier ({counts}). Nothing was sent."
        ));
        if self.results.iter().any(|result| result.verdict() == Verdict::Rejected) {
            let command = self.args.resume_command();
            printer.hint(format_args!("run `{command} --retry` to try rejected rows again"));
        }
        exit
    }

    /// `already finished: 62 of 200 rows (60 created, 2 rejected)`
    fn finished_earlier(&self) -> String {
        let rows = self.states.iter().zip(&self.results);
        let done = rows.filter_map(|(state, row)| matches!(state, State::Done(_)).then_some(row));
        let done: Vec<&RowResult> = done.collect();
        let (rows, counts) = (self.rows.len(), table::counts(done.iter().copied()));
        format!("already finished: {} of {rows} rows ({counts})", done.len())
    }

    /// `12 portals in 12 orgs, 3 data centers; this cannot be undone`
    fn summary(&self) -> String {
        let tasks = self.orgs.iter().flat_map(|(_, tasks)| tasks);
        let is_in_doubt = |row: &&usize| matches!(self.states.get(**row), Some(State::InDoubt(_)));
        let in_doubt = tasks.filter(is_in_doubt).count();
        let servers: HashSet<_> = self.orgs.iter().map(|(org, _)| &org.target.accounts).collect();
        let first = match in_doubt {
            0 => String::new(),
            1 => "; one of them is in doubt, and its outcome is determined first".to_owned(),
            several => {
                format!("; {several} of them are in doubt, and their outcome is determined first")
            }
        };
        format!(
            "{} in {}, {}; this cannot be undone{first}",
            counted(self.open, "portal"),
            counted(self.orgs.len(), "org"),
            counted(servers.len(), "data center"),
        )
    }
    /// Shows what is about to be done. Returns `false` if the user declines.
    async fn confirm(&self, printer: &Printer) -> Result<bool, Failure> {
        if self.open < self.rows.len() {
            printer.note(self.finished_earlier());
        }
        let is_rehearsal = self.orgs.iter().all(|(org, _)| org.target.is_this_machine());
        if self.args.yes || is_rehearsal {
            printer.note(self.summary());
            return Ok(true);
        }
        prompt::require_terminal_for_create()?;
        let table = self.preview().await.table(width::of_stderr());
        let facts = format!("{table}\n{}", self.summary());
        let expected = format!("create {}", self.open);
        let what = format!("`{expected}`");
        prompt::confirm_by_typing(&facts, &what, &expected, signal::interrupted()).await
    }

    /// Does it. Files are created only now, so that a declined batch leaves none. Returns the rows
    /// that were begun.
    async fn execute(&mut self, printer: &Printer) -> Result<HashSet<usize>, Failure> {
        let (args, rows, shown) = (self.args, &self.rows, self.journal.display());
        let log = IntentLog::open()?;
        let journal = Journal::open(&self.journal, args.journal.is_some(), &args.file_name(), rows);
        let journal = journal.map_err(|error| unusable(&error))?;
        if journal.states() != self.states {
            let message = format!("another process has changed the journal {shown} meanwhile");
            return Err(Failure::usage(message).hint("run the same command again"));
        }
        printer.note(format_args!("journal: {shown}"));
        let journal_path = std::path::absolute(&self.journal)?;
        let default_path = std::path::absolute(args.default_journal())?;
        if default_path != journal_path {
            doubt::adopt_all(&log, &default_path, rows).await?;
        }
        deliver_again(&log, &journal_path, &self.states).await?;
        let batch = Batch {
            rows,
            states: &self.states,
            log: &log,
            journal: Arc::new(journal.into_writer()?),
            journal_path,
            is_stopping: Cell::new(false),
            stop_now: watch::Sender::new(false),
            same_org: args.same_org,
            jobs: args.jobs.into(),
            in_flight: InFlight::default(),
            printer,
        };
        let orgs = std::mem::take(&mut self.orgs);
        let progress = Progress::new(self.open, printer);
        Ok(run_rows(&batch, orgs, args.max_failures, progress, &mut self.results).await)
    }

    /// Prints the results, and writes the file of `--report` if it is asked for.
    fn summarize(
        &self,
        begun: &HashSet<usize>,
        report: Option<OutputFile>,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let (results, ensure) = (&self.results, self.args.ensure);
        let exit = self.print_json(printer);
        let command = &self.args.resume_command();
        printer.text(table::of(results, begun, command, ensure, width::of_stdout()));
        if let Some(report) = report {
            report_file::write(report, &self.rows, results, begun).map_err(|error| {
                Failure::from(error)
                    .hint("run the same command again: finished rows are not sent again")
            })?;
        }
        Ok(exit)
    }
}

/// Runs the rows until all have ended or the user stops that, and replaces their results. Returns
/// those that were begun.
async fn run_rows(
    batch: &Batch<'_>,
    orgs: Vec<(Org, Tasks)>,
    max_failures: Option<usize>,
    mut progress: Progress<'_>,
    results: &mut [RowResult],
) -> HashSet<usize> {
    let printer = batch.printer;
    let (mut begun, mut unwritable) = (HashSet::new(), None);
    let mut ended = std::pin::pin!(batch.run(orgs));
    let mut signals = signal::signals();
    loop {
        tokio::select! {
            biased;
            next = ended.next() => {
                let Some(Ended { row, result, written }) = next else { break };
                unwritable = unwritable.or(written.err());
                let failures = progress.over(&result);
                let is_enough = max_failures.is_some_and(|most| failures >= most);
                if is_enough && !batch.is_stopping.replace(true) {
                    printer.note("stopping: as many rows failed as `--max-failures` allows");
                }
                begun.insert(row);
                if let Some(slot) = results.get_mut(row) {
                    *slot = result;
                }
            }
            Some(_) = signals.next() => {
                // Rule 13: what is in doubt is in the journal and in the intent log.
                if *batch.stop_now.borrow() {
                    signal::exit_at_once();
                }
                if batch.is_stopping.replace(true) {
                    batch.stop_now.send_replace(true);
                } else {
                    printer.note(format_args!(
                        "stopping: waiting for {} in flight; press Ctrl-C again to end them now",
                        batch.in_flight.len()
                    ));
                }
            }
            () = progress.tick(&batch.in_flight) => {}
        }
    }
    progress.finish();
    if let Some(error) = unwritable {
        let message = format!("{error}; nothing was sent after that");
        let failure = Failure::new(ErrorKind::Journal, message)
            .hint("free some space, then run the same command again; nothing is lost");
        printer.error(&failure.report);
    }
    begun
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
