//! A plan in words and as objects, before and after it is run: the exceptions, those of one cause
//! together, and how many rows there are of each kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portal_model::outcome::{Conflict, NotDone, Origin, Owner, Unverified};
use portal_model::{Operation, Outcome, PortalName};

use crate::batch::plan::Plan;
use crate::batch::rows::{Row, State};
use crate::report::cause::ReportContext;
use crate::report::outcome::Report;
use crate::report::place::profile_flag;
use crate::report::wrap::wrap;

/// Rows of one cause that are shown.
const SHOWN: usize = 20;

/// What stands for the name and the profile of several rows.
const NAME: &str = "NAME";
const PROFILE: &str = " --profile PROFILE";

/// How a plan is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// Whether it was run.
    pub(super) is_over: bool,
    /// Whether an existing portal is a success.
    pub(super) ensure: bool,
    /// Whether it is of `portal rehearse`, which has fewer flags, and whose server is gone at its end.
    pub(super) is_rehearsal: bool,
    /// The flags of the run that a suggested command needs, too, each after a space.
    pub(super) flags: &'a str,
    pub(super) columns: usize,
}

/// What a row is counted as, in the order of the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Created,
    CreatedEarlier,
    /// After a lost response: created by this batch, or by somebody else at the same moment.
    Appeared,
    Existing,
    OrgHasPortal,
    NameTaken,
    Rejected,
    NotCreated,
    Blocked,
    InDoubt,
    Unchecked,
    Left,
}

/// What is said of a row.
struct Said<'a> {
    row: &'a Row,
    /// The portal's name, and what belongs to this row only.
    name: String,
    /// The cause, and what to do about it, with placeholders for what differs by row.
    cause: (String, Option<String>),
}

