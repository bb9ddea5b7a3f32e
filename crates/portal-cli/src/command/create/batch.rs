//! `portal create --from FILE`: one portal in each of many orgs.

mod progress;
mod table;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portal_http::client::{Baseline, FileTokenCache};
use portal_model::flow::Policy;
use portal_model::outcome::ExitClass;
use tokio::sync::watch;

use self::progress::Progress;
use crate::batch::board::Board;
use crate::batch::file;
use crate::batch::journal::{Journal, State};
use crate::batch::plan::Row;
use crate::batch::result::{RowResult, Verdict};
use crate::batch::run::{Batch, Org, Stop, Task};
use crate::exit;
use crate::failure::{ErrorReport, Failure};
use crate::folders;
use crate::printer::Printer;
use crate::profile::Profiles;
use crate::signal;
use crate::target::Target;

/// Many portals from one file.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Many orgs")]
pub(crate) struct BatchArgs {
    /// Create a portal in each org of a CSV with the columns profile,name,or
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["name", "alternatives", "resume", "local", "profile", "data_center",
            "api_domain", "accounts_url", "client_id"]
    )]
    pub(super) from: Option<PathBuf>,
    /// Where to keep what happened [default: beside FILE]
    #[arg(long, value_name = "FILE", requires = "from")]
    journal: Option<PathBuf>,
    /// Try rows again that were refused
    #[arg(long, requires = "from")]
    retry: bool,
}

