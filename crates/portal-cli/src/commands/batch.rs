//! `portal batch FILE`: one portal in each of many orgs.

mod progress;
mod words;

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use portal_ledger::{Entry, Ledger};
use portal_model::flow::Policy;
use portal_model::neutral::{cut, printable, shell_word};
use portal_model::outcome::NotDone;
use portal_model::{ApiVersion, Outcome, PortalName};
use serde_json::json;

use self::progress::Progress;
use self::words::{Kind, View};
use crate::batch::csv::RESULT;
use crate::batch::mistake::{self, Problem};
use crate::batch::orgs::Clients;
use crate::batch::plan::Plan;
use crate::batch::rows::{self, Row, State};
use crate::batch::run::{Lanes, Run};
use crate::commands::candidates;
use crate::commands::create::IRREVERSIBLE;
use crate::commands::operation::{HOW_TO_CONFIRM, warn_if_not_written};
use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{Environment, STATE};
use crate::commands::target_args::TargetArgs;
use crate::commands::target_args::{CA_FILE, CONNECTION};
use crate::org::ledger;
use crate::org::profile::{Profiles, check_name};
use crate::report::activity;
use crate::report::failure::{ErrorKind, ExitClass, Failure, combined};
use crate::report::outcome::Report;
use crate::report::place::Place;
use crate::report::wrap::wrap;
use crate::sys::files::{self, OutputFile};
use crate::sys::{directories, signal};
use crate::terminal::printer::Printer;
use crate::terminal::{prompt, width};

/// Rows that a note names.
const NAMED: usize = 10;
/// Mistakes of a file that are shown.
const SHOWN: usize = 100;

/// Create a portal in each of many orgs
///
/// The column `fallback` is optional: names to try if the first is taken, separated by |. Nothing
/// is sent unless the whole file is valid. The ledger knows the rows by profile and first name: the
/// same command again, after anything at all, does what is left, also if the file has grown, shrunk
/// or been sorted meanwhile. A report of `--report` is valid input.
///
/// # Exit status
/// that of a create if all rows that have an outcome have the same (`portal create --help`), else
/// 1; a dry run tells what is known of them, such as 5 if they are in doubt or 6 if their orgs could not
/// be reached
///
/// # Examples
///
///     portal batch portals.csv --dry-run
///     portal batch portals.csv --limit 1
///     portal rehearse portals.csv
///
/// # See also
/// create, history, rehearse
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(verbatim_doc_comment, add = Environment(&[STATE]))]
#[command(mut_arg("deadline", |arg| arg.help("Give up on a row after [default: 15m]")))]
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
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<NonZeroUsize>,
    /// Begin no further row after this many failed
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = at_least_one)]
    max_failures: Option<NonZeroUsize>,
    /// Work on this many orgs at once
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Write the rows with their results to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The new credentials are for the same org as before
    #[arg(long, hide_short_help = true)]
    same_org: bool,
    /// No two profiles lead to one org, known or not
    #[arg(long, hide_short_help = true)]
    distinct_orgs: bool,
    /// Of `portal rehearse`
    #[arg(long, hide = true)]
    rehearsal: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Version of the API: v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t, help_heading = CONNECTION, add = candidates::api_versions())]
    api_version: ApiVersion,
    #[arg(long, value_name = "FILE", help_heading = CONNECTION, help = CA_FILE)]
    ca_file: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let report = args.report.as_deref();
    let ca_file = args.ca_file.as_deref();
    let named = [("FILE", Some(args.file.as_path())), ("--report", report), ("--ca-file", ca_file)];
    let named: Vec<_> = named.into_iter().filter_map(|(what, path)| Some((what, path?))).collect();
    files::refuse_same(&named)?;
    let profiles = Profiles::load(&directories::config()?)?;
    let rows = read_rows(&args.file, args.allow_another, &profiles, printer)?;
    let is_here = |row: &Row| {
        profiles.entries().get(&row.profile).is_some_and(|entry| entry.hosts.is_this_machine())
    };
    let mut policy = args.policy.policy(Policy::batch(), rows.iter().all(is_here))?;
    policy.allow_another = args.allow_another;
    // Before anything is sent, so that its results can be written.
    let report = report.map(OutputFile::open).transpose()?;
    let ledger = ledger::Place::new()?.open().await?;
    let mut batch = Batch::new(args, rows, &policy, &profiles, ledger).await?;
    let is_asked = !args.dry_run && !args.yes && !batch.is_rehearsal();
    if is_asked && !batch.plan.orgs.is_empty() {
        prompt::require_terminal(IRREVERSIBLE, HOW_TO_CONFIRM)?;
    }
    tokio::select! {
        looked = batch.plan.look(args.dry_run || is_asked) => looked?,
        () = signal::interrupted() => return Ok(cancelled(printer)),
    }
    let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let lanes = Lanes::new(&batch.plan.orgs, limit, args.distinct_orgs || args.allow_another);
    let count = lanes.len();
    let notes = batch.notes(&lanes, &policy, &ledger::Place::new()?);
    let mut is_interrupted = false;
    if is_asked && count > 0 {
        let view = batch.view(false, width::of_stderr());
        let facts = format!("{}\n{}", batch.text(&batch.reports(view), view), notes.join("\n"));
        let expected = format!("create {count}");
        let what = format!("`{expected}`");
        if !prompt::confirm_by_typing(&facts, &what, &expected, signal::interrupted()).await? {
            return Ok(cancelled(printer));
        }
    } else if !notes.is_empty() {
        printer.note(notes.join("\n"));
    }
    if !args.dry_run {
        let outcomes;
        (outcomes, is_interrupted) = batch.run(lanes, printer).await;
        batch.plan.end(outcomes);
    }
    let view = batch.view(!args.dry_run, width::of_stdout());
    let reports = batch.reports(view);
    let exit = batch.print_json(&reports, is_interrupted, printer);
    let write = |file| write_report(file, &reports, &batch.plan.rows);
    let written = report.map_or(Ok(()), write);
    printer.text(batch.text(&reports, view));
    written.map_err(|error| {
        Failure::from(error).hint("run the same command again: what exists is not sent again")
    })?;
    Ok(exit)
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "expected a number of at least 1")
}

