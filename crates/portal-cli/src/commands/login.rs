//! `portal login`: stores the credentials of an org as a profile.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use portal_http::client::{Accounts, ClientError};
use portal_model::flow::{Policy, TokenError};
use portal_model::oauth::{Grant, OAuthError, TokenRequest};
use portal_model::{ApiVersion, DataCenter, ListPortals, Portal, Scope, Secret};
use serde::Serialize;

use crate::org::identity::{Identity, OrgId};
use crate::org::place::Place;
use crate::org::profile::{self, Entry, Hosts, Profile, Profiles};
use crate::org::target::Target;
use crate::report::call_error;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::safe::create::Begun;
use crate::safe::intent_log::{IntentLog, State};
use crate::sys::directories;
use crate::terminal::printer::Printer;

/// Log in to an org, and store its credentials as a profile
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Asks for the client secret and for a code from Zoho's API console without echoing them, and explains \
where to find both. If stdin is not a terminal, reads them from there, one per line. Nothing is \
stored unless the org's portals could be listed.

Example:
  portal login --profile acme --data-center eu --client-id 1000.ABC")]
pub(crate) struct Args {
    /// The name of the profile
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// Data center of the org: us, eu, in, au, jp, cn, ca or sa
    #[arg(long, value_name = "CODE", conflicts_with_all = ["api_domain", "accounts_url"])]
    data_center: Option<DataCenter>,
    /// Base URL of the API of another server, such as `portal serve`
    #[arg(long, value_name = "URL", requires = "accounts_url")]
    api_domain: Option<String>,
    /// Base URL of its accounts server
    #[arg(long, value_name = "URL", requires = "api_domain")]
    accounts_url: Option<String>,
    /// The client id that the API console shows
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Read a code from the API console after the client secret (default)
    #[arg(long, conflicts_with = "refresh_token")]
    code: bool,
    /// Read a refresh token after the client secret
    #[arg(long)]
    refresh_token: bool,
    /// PEM file with additional root certificates to trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The object of `--output json`.
#[derive(Serialize)]
struct LoggedIn<'a> {
    profile: &'a str,
    outcome: &'static str,
    /// Absent if the token cannot list them.
    #[serde(skip_serializing_if = "Option::is_none")]
    portals: Option<Vec<&'a str>>,
    /// Absent if the token cannot read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a OrgId>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    profile::check_name(&args.profile)?;
    let hosts = args.hosts()?;
    let folder = directories::config()?;
    let profiles = Profiles::load(&folder)?;
    // Local problems come up before a code is used up.
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
    let mut profile = args.profile(&hosts, client_secret, refresh_token);
    let target = args.target(&profile);
    let client = target.client(Policy::default())?;
    let portals = match client.call(&ListPortals).await {
        Ok(portals) => Some(portals),
        Err(ClientError::Api(error)) if error.is_scope_mismatch() => None,
        Err(error) => return Err(call_error::failure(&error, "list the portals of the org")),
    };
    // What was exchanged works once: a profile without the id of its org is better than none.
    let identity = target.identify(&client).await.unwrap_or_else(|failure| {
        printer.warning(&failure.report.message);
        target.declared_identity()
    });
    profile.org = identity.org().cloned();
    let old = profiles.entries().get(&args.profile);
    if let Some(old) = old {
        warn_of_another_org(&args.profile, old, &identity, printer);
    }
    profile::store(&folder, &args.profile, &profile)?;
    if old.is_some() {
        warn_of_unfinished(&args.profile, &identity, printer).await;
    }
    print(&args.profile, old.is_none(), portals.as_deref(), profile.org.as_ref(), printer);
    Ok(ExitClass::Success)
}

/// The name that people and scripts know now stands for another org.
fn warn_of_another_org(profile: &str, old: &Entry, identity: &Identity, printer: &Printer) {
    let is_another = match (&old.org, identity.org()) {
        (Some(old), Some(new)) => old.id != new.id,
        // Without the ids a difference of the hosts is all there is to see.
        _ => false,
    };
    if let Some(old) = old.org.as_ref().filter(|_| is_another) {
        printer.warning(format_args!(
            "the profile {profile} was for org {old}; from now on it is for {identity}"
        ));
    }
}

/// What the earlier credentials left in doubt is recovered with them, or on the user's word.
async fn warn_of_unfinished(profile: &str, identity: &Identity, printer: &Printer) {
    let Ok(log) = IntentLog::open() else { return };
    let Ok(found) = log.all().await else { return };
    let place = Place::Profile(profile.to_owned());
    for entry in &found.entries {
        if entry.history.whose.place == place
            && !entry.is_in(identity, &place)
            && matches!(entry.state(), State::InDoubt | State::InProgress)
        {
            let name = entry.name();
            printer.warning(format_args!(
                "{name} is in doubt from an earlier login: {}",
                Begun(entry)
            ));
            printer.hint(format_args!(
                "log in to that org under another name and run `portal recover {name} --profile \
                 OTHER`; if it is the same org, `portal recover {name} --same-org`"
            ));
        }
    }
}

