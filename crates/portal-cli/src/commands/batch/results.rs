//! What came of a batch: counts, and the exceptions, those of one cause together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portal_model::outcome::{Conflict, NotDone, Origin, Owner, Unverified};
use portal_model::{Operation, Outcome, PortalName};

use super::plan::{Planned, Shown};
use crate::batch::plan::{Plan, State};
use crate::batch::rows::Row;
use crate::report::context::ReportContext;
use crate::report::exit::{self, ExitClass};
use crate::report::outcome::Report;
use crate::report::wrap::wrap;
use crate::terminal::printer::Printer;

/// Rows of one cause that are printed.
const SHOWN: usize = 20;

/// What came of each row of a plan so far.
pub(super) struct Results<'a> {
    rows: Vec<RowResult<'a>>,
    ensure: bool,
    /// Whether the user asked the run to stop.
    pub(super) is_interrupted: bool,
}

/// What came of a row.
pub(super) struct RowResult<'a> {
    pub(super) row: &'a Row,
    /// What was known of it before the run.
    pub(super) planned: &'a Planned<'a>,
    kind: Kind,
    /// `None` if it was not begun.
    pub(super) report: Option<Report>,
    /// Names that were tried before, and belong to other orgs.
    taken: Vec<PortalName>,
}

/// What a result is counted as, in the order of the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Created,
    CreatedEarlier,
    /// After a lost response: created by this batch, or by somebody else at the same moment.
    ExistsNow,
    Existing,
    OrgHasPortal,
    NameTaken,
    Rejected,
    NotCreated,
    Blocked,
    InDoubt,
    NotBegun,
}

impl<'a> Results<'a> {
    /// Of a plan of which nothing was run yet.
    pub(super) fn new(plan: &'a Plan, shown: &'a Shown<'a>, ensure: bool) -> Self {
        let rows = plan.rows.iter().zip(&plan.states).zip(shown.rows());
        let rows = rows.map(|((row, state), planned)| RowResult::new(row, state, planned, ensure));
        Self { rows: rows.collect(), ensure, is_interrupted: false }
    }

    /// A row ended.
    pub(super) fn end(&mut self, row: usize, outcome: Outcome) {
        if let Some(result) = self.rows.get_mut(row) {
            let kind = Kind::of(&outcome);
            result.set(&outcome, kind, self.ensure);
        }
    }

    pub(super) fn rows(&self) -> &[RowResult<'a>] {
        &self.rows
    }

    /// Prints the results for machines. Returns the exit status.
    pub(super) fn print_json(&self, printer: &Printer) -> ExitClass {
        let mut exits = Vec::new();
        for result in &self.rows {
            match &result.report {
                Some(report) => exits.push(report.print_json(printer)),
                None => printer.json(result.planned),
            }
        }
        let is_cut = self.is_interrupted && self.count(Kind::NotBegun) > 0;
        exit::combined(exits.into_iter().chain(is_cut.then_some(ExitClass::Stopped)))
    }

    fn count(&self, kind: Kind) -> usize {
        self.rows.iter().filter(|result| result.kind == kind).count()
    }

    /// The exceptions, and how many there are of each kind. `again` is the command that does what is
    /// left.
    pub(super) fn text(&self, again: Option<&str>, columns: usize) -> String {
        let width = self.rows.iter().filter(|result| self.is_exception(result));
        let width = width.map(|result| result.row.profile.len()).max().unwrap_or_default();
        let mut text = String::new();
        let mut kinds = BTreeMap::<Kind, Vec<&RowResult<'_>>>::new();
        for result in self.rows.iter().filter(|result| self.is_exception(result)) {
            kinds.entry(result.kind).or_default().push(result);
        }
        for (kind, results) in kinds {
            let _ = writeln!(text, "{}: {}", kind.title(), results.len());
            causes(results, width, columns, &mut text);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.counts());
        if !self.ensure && self.count(Kind::Existing) > 0 {
            text.push_str("\nPass --ensure to count an existing portal as success.");
        }
        let is_left = |kinds: &[Kind]| kinds.iter().any(|kind| self.count(*kind) > 0);
        let again = again.filter(|_| !text.is_empty());
        if let Some(command) = again {
            if is_left(&[Kind::NotCreated, Kind::InDoubt, Kind::NotBegun]) {
                let _ = write!(text, "\nContinue with: {command}");
            } else if is_left(&[Kind::Rejected, Kind::NameTaken, Kind::OrgHasPortal]) {
                let _ = write!(text, "\nTry again with: {command}");
            }
        }
        text
    }

