//! `portal login`: stores the credentials of an org as a profile.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use portal_http::client::{Accounts, Client, ClientError, Credential, InvalidCredential};
use portal_model::flow::{Policy, TokenError};
use portal_model::oauth::{Grant, OAuthError, RevokeToken, TokenRequest};
use portal_model::{DataCenter, GetCurrentUser, GetOrg, ListPortals, Org, Scope, Secret};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::candidates;
use crate::commands::sections::{About, Examples, Sections, SeeAlso};
use crate::commands::target_args::base_url;
use crate::org::ledger;
use crate::org::profile::{self, Entry, Hosts, Profile, Profiles, Secrets};
use crate::org::retry::retry;
use crate::org::target::Target;
use crate::report::call_error;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::report::permission::{EVERY_SCOPE, cannot_verify};
use crate::report::portal::{self, OrgObject};
use crate::sys::directories;
use crate::terminal::printer::Printer;
use crate::terminal::prompt;

/// Log in to an org, and store its credentials as a profile
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    About("On a terminal asks for all that is missing: the client secret and a code from Zoho's API \
    console are not echoed, and it says where to find both. If stdin is not a terminal, reads the \
    two from there, one per line. A profile that exists supplies the data center and the client \
    id. Nothing is stored unless the org's portals could be listed."),
    Examples("\
portal login
portal login --profile acme --data-center eu --client-id 1000.ABC
portal login --profile acme --scope create,read,org"),
    SeeAlso(&["serve"]),
]))]
pub(crate) struct Args {
    /// The name of the profile
    #[arg(long, value_name = "PROFILE", add = candidates::profiles())]
    profile: Option<String>,
    /// Data center of the org: us, eu, in, au, jp, cn, ca or sa
    #[arg(long, value_name = "CODE", add = candidates::data_centers(), conflicts_with_all = ["api_domain", "accounts_url"])]
    data_center: Option<DataCenter>,
    /// Base URL of the API of another server, such as `portal serve`
    #[arg(long, help_heading = "Another server", value_name = "URL", requires = "accounts_url")]
    api_domain: Option<String>,
    /// Base URL of its accounts server
    #[arg(long, help_heading = "Another server", value_name = "URL", requires = "api_domain")]
    accounts_url: Option<String>,
    /// The client id that the API console shows
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// What the code is for [default: create,read,update,org,user]
    #[arg(long, value_enum, value_name = "SCOPES", value_delimiter = ',', hide_default_value = true, hide_possible_values = true, conflicts_with = "refresh_token", default_values_t = LoginScope::value_variants().to_vec())]
    scope: Vec<LoginScope>,
    /// Read a refresh token after the client secret, not a code
    #[arg(long)]
    refresh_token: bool,
    /// The id of the org, for a token that cannot read it
    #[arg(long, value_name = "ID")]
    org_id: Option<String>,
    /// Skip the prompt if the profile leads to another org
    #[arg(long, short)]
    yes: bool,
    /// More root certificates, as PEM; the profile keeps the path
    #[arg(long, help_heading = "Another server", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A scope of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LoginScope {
    Create,
    Read,
    Update,
    Org,
    User,
}

impl LoginScope {
    const fn scope(self) -> Scope {
        match self {
            Self::Create => Scope::PORTAL_CREATE,
            Self::Read => Scope::PORTAL_READ,
            Self::Update => Scope::PORTAL_UPDATE,
            Self::Org => Scope::ORG_READ,
            Self::User => Scope::USERS_READ,
        }
    }
}

/// A login to which only the secrets are missing.
struct Login<'a> {
    args: &'a Args,
    directory: &'a Path,
    profiles: &'a Profiles,
    name: String,
    entry: Entry,
    printer: &'a Printer,
}

