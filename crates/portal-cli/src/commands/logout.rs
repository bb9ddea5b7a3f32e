//! `portal logout`: revokes the refresh token of a profile and removes the profile.

use std::path::PathBuf;

use serde_json::json;

use crate::commands::candidates;
use crate::commands::profiles::refuse_if_unfinished;
use crate::commands::target_args::{CA_FILE, CONNECTION};
use crate::org::profile::{self, Profiles};
use crate::report::failure::{ExitClass, Failure};
use crate::sys::directories;
use crate::terminal::printer::Printer;
use crate::terminal::prompt::confirm;

/// Revoke the refresh token of a profile, and remove the profile
///
/// Refuses while a create or rename that was begun with the profile is in doubt: `portal recover`
/// determines it with the profile.
///
/// # Examples
///
///     portal logout --profile acme
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The profile to remove
    #[arg(long, value_name = "PROFILE", add = candidates::profiles())]
    profile: String,
    /// Keep the refresh token valid, such as for another machine
    #[arg(long)]
    keep_token: bool,
    /// Log out even if other profiles lose their token, or something is in doubt
    #[arg(long, short)]
    yes: bool,
    #[arg(long, value_name = "FILE", help_heading = CONNECTION, help = CA_FILE)]
    ca_file: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let (directory, name) = (directories::config()?, &args.profile);
    let profiles = Profiles::load(&directory)?;
    profiles.entry(name)?;
    if !args.yes {
        refuse_if_unfinished(name).await?;
    }
    // A profile whose secrets are gone can only be removed.
    let profile = match profiles.get(name) {
        Err(_) if args.keep_token => None,
        profile => Some(profile?),
    };
    let sharing = if args.keep_token { Vec::new() } else { profiles.sharing_token(name)? };
    if !sharing.is_empty() && !args.yes && !confirm_revocation(name, &sharing)? {
        return Err(Failure::cancelled("not confirmed; the profile is still there"));
    }
    let target = profile.map(|profile| profile.target(name, args.ca_file.clone()));
    let revoked = match target {
        Some(target) => target.log_out(args.keep_token).await.map_err(|failure| {
            failure.hint("the profile is still there; running the same again is safe")
        })?,
        None => false,
    };
    profile::remove(&directory, name)?;
    let text = match (revoked, args.keep_token) {
        (true, _) => format!("The refresh token is revoked, and the profile {name} is removed."),
        (false, true) => {
            format!("The profile {name} is removed; its refresh token stays valid.")
        }
        (false, false) => {
            format!("The profile {name} is removed; its refresh token was not valid any more.")
        }
    };
    printer.result(text, &json!({ "profile": name, "outcome": "logged_out", "revoked": revoked }));
    if !sharing.is_empty() {
        printer.warning(format_args!(
            "the profiles with the same refresh token no longer work: {}",
            sharing.join(", ")
        ));
        printer.hint("run `portal login` again for each that is still needed");
    }
    Ok(ExitClass::Success)
}

/// Asks, since other profiles lose their token too.
fn confirm_revocation(name: &str, sharing: &[&str]) -> Result<bool, Failure> {
    let sharing = sharing.join(", ");
    confirm(
        &format!(
            "The refresh token of {name} is also that of {sharing}; revoking it ends their access \
             too. Revoke it?"
        ),
        &format!("revoking the refresh token of {name} also ends the access of {sharing}"),
        "pass `--yes` to confirm",
    )
}
