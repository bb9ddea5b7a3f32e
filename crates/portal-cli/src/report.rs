//! How a create ended, for people and for machines: [`Report`].

mod cause;

use std::borrow::Cow;

pub(crate) use cause::renew;
use portal_model::outcome::{ExitClass, Origin, Owner};
use portal_model::{InvalidPortalName, Outcome};
use serde::{Deserialize, Serialize};

use crate::failure::ErrorReport;
use crate::invalid_name;
use crate::printer::Printer;

/// How a create ended. Serialised it is the object of `--output json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) profile: Option<String>,
    pub(crate) outcome: Cow<'static, str>,
    /// Of a portal that is there: whether it was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Cow<'static, str>>,
    /// Of a name that is taken: whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Cow<'static, str>>,
    /// Where there were alternatives: the name that was wanted first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requested: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorReport>,
    #[serde(skip, default = "not_kept")]
    exit: ExitClass,
    #[serde(skip)]
    text: String,
}

/// What a create was asked for, as far as its report depends on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) profile: Option<String>,
    /// The name that was wanted first, where there were alternatives.
    pub(crate) requested: Option<String>,
    /// A portal that is there already is a success.
    pub(crate) ensure: bool,
    /// Nothing was to be created: an earlier create was to be settled.
    pub(crate) settled: bool,
}

impl Report {
    pub(crate) fn new(outcome: &Outcome, asked: &Asked) -> Self {
        Self {
            name: outcome.name().to_owned(),
            profile: asked.profile.clone(),
            outcome: outcome.kind().into(),
            origin: match outcome {
                Outcome::Present { origin: Origin::Preexisting, .. } => Some("preexisting".into()),
                Outcome::Present { origin: Origin::Appeared, .. } => Some("appeared".into()),
                _ => None,
            },
            owner: match outcome {
                Outcome::NameTaken { owner: Owner::AnotherOrg, .. } => Some("another_org".into()),
                Outcome::NameTaken { owner: Owner::Undetermined, .. } => {
                    Some("undetermined".into())
                }
                _ => None,
            },
            requested: asked.requested.clone(),
            error: cause::of(outcome, asked),
            exit: outcome.exit_class(asked.ensure),
            text: text(outcome, asked),
        }
    }

    /// Of a name that can't be one: nothing was sent.
    pub(crate) fn invalid(name: &str, invalid: &InvalidPortalName, asked: &Asked) -> Self {
        Self {
            name: name.to_owned(),
            profile: asked.profile.clone(),
            outcome: "invalid".into(),
            origin: None,
            owner: None,
            requested: asked.requested.clone(),
            error: Some(invalid_name::report(invalid)),
            exit: ExitClass::Invalid,
            text: String::new(),
        }
    }

    /// The portal was there before this create.
    pub(crate) fn is_preexisting(&self) -> bool {
        self.origin.as_deref() == Some("preexisting")
    }

    /// Says it: what is there on stdout, what went wrong on stderr, and all of it to machines.
    pub(crate) fn print(&self, printer: &Printer) -> ExitClass {
        match &self.error {
            // Said already, when the name was read.
            Some(_) if self.exit == ExitClass::Invalid => {}
            Some(error) => printer.error(error),
            None => printer.text(&self.text),
        }
        if self.is_preexisting() && self.exit == ExitClass::Exists {
            printer.hint("with `--ensure` that is a success");
        }
        printer.json(self);
        self.exit
    }
}

/// The status of a report that was read back: whoever keeps one keeps the status beside it.
fn not_kept() -> ExitClass {
    ExitClass::Rejected
}

/// What is there, in a sentence.
fn text(outcome: &Outcome, asked: &Asked) -> String {
    let org = match &asked.profile {
        Some(profile) => format!("the org of profile {profile}"),
        None => "the org".to_owned(),
    };
    let name = outcome.name();
    let text = match outcome {
        Outcome::Created { .. } => format!("The portal {name} was created."),
        Outcome::Present { origin: Origin::Appeared, .. } => {
            format!("The portal {name} was created: its answer was lost, but it is there.")
        }
        Outcome::Present { origin: Origin::Preexisting, .. } => {
            format!("The portal {name} was there already: {org} has it.")
        }
        _ => return String::new(),
    };
    match &asked.requested {
        Some(requested) if requested != name => {
            format!("{text} The name {requested} belongs to another organization.")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests;
