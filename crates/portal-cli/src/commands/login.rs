//! `portal login`: stores the credentials of an org as a profile.

use std::path::{Path, PathBuf};

use portal_http::client::{Accounts, ClientError, Credential};
use portal_model::flow::{Policy, TokenError};
use portal_model::oauth::{Grant, OAuthError, RevokeToken, TokenRequest};
use portal_model::{DataCenter, GetCurrentUser, GetOrg, ListPortals, Org, Scope, Secret};
use serde::Serialize;

use crate::commands::candidates;
use crate::commands::doctor::{self, Status};
use crate::commands::target_args::{CA_FILE, CONNECTION, base_url, of_environment, part};
use crate::org::default_org::OrgCredentials;
use crate::org::ledger;
use crate::org::profile::{self, Entry, Profile, Profiles, Secrets};
use crate::org::running::{Running, ServedOrg};
use crate::org::target::{Hosts, Target, is_this_machine, stated_org};
use crate::report::cause::{self, TRIES};
use crate::report::failure::{ExitClass, Failure};
use crate::report::portal;
use crate::sys::directories;
use crate::terminal::printer::Printer;
use crate::terminal::prompt;

/// Log in to an org, and store its credentials as a profile
///
/// On a terminal asks for all that is missing: the client secret and a code from Zoho's API console
/// are not echoed, and it says where to find both. If stdin is not a terminal, reads the two from
/// there, one per line. A profile that exists supplies the data center and the client id. Nothing
/// is stored unless the org's portals could be listed. Then it determines whether the user may
/// create portals.
///
/// A `portal serve` of this machine needs no more than its URL, or the environment of `portal serve
/// env`: both lead to its credentials.
///
/// # Examples
///
///     portal login
///     portal login --profile acme --data-center eu --client-id 1000.ABC
///     portal login --profile local --api-domain http://127.0.0.1:8780
///
/// # See also
/// serve
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Name of the profile
    #[arg(long, value_name = "PROFILE", add = candidates::profiles())]
    profile: Option<String>,
    /// Data center of the org: us, eu, in, au, jp, cn, ca or sa
    #[arg(long, value_name = "CODE", add = candidates::data_centers(), conflicts_with_all = ["api_domain", "accounts_url"])]
    data_center: Option<DataCenter>,
    /// Base URL of another server, such as `portal serve`
    #[arg(long, value_name = "URL")]
    api_domain: Option<String>,
    /// Base URL of its accounts server [default on this machine: that of the API]
    #[arg(long, help_heading = CONNECTION, value_name = "URL", requires = "api_domain")]
    accounts_url: Option<String>,
    /// Client id, as the API console shows it
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Read a refresh token after the client secret, not a code
    #[arg(long)]
    refresh_token: bool,
    /// Id of the org, for a token that cannot read it
    #[arg(long, hide_short_help = true, value_name = "ID", value_parser = stated_org)]
    org_id: Option<Org>,
    /// Skip the prompt if the profile leads to another org
    #[arg(long, short)]
    yes: bool,
    #[arg(long, help_heading = CONNECTION, value_name = "FILE", help = CA_FILE)]
    ca_file: Option<PathBuf>,
}