fn cancelled(printer: &Printer) -> ExitClass {
    printer.note("Cancelled. Nothing was sent.");
    ExitClass::Stopped
}

/// A plan, and what carries it out.
struct Batch<'a> {
    args: &'a Args,
    plan: Plan,
    /// Those that a suggested command needs, too.
    flags: String,
}

impl<'a> Batch<'a> {
    /// A batch as far as the ledger has it.
    async fn new(
        args: &'a Args,
        rows: Vec<Row>,
        policy: &Policy,
        profiles: &Profiles,
        ledger: Ledger,
    ) -> Result<Self, Failure> {
        let file = (args.file != Path::new("-")).then(|| std::path::absolute(&args.file));
        let file = file.transpose()?.map(|path| path.display().to_string());
        let (version, ca_file) = (args.api_version, args.ca_file.as_deref());
        let clients = Clients { ledger: &ledger, file, policy, version, ca_file };
        let orgs = clients.orgs(&rows, profiles)?;
        let plan = Plan::new(rows, orgs, ledger, args.same_org, args.distinct_orgs).await?;
        let target = TargetArgs {
            api_version: version,
            ca_file: args.ca_file.clone(),
            ..TargetArgs::default()
        };
        let flags = target.arguments(&Place::Explicit(None));
        Ok(Self { args, plan, flags })
    }

    /// Whether a create is only a rehearsal there: the real service never runs on this machine.
    fn is_rehearsal(&self) -> bool {
        self.plan.orgs.iter().all(|org| org.target.hosts.is_this_machine())
    }

