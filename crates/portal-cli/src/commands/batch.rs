//! `portal batch FILE`: one portal in each of many orgs.

mod plan;
mod progress;
mod report_file;
mod results;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use portal_ledger::{Entry, Filter, Ledger};
use portal_model::flow::Policy;
use portal_model::neutral::{cut, shell_word};
use portal_model::outcome::NotDone;
use portal_model::{ApiVersion, Outcome};

pub(super) use self::plan::Planned;
use self::plan::Shown;
use self::progress::Progress;
use self::results::Results;
use crate::batch::file;
use crate::batch::mistake::Problems;
use crate::batch::orgs::{self, Clients, Org};
use crate::batch::plan::Plan;
use crate::batch::rows::Row;
use crate::batch::run::{Lanes, Run};
use crate::commands::candidates;
use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{
    About, Environment, Examples, ExitStatus, STATE, Sections, SeeAlso,
};
use crate::org::ledger;
use crate::org::profile::Profiles;
use crate::report::exit::ExitClass;
use crate::report::failure::{Details, ErrorKind, Failure, Mistake};
use crate::sys::files::{self, OutputFile};
use crate::sys::{directories, signal};
use crate::terminal::printer::Printer;
use crate::terminal::{prompt, width};

/// Create a portal in each of many orgs
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(add = Sections(&[
    About("The column `fallback` is optional: names to try if the first is taken, separated by |. \
        Nothing is sent unless the whole file is valid. The ledger knows the rows by profile and \
        first name: the same command again, after anything at all, does what is left, also if the \
        file has grown, shrunk or been sorted meanwhile."),
    Environment(&[STATE]),
    ExitStatus("that of a create if all rows have the same (`portal create --help`), else 1"),
    Examples("\
portal batch portals.csv --dry-run
portal batch portals.csv --limit 1
portal rehearse portals.csv"),
    SeeAlso(&["create", "history", "rehearse"]),
]))]
pub(crate) struct Args {
    /// CSV with the columns profile, name and fallback; `-` reads stdin
    file: PathBuf,
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
    /// Create at most this many, such as 1 for a first try
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// Begin no further row after this many failed
    #[arg(long, value_name = "N")]
    max_failures: Option<NonZeroUsize>,
    /// Orgs that are worked on at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Write the rows with their results to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// New credentials of a profile are for the same org as before
    #[arg(long)]
    same_org: bool,
    /// Every profile leads to an org of its own, also those that may not read its id
    #[arg(long)]
    distinct_orgs: bool,
    /// Of `portal rehearse`
    #[arg(long, hide = true)]
    rehearsal: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    /// v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t, help_heading = "Org", add = candidates::api_versions())]
    api_version: ApiVersion,
    /// PEM file of root certificates to trust too
    #[arg(long, value_name = "FILE", help_heading = "Org")]
    ca_file: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let report = args.report.as_deref();
    let named = [("FILE", Some(args.file.as_path())), ("--report", report)];
    let named: Vec<_> = named.into_iter().filter_map(|(what, path)| Some((what, path?))).collect();
    files::refuse_same(&named)?;
    let profiles = Profiles::load(&directories::config()?)?;
    let rows = rows(&args.file, args.allow_another, &profiles, printer)?;
    let is_here = |row: &Row| {
        let profile = profiles.get(&row.profile);
        profile.is_ok_and(|profile| profile.target(&row.profile, None).is_this_machine())
    };
    let mut policy = args.policy.policy(Policy::batch(), rows.iter().all(is_here))?;
    policy.allow_another = args.allow_another;
    // Before anything is sent, so that its results can be written.
    let report = report.map(OutputFile::open).transpose()?;
    let ledger = ledger::open().await?;
    let mut batch = Batch::new(args, rows, &policy, &profiles, &ledger).await?;
    let is_asked = !args.dry_run && !args.yes && !batch.is_rehearsal();
    if is_asked && !batch.orgs.is_empty() {
        prompt::require_terminal_for_create()?;
    }
    tokio::select! {
        () = batch.look(args.dry_run || is_asked) => {}
        () = signal::interrupted() => {
            printer.note("Cancelled. Nothing was sent.");
            return Ok(ExitClass::Stopped);
        }
    }
    let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let lanes = Lanes::new(&batch.orgs, limit, args.distinct_orgs || args.allow_another);
    let kept = Some(&ledger).filter(|_| !args.rehearsal);
    let shown = Shown::new(&batch.plan, &batch.orgs, &lanes, &policy, kept);
    let mut results = Results::new(&batch.plan, &shown, args.ensure);
    if args.dry_run {
        shown.print(printer, width::of_stdout());
        write_report(report, &results)?;
        return Ok(ExitClass::Success);
    }
    if lanes.len() == 0 {
        shown.notes().iter().for_each(|note| printer.note(note));
    } else {
        if is_asked && !confirm(&shown, lanes.len()).await? {
            printer.note("Cancelled. Nothing was sent.");
            return Ok(ExitClass::Stopped);
        }
        if !is_asked {
            printer.note(shown.in_short());
        }
        batch.run(lanes, &mut results, printer).await;
    }
    let exit = results.print_json(printer);
    let again = (!args.rehearsal && args.file != Path::new("-")).then(this_command);
    printer.text(results.text(again.as_deref(), width::of_stdout()));
    write_report(report, &results)?;
    Ok(exit)
}