/// What the code is for.
const SCOPES: [Scope; 5] = [
    Scope::PORTAL_CREATE,
    Scope::PORTAL_READ,
    Scope::PORTAL_UPDATE,
    Scope::ORG_READ,
    Scope::USERS_READ,
];

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
#[derive(Serialize)]
struct LoggedIn<'a> {
    profile: &'a str,
    outcome: &'static str,
    /// The names of the org's portals, if the token can list them.
    #[serde(skip_serializing_if = "Option::is_none")]
    portals: Option<Vec<&'a str>>,
    /// If the token can read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a Org>,
    /// Whose token it is, if the token can read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    /// Whether the token can create a portal, as `portal doctor` determines it.
    create: Status,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let directory = &directories::config()?;
    let profiles = &Profiles::load(directory)?;
    // Local problems come up before a code is used up.
    profiles.check_secrets()?;
    let (name, hosts, old) = args.org(profiles)?;
    let ca_file = args.ca_file.as_deref().map(std::path::absolute).transpose()?;
    let ca_file = ca_file.or_else(|| old?.ca_file.clone());
    let at_hand = args.of_own_server(&hosts);
    let client_id = match &at_hand {
        Some(credentials) => credentials.client_id.clone(),
        None => args.client_id(&hosts, old)?,
    };
    let entry = Entry { hosts, client_id, org: None, ca_file };
    let login = Login { args, directory, profiles, name, entry, printer };
    if let Some(OrgCredentials { client_secret, refresh_token, .. }) = at_hand {
        return login.store(Secrets { client_secret, refresh_token }).await;
    }
    let not_read_yet = || Secret::new("-".to_owned());
    let secrets = Secrets { client_secret: not_read_yet(), refresh_token: not_read_yet() };
    let target = Profile { entry: login.entry.clone(), secrets }.target(&login.name, None);
    target.client(Policy::default())?;
    let accounts = target.builder()?.build_accounts()?;
    profile::check_writable(directory)?;
    if args.refresh_token {
        let (client_secret, refresh_token) = read_secrets("refresh token")?;
        return login.store(Secrets { client_secret, refresh_token }).await;
    }
    // A code that is piped was obtained already.
    if prompt::can_ask() {
        printer.note(how_to_get_a_code(&login.entry.hosts));
    }
    let (client_secret, code) = read_secrets("code")?;
    let client_id = &login.entry.client_id;
    let refresh_token = exchange(&accounts, client_id, &client_secret, code).await?;
    let revoke = RevokeToken::new(refresh_token.clone());
    let stored = login.store(Secrets { client_secret, refresh_token }).await;
    if stored.is_err() {
        // An unused refresh token still counts against the client's limit. Best effort.
        let _ = accounts.revoke(&revoke).await;
    }
    stored
}

impl Args {
    /// The name of the profile and its servers, with the entry that it has already. Takes what is missing
    /// from the profile or from the environment of a server, or asks for it.
    fn org<'a>(
        &self,
        profiles: &'a Profiles,
    ) -> Result<(String, Hosts, Option<&'a Entry>), Failure> {
        let check = |name: &str| profile::check_name(name).map(|()| name.to_owned());
        let profile = self.profile.as_deref().map(check).transpose()?;
        let ask = || prompt::ask("Profile name", Some("default"), check);
        let profile = or_ask(profile, ask, "name of the profile", "pass `--profile`")?;
        let old = profiles.entries().get(&profile);
        let hosts = or_ask(
            self.hosts()?.or_else(|| Some(old?.hosts.clone())).or_else(of_own_environment),
            ask_for_hosts,
            "data center of the org",
            "pass `--data-center` with us, eu, in, au, jp, cn, ca or sa; for another server, \
             `--api-domain`",
        )?;
        // A client is registered in one data center.
        let old = old.filter(|old| old.hosts.accounts == hosts.accounts);
        Ok((profile, hosts, old))
    }

    fn hosts(&self) -> Result<Option<Hosts>, Failure> {
        if let Some(data_center) = self.data_center {
            return Ok(Some(Hosts::of(data_center)));
        }
        let Some(api_domain) = &self.api_domain else { return Ok(None) };
        let api_domain = base_url("--api-domain", api_domain)?;
        let accounts_url = match &self.accounts_url {
            Some(url) => base_url("--accounts-url", url)?,
            None if is_this_machine(&api_domain) => api_domain.clone(),
            None => {
                return Err(Failure::usage("missing URL of the accounts server")
                    .hint("pass `--accounts-url` too"));
            }
        };
        Ok(Some(Hosts::at(api_domain, accounts_url)))
    }

    fn client_id(&self, hosts: &Hosts, old: Option<&Entry>) -> Result<String, Failure> {
        let client_id = self.client_id.clone().or_else(|| Some(old?.client_id.clone()));
        let url = hosts.api.url().filter(|_| hosts.is_this_machine());
        let (what, hint) = match url.as_deref().map(|url| (url, Running::at(url))) {
            None => ("client id".to_owned(), "pass `--client-id`"),
            Some((url, None)) => (
                format!("client id: no `portal serve` is running at {url}"),
                "start it, or pass `--client-id`",
            ),
            Some((url, Some(_))) => (
                format!("client id: the server at {url} has several orgs, or codes only"),
                "name the profile like one that has a refresh token, or pass `--client-id`",
            ),
        };
        or_ask(client_id, || ask_for_client_id(hosts), &what, hint)
    }

    /// The credentials of a server of this machine that are at hand: in the environment, as
    /// `portal serve env` prints them, or of a `portal serve` of this user. Of any other server they are
    /// those that the user means.
    fn of_own_server(&self, hosts: &Hosts) -> Option<OrgCredentials> {
        if self.client_id.is_some() || self.refresh_token || !hosts.is_this_machine() {
            return None;
        }
        let of_target = |target: Target| match target.credential {
            Credential::RefreshToken { client_id, client_secret, refresh_token } => {
                Some(OrgCredentials { client_id, client_secret, refresh_token })
            }
            _ => None,
        };
        let is_meant = |target: &Target| target.hosts == *hosts;
        of_environment().filter(is_meant).and_then(of_target).or_else(|| {
            let orgs = Running::at(&hosts.api.url()?)?.orgs;
            let of_seed = ServedOrg::credentials_of(&orgs, self.profile.as_deref());
            of_seed.or_else(|_| ServedOrg::credentials_of(&orgs, None)).ok().cloned()
        })
    }
}

