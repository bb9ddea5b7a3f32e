//! `portal login`: keeps what entitles to an org under the name of a profile.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use portal_http::client::{Accounts, ClientError};
use portal_model::flow::{Policy, TokenError};
use portal_model::oauth::{Grant, OAuthError, TokenRequest};
use portal_model::outcome::ExitClass;
use portal_model::{ApiVersion, DataCenter, ListPortals, Portal, Scope, Secret};
use serde::Serialize;

use crate::call_error;
use crate::failure::Failure;
use crate::folders;
use crate::printer::Printer;
use crate::profile::{self, Hosts, Profile, Profiles};
use crate::target::Target;

/// Log in to an org, and keep what entitles to it as a profile
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It asks for the client secret and for a code of Zoho's API console, without showing them, and says \
where to get both. Where stdin is no terminal it reads them from there, one a line. It keeps them \
only if it could list the portals of the org with them.

Example:
  portal login --profile acme --data-center eu --client-id 1000.ABC")]
pub(crate) struct Args {
    /// The name to keep it under
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// Where the org lives: us, eu, in, au, jp, cn, ca or sa
    #[arg(long, value_name = "CODE", conflicts_with_all = ["api_domain", "accounts_url"])]
    data_center: Option<DataCenter>,
    /// The API of another server, such as that of `portal serve`
    #[arg(long, value_name = "URL", requires = "accounts_url")]
    api_domain: Option<String>,
    /// Its accounts server
    #[arg(long, value_name = "URL", requires = "api_domain")]
    accounts_url: Option<String>,
    /// The client, as the API console shows it
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Read a code of the API console after the client secret; this is the default
    #[arg(long, conflicts_with = "refresh_token")]
    code: bool,
    /// Read a refresh token after the client secret
    #[arg(long)]
    refresh_token: bool,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The object of `--output json`.
#[derive(Serialize)]
struct LoggedIn<'a> {
    profile: &'a str,
    outcome: &'static str,
    /// Absent where the token may not look.
    #[serde(skip_serializing_if = "Option::is_none")]
    portals: Option<Vec<&'a str>>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    profile::check_name(&args.profile)?;
    let hosts = args.hosts()?;
    let folder = folders::config()?;
    let profiles = Profiles::load(&folder)?;
    // What is wrong here is said before a code is used up.
    profiles.check_secrets()?;
    let empty = || Secret::new(String::new());
    let target = args.target(&args.profile(&hosts, empty(), empty()));
    target.client(Policy::default())?;
    let accounts = target.builder()?.build_accounts()?;
    if !args.refresh_token {
        printer.note(how_to_get_a_code(&hosts));
    }
    let (client_secret, second) = read_secrets(if args.refresh_token { TOKEN } else { CODE })?;
    let refresh_token = if args.refresh_token {
        second
    } else {
        exchange(&accounts, &args.client_id, &client_secret, second).await?
    };
    let profile = args.profile(&hosts, client_secret, refresh_token);
    let client = args.target(&profile).client(Policy::default())?;
    let portals = match client.call(&ListPortals).await {
        Ok(portals) => Some(portals),
        Err(ClientError::Api(error)) if error.is_scope_mismatch() => None,
        Err(error) => return Err(call_error::failure(&error, "list the portals of the org", None)),
    };
    let is_new = !profiles.entries().contains_key(&args.profile);
    profile::store(&folder, &args.profile, &profile)?;
    say(&args.profile, is_new, portals.as_deref(), printer);
    Ok(ExitClass::Success)
}

impl Args {
    fn hosts(&self) -> Result<Hosts, Failure> {
        match (self.data_center, &self.api_domain, &self.accounts_url) {
            (Some(data_center), ..) => Ok(Hosts::DataCenter(data_center)),
            (None, Some(api_domain), Some(accounts_url)) => Ok(Hosts::Urls {
                api_domain: api_domain.clone(),
                accounts_url: accounts_url.clone(),
            }),
            _ => Err(Failure::usage("it is not said where the org lives").hint(
                "`--data-center CODE` with us, eu, in, au, jp, cn, ca or sa; for another server \
                 both of its URLs",
            )),
        }
    }