    /// What is to be known beside the rows.
    fn notes(&self, lanes: &Lanes, policy: &Policy, ledger: &ledger::Place) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.args.rehearsal {
            notes.push(format!("ledger: {ledger}"));
        }
        let foreign = self.plan.foreign();
        if foreign > 0 {
            notes.push(format!(
                "portals that exist, and that this ledger did not create: {foreign}; if another machine \
                 ran this file, run it there"
            ));
        }
        let name = |entry: &Entry| {
            format!("{} {}", entry.label.as_deref().unwrap_or_default(), entry.name())
        };
        let mut dropped: Vec<String> = self.plan.dropped().map(name).collect();
        if !dropped.is_empty() {
            let more = dropped.len().saturating_sub(NAMED);
            dropped.truncate(NAMED);
            dropped.extend((more > 0).then(|| format!("and {more} more")));
            notes.push(format!(
                "in doubt, but not in this file: {}; `portal recover` determines them",
                dropped.join(", ")
            ));
        }
        if !lanes.last.is_empty() && lanes.len() > 1 {
            let count = u32::try_from(lanes.last.len()).unwrap_or(u32::MAX);
            let time = (policy.list_lag + Duration::from_secs(1)).saturating_mul(count);
            notes.push(format!(
                "{} of orgs whose ids are not known, which may be one org: they run one at a time, \
                 about {}; pass `--distinct-orgs` if each profile leads to an org of its own",
                counted(lanes.last.len(), "row"),
                activity::whole_seconds(time)
            ));
        }
        if lanes.len() > 0 {
            notes.push(self.summary(lanes));
        }
        notes
    }

    /// What is about to be sent, and to where: `12 portals in 12 orgs, 3 data centers; this cannot be
    /// undone`
    fn summary(&self, lanes: &Lanes) -> String {
        let tasks: HashSet<usize> = lanes.rows().collect();
        let orgs =
            self.plan.orgs.iter().filter(|org| org.rows.iter().any(|row| tasks.contains(row)));
        let orgs: Vec<_> = orgs.collect();
        let servers: HashSet<_> = orgs.iter().map(|org| &org.target.hosts.accounts).collect();
        let place = if self.is_rehearsal() {
            "on this machine".to_owned()
        } else {
            format!("{}; this cannot be undone", counted(servers.len(), "data center"))
        };
        let (portals, orgs) = (counted(tasks.len(), "portal"), counted(orgs.len(), "org"));
        let is_in_doubt = |(index, row): &(usize, &Row)| tasks.contains(index) && row.is_in_doubt();
        let in_doubt = match self.plan.left().filter(is_in_doubt).count() {
            0 => String::new(),
            count => {
                format!("; {count} of them in doubt from an earlier run, to be determined first")
            }
        };
        let more = match self.plan.left().count() - tasks.len() {
            0 => String::new(),
            more => format!("; left for another run: {more}"),
        };
        format!("{portals} in {orgs}, {place}{in_doubt}{more}")
    }

    /// Runs the rows until all have ended or the user stops that. Returns what came of each, and whether
    /// the user did.
    async fn run(&self, lanes: Lanes, printer: &Printer) -> (Vec<(usize, Outcome)>, bool) {
        let mut progress = Progress::new(lanes.len(), printer);
        let run = Run::new(&self.plan.rows, self.args.jobs.into());
        let mut outcomes = Vec::new();
        let mut ended = std::pin::pin!(run.start(lanes));
        let mut signals = signal::signals();
        let mut is_interrupted = false;
        loop {
            tokio::select! {
                biased;
                next = ended.next() => {
                    let Some((row, ended)) = next else { break };
                    warn_if_not_written(&ended, printer);
                    let outcome = ended.outcome;
                    let why = stops(self.args, &outcome, progress.ended(&run, row, &outcome));
                    if let Some(why) = why.filter(|_| !run.is_stopping.replace(true)) {
                        printer.note(format_args!("stopping: {why}"));
                    }
                    outcomes.push((row, outcome));
                }
                Some(_) = signals.next() => {
                    is_interrupted = true;
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
        (outcomes, is_interrupted)
    }

    fn text(&self, reports: &[Report], view: View<'_>) -> String {
        let View { is_over, columns, .. } = view;
        let mut text = words::text(&self.plan, reports, view);
        let has = |kinds: &[Kind]| self.plan.rows.iter().any(|row| kinds.contains(&Kind::of(row)));
        if !self.args.ensure && has(&[Kind::Existing]) {
            let hint = "Pass --ensure to count an existing portal as success.";
            let _ = write!(text, "\n{}", wrap(hint, 0, columns));
        }
        if is_over && !self.args.rehearsal && self.args.file != Path::new("-") {
            if has(&[Kind::NotCreated, Kind::InDoubt, Kind::Left, Kind::Unchecked]) {
                let _ = write!(text, "\nContinue with: {}", this_command());
            } else if has(&[Kind::Rejected, Kind::NameTaken, Kind::OrgHasPortal]) {
                let _ = write!(text, "\nTry again with: {}", this_command());
            }
        }
        text
    }

    /// Each row as an object.
    fn reports(&self, view: View<'_>) -> Vec<Report> {
        self.plan.rows.iter().map(|row| words::report(row, view)).collect()
    }

    fn view(&self, is_over: bool, columns: usize) -> View<'_> {
        let Args { ensure, rehearsal: is_rehearsal, .. } = *self.args;
        View { is_over, ensure, is_rehearsal, flags: &self.flags, columns }
    }

    /// Prints the rows for machines. Returns the exit status.
    fn print_json(&self, reports: &[Report], is_interrupted: bool, printer: &Printer) -> ExitClass {
        let mut exits = Vec::new();
        for (report, row) in reports.iter().zip(&self.plan.rows) {
            report.print_json(printer);
            // Whoever asks what would come of a row has no answer.
            let is_open = self.args.dry_run && matches!(row.state, State::Unchecked(_));
            exits.extend((is_open || row.outcome().is_some()).then_some(report.exit));
        }
        let is_cut = is_interrupted && exits.len() < self.plan.rows.len();
        combined(exits.into_iter().chain(is_cut.then_some(ExitClass::Stopped)))
    }
}

/// Writes the rows with a result for each: the file of `--report`.
fn write_report(file: OutputFile, reports: &[Report], rows: &[Row]) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["profile", "name", "fallback"].into_iter().chain(RESULT))?;
    for (report, row) in reports.iter().zip(rows) {
        let fallbacks: Vec<&str> = row.create.fallbacks.iter().map(PortalName::as_str).collect();
        let error = report.error.as_ref();
        let hint = error.and_then(|error| error.hint.as_deref()).unwrap_or_default();
        csv.write_record([
            row.profile.as_str(),
            row.create.name.as_str(),
            &fallbacks.join("|"),
            report.outcome,
            if report.exists() { &report.name } else { "" },
            error.map_or("", |error| &error.message),
            // A line for each row: who runs it again, would have to close quotes.
            &hint.split_whitespace().collect::<Vec<_>>().join(" "),
        ])?;
    }
    file.write(&csv.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// Why no further row begins after one with this outcome.
fn stops(args: &Args, outcome: &Outcome, failed: usize) -> Option<&'static str> {
    if let Outcome::NotCreated { why: NotDone::NotRecorded(_), .. } = outcome {
        return Some("the ledger can't be written");
    }
    let most = args.max_failures?;
    (failed >= most.get()).then_some("as many rows failed as `--max-failures` allows")
}