/// The rows of a plan that are to be known, by kind and cause, and the counts.
pub(super) fn text(plan: &Plan, reports: &[Report], view: View<'_>) -> String {
    let mut kinds = BTreeMap::<Kind, (usize, Vec<Said<'_>>)>::new();
    for (row, report) in plan.rows.iter().zip(reports) {
        let kind = Kind::of(row);
        let (count, shown) = kinds.entry(kind).or_default();
        *count += 1;
        let has_other_name = report.name != row.create.name.as_str();
        if kind.is_shown(view) || kind == Kind::Created && has_other_name {
            shown.push(Said::new(kind, row, report));
        }
    }
    // `45 created, 3 rejected`
    let count =
        |(kind, (count, _)): (&Kind, &(usize, _))| format!("{count} {}", kind.text(view.is_over));
    let counts = kinds.iter().map(count).collect::<Vec<_>>().join(", ");
    let width =
        kinds.values().flat_map(|(_, shown)| shown).map(|said| said.row.profile.len()).max();
    let mut text = String::new();
    for (kind, (_, rows)) in kinds.into_iter().filter(|(_, (_, rows))| !rows.is_empty()) {
        let title = match kind {
            Kind::Created => "created under another name",
            kind => kind.text(view.is_over),
        };
        let (first, rest) = title.split_at(1);
        let _ = writeln!(text, "{}{rest}: {}", first.to_uppercase(), rows.len());
        causes(rows, width.unwrap_or_default(), view, &mut text);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &wrap(&counts, 0, view.columns)
}

/// A row as an object.
pub(super) fn report(row: &Row, view: View<'_>) -> Report {
    let operation = Operation::from(row.create.clone());
    let context = ReportContext {
        profile: Some(row.profile.clone()),
        org: profile_flag(&row.profile) + view.flags,
        ensure: view.ensure,
        is_preview: matches!(row.state, State::Known(_)),
        ..ReportContext::default()
    };
    let Some(outcome) = row.outcome() else {
        let mut report = Report::would_be_sent(&operation, "", &context);
        if let State::Unchecked(why) = &row.state {
            let message = format!("{} was not checked: {}", row.create.name, why.report.message);
            report = report.failed(why.clone().message(message));
        }
        if view.is_over || report.error.is_some() {
            report.outcome = "not_begun";
        }
        return report;
    };
    let mut report = Report::new(outcome, &operation, &context);
    if let Some(error) = &mut report.error {
        let alone = error.hint.take().filter(|_| !view.is_rehearsal);
        error.hint = next_step(row, outcome, alone);
    }
    report
}

impl Kind {
    pub(super) fn of(row: &Row) -> Self {
        match &row.state {
            State::Left { .. } => Self::Left,
            State::Unchecked(_) => Self::Unchecked,
            State::Known(outcome) if outcome.is_ours() => Self::CreatedEarlier,
            State::Known(outcome) | State::Moved(outcome) | State::Ended(outcome) => {
                Self::of_outcome(outcome)
            }
        }
    }

    pub(super) fn of_outcome(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Created { .. } => Self::Created,
            Outcome::Present { origin: Origin::Appeared, .. } => Self::Appeared,
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

    /// What it is called: after a number, and above its rows.
    pub(super) const fn text(self, is_over: bool) -> &'static str {
        match self {
            Self::Created => "created",
            Self::CreatedEarlier => "created earlier",
            Self::Appeared => "present (the response was lost)",
            Self::Existing => "already existing",
            Self::OrgHasPortal => "in orgs with another portal",
            Self::NameTaken => "with a taken name",
            Self::Rejected => "rejected",
            Self::NotCreated => "not created",
            Self::Blocked => "blocked",
            Self::InDoubt => "in doubt",
            Self::Unchecked | Self::Left if is_over => "not begun",
            Self::Unchecked => "not checked",
            Self::Left => "to be created",
        }
    }

    /// Whether each of its rows is to be known.
    const fn is_shown(self, view: View<'_>) -> bool {
        match self {
            Self::Created | Self::CreatedEarlier | Self::Appeared => false,
            Self::Existing => !view.ensure,
            Self::Left | Self::Unchecked => !view.is_over,
            Self::OrgHasPortal
            | Self::NameTaken
            | Self::Rejected
            | Self::NotCreated
            | Self::Blocked
            | Self::InDoubt => true,
        }
    }
}

impl<'a> Said<'a> {
    fn new(kind: Kind, row: &'a Row, report: &Report) -> Self {
        let taken: Vec<&str> = report.taken.iter().map(PortalName::as_str).collect();
        let note = match (row.outcome(), &*taken) {
            (Some(Outcome::OrgHasPortal { portal, .. }), _) => format!(" (has {})", portal.name),
            (Some(Outcome::Present { origin: Origin::Undetermined, .. }), []) => {
                " (whether this batch created it is not known)".to_owned()
            }
            (_, []) => String::new(),
            (_, [one]) => format!(" ({one} is taken)"),
            (_, several) => format!(" ({} are taken)", several.join(", ")),
        };
        let general = |text: &str| {
            text.replace(&report.name, NAME)
                .replace(&format!(" --profile {}", row.profile), PROFILE)
        };
        let cause = match (&row.state, &report.error) {
            (State::Left { note: Some(last) }, _) => (format!("last time: {last}"), None),
            (_, None) => (String::new(), None),
            (_, Some(error)) => {
                // What was to be done stands before the first colon; what the org has, beside the name.
                let why = match error.message.split_once(": ") {
                    _ if kind == Kind::OrgHasPortal => "",
                    Some((_, why)) => why,
                    None => &error.message,
                };
                (general(why), error.hint.as_deref().map(general))
            }
        };
        Self { row, name: format!("{}{note}", report.name), cause }
    }

    /// A cause that only this row has.
    fn specific(&self, text: &str) -> String {
        let name = self.name.split(' ').next().unwrap_or_default();
        text.replace(NAME, name).replace(PROFILE, &format!(" --profile {}", self.row.profile))
    }
}

/// The rows by cause: the cause, the rows, and what to do.
fn causes(mut left: Vec<Said<'_>>, width: usize, view: View<'_>, text: &mut String) {
    let columns = view.columns;
    let where_all_are = if view.is_rehearsal { "" } else { " (`--report FILE` has all)" };
    while let Some(first) = left.first() {
        let cause = first.cause.clone();
        let same: Vec<_> = left.extract_if(.., |said| said.cause == cause).collect();
        let (why, next_step) = match same.as_slice() {
            [only] => (only.specific(&cause.0), cause.1.map(|next_step| only.specific(&next_step))),
            _ => (cause.0, cause.1.map(|next| next.replace("the portal NAME", "portals"))),
        };
        let indent = if why.is_empty() { 2 } else { 4 };
        if !why.is_empty() {
            let _ = writeln!(text, "{}", wrap(&why, 2, columns));
        }
        for said in same.iter().take(SHOWN) {
            let _ = writeln!(text, "{:indent$}{:width$}  {}", "", said.row.profile, said.name);
        }
        if same.len() > SHOWN {
            let more = same.len() - SHOWN;
            let _ = writeln!(text, "{:indent$}… and {more} more{where_all_are}", "");
        }
        if let Some(next_step) = next_step {
            let _ = writeln!(text, "{}", wrap(&format!("→ {next_step}"), indent, columns));
        }
    }
}

/// What to do about a row, which can differ from a single create.
fn next_step(row: &Row, outcome: &Outcome, alone: Option<String>) -> Option<String> {
    let conflict = match outcome {
        Outcome::NameTaken { owner: Owner::AnotherOrg, .. } => {
            return Some("give the row another name, or fallbacks".to_owned());
        }
        Outcome::OrgHasPortal { .. } => {
            let next = "use that portal, or pass `--allow-another` if the org may have several";
            return Some(next.to_owned());
        }
        // The same command determines it.
        Outcome::Unknown { why: Unverified::Deadline | Unverified::Stopped, .. } => return None,
        Outcome::NotCreated { why: NotDone::Conflict { conflict, name }, .. }
        | Outcome::Unknown { why: Unverified::Conflict(conflict), name, .. } => (conflict, name),
        _ => return alone,
    };
    match conflict {
        (Conflict::NameDropped, name) => {
            Some(format!("put the fallback {name} back into the file"))
        }
        (Conflict::LabelMoved, _) => {
            let next = "log in to that org again, or log in to this one as another profile";
            let is_same = "; if it is the same org with new credentials, pass `--same-org`";
            Some(next.to_owned() + if matches!(row.state, State::Moved(_)) { is_same } else { "" })
        }
        _ => alone,
    }
}