/// The profile that was stored, and where it leads.
#[derive(Serialize, JsonSchema)]
pub(super) struct LoggedIn<'a> {
    profile: &'a str,
    #[schemars(extend("const" = "logged_in"))]
    outcome: &'static str,
    /// The names of the org's portals, if the token can list them.
    #[serde(skip_serializing_if = "Option::is_none")]
    portals: Option<Vec<&'a str>>,
    /// If the token can read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrgObject>")]
    org: Option<&'a Org>,
    /// Whose token it is, if the token can read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let directory = &directories::config()?;
    let profiles = &Profiles::load(directory)?;
    let (name, entry) = args.complete(profiles)?;
    let login = Login { args, directory, profiles, name, entry, printer };
    // Local problems come up before a code is used up.
    profiles.check_secrets()?;
    let not_read_yet = || Secret::new("-".to_owned());
    let target = login.target(&login.profile(not_read_yet(), not_read_yet()));
    target.client(Policy::default())?;
    let accounts = target.builder()?.build_accounts()?;
    if args.refresh_token {
        let (client_secret, refresh_token) = read_secrets("refresh token")?;
        return login.store(login.profile(client_secret, refresh_token)).await;
    }
    printer.note(how_to_get_a_code(&login.entry.hosts, &args.scope));
    let (client_secret, code) = read_secrets("code")?;
    let client_id = &login.entry.client_id;
    let refresh_token = exchange(&accounts, client_id, &client_secret, code).await?;
    let stored = login.store(login.profile(client_secret, refresh_token.clone())).await;
    if stored.is_err() {
        // An unused refresh token still counts against the client's limit. Best effort.
        let _ = accounts.revoke(&RevokeToken::new(refresh_token)).await;
    }
    stored
}

impl Args {
    /// The name and the entry of the profile. Takes what is missing from the profile, or asks for it.
    fn complete(&self, profiles: &Profiles) -> Result<(String, Entry), Failure> {
        let check = |name: &str| profile::check_name(name).map(|()| name.to_owned());
        let profile = self.profile.as_deref().map(check).transpose()?;
        let ask = || prompt::ask("Profile name", Some("default"), |name| Ok(check(name)?));
        let profile = or_ask(profile, ask, "name of the profile", "pass `--profile`")?;
        let old = profiles.entries().get(&profile);
        let hosts = or_ask(
            self.hosts()?.or_else(|| Some(old?.hosts.clone())),
            ask_for_data_center,
            "data center of the org",
            "pass `--data-center` with us, eu, in, au, jp, cn, ca or sa; for another server, \
             `--api-domain` and `--accounts-url`",
        )?;
        // A client is registered in one data center.
        let old = old.filter(|old| old.hosts.accounts_url() == hosts.accounts_url());
        let client_id = self.client_id.clone().or_else(|| Some(old?.client_id.clone()));
        let ask = || ask_for_client_id(&hosts);
        let client_id = or_ask(client_id, ask, "client id", "pass `--client-id`")?;
        let given = self.ca_file.as_deref().map(std::path::absolute).transpose()?;
        let ca_file = given.or_else(|| old?.ca_file.clone());
        Ok((profile, Entry { hosts, client_id, org: None, ca_file }))
    }

    fn hosts(&self) -> Result<Option<Hosts>, Failure> {
        Ok(match (self.data_center, &self.api_domain, &self.accounts_url) {
            (Some(data_center), ..) => Some(Hosts::DataCenter(data_center)),
            (None, Some(api_domain), Some(accounts_url)) => Some(Hosts::Urls {
                api_domain: base_url("--api-domain", api_domain)?,
                accounts_url: base_url("--accounts-url", accounts_url)?,
            }),
            _ => None,
        })
    }
}

/// What is `known`, or what somebody at the terminal enters.
fn or_ask<T>(
    known: Option<T>,
    ask: impl FnOnce() -> Result<T, Failure>,
    what: &str,
    hint: &str,
) -> Result<T, Failure> {
    match known {
        Some(known) => Ok(known),
        None if prompt::can_ask() => ask(),
        None => Err(Failure::usage(format!("missing {what}")).hint(hint)),
    }
}

fn ask_for_data_center() -> Result<Hosts, Failure> {
    let parse = |text: &str| {
        let parsed = text.to_lowercase().parse::<DataCenter>();
        parsed.map(Hosts::DataCenter).map_err(|error| Failure::usage(error.to_string()))
    };
    prompt::ask("Data center of the org (us, eu, in, au, jp, cn, ca or sa)", None, parse)
}

fn ask_for_client_id(hosts: &Hosts) -> Result<String, Failure> {
    let parse = |text: &str| match text {
        "" => Err(Failure::usage("expected the client id, such as 1000.ABC")),
        text => Ok(Credential::part("client id", text).map_err(invalid)?.to_owned()),
    };
    prompt::ask(&format!("Client id (from {}, \"Self Client\")", console(hosts)), None, parse)
}