    /// `45 created, 3 rejected`
    fn counts(&self) -> String {
        let mut counts = BTreeMap::<Kind, usize>::new();
        for result in &self.rows {
            *counts.entry(result.kind).or_default() += 1;
        }
        let counts = counts.into_iter().map(|(kind, count)| format!("{count} {}", kind.text()));
        counts.collect::<Vec<_>>().join(", ")
    }

    fn is_exception(&self, result: &RowResult<'_>) -> bool {
        match result.kind {
            Kind::Created => !result.taken.is_empty(),
            Kind::CreatedEarlier | Kind::ExistsNow | Kind::NotBegun => false,
            Kind::Existing => !self.ensure,
            Kind::OrgHasPortal
            | Kind::NameTaken
            | Kind::Rejected
            | Kind::NotCreated
            | Kind::Blocked
            | Kind::InDoubt => true,
        }
    }
}

impl<'a> RowResult<'a> {
    fn new(row: &'a Row, state: &State, planned: &'a Planned<'a>, ensure: bool) -> Self {
        let taken = Vec::new();
        let mut result = Self { row, planned, kind: Kind::NotBegun, report: None, taken };
        if let Some(outcome) = state.outcome(row) {
            let is_earlier = matches!(state, State::Created(_));
            let kind = if is_earlier { Kind::CreatedEarlier } else { Kind::of(&outcome) };
            result.set(&outcome, kind, ensure);
        }
        result
    }

    fn set(&mut self, outcome: &Outcome, kind: Kind, ensure: bool) {
        let (operation, context) = (Operation::from(self.row.create()), context(self.row, ensure));
        let mut report = Report::new(outcome, &operation, &context);
        if let Some(error) = &mut report.error {
            error.hint = next_step(outcome, error.hint.take());
        }
        self.taken = outcome.taken().to_vec();
        (self.kind, self.report) = (kind, Some(report));
    }

    /// `BetaPortal25 (BetaPortal is taken)`
    fn name(&self) -> String {
        let Some(report) = &self.report else { return self.row.name.to_string() };
        let name = &report.name;
        let taken: Vec<&str> = self.taken.iter().map(PortalName::as_str).collect();
        match (taken.as_slice(), &report.origin) {
            ([one], _) => format!("{name} ({one} is taken)"),
            ([_, _, ..], _) => format!("{name} ({} are taken)", taken.join(", ")),
            ([], Some("undetermined")) => {
                format!("{name} (whether this batch created it is not known)")
            }
            ([], _) => name.clone(),
        }
    }

    /// The cause of an error, and what to do about it, with placeholders for what differs by row.
    fn cause(&self) -> (String, Option<String>) {
        let error = self.report.as_ref().and_then(|report| report.error.as_ref());
        let Some((report, error)) = self.report.as_ref().zip(error) else {
            return (String::new(), None);
        };
        let general = |text: &str| {
            text.replace(&report.name, "NAME")
                .replace(&format!("--profile {}", self.row.profile), "--profile PROFILE")
        };
        // What was to be done stands before the first colon.
        let message = error.message.split_once(": ").map_or(&*error.message, |(_, why)| why);
        (general(message), error.hint.as_deref().map(general))
    }
}

