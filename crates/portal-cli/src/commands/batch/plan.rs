//! A plan in words, and as objects: [`Shown`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use portal_ledger::{Entry, Ledger};
use portal_model::ErrorCode;
use portal_model::flow::Policy;
use portal_model::neutral::printable_line;
use schemars::JsonSchema;
use serde::Serialize;

use super::counted;
use crate::batch::orgs::Org;
use crate::batch::plan::{Plan, State};
use crate::batch::run::Lanes;
use crate::report::wrap::wrap;
use crate::report::{activity, permission};
use crate::terminal::printer::Printer;

/// Longer files are shown without the rows that are new or done.
const SHOWN_WHOLE: usize = 30;
/// Rows of a longer file that are shown, and rows of a note.
const SHOWN: usize = 60;
const SHOWN_IN_NOTE: usize = 5;
/// The columns that a state needs at least, to stand beside the name.
const MIN_STATE: usize = 24;
/// What a create takes beside its waits, in an estimate.
const CREATE: Duration = Duration::from_secs(1);

/// What would happen to a row. `new`: it would be created. `in_doubt`: its outcome would be determined
/// first. `exists`, `org_has_portal`: by the list of the org's portals. `not_permitted`: a create without
/// a name is rejected. `blocked`: it was created or is in doubt in another org, or under a fallback that
/// it does not have any more. `created`: by an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
enum Kind {
    New,
    NotChecked,
    InDoubt,
    Exists,
    OrgHasPortal,
    NotPermitted,
    Blocked,
    Created,
}

/// A row without an outcome, and what is known of it: of `--dry-run`, or not begun.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::commands) struct Planned<'a> {
    profile: &'a str,
    /// Of the API; empty if nothing is to be done in the org.
    host: String,
    name: &'a str,
    state: Kind,
    /// The other portal, the missing permission, what came of it last time, or why it was not checked or
    /// is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// A plan, and how it would be carried out.
pub(super) struct Shown<'a> {
    rows: Vec<Planned<'a>>,
    notes: Vec<String>,
    summary: String,
}