/// Returns the rows of a file; its mistakes go to stderr.
fn read_rows(
    path: &Path,
    allow_another: bool,
    profiles: &Profiles,
    printer: &Printer,
) -> Result<Vec<Row>, Failure> {
    let bytes = rows::read_file(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    rows::parse(&bytes, allow_another, profiles)
        .map_err(|problems| refuse(path, &problems, printer))
}

fn refuse(path: &Path, problems: &[Problem], printer: &Printer) -> Failure {
    let shown = path.display();
    let (first, more) = problems.split_at_checked(SHOWN).unwrap_or((problems, &[]));
    // Of an error, so that `--quiet` hides none.
    for problem in first {
        printer.stderr(printable(&cut(&format!("{shown}, {problem}"))));
    }
    let mistake =
        |problem: &Problem| json!({ "line": problem.line, "message": problem.mistake.to_string() });
    let mistakes: Vec<_> = first.iter().map(mistake).collect();
    let details = match more.len() {
        0 => json!({ "problems": mistakes }),
        more => {
            printer.stderr(format_args!("… and {more} more"));
            json!({ "more": more, "problems": mistakes })
        }
    };
    let message = format!("{shown} has {}; nothing was sent", counted(problems.len(), "mistake"));
    let failure = Failure::new(ErrorKind::InvalidFile, message).details(details);
    let unknown = first.iter().find_map(|problem| match &problem.mistake {
        mistake::Mistake::UnknownProfile(name) => check_name(name).is_ok().then_some(name),
        _ => None,
    });
    match unknown {
        Some(name) => failure.hint(format!(
            "run `portal login --profile {name}` to create that profile; `portal rehearse {}` needs none",
            shell_word(&shown.to_string())
        )),
        None => failure,
    }
}

/// `1 portal` or `2 portals`
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The command of this process, which does what is left.
pub(super) fn this_command() -> String {
    let word = |word: OsString| shell_word(&word.to_string_lossy()).into_owned();
    let words = std::env::args_os().skip(1).map(word);
    std::iter::once("portal".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