/// The server of this machine to which the environment leads.
fn of_own_environment() -> Option<Hosts> {
    let hosts = of_environment()?.hosts;
    (hosts.accounts.is_some() && hosts.is_this_machine()).then_some(hosts)
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

/// A data center, or the URL of another server.
fn ask_for_hosts() -> Result<Hosts, Failure> {
    let url = |text: &str| base_url("URL", text);
    let parse = |text: &str| {
        if text.contains("://") {
            let api_domain = url(text)?;
            return Ok(Hosts::at(api_domain.clone(), api_domain));
        }
        let parsed = text.to_lowercase().parse::<DataCenter>();
        parsed.map(Hosts::of).map_err(|error| Failure::usage(error.to_string()))
    };
    let label = "Data center (us, eu, in, au, jp, cn, ca or sa), or URL of a server";
    let mut hosts = prompt::ask(label, None, parse)?;
    if hosts.data_center().is_none() && !hosts.is_this_machine() {
        let label = "URL of its accounts server";
        hosts.accounts = Some(prompt::ask(label, hosts.accounts.as_deref(), url)?);
    }
    Ok(hosts)
}

fn ask_for_client_id(hosts: &Hosts) -> Result<String, Failure> {
    let parse = |text: &str| match text {
        "" => Err(Failure::usage("expected the client id, such as 1000.ABC")),
        text => part("client id", "client id", text),
    };
    let from = if hosts.is_this_machine() {
        "the seed file, or `portal admin`".to_owned()
    } else {
        format!("{}, \"Self Client\"", console(hosts))
    };
    prompt::ask(&format!("Client id (from {from})"), None, parse)
}

impl Login<'_> {
    /// Finds out whose credentials they are, and stores them.
    async fn store(&self, secrets: Secrets) -> Result<ExitClass, Failure> {
        let (printer, name) = (self.printer, &self.name);
        let mut profile = Profile { entry: self.entry.clone(), secrets };
        let client = profile.target(name, None).client(Policy::default())?;
        let portals = client.call(&ListPortals).await;
        let read = doctor::read(&portals);
        if let (Err(error), Status::Failed) = (&portals, read.status) {
            return Err(cause::failure(error, "list the portals of the org"));
        }
        let (identified, stated) = (client.call_retrying(&GetOrg, TRIES).await, &self.args.org_id);
        if let (Ok(org), Some(Org { id, .. })) = (&identified, stated)
            && *id != org.id
        {
            let message = format!("the token is for org {org}, and `--org-id` is {id}");
            return Err(Failure::usage(message)
                .hint("log in as a user of that org, or leave `--org-id` out"));
        }
        let found = [read, doctor::org(&identified, stated.as_ref())];
        let (portals, org) = (portals.ok(), identified.ok());
        profile.entry.org = org.or_else(|| stated.clone());
        // For display only, and the token may lack the scope.
        let user = client.call(&GetCurrentUser).await.ok().flatten();
        let old = self.profiles.entries().get(name);
        if let Some(old) = old.filter(|old| leads_elsewhere(old, &profile.entry)) {
            self.confirm_replacement(old, &profile.entry)?;
        }
        let earlier = self.profiles.get(name).ok();
        profile::store(self.directory, name, &profile)?;
        if let Some(earlier) = earlier.filter(|earlier| self.is_replaced(earlier, &profile)) {
            self.revoke(&earlier).await;
        }
        if old.is_some() {
            warn_of_unfinished(name, &profile.entry, printer).await;
        }
        let create = doctor::can_create(&client).await;
        let logged_in = LoggedIn {
            profile: name,
            outcome: "logged_in",
            portals: portals.as_deref().map(portal::names),
            org: profile.entry.org.as_ref(),
            user: user.as_deref(),
            create: create.status,
        };
        let done = if old.is_none() { "stored" } else { "replaced" };
        printer.result(logged_in.text(done), &logged_in);
        if create.status == Status::Ok
            && portals.is_some_and(|portals| portals.is_empty())
            && !printer.is_json()
        {
            printer.note(format_args!("Next: portal create NAME --profile {name} --dry-run"));
        }
        // What was exchanged works once: a profile that lacks something is better than none.
        for check in found.into_iter().chain([create]).filter(|check| check.status != Status::Ok) {
            printer.warning(check.message);
            check.hint.iter().for_each(|hint| printer.hint(hint));
        }
        Ok(ExitClass::Success)
    }

    fn confirm_replacement(&self, old: &Entry, new: &Entry) -> Result<(), Failure> {
        let (name, earlier, now) = (&self.name, old.place(), new.place());
        if self.args.yes {
            let text = format!("the profile {name} was for {earlier}; from now on it is for {now}");
            self.printer.warning(text);
            return Ok(());
        }
        let is_wanted = prompt::confirm(
            &format!(
                "The profile {name} is for {earlier}. Whatever uses it will act in {now} from now on. \
                 Replace it?"
            ),
            &format!("the profile {name} is for {earlier}, and this login is for {now}"),
            "pass `--yes` to replace it, or another `--profile`; a code is used up by now",
        )?;
        let declined = || Failure::cancelled("not confirmed; nothing was stored");
        is_wanted.then_some(()).ok_or_else(declined)
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
        let target = earlier.target(&self.name, self.entry.ca_file.clone());
        if let Err(failure) = target.log_out(false).await {
            let (what, why) = ("the refresh token of the earlier login", failure.report.message);
            self.printer.warning(format_args!("{what} is still valid: {why}"));
        }
    }
}