impl<'a> Shown<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        orgs: &[Org],
        lanes: &Lanes,
        policy: &Policy,
        ledger: Option<&Ledger>,
    ) -> Self {
        let hosts: HashMap<_, _> = orgs.iter().map(|org| (org.profile(), org.host())).collect();
        let rows = plan.rows.iter().zip(&plan.states).map(|(row, state)| {
            let host = hosts.get(row.profile.as_str()).cloned().unwrap_or_default();
            let (kind, detail) = describe(state);
            let (profile, name) = (row.profile.as_str(), row.name.as_str());
            Planned { profile, host, name, state: kind, detail }
        });
        let (rows, left) = (rows.collect(), plan.left().count());
        let notes = [
            ledger.and_then(Ledger::path).map(|path| format!("ledger: {}", path.display())),
            elsewhere(plan),
            not_in_file(&plan.dropped),
            one_at_a_time(lanes, policy),
        ];
        let notes = notes.into_iter().flatten().collect();
        Self { rows, notes, summary: summary(plan, orgs, lanes, left) }
    }

    /// Prints it for a dry run.
    pub(super) fn print(&self, printer: &Printer, columns: usize) {
        printer.text(self.whole(columns));
        self.rows.iter().for_each(|row| printer.json(row));
    }

    /// The rows, in the order of the file.
    pub(super) fn rows(&self) -> &[Planned<'a>] {
        &self.rows
    }

    /// What is to be known beside the rows.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// `12 portals in 12 orgs, 3 data centers; this cannot be undone`
    pub(super) fn summary(&self) -> &str {
        &self.summary
    }

    /// All but the rows.
    pub(super) fn in_short(&self) -> String {
        let is_new = self.rows.iter().all(|row| row.state == Kind::New);
        let counts = (!is_new).then(|| self.counts());
        let lines = counts.iter().chain(&self.notes).chain([&self.summary]);
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The rows as a table, how many there are of each kind, and the notes.
    pub(super) fn whole(&self, columns: usize) -> String {
        let mut text = self.table(columns);
        text.push_str(&self.counts());
        for note in &self.notes {
            let _ = write!(text, "\n{}", wrap(note, 0, columns));
        }
        text
    }

    /// `118 new · 2 in doubt · 80 created earlier`
    fn counts(&self) -> String {
        let mut counts = BTreeMap::<Kind, usize>::new();
        for row in &self.rows {
            *counts.entry(row.state).or_default() += 1;
        }
        let counts = counts.into_iter().map(|(kind, count)| format!("{count} {}", kind.text()));
        counts.collect::<Vec<_>>().join(" · ")
    }

    fn table(&self, columns: usize) -> String {
        let is_whole = self.rows.len() <= SHOWN_WHOLE;
        let is_shown = |row: &&Planned<'_>| {
            is_whole || row.detail.is_some() || !matches!(row.state, Kind::New | Kind::Created)
        };
        let all: Vec<_> = self.rows.iter().filter(is_shown).collect();
        let (shown, more) = all.split_at(all.len().min(SHOWN));
        let width = |cell: for<'p> fn(&'p Planned<'a>) -> &'p str, head: &str| {
            shown.iter().map(|row| cell(row).len()).max().unwrap_or_default().max(head.len())
        };
        let (profile, name) = (width(|row| row.profile, "PROFILE"), width(|row| row.name, "NAME"));
        let host = width(|row| &row.host, "HOST");
        let has_hosts = shown.iter().any(|row| !row.host.is_empty());
        let place = |one: &str, two: &str, three: &str| {
            let two = if has_hosts { format!("{two:host$}  ") } else { String::new() };
            format!("{one:profile$}  {two}{three:name$}  ")
        };
        let head = place("PROFILE", "HOST", "NAME");
        let mut table = String::new();
        // The states begin in this column, if that leaves them room for some words.
        if head.len() + MIN_STATE <= columns {
            if !shown.is_empty() {
                let _ = writeln!(table, "{head}STATE");
            }
            for row in shown {
                let line_break = format!("\n{:1$}", "", head.len());
                let state = wrap(&row.text(), 0, columns - head.len()).replace('\n', &line_break);
                let _ = writeln!(table, "{}{state}", place(row.profile, &row.host, row.name));
            }
        } else {
            for row in shown {
                let state = wrap(&row.text(), 4, columns);
                let _ = writeln!(table, "{} {}\n{state}", row.profile, row.name);
            }
        }
        if !more.is_empty() {
            let _ = writeln!(table, "… and {} more", more.len());
        }
        table
    }
}

fn describe(state: &State) -> (Kind, Option<String>) {
    match state {
        State::Created(_) => (Kind::Created, None),
        State::InDoubt(_) => (Kind::InDoubt, None),
        State::Moved { entry, now } => {
            (Kind::Blocked, Some(format!("{} was begun in {}, not {now}", entry.name(), entry.org)))
        }
        State::Dropped(entry) => {
            (Kind::Blocked, Some(format!("{} is not among its names any more", entry.name())))
        }
        State::Exists { .. } => (Kind::Exists, None),
        State::OrgHasPortal(portal) => (Kind::OrgHasPortal, Some(portal.name.clone())),
        State::NotPermitted(error) => (
            Kind::NotPermitted,
            Some(match error.code {
                ErrorCode::NoPermission => format!("{} is missing", permission::labels(error)),
                ErrorCode::OauthScopeMismatch => "the token cannot create".to_owned(),
                _ => error.to_string(),
            }),
        ),
        State::New(new) => match (&new.unchecked, &new.last) {
            (Some(why), _) => (Kind::NotChecked, Some(why.clone())),
            (None, Some(last)) => (Kind::New, Some(last.clone())),
            (None, None) => (Kind::New, None),
        },
    }
}

