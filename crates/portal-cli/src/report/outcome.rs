//! How a create or a rename ended, for people and for machines: [`Report`].

use std::time::SystemTime;

use portal_model::outcome::{Origin, Owner};
use portal_model::{ErrorCode, InvalidPortalName, Operation, Outcome, PortalName};
use serde::Serialize;
use serde_json::json;

use crate::report::cause::{ReportContext, Subject};
use crate::report::failure::{ErrorKind, ErrorReport, ExitClass, Failure};
use crate::report::{activity, invalid_name};

/// How a create or a rename ended: of one portal, or of a row of a batch. `unknown`: a request may
/// have taken effect; `portal recover` determines it. `unchanged`: the portal had the new name
/// already. `dry_run`: it would be sent. `not_begun`: a row that nothing was done for, and nothing is known of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    /// The portal's name: with fallbacks the one that was tried last, of a rename the new one.
    pub(crate) name: String,
    /// Of a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_name: Option<String>,
    /// The profile whose org it is about; null without one.
    profile: Option<String>,
    pub(crate) outcome: &'static str,
    /// Of a portal that is present. `preexisting`: it existed before the first request. `appeared`:
    /// it did not, and exists now, by this create or by somebody else at the same moment.
    /// `created_earlier`: by an earlier create that the ledger has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<&'static str>,
    /// Of a portal that was created earlier: when that create was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<String>,
    /// Of a name that is taken: whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'static str>,
    /// With fallbacks: the name that was wanted first.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<String>,
    /// Names that were tried before, and belong to another organization.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) taken: Vec<PortalName>,
    /// Seconds that were waited to prove absence: a request that takes longer to take effect would
    /// disprove it.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorReport>,
    #[serde(skip)]
    pub(crate) exit: ExitClass,
    /// For people, unless there is an error.
    #[serde(skip)]
    pub(crate) text: String,
}

impl Report {
    /// Of a create or a rename that ended, or of which a preview showed the outcome.
    pub(crate) fn new(outcome: &Outcome, operation: &Operation, context: &ReportContext) -> Self {
        let report = Self {
            taken: outcome.taken().to_vec(),
            ..Self::ended(operation, context, outcome.kind().as_str())
        };
        let report = match operation {
            Operation::Create(_) => Self { name: outcome.name().to_owned(), ..report },
            Operation::Rename(_) => report,
        };
        let (name, old) = (report.name.clone(), report.old_name.clone());
        let subject = Subject { name: &name, old: old.as_deref(), context };
        let failed = |failure: Failure| report.clone().failed(failure);
        let sentence = |kind| Failure::new(kind, outcome.to_string());
        let list = || format!("run `portal list{}` to see the org's portals", context.org);
        match outcome {
            Outcome::Created { .. } | Outcome::Renamed { .. } | Outcome::Unchanged { .. } => {
                Self { text: outcome.to_string(), ..report }
            }
            Outcome::Present { origin, .. } => {
                let is_success = context.ensure || outcome.is_ours();
                let exit = if is_success { ExitClass::Success } else { ExitClass::Exists };
                let begun =
                    context.begun.map(|time| humantime::format_rfc3339_seconds(time).to_string());
                let text = present(&name, origin, context) + &names_taken(&report.taken);
                Self { exit, origin: Some(origin.as_str()), begun, text, ..report }
            }
            Outcome::OrgHasPortal { portal, .. } => {
                let details = json!({ "portal": portal });
                let hint = subject.instead_of(portal);
                failed(sentence(ErrorKind::OrgHasPortal).details(details).hint(hint))
            }
            Outcome::NameTaken { owner, .. } => {
                let failure = sentence(ErrorKind::NameTaken).hint(match owner {
                    Owner::Undetermined(why) => subject.unknown_owner_hint(why),
                    _ if old.is_some() => "choose another name".to_owned(),
                    _ => "choose another name, or pass `--fallback NAME` to try one if the first \
                          is taken"
                        .to_owned(),
                });
                Self { owner: Some(owner.as_str()), ..failed(failure) }
            }
            // The service's code for a missing portal of the old name, too.
            Outcome::Rejected { error, .. }
                if old.is_some() && error.code == ErrorCode::InvalidData =>
            {
                failed(subject.rejected(error).hint(list()))
            }
            Outcome::Rejected { error, .. } => failed(subject.rejected(error)),
            Outcome::NotFound { .. } => failed(sentence(ErrorKind::NotFound).hint(list())),
            Outcome::NotCreated { why, .. } | Outcome::NotRenamed { why, .. } => Self {
                verified_after: context.verified_after(why),
                ..failed(subject.stopped_by(why))
            },
            Outcome::Unknown { doubt, why, .. } => failed(subject.in_doubt(doubt, why)),
            // An outcome that this version does not know proves nothing.
            _ => failed(sentence(ErrorKind::Failed).exit(ExitClass::Unknown)),
        }
    }