impl Login<'_> {
    fn profile(&self, client_secret: Secret, refresh_token: Secret) -> Profile {
        Profile { entry: self.entry.clone(), secrets: Secrets { client_secret, refresh_token } }
    }

    fn target(&self, profile: &Profile) -> Target {
        profile.target(&self.name, self.args.ca_file.clone())
    }

    /// Finds out whose credentials they are, and stores them.
    async fn store(&self, mut profile: Profile) -> Result<ExitClass, Failure> {
        let printer = self.printer;
        let target = self.target(&profile);
        let client = target.client(Policy::default())?;
        let portals = match client.call(&ListPortals).await {
            Ok(portals) => Some(portals),
            Err(ClientError::Api(error)) if error.is_scope_mismatch() => None,
            Err(error) => return Err(call_error::failure(&error, "list the portals of the org")),
        };
        profile.entry.org = self.org(&client).await?;
        // For display only, and the token may lack the scope.
        let user = client.call(&GetCurrentUser).await.ok().flatten();
        let name = &self.name;
        let old = self.profiles.entries().get(name);
        if let Some(old) = old.filter(|old| leads_elsewhere(old, &profile.entry)) {
            confirm_replacement(name, old, &profile.entry, self.args.yes, printer)?;
        }
        let earlier = self.profiles.get(name).ok();
        profile::store(self.directory, name, &profile)?;
        if let Some(earlier) = earlier.filter(|earlier| self.is_replaced(earlier, &profile)) {
            self.revoke(&earlier).await;
        }
        if old.is_some() {
            warn_of_unfinished(name, &profile.entry, printer).await;
        }
        let logged_in = LoggedIn {
            profile: name,
            outcome: "logged_in",
            portals: portals.as_deref().map(portal::names),
            org: profile.entry.org.as_ref(),
            user: user.as_deref(),
        };
        logged_in.print(if old.is_none() { "stored" } else { "replaced" }, printer);
        Ok(ExitClass::Success)
    }
}

impl Login<'_> {
    /// The org that the token is for, else the one that the user states.
    async fn org(&self, client: &Client) -> Result<Option<Org>, Failure> {
        let stated = self.args.org_id.as_deref();
        let why = match retry(async || client.call(&GetOrg).await).await {
            Ok(org) => match stated {
                Some(stated) if stated != org.id => {
                    let message = format!("the token is for org {org}, and `--org-id` is {stated}");
                    return Err(Failure::usage(message)
                        .hint("log in as a user of that org, or leave `--org-id` out"));
                }
                _ => return Ok(Some(org)),
            },
            Err(_) if stated.is_some() => return Ok(stated.map(Org::new)),
            Err(error) => call_error::failure(&error, "determine which org this is").report.message,
        };
        // What was exchanged works once: a profile without the id of its org is better than none.
        self.printer.warning(why);
        self.printer.hint(
            "log in again with the scope `org`, or with `--org-id`: orgs that can't be told apart \
             wait for each other",
        );
        Ok(None)
    }

    /// Whether nothing needs the earlier refresh token any more: neither another profile, nor what is
    /// in doubt in the org that the profile led to so far.
    fn is_replaced(&self, earlier: &Profile, now: &Profile) -> bool {
        let is_other = earlier.secrets.refresh_token != now.secrets.refresh_token;
        let is_shared = self.profiles.sharing_token(&self.name).is_ok_and(|them| !them.is_empty());
        is_other && !is_shared && !leads_elsewhere(&earlier.entry, &now.entry)
    }

    /// Revokes the earlier refresh token, of which the service keeps twenty for a user: one more ends
    /// the first, which may be another machine's.
    async fn revoke(&self, earlier: &Profile) {
        let target = self.target(earlier);
        let revoke = async {
            let request = RevokeToken::new(earlier.secrets.refresh_token.clone());
            match target.builder()?.build_accounts()?.revoke(&request).await {
                // It was not valid any more.
                Ok(()) | Err(TokenError::Rejected(_)) => target.forget_token(),
                Err(error) => Err(error.into()),
            }
        };
        if let Err(error) = revoke.await {
            let why = "the refresh token of the earlier login is still valid";
            self.printer.warning(format_args!("{why}: {error:#}"));
        }
    }
}