impl Kind {
    const fn text(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::NotChecked => "not checked",
            Self::InDoubt => "in doubt",
            Self::Exists => "already exists",
            Self::OrgHasPortal => "in orgs with another portal",
            Self::NotPermitted => "not permitted",
            Self::Blocked => "blocked",
            Self::Created => "created earlier",
        }
    }
}

impl Planned<'_> {
    /// `org has OtherPortal already`
    pub(super) fn text(&self) -> String {
        let text = match (self.state, &self.detail) {
            (Kind::OrgHasPortal, Some(portal)) => format!("org has {portal} already"),
            (Kind::New, Some(last)) => format!("new; last time: {last}"),
            (kind, Some(detail)) => format!("{}: {detail}", kind.text()),
            (kind, None) => kind.text().to_owned(),
        };
        printable_line(&text)
    }
}

/// What is about to be sent, and to where.
fn summary(plan: &Plan, orgs: &[Org], lanes: &Lanes, left: usize) -> String {
    let tasks: HashSet<usize> =
        lanes.apart.iter().flatten().chain(&lanes.last).map(|(row, _)| *row).collect();
    let orgs: Vec<_> =
        orgs.iter().filter(|org| org.rows.iter().any(|row| tasks.contains(row))).collect();
    let servers: HashSet<_> = orgs.iter().map(|org| &org.target.accounts).collect();
    let is_rehearsal = orgs.iter().all(|org| org.target.is_this_machine());
    let place = if is_rehearsal {
        "on this machine".to_owned()
    } else {
        format!("{}; this cannot be undone", counted(servers.len(), "data center"))
    };
    let (rows, orgs) = (counted(tasks.len(), "portal"), counted(orgs.len(), "org"));
    let mut summary = format!("{rows} in {orgs}, {place}");
    let is_in_doubt = |row: &&usize| matches!(plan.states.get(**row), Some(State::InDoubt(_)));
    match tasks.iter().filter(is_in_doubt).count() {
        0 => {}
        all if all == tasks.len() => {
            summary.push_str("; in doubt from an earlier run, which is determined first");
        }
        1 => summary.push_str("; one of them is in doubt, and is determined first"),
        several => {
            let _ = write!(summary, "; {several} of them are in doubt, and are determined first");
        }
    }
    if left > tasks.len() {
        let _ = write!(summary, "; {} more stay for another run", left - tasks.len());
    }
    summary
}

/// Portals that another machine may have made.
fn elsewhere(plan: &Plan) -> Option<String> {
    let is_unknown = |state: &&State| matches!(state, State::Exists { is_known: false, .. });
    match plan.states.iter().filter(is_unknown).count() {
        0 => None,
        1 => Some("1 portal exists that this ledger did not create; if another machine ran this file, run it there".to_owned()),
        count => Some(format!("{count} portals exist that this ledger did not create; if another machine ran this file, run it there")),
    }
}

fn not_in_file(dropped: &[Entry]) -> Option<String> {
    let names = dropped
        .iter()
        .take(SHOWN_IN_NOTE)
        .map(|entry| format!("{} {}", entry.label.as_deref().unwrap_or_default(), entry.name()));
    let mut names: Vec<String> = names.collect();
    if dropped.len() > SHOWN_IN_NOTE {
        names.push(format!("and {} more", dropped.len() - SHOWN_IN_NOTE));
    }
    let names = (!names.is_empty()).then(|| names.join(", "))?;
    Some(format!("in doubt, but not in this file: {names}; `portal recover` determines them"))
}

fn one_at_a_time(lanes: &Lanes, policy: &Policy) -> Option<String> {
    if lanes.last.is_empty() || lanes.len() == 1 {
        return None;
    }
    let count = u32::try_from(lanes.last.len()).unwrap_or(u32::MAX);
    let time = activity::whole_seconds((policy.list_lag + CREATE).saturating_mul(count));
    Some(format!(
        "{} of orgs whose ids are not known, which may be one org: they run one at a time, about \
         {time}; pass `--distinct-orgs` if each profile leads to an org of its own",
        counted(lanes.last.len(), "row")
    ))
}