impl Kind {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Created { .. } => Self::Created,
            Outcome::Present { origin: Origin::Appeared, .. } => Self::ExistsNow,
            Outcome::Present { origin: Origin::CreatedEarlier { is_own: true, .. }, .. } => {
                Self::CreatedEarlier
            }
            Outcome::Present { .. } => Self::Existing,
            Outcome::OrgHasPortal { .. } => Self::OrgHasPortal,
            Outcome::NameTaken { .. } => Self::NameTaken,
            Outcome::Rejected { .. } => Self::Rejected,
            Outcome::NotCreated { why: NotDone::Conflict { .. }, .. }
            | Outcome::Unknown { why: Unverified::Conflict(_), .. } => Self::Blocked,
            Outcome::NotCreated { .. } => Self::NotCreated,
            // What this version does not know proves nothing.
            _ => Self::InDoubt,
        }
    }

    /// After a number in the counts.
    const fn text(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::CreatedEarlier => "created earlier",
            Self::ExistsNow => "exist now",
            Self::Existing => "already existing",
            Self::OrgHasPortal => "in orgs with another portal",
            Self::NameTaken => "with a taken name",
            Self::Rejected => "rejected",
            Self::NotCreated => "not created",
            Self::Blocked => "blocked",
            Self::InDoubt => "in doubt",
            Self::NotBegun => "not begun",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Created => "Created under another name",
            Self::Existing => "Already existing",
            Self::OrgHasPortal => "Not created, the org has another portal",
            Self::NameTaken => "Not created, the name is taken",
            Self::Rejected => "Not created, rejected",
            Self::NotCreated => "Not created, safe to try again",
            Self::Blocked => "Blocked",
            Self::InDoubt => "In doubt",
            Self::CreatedEarlier | Self::ExistsNow | Self::NotBegun => "",
        }
    }
}

/// The rows by cause: the cause, the rows, and what to do.
fn causes(mut left: Vec<&RowResult<'_>>, width: usize, columns: usize, text: &mut String) {
    while let Some(first) = left.first() {
        let (why, next_step) = first.cause();
        let same: Vec<_> =
            left.extract_if(.., |row| row.cause() == (why.clone(), next_step.clone())).collect();
        let indent = if why.is_empty() { 2 } else { 4 };
        if !why.is_empty() {
            let _ = writeln!(text, "{}", wrap(&why, 2, columns));
        }
        for row in same.iter().take(SHOWN) {
            let _ = writeln!(text, "{:indent$}{:width$}  {}", "", row.row.profile, row.name());
        }
        if same.len() > SHOWN {
            let more = same.len() - SHOWN;
            let _ = writeln!(text, "{:indent$}… and {more} more (`--report FILE` has all)", "");
        }
        if let Some(next_step) = next_step {
            let _ = writeln!(text, "{}", wrap(&format!("→ {next_step}"), indent, columns));
        }
    }
}

fn context(row: &Row, ensure: bool) -> ReportContext {
    ReportContext {
        profile: Some(row.profile.clone()),
        org: format!(" --profile {}", row.profile),
        ensure,
        ..ReportContext::default()
    }
}

/// What to do about a row, which can differ from a single create.
fn next_step(outcome: &Outcome, alone: Option<String>) -> Option<String> {
    match outcome {
        Outcome::NameTaken { owner: Owner::AnotherOrg, .. } => {
            Some("give the row another name, or fallbacks".to_owned())
        }
        Outcome::OrgHasPortal { .. } => Some(
            "use that portal, or pass `--allow-another` if the org may have several".to_owned(),
        ),
        Outcome::NotCreated { why: NotDone::Conflict { conflict, name }, .. } => {
            way_out(*conflict, name).or(alone)
        }
        Outcome::Unknown { why: Unverified::Conflict(conflict), name, .. } => {
            way_out(*conflict, name).or(alone)
        }
        // The same command determines it.
        Outcome::Unknown { why: Unverified::Deadline | Unverified::Stopped, .. } => None,
        _ => alone,
    }
}

fn way_out(conflict: Conflict, name: &str) -> Option<String> {
    match conflict {
        Conflict::NameDropped => Some(format!("put the fallback {name} back into the file")),
        Conflict::LabelMoved => Some(
            "log in to that org again, or log in to this one as another profile; pass `--same-org` \
             if it is the same org"
                .to_owned(),
        ),
        _ => None,
    }
}