impl LoggedIn<'_> {
    fn print(&self, done: &str, printer: &Printer) {
        let Self { profile, portals, .. } = self;
        if portals.is_none() {
            printer.warning(cannot_verify());
            printer.hint(EVERY_SCOPE);
        }
        let has = portals.as_ref().map(|names| format!("; {}", portal::how_many(names)));
        let has = has.unwrap_or_default();
        let user = self.user.map(portal::cell);
        let whose = match (user, self.org) {
            (Some(user), Some(org)) => format!(" for {user} of org {org}"),
            (Some(user), None) => format!(" for {user}"),
            (None, Some(org)) => format!(" for org {org}"),
            (None, None) => String::new(),
        };
        printer.result(format_args!("profile {profile} {done}{whose}{has}"), self);
        if portals.as_ref().is_some_and(Vec::is_empty) && !printer.is_json() {
            printer.note(format_args!("Next: portal create NAME --profile {profile} --dry-run"));
        }
    }
}

/// Whether replacing the profile would point its users at a different org.
fn leads_elsewhere(old: &Entry, new: &Entry) -> bool {
    match (&old.org, &new.org) {
        (Some(old), Some(new)) => old.id != new.id,
        // Without the ids a difference of the hosts is all there is to see.
        _ => old.hosts != new.hosts,
    }
}

fn confirm_replacement(
    profile: &str,
    old: &Entry,
    new: &Entry,
    is_confirmed: bool,
    printer: &Printer,
) -> Result<(), Failure> {
    let (earlier, now) = (old.place(), new.place());
    if is_confirmed {
        printer.warning(format_args!(
            "the profile {profile} was for {earlier}; from now on it is for {now}"
        ));
        return Ok(());
    }
    let is_wanted = prompt::confirm(
        &format!(
            "The profile {profile} is for {earlier}. Whatever uses it will act in {now} from \
             now on. Replace it?"
        ),
        &format!("the profile {profile} is for {earlier}, and this login is for {now}"),
        "pass `--yes` to replace it, or another `--profile`; a code is used up by now",
    )?;
    if is_wanted { Ok(()) } else { Err(Failure::cancelled("not confirmed; nothing was stored")) }
}

/// What the earlier credentials left in doubt is recovered with them, or on the user's word.
async fn warn_of_unfinished(profile: &str, now: &Entry, printer: &Printer) {
    let unfinished = ledger::unfinished(Some(profile)).await.unwrap_or_default();
    for entry in unfinished.iter().filter(|entry| {
        entry.org.org().zip(now.org.as_ref()).is_some_and(|(then, now)| then.id != now.id)
    }) {
        let name = entry.name();
        printer.warning(format_args!("{name} is in doubt from an earlier login: {}", entry.org));
        printer.hint(format_args!(
            "log in to that org under another name and run `portal recover {name} --profile OTHER`"
        ));
    }
}

/// Where clients are registered.
fn console(hosts: &Hosts) -> String {
    match hosts {
        Hosts::DataCenter(data_center) => {
            data_center.accounts_url().replacen("://accounts.", "://api-console.", 1)
        }
        Hosts::Urls { .. } => "the API console of that server".to_owned(),
    }
}

/// The steps in the API console, with the scopes to paste.
fn how_to_get_a_code(hosts: &Hosts, scopes: &[LoginScope]) -> String {
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.scope().to_string()).collect();
    format!(
        "How to get a code:\n  \
         1. Open {}, signed in as a user of the org.\n  \
         2. Choose \"Self Client\". Its \"Client Secret\" tab has the id and the secret.\n  \
         3. In its \"Generate Code\" tab paste these scopes, and create a code for the org:\n     \
         {}\n  \
         A code is valid once, and for a few minutes only.",
        console(hosts),
        scopes.join(","),
    )
}

/// The client secret and the second secret, from a prompt without echo, or one per line.
fn read_secrets(second: &'static str) -> Result<(Secret, Secret), Failure> {
    let read = |what| {
        prompt::read_secret(what)?.ok_or_else(|| {
            Failure::usage(format!("missing {what}"))
                .hint(format!("pass the client secret and the {second} on stdin, one per line"))
        })
    };
    Ok((read("client secret")?, read(second)?))
}

fn invalid(part: InvalidCredential) -> Failure {
    Failure::usage(part.to_string())
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
