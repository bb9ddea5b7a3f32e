//! What a batch would do with each row, shown before it is confirmed: [`Preview`].

use std::fmt::Write as _;

use futures_util::{StreamExt as _, stream};
use portal_http::client::ClientError;
use portal_model::error::with_sources;
use portal_model::neutral::printable_line;
use portal_model::{CanCreate, ListPortals, Portal};
use schemars::JsonSchema;
use serde::Serialize;

use crate::batch::journal::State;
use crate::batch::plan::Row;
use crate::batch::result::Verdict;
use crate::batch::run::{Org, Tasks};
use crate::commands::batch::table::count;
use crate::org::create_probe::{probe, undetermined};
use crate::org::retry::retry;
use crate::report::permission;
use crate::report::wrap::wrap;
use crate::terminal::printer::Printer;

/// Orgs that are probed at once.
const AT_ONCE: usize = 16;
/// Longer files are shown without the rows that are new or finished.
const SHOWN_WHOLE: usize = 30;
/// Rows of a longer file that are shown.
const SHOWN: usize = 60;
/// The columns that a state needs at least, to stand beside the name.
const MIN_STATE: usize = 24;

/// What would happen to a row. `new`: it would be created. `in_doubt`: its outcome would be determined
/// first. `exists`, `org_has_portal`: by the list of the org's portals. `rejected`, `finished`: by an
/// earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
enum Kind {
    New,
    InDoubt,
    Exists,
    OrgHasPortal,
    NotPermitted,
    NotChecked,
    Rejected,
    Finished,
}

/// What `--dry-run` finds out about a row, without creating anything.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::commands) struct Planned<'a> {
    profile: &'a str,
    /// Of the API; empty if nothing is to be done in the org.
    host: String,
    name: &'a str,
    state: Kind,
    /// The other portal, the missing permission, or why it was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Every row of a file, in its order.
pub(super) struct Preview<'a>(Vec<Planned<'a>>);

impl<'a> Preview<'a> {
    /// Lists the portals of each org in which something is to be done, and sends it a create without
    /// a name: see [`probe`].
    pub(super) async fn probe(
        rows: &'a [Row],
        states: &[State],
        orgs: &[(Org, Tasks)],
        allow_another: bool,
    ) -> Self {
        let mut planned: Vec<_> = rows
            .iter()
            .zip(states)
            .map(|(row, state)| {
                let (kind, detail) = by_journal(state);
                Planned {
                    profile: &row.profile,
                    host: String::new(),
                    name: row.name.as_str(),
                    state: kind,
                    detail,
                }
            })
            .collect();
        let probes = stream::iter(orgs).map(|(org, tasks)| async move {
            let portals = retry(async || org.client.call(&ListPortals).await).await;
            (org, tasks, portals, probe(&org.client).await)
        });
        let mut probes = std::pin::pin!(probes.buffer_unordered(AT_ONCE));
        while let Some((org, tasks, portals, can_create)) = probes.next().await {
            for &index in tasks {
                let Some((row, planned)) = rows.get(index).zip(planned.get_mut(index)) else {
                    continue;
                };
                planned.host = org.target.declared_identity().host();
                if planned.state != Kind::InDoubt {
                    (planned.state, planned.detail) =
                        by_probe(row, &portals, &can_create, allow_another);
                }
            }
        }
        Self(planned)
    }

    /// Prints it: the rows, then how many there are of each kind.
    pub(super) fn print(&self, printer: &Printer, columns: usize) {
        printer.text(self.table(columns));
        self.0.iter().for_each(|row| printer.json(row));
    }