    /// Of something that would be sent to the org `place`.
    pub(crate) fn would_be_sent(
        operation: &Operation,
        place: &str,
        context: &ReportContext,
    ) -> Self {
        let report = Self::ended(operation, context, "dry_run");
        let old = report.old_name.as_deref();
        let subject = Subject { name: &report.name, old, context };
        let text = format!("{} would be {} in {place}", subject.now(), subject.done());
        Self { text, ..report }
    }

    /// Whether the org has the portal.
    pub(crate) fn exists(&self) -> bool {
        ["created", "present"].contains(&self.outcome)
    }

    /// Of something that was not begun, and why.
    pub(crate) fn withheld(
        operation: &Operation,
        failure: Failure,
        context: &ReportContext,
    ) -> Self {
        let outcome = match (failure.exit, operation) {
            (ExitClass::Unknown, _) => "unknown",
            (_, Operation::Create(_)) => "not_created",
            (_, Operation::Rename(_)) => "not_renamed",
        };
        Self::ended(operation, context, outcome).failed(failure)
    }

    /// Of an invalid name: nothing was sent.
    pub(crate) fn invalid(
        name: &str,
        invalid: &InvalidPortalName,
        context: &ReportContext,
    ) -> Self {
        Self::named(name.to_owned(), context, "invalid").failed(invalid_name::failure(invalid))
    }

    fn ended(operation: &Operation, context: &ReportContext, outcome: &'static str) -> Self {
        match operation {
            Operation::Create(create) => {
                let requested = (!create.fallbacks.is_empty()).then(|| create.name.to_string());
                Self { requested, ..Self::named(create.name.to_string(), context, outcome) }
            }
            Operation::Rename(rename) => {
                let old_name = Some(rename.old.clone());
                Self { old_name, ..Self::named(rename.new.to_string(), context, outcome) }
            }
        }
    }

    fn named(name: String, context: &ReportContext, outcome: &'static str) -> Self {
        Self { name, profile: context.profile.clone(), outcome, ..Self::default() }
    }

    pub(crate) fn failed(self, failure: Failure) -> Self {
        Self { error: Some(*failure.report), exit: failure.exit, ..self }
    }
}

/// That a portal exists, in one clause that claims no more than is known (rule 6).
fn present(name: &str, origin: &Origin, context: &ReportContext) -> String {
    let org = match &context.profile {
        Some(profile) => format!("the org of profile {profile}"),
        None => "the org".to_owned(),
    };
    let ago = context.begun.map(|begun| activity::ago(begun, SystemTime::now()));
    let ago = ago.as_deref().unwrap_or("earlier");
    match origin {
        Origin::Preexisting => format!("{name} already exists in {org}"),
        Origin::CreatedEarlier { is_own: true, .. } => format!("{name} was created {ago}"),
        Origin::CreatedEarlier { .. } => {
            format!("{name} already exists in {org}; `portal` created it {ago}")
        }
        Origin::Appeared => format!(
            "{name} exists now; no response confirmed it (created by this call, or by somebody else \
             at the same moment)"
        ),
        _ => format!("{name} exists; whether this call created it is not known"),
    }
}

/// `; FirstName was taken by another organization`, as the library says it of a portal that was created: it
/// was when it was tried, which may be long ago.
fn names_taken(names: &[PortalName]) -> String {
    let taken = |text, name| format!("{text}; {name} was taken by another organization");
    names.iter().fold(String::new(), taken)
}

#[cfg(test)]
mod tests;