    fn profile(
        &self,
        hosts: &Hosts,
        client_secret: Secret<String>,
        refresh_token: Secret<String>,
    ) -> Profile {
        let (hosts, client_id) = (hosts.clone(), self.client_id.clone());
        Profile { hosts, client_id, client_secret, refresh_token }
    }

    fn target(&self, profile: &Profile) -> Target {
        profile.target(&self.profile, ApiVersion::default(), self.ca_file.clone())
    }
}

const CODE: &str = "code";
const TOKEN: &str = "refresh token";

/// What a person does at the console, with the scope to paste.
fn how_to_get_a_code(hosts: &Hosts) -> String {
    let console = match hosts {
        Hosts::DataCenter(data_center) => {
            data_center.accounts_url().replacen("://accounts.", "://api-console.", 1)
        }
        Hosts::Urls { .. } => "the API console of that server".to_owned(),
    };
    format!(
        "How to get a code:\n  \
         1. Open {console}, signed in as a user of the org.\n  \
         2. Choose \"Self Client\". Its \"Client Secret\" tab has the id and the secret.\n  \
         3. In its \"Generate Code\" tab paste this scope, and create a code for the org:\n     \
         {},{}\n  \
         A code is good once, and for a few minutes only.",
        Scope::PORTAL_CREATE,
        Scope::PORTAL_READ,
    )
}

/// The client secret, and what comes second: asked for without showing it, or a line each.
fn read_secrets(second: &str) -> Result<(Secret<String>, Secret<String>), Failure> {
    let stdin = std::io::stdin();
    let read = |what: &str| -> Result<Secret<String>, Failure> {
        let text = if stdin.is_terminal() {
            rpassword::prompt_password(format!("The {what} (it is not shown): "))?
        } else {
            let mut line = String::new();
            stdin.lock().read_line(&mut line)?;
            line
        };
        match text.trim() {
            "" => Err(Failure::usage(format!("the {what} is missing")).hint(format!(
                "expected on stdin: the client secret, then the {second}, a line each"
            ))),
            text => Ok(Secret::new(text.to_owned())),
        }
    };
    Ok((read("client secret")?, read(second)?))
}

/// A refresh token for a code.
async fn exchange(
    accounts: &Accounts,
    client_id: &str,
    client_secret: &Secret<String>,
    code: Secret<String>,
) -> Result<Secret<String>, Failure> {
    let grant = Grant::AuthorizationCode { code, redirect_uri: None };
    let request = TokenRequest::new(client_id, client_secret.clone(), grant);
    let granted = accounts.token(&request).await.map_err(|error| match &error {
        TokenError::Refused(refusal) if refusal.error == OAuthError::INVALID_CODE => {
            Failure::forbidden(error.to_string()).hint(
                "a code is good once and for a few minutes: make a new one, in the data center of \
                 the org",
            )
        }
        _ => call_error::failure(&ClientError::Token(error), "exchange the code", None),
    })?;
    granted.refresh_token.ok_or_else(|| {
        Failure::from(anyhow::anyhow!("the accounts server gave no refresh token for the code"))
            .hint("make the code in the tab \"Generate Code\" of a self client")
    })
}

fn say(profile: &str, is_new: bool, portals: Option<&[Portal]>, printer: &Printer) {
    let org = match portals {
        None => String::new(),
        Some([]) => " Its org has no portal yet.".to_owned(),
        Some([portal]) => format!(" Its org has the portal {}.", portal.name),
        Some(portals) => format!(" Its org has {} portals.", portals.len()),
    };
    let portals = portals.map(|portals| portals.iter().map(|p| p.name.as_str()).collect());
    if portals.is_none() {
        printer.warning(format_args!(
            "the token lacks the scope {}: a create that loses its answer can't be cleared up",
            Scope::PORTAL_READ
        ));
        printer.hint("make a new code with both scopes, and log in again");
    }
    let logged_in = LoggedIn { profile, outcome: "logged_in", portals };
    let done = if is_new { "kept" } else { "replaced" };
    printer.result(format_args!("The profile {profile} is {done}.{org}"), &logged_in);
}