    /// The rows as a table, and below it how many there are of each kind:
    /// `3 new · 1 already exists · 10 finished`
    pub(super) fn table(&self, columns: usize) -> String {
        let is_whole = self.0.len() <= SHOWN_WHOLE;
        let is_shown =
            |row: &&Planned<'_>| is_whole || !matches!(row.state, Kind::New | Kind::Finished);
        let shown = self.0.iter().filter(is_shown).take(SHOWN);
        let cells = |row: &Planned<'_>| [row.profile.into(), row.host.clone(), row.name.into()];
        let mut rows: Vec<([String; 3], String)> =
            shown.map(|row| (cells(row), row.text())).collect();
        if !rows.is_empty() {
            rows.insert(0, (["PROFILE", "HOST", "NAME"].map(str::to_owned), "STATE".to_owned()));
        }
        let mut widths = [0; 3];
        for (cells, _) in &rows {
            widths.iter_mut().zip(cells).for_each(|(width, cell)| *width = cell.len().max(*width));
        }
        let [profile, host, name] = widths;
        // The states begin in this column, if that leaves them room for some words.
        let left = profile + host + name + 6;
        let mut table = String::new();
        if left + MIN_STATE <= columns {
            for ([one, two, three], state) in &rows {
                let state =
                    wrap(state, 0, columns - left).replace('\n', &format!("\n{:left$}", ""));
                let _ = writeln!(table, "{one:profile$}  {two:host$}  {three:name$}  {state}");
            }
        } else {
            for ([profile, _, name], state) in rows.iter().skip(1) {
                let _ = writeln!(table, "{profile} {name}\n{}", wrap(state, 4, columns));
            }
        }
        table + &count(self.0.iter().map(|row| row.state), Kind::text, " · ")
    }
}

fn by_journal(state: &State) -> (Kind, Option<String>) {
    match state {
        State::Open => (Kind::New, None),
        State::InDoubt(_) => (Kind::InDoubt, None),
        State::Done(result) => {
            let outcome = result.report.outcome.as_str().to_owned();
            match result.verdict() {
                Verdict::Done => (Kind::Finished, Some(outcome)),
                Verdict::Rejected => (Kind::Rejected, Some(outcome)),
                Verdict::NotCreated => (Kind::New, None),
                Verdict::InDoubt => (Kind::InDoubt, None),
            }
        }
    }
}

fn by_probe(
    row: &Row,
    portals: &Result<Vec<Portal>, ClientError>,
    can_create: &Result<CanCreate, ClientError>,
    allow_another: bool,
) -> (Kind, Option<String>) {
    let listed = portals.as_deref().unwrap_or_default();
    if listed.iter().any(|portal| row.has_name(&portal.name)) {
        return (Kind::Exists, None);
    }
    if let Some(portal) = listed.first().filter(|_| !allow_another) {
        return (Kind::OrgHasPortal, Some(portal.name.clone()));
    }
    match can_create {
        Ok(CanCreate::MissingPermission(error)) => {
            (Kind::NotPermitted, Some(format!("{} is missing", permission::labels(error))))
        }
        Ok(CanCreate::MissingScope) => {
            (Kind::NotPermitted, Some("the token cannot create".to_owned()))
        }
        Ok(CanCreate::NotHere(error)) => (Kind::NotPermitted, Some(error.to_string())),
        Err(ClientError::Api(error)) => (Kind::NotChecked, Some(undetermined(error))),
        Err(error) => (Kind::NotChecked, Some(with_sources(error))),
        Ok(CanCreate::Yes) => match portals {
            Err(ClientError::Api(error)) if error.is_scope_mismatch() => {
                (Kind::NotChecked, Some("the token cannot list the org's portals".to_owned()))
            }
            Err(error) => (Kind::NotChecked, Some(with_sources(error))),
            Ok(_) => (Kind::New, None),
        },
    }
}

impl Kind {
    const fn text(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InDoubt => "in doubt",
            Self::Exists => "already exists",
            Self::OrgHasPortal => "blocked by another portal",
            Self::NotPermitted => "not permitted",
            Self::NotChecked => "not checked",
            Self::Rejected => "rejected earlier",
            Self::Finished => "finished",
        }
    }
}

impl Planned<'_> {
    fn text(&self) -> String {
        let text = match (self.state, &self.detail) {
            (Kind::OrgHasPortal, Some(portal)) => format!("org has {portal} already"),
            (kind, Some(detail)) => format!("{}: {detail}", kind.text()),
            (kind, None) => kind.text().to_owned(),
        };
        printable_line(&text)
    }
}