/// A plan, and what carries it out.
struct Batch<'a> {
    args: &'a Args,
    plan: Plan,
    orgs: Vec<Org>,
}

impl<'a> Batch<'a> {
    async fn new(
        args: &'a Args,
        rows: Vec<Row>,
        policy: &Policy,
        profiles: &Profiles,
        ledger: &Ledger,
    ) -> Result<Self, Failure> {
        let entries = entries(ledger, &rows).await?;
        let plan = Plan::new(rows, &entries, |name| profiles.entries().get(name)?.org.as_ref());
        let file = (args.file != Path::new("-")).then(|| std::path::absolute(&args.file));
        let file = file.transpose()?.map(|path| path.display().to_string());
        let (version, ca_file) = (args.api_version, args.ca_file.as_deref());
        let orgs = Clients { ledger, file, policy, version, ca_file }.orgs(&plan, profiles)?;
        Ok(Self { args, plan, orgs })
    }

    /// Whether a create is only a rehearsal there: the real service never runs on this machine.
    fn is_rehearsal(&self) -> bool {
        self.orgs.iter().all(|org| org.target.is_this_machine())
    }

    async fn look(&mut self, probes: bool) {
        let Args { allow_another, same_org, .. } = self.args;
        orgs::look(&mut self.plan, &mut self.orgs, *allow_another, *same_org, probes).await;
        if self.args.distinct_orgs {
            orgs::state_distinct(&self.plan, &mut self.orgs);
        }
    }

    /// Runs the rows until all have ended or the user stops that.
    async fn run(&self, lanes: Lanes, results: &mut Results<'_>, printer: &Printer) {
        let mut progress = Progress::new(lanes.len(), printer);
        let run = Run::new(&self.plan.rows, self.args.jobs.into());
        let mut ended = std::pin::pin!(run.start(lanes));
        let mut signals = signal::signals();
        loop {
            tokio::select! {
                biased;
                next = ended.next() => {
                    let Some((row, outcome)) = next else { break };
                    let why = self.stops(&outcome, progress.ended(&run, row, &outcome));
                    if let Some(why) = why.filter(|_| !run.is_stopping.replace(true)) {
                        printer.note(format_args!("stopping: {why}"));
                    }
                    results.end(row, outcome);
                }
                Some(_) = signals.next() => {
                    results.is_interrupted = true;
                    // Rule 13: what is in doubt is in the ledger.
                    if *run.stop_now.borrow() {
                        signal::exit_at_once();
                    }
                    if run.is_stopping.replace(true) {
                        run.stop_now.send_replace(true);
                    } else {
                        printer.note(format_args!(
                            "stopping: waiting for {} in flight; press Ctrl-C again to end them now",
                            run.in_flight()
                        ));
                    }
                }
                () = progress.tick(&run) => {}
            }
        }
        progress.finish();
    }

    /// Why no further row begins after one with this outcome.
    fn stops(&self, outcome: &Outcome, failed: usize) -> Option<&'static str> {
        if let Outcome::NotCreated { why: NotDone::NotRecorded(_), .. } = outcome {
            return Some("the ledger can't be written");
        }
        let most = self.args.max_failures?;
        (failed >= most.get()).then_some("as many rows failed as `--max-failures` allows")
    }
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

/// What the ledger has of the profiles of `rows`, newest first, and all that is unfinished.
async fn entries(ledger: &Ledger, rows: &[Row]) -> Result<Vec<Entry>, Failure> {
    let profiles: BTreeSet<String> = rows.iter().map(|row| row.profile.clone()).collect();
    let mut filter = Filter::default();
    filter.is_unfinished = true;
    let unfinished = ledger::entries_of(ledger, &filter).await?;
    let is_other =
        |entry: &Entry| entry.label.as_ref().is_none_or(|label| !profiles.contains(label));
    let others: Vec<_> = unfinished.into_iter().filter(is_other).collect();
    let mut filter = Filter::default();
    filter.labels = Some(profiles);
    let mut entries = ledger::entries_of(ledger, &filter).await?;
    entries.extend(others);
    Ok(entries)
}

/// Shows what is about to be done. Returns `false` if the user declines.
async fn confirm(shown: &Shown<'_>, count: usize) -> Result<bool, Failure> {
    let facts = format!("{}\n{}", shown.whole(width::of_stderr()), shown.summary());
    let expected = format!("create {count}");
    let what = format!("`{expected}`");
    prompt::confirm_by_typing(&facts, &what, &expected, signal::interrupted()).await
}

/// The command of this process, which does what is left.
pub(super) fn this_command() -> String {
    let words = std::env::args().skip(1).map(|word| shell_word(&word).into_owned());
    std::iter::once("portal".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn write_report(file: Option<OutputFile>, results: &Results<'_>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    report_file::write(file, results).map_err(|error| {
        Failure::from(error).hint("run the same command again: what exists is not sent again")
    })
}