pub(super) async fn run(
    path: &Path,
    args: &super::Args,
    policy: &Policy,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let profiles = Profiles::load(&folders::config()?)?;
    let rows = file::read(path, args.allow_another, &profiles, printer)?;
    let journal_path =
        args.batch.journal.clone().unwrap_or_else(|| path.with_extension("journal.jsonl"));
    if args.dry_run {
        let all = (0..rows.len()).map(|row| (row, Task::Create)).collect();
        let targets = targets(&rows, all, &profiles, args)?;
        printer.text(summary(&targets));
        return Ok(ExitClass::Success);
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let journal = Journal::open(&journal_path, &name, &rows)
        .map_err(|error| Failure::usage(format!("{error:#}")))?;
    // How each row stands; those that are begun are replaced as they end.
    let states = journal.states().iter().zip(&rows);
    let mut results: Vec<RowResult> = states.map(|(state, row)| state.so_far(row)).collect();
    let targets = targets(&rows, tasks(journal.states(), args.batch.retry), &profiles, args)?;
    if !targets.is_empty() {
        let in_all = rows.len();
        let open: usize = targets.iter().map(|(_, tasks)| tasks.len()).sum();
        if open < in_all {
            printer.note(format_args!("Over already: {} of {in_all} rows.", in_all - open));
        }
        let is_rehearsal = targets.iter().all(|(target, _)| target.is_this_machine());
        let question = format!("{} Go on?", summary(&targets));
        if args.yes || is_rehearsal {
            printer.note(summary(&targets));
        } else if !super::confirm(&question)? {
            return Err(Failure::new(
                ExitClass::Stopped,
                ErrorReport::new("stopped", "stopped; nothing was sent"),
            ));
        }
        printer.note(format_args!("What happens is kept in {}.", journal_path.display()));
        let mut batch = Running {
            rows: &rows,
            results: &mut results,
            progress: Progress::new(open, policy, printer),
            printer,
        };
        batch.run(orgs(targets, policy)?, journal).await?;
    }
    for result in &results {
        printer.json(&result.report);
    }
    printer.text(table::of(&results, args.ensure));
    Ok(exit::combined(results.iter().map(|result| result.exit(args.ensure))))
}

/// What is still to be done.
fn tasks(states: &[State], retry: bool) -> Vec<(usize, Task)> {
    let task = |state: &State| match state {
        State::Open => Some(Task::Create),
        State::InDoubt(intent) => Some(Task::Settle(intent.clone())),
        State::Over(result) => match result.verdict() {
            Verdict::NotCreated => Some(Task::Create),
            Verdict::Refused if retry => Some(Task::Create),
            _ => None,
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
    args: &super::Args,
) -> Result<Vec<(Target, Tasks)>, Failure> {
    let mut targets: Vec<(Target, Tasks)> = Vec::new();
    let mut places = HashMap::new();
    for (index, task) in tasks {
        let Some(row) = rows.get(index) else { continue };
        let place = *places.entry(&row.profile).or_insert(targets.len());
        if place == targets.len() {
            let profile = profiles.get(&row.profile)?;
            let (version, ca_file) = (args.target.api_version, args.target.ca_file.clone());
            targets.push((profile.target(&row.profile, version, ca_file), Vec::new()));
        }
        if let Some((_, tasks)) = targets.get_mut(place) {
            tasks.push((index, task));
        }
    }
    Ok(targets)
}

/// `12 portals in 12 orgs, 3 data centers; this can't be undone.`
fn summary(targets: &[(Target, Tasks)]) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let tasks = || targets.iter().flat_map(|(_, tasks)| tasks);
    let in_doubt = tasks().filter(|(_, task)| matches!(task, Task::Settle(_))).count();
    let servers: HashSet<_> = targets.iter().map(|(target, _)| &target.accounts).collect();
    let first = match in_doubt {
        0 => String::new(),
        1 => " One of them is in doubt and is settled first.".to_owned(),
        several => format!(" {several} of them are in doubt and are settled first."),
    };
    format!(
        "{} in {}, {}; this can't be undone.{first}",
        count(tasks().count(), "portal"),
        count(targets.len(), "org"),
        count(servers.len(), "data center"),
    )
}

fn orgs(targets: Vec<(Target, Tasks)>, policy: &Policy) -> Result<Vec<(Org, Tasks)>, Failure> {
    let Some((first, _)) = targets.first() else { return Ok(Vec::new()) };
    // All of them were given the same certificates.
    let transport = first.transport()?;
    let cache = folders::cache()?.join("tokens");
    targets
        .into_iter()
        .map(|(target, tasks)| {
            let client = target
                .builder_over(transport.clone())
                .policy(policy.clone())
                .token_cache(FileTokenCache::new(&cache))
                .build(target.credential.clone())
                .map_err(|error| Failure::usage(format!("{}: {error}", target.place)))?;
            Ok((Org { client, baseline: Baseline::new() }, tasks))
        })
        .collect()
}

/// A batch at work.
struct Running<'a> {
    rows: &'a [Row],
    results: &'a mut [RowResult],
    progress: Progress<'a>,
    printer: &'a Printer,
}

impl Running<'_> {
    async fn run(&mut self, orgs: Vec<(Org, Tasks)>, journal: Journal) -> Result<(), Failure> {
        let board = Board::default();
        let (stop, _) = watch::channel(Stop::No);
        let journal = Arc::new(journal.into_writer()?);
        let batch = Batch { rows: self.rows, journal, stop: stop.clone(), board: &board };
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
                    let next = self.interrupt(*stop.borrow(), board.len());
                    stop.send_replace(next);
                    interrupted = Box::pin(signal::interrupted());
                }
                () = self.progress.tick(&board) => {}
            }
        };
        while let Ok((row, result)) = ended.try_recv() {
            self.take(row, result);
        }
        self.progress.finish();
        if let Some(error) = unwritable {
            let message = format!("{error}; nothing was sent after that");
            let report = ErrorReport::new("journal", message);
            let hint = "make room and run the same command again: nothing is lost";
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

    /// What Ctrl-C means for the first time, and for the second.
    fn interrupt(&self, stop: Stop, in_flight: usize) -> Stop {
        match stop {
            Stop::No => {
                self.printer.note(format_args!(
                    "Stopping: {in_flight} in flight go on to their end; Ctrl-C once more ends \
                     them now."
                ));
                Stop::BeforeTheNext
            }
            _ => Stop::Now,
        }
    }
}