impl LoggedIn<'_> {
    fn text(&self, done: &str) -> String {
        let has = self.portals.as_ref().map(|names| format!("; {}", portal::how_many(names)));
        let has = has.unwrap_or_default();
        let user = self.user.map(portal::cell);
        let whose = match (user, self.org) {
            (Some(user), Some(org)) => format!(" for {user} of org {org}"),
            (Some(user), None) => format!(" for {user}"),
            (None, Some(org)) => format!(" for org {org}"),
            (None, None) => String::new(),
        };
        format!("profile {} {done}{whose}{has}", self.profile)
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
    match hosts.data_center() {
        Some(here) => here.accounts_url().replacen("://accounts.", "://api-console.", 1),
        None => "the API console of that server".to_owned(),
    }
}

/// The steps in the API console, with the scopes to paste. `portal serve` has none.
fn how_to_get_a_code(hosts: &Hosts) -> String {
    if hosts.is_this_machine() {
        return "The code is the `grant_code` of the seed file; for a refresh token, pass `--refresh-token`."
            .to_owned();
    }
    format!(
        "How to get a code:\n  \
         1. Open {}, signed in as a user of the org.\n  \
         2. Choose \"Self Client\". Its \"Client Secret\" tab has the id and the secret.\n  \
         3. In its \"Generate Code\" tab paste these scopes, and create a code for the org:\n     \
         {}\n  \
         A code is valid once, and for a few minutes only.",
        console(hosts),
        SCOPES.map(|scope| scope.to_string()).join(","),
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
        _ => cause::failure(&ClientError::Token(error), "exchange the code"),
    })?;
    granted.refresh_token.ok_or_else(|| {
        Failure::from(anyhow::anyhow!("the accounts server returned no refresh token for the code"))
            .hint("create the code in the tab \"Generate Code\" of a self client")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_console_and_scopes_to_paste() {
        let steps = how_to_get_a_code(&Hosts::of(DataCenter::Eu));
        assert!(steps.contains("Open https://api-console.zoho.eu, "), "{steps}");
        let pasted = " ZohoCRM.settings.clientportal.CREATE,ZohoCRM.settings.clientportal.READ,";
        assert!(steps.contains(pasted), "{steps}");
    }
}