impl Args {
    fn hosts(&self) -> Result<Hosts, Failure> {
        match (self.data_center, &self.api_domain, &self.accounts_url) {
            (Some(data_center), ..) => Ok(Hosts::DataCenter(data_center)),
            (None, Some(api_domain), Some(accounts_url)) => Ok(Hosts::Urls {
                api_domain: api_domain.clone(),
                accounts_url: accounts_url.clone(),
            }),
            _ => Err(Failure::usage("missing data center of the org").hint(
                "pass `--data-center` with us, eu, in, au, jp, cn, ca or sa; for another server, \
                 `--api-domain` and `--accounts-url`",
            )),
        }
    }

    fn profile(&self, hosts: &Hosts, client_secret: Secret, refresh_token: Secret) -> Profile {
        let (hosts, client_id) = (hosts.clone(), self.client_id.clone());
        Profile { hosts, client_id, client_secret, refresh_token, org: None }
    }

    fn target(&self, profile: &Profile) -> Target {
        profile.target(&self.profile, ApiVersion::default(), self.ca_file.clone())
    }
}

const CODE: &str = "code";
const TOKEN: &str = "refresh token";

/// The steps in the API console, with the scope to paste.
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
         {},{},{}\n  \
         A code is valid once, and for a few minutes only.",
        Scope::PORTAL_CREATE,
        Scope::PORTAL_READ,
        Scope::ORG_READ,
    )
}

/// The client secret and the second secret, from a prompt without echo, or one per line.
fn read_secrets(second: &str) -> Result<(Secret, Secret), Failure> {
    let stdin = std::io::stdin();
    let read = |what: &str| -> Result<Secret, Failure> {
        let text = if stdin.is_terminal() {
            rpassword::prompt_password(format!("The {what} (not echoed): "))?
        } else {
            let mut line = String::new();
            stdin.lock().read_line(&mut line)?;
            line
        };
        match text.trim() {
            "" => Err(Failure::usage(format!("missing {what}"))
                .hint(format!("pass the client secret and the {second} on stdin, one per line"))),
            text => Ok(Secret::new(text.to_owned())),
        }
    };
    Ok((read("client secret")?, read(second)?))
}

/// A refresh token for a code.
async fn exchange(
    accounts: &Accounts,
    client_id: &str,
    client_secret: &Secret,
    code: Secret,
) -> Result<Secret, Failure> {
    let grant = Grant::AuthorizationCode { code, redirect_uri: None };
    let request = TokenRequest::new(client_id, client_secret.clone(), grant);
    let granted = accounts.token(&request).await.map_err(|error| match &error {
        TokenError::Rejected(refusal) if refusal.error == OAuthError::INVALID_CODE => {
            Failure::forbidden(error.to_string()).hint(
                "create a new code in the data center of the org: a code is valid once, for a few \
                 minutes",
            )
        }
        _ => call_error::failure(&ClientError::Token(error), "exchange the code"),
    })?;
    granted.refresh_token.ok_or_else(|| {
        Failure::from(anyhow::anyhow!("the accounts server returned no refresh token for the code"))
            .hint("create the code in the tab \"Generate Code\" of a self client")
    })
}

fn print(
    profile: &str,
    is_new: bool,
    portals: Option<&[Portal]>,
    org: Option<&OrgId>,
    printer: &Printer,
) {
    let has = match portals {
        None => String::new(),
        Some([]) => "; the org has no portal yet".to_owned(),
        Some([portal]) => format!("; the org has the portal {}", portal.name),
        Some(portals) => format!("; the org has {} portals", portals.len()),
    };
    if portals.is_none() {
        printer.warning(format_args!(
            "the token lacks the scope {}: a create whose response is lost cannot be verified",
            Scope::PORTAL_READ
        ));
        printer.hint("create a code with every scope, and log in again");
    }
    let portals = portals.map(|portals| portals.iter().map(|p| p.name.as_str()).collect());
    let done = if is_new { "stored" } else { "replaced" };
    let whose = org.map(|org| format!(" for org {org}")).unwrap_or_default();
    printer.result(
        format_args!("profile {profile} {done}{whose}{has}"),
        &LoggedIn { profile, outcome: "logged_in", portals, org },
    );
}
