//! `portal logout`: revokes the refresh token of a profile and removes the profile.

use std::path::PathBuf;

use portal_http::client::ClientError;
use portal_model::flow::TokenError;
use portal_model::oauth::RevokeToken;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::candidates;
use crate::commands::sections::{Examples, Sections};
use crate::org::profile::{self, Profiles};
use crate::report::call_error;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::sys::directories;
use crate::terminal::printer::Printer;
use crate::terminal::prompt::confirm;

/// Revoke the refresh token of a profile, and remove the profile
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[Examples("portal logout --profile acme")]))]
#[expect(clippy::doc_markdown, reason = "it is the help")]
pub(crate) struct Args {
    /// The profile
    #[arg(long, value_name = "PROFILE", add = candidates::profiles())]
    profile: String,
    /// Skip the confirmation prompt if other profiles have the same refresh token
    #[arg(long, short)]
    yes: bool,
    /// More root certificates, as PEM [env: PORTAL_CA_FILE]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The profile that was removed.
#[derive(Serialize, JsonSchema)]
pub(super) struct LoggedOut<'a> {
    profile: &'a str,
    #[schemars(extend("const" = "logged_out"))]
    outcome: &'static str,
    /// Whether the refresh token was valid until now.
    revoked: bool,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let (directory, name) = (directories::config()?, &args.profile);
    let profiles = Profiles::load(&directory)?;
    let profile = profiles.get(name)?;
    let sharing = profiles.sharing_token(name)?;
    if !sharing.is_empty() && !args.yes && !confirm_revocation(name, &sharing)? {
        return Err(Failure::cancelled("not confirmed; the profile is still there"));
    }
    let target = profile.target(name, args.ca_file.clone());
    let accounts = target.builder()?.build_accounts()?;
    let was_known = match accounts.revoke(&RevokeToken::new(profile.secrets.refresh_token)).await {
        Ok(()) => true,
        Err(TokenError::Rejected(_)) => false,
        Err(error) => {
            let failure = call_error::failure(&ClientError::Token(error), "revoke the token");
            return Err(failure.hint("the profile is still there; running the same again is safe"));
        }
    };
    profile::remove(&directory, name)?;
    target.forget_token()?;
    let text = if was_known {
        format!("The refresh token is revoked, and the profile {name} is removed.")
    } else {
        format!("The profile {name} is removed; its refresh token was not valid any more.")
    };
    let logged_out = LoggedOut { profile: name, outcome: "logged_out", revoked: was_known };
    printer.result(text, &logged_out);
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
