//! `portal doctor`: checks profiles without changing anything.

mod checks;

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::StreamExt as _;
use futures_util::stream;
use portal_model::neutral::cut;
use serde::Serialize;

pub(super) use self::checks::{Check, Status, can_create, org, read};
use crate::commands::candidates;
use crate::commands::target_args::{CA_FILE, CONNECTION};
use crate::org::ledger;
use crate::org::profile::{Profile, Profiles};
use crate::report::failure::{ExitClass, Failure, combined};
use crate::report::wrap::{hang, wrap};
use crate::sys::directories;
use crate::terminal::printer::Printer;
use crate::terminal::width;

/// Check a profile, or all of them; nothing is changed
///
/// Whether the token can create is determined with a create request without a name, which the
/// service always rejects, with the reason.
///
/// # Exit status
/// 0 if portals can be created with every profile, 3 no permission or no valid token, 6 the service
/// cannot be reached, 1 otherwise
///
/// # Examples
///
///     portal doctor --profile acme
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The profile to check [default: all]
    #[arg(long, value_name = "PROFILE", add = candidates::profiles())]
    profile: Option<String>,
    #[arg(long, value_name = "FILE", help_heading = CONNECTION, help = CA_FILE)]
    ca_file: Option<PathBuf>,
}

/// How many profiles are checked at once.
const AT_ONCE: usize = 8;

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let profiles = Profiles::load(&directories::config()?)?;
    let names: Vec<&str> = match &args.profile {
        Some(name) => vec![name],
        None => profiles.entries().keys().map(String::as_str).collect(),
    };
    if names.is_empty() {
        return Err(Failure::usage("no profile to check").hint("run `portal login` to create one"));
    }
    let found: Vec<(&str, Profile)> = names
        .into_iter()
        .map(|name| Ok((name, profiles.get(name)?)))
        .collect::<Result<_, Failure>>()?;
    let is_one = found.len() == 1;
    // What earlier creates left is worth a look, and not worth failing for.
    let unfinished = ledger::unfinished(None).await.unwrap_or_else(|error| {
        printer.warning(error.report.message);
        Vec::new()
    });
    let entries = &unfinished[..];
    let mut checked = stream::iter(found)
        .map(|(name, profile)| async move {
            let target = profile.target(name, args.ca_file.clone());
            (name, checks::run(&target, entries).await)
        })
        .buffered(AT_ONCE);
    let (mut exits, mut verdicts) = (Vec::new(), Vec::new());
    while let Some((name, checks)) = checked.next().await {
        let checks = checks?;
        let verdict = Verdict::of(&checks);
        printer.text(format_args!("{name}: {}", verdict.words().0));
        for check in &checks {
            // Of many profiles people want to see what is wrong.
            if is_one || printer.is_json() || check.status != Status::Ok {
                say(name, check, printer);
            }
        }
        verdicts.push(verdict);
        exits.extend(checks.iter().map(|check| check.exit).filter(|e| *e != ExitClass::Success));
    }
    if !is_one {
        printer.text(format_args!("\n{}", summary(&verdicts)));
    }
    Ok(combined(exits))
}

/// One thing that was checked of a profile.
#[derive(Serialize)]
struct Checked<'a> {
    profile: &'a str,
    #[serde(flatten)]
    check: &'a Check,
}

fn say(profile: &str, check: &Check, printer: &Printer) {
    let mark = match check.status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Failed => "FAILED",
        Status::Unknown => "?",
    };
    let (columns, lead) = (width::of_stdout(), format!("  {mark:<9}{:<8}", check.about));
    let mut text = hang(&lead, &cut(&check.message), columns);
    if let Some(hint) = &check.hint {
        text.push('\n');
        text.push_str(&wrap(&format!("→ {hint}"), lead.len(), columns));
    }
    printer.result(text, &Checked { profile, check });
}

/// Whether portals can be created with a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ready,
    Unreachable,
    NoToken,
    NotPermitted,
    Failed,
    Undetermined,
}

impl Verdict {
    fn of(checks: &[Check]) -> Self {
        let failed = |check: &&Check| check.status == Status::Failed;
        let has = |wanted| checks.iter().any(|check| check.exit == wanted);
        match checks.iter().find(failed) {
            // It comes first.
            Some(Check { about: "token", exit: ExitClass::Unavailable, .. }) => Self::Unreachable,
            Some(Check { about: "token", .. }) => Self::NoToken,
            _ if has(ExitClass::Forbidden) => Self::NotPermitted,
            Some(_) => Self::Failed,
            None if checks.iter().any(|check| check.exit != ExitClass::Success) => {
                Self::Undetermined
            }
            None => Self::Ready,
        }
    }

    /// Completes `acme: `, and a number.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Ready => ("ready", "ready"),
            Self::Unreachable => ("unreachable", "unreachable"),
            Self::NoToken => ("no valid token", "without a valid token"),
            Self::NotPermitted => ("not permitted to create", "not permitted"),
            Self::Failed => ("cannot create", "that cannot create"),
            Self::Undetermined => ("undetermined", "undetermined"),
        }
    }
}

/// `201 profiles: 193 ready · 2 without a valid token · 4 not permitted · 2 undetermined`
fn summary(verdicts: &[Verdict]) -> String {
    let mut counts = BTreeMap::<Verdict, usize>::new();
    for verdict in verdicts {
        *counts.entry(*verdict).or_default() += 1;
    }
    let counts = counts.iter().map(|(verdict, count)| format!("{count} {}", verdict.words().1));
    let counts = counts.collect::<Vec<_>>().join(" · ");
    format!("{} profiles: {counts}", verdicts.len())
}
