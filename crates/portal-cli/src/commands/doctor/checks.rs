//! What is checked of a profile, and how.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use portal_http::client::{Bounds, Client, ClientError, HttpTransport, Transport};
use portal_ledger::Entry;
use portal_model::explain::explain;
use portal_model::{
    ApiError, CanCreate, ErrorCode, GetOrg, ListPortals, Org, Portal, ProbeCreate, Scope,
};
use serde::Serialize;

use crate::org::target::{Hosts, Target};
use crate::report::cause::{self, TRIES};
use crate::report::failure::{ExitClass, Failure};
use crate::report::permission;
use crate::report::portal::{how_many, names};

/// What was found out about one thing.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Check {
    /// What was checked.
    #[serde(rename = "check")]
    pub(in crate::commands) about: &'static str,
    pub(in crate::commands) status: Status,
    pub(in crate::commands) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) hint: Option<String>,
    #[serde(skip)]
    pub(in crate::commands) exit: ExitClass,
}

/// Whether something is as it should be. `warning`: it works, but not as well as it could. `unknown`:
/// it could not be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::commands) enum Status {
    Ok,
    Warning,
    Failed,
    Unknown,
}

impl Check {
    fn ok(about: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { about, status: Status::Ok, message, hint: None, exit: ExitClass::Success }
    }

    fn warning(about: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { status: Status::Warning, hint, ..Self::ok(about, message) }
    }

    /// Without effect on the verdict.
    fn unknown(about: &'static str, message: impl Into<String>) -> Self {
        Self { status: Status::Unknown, ..Self::ok(about, message) }
    }

    fn failed(about: &'static str, failure: Failure) -> Self {
        let (message, hint) = (failure.report.message, failure.report.hint);
        Self { about, status: Status::Failed, message, hint, exit: failure.exit }
    }
}

/// Checks everything that can be checked; what hangs on something else that failed is left out.
/// `entries` are those of the whole ledger that are unfinished.
pub(super) async fn run(target: &Target, entries: &[Entry]) -> Result<Vec<Check>, Failure> {
    // No token cache: a token that was kept says nothing about the refresh token.
    let client = target.builder()?.build(target.credential.clone())?;
    let transport = target.transport()?;
    let mut checks = Vec::new();
    let mut identified = None;
    let token = client.authenticate().await.map_err(ClientError::Token);
    let has_token = token.is_ok();
    match token {
        Ok(()) => {
            checks.push(Check::ok("token", "the accounts server gives an access token"));
            identified = Some(client.call_retrying(&GetOrg, TRIES).await);
        }
        Err(error) => {
            checks.push(Check::failed("token", cause::failure(&error, "get a token")));
        }
    }
    checks.push(unfinished(target, entries));
    if has_token {
        checks.push(data_center(&target.hosts, &client));
        checks.extend(identified.map(|identified| org(&identified, target.org.as_ref())));
        match client.call_retrying(&ListPortals, TRIES).await {
            Err(ClientError::Api(error)) if error.code == ErrorCode::ApiNotSupported => {
                checks.push(no_portals(&error));
            }
            portals => {
                checks.push(read(&portals));
                checks.push(can_create(&client).await);
                if let Ok(portals) = &portals {
                    checks.push(Check::ok("portal", how_many(&names(portals))));
                }
            }
        }
    }
    let url = client.api_url().map(|url| url.to_string()).or(target.hosts.api.url());
    checks.push(clock(&transport, &url.unwrap_or_default()).await);
    Ok(checks)
}

/// What earlier creates and renames with this profile left.
fn unfinished(target: &Target, entries: &[Entry]) -> Check {
    let own = entries.iter().filter(|entry| entry.label.as_deref() == target.place.profile());
    let names: Vec<String> = own
        .map(|entry| match (entry.org.org(), &target.org) {
            // The profile led to another org when it was begun.
            (Some(then), Some(now)) if then.id != now.id => {
                format!("{} (begun in {})", entry.name(), entry.org)
            }
            _ => entry.name().to_owned(),
        })
        .collect();
    if names.is_empty() {
        return Check::ok("ledger", "no create or rename is unfinished");
    }
    let message = format!("unfinished: {}", names.join(", "));
    Check::warning("ledger", message, "run `portal recover`")
}

/// Which org the token of a client is for.
pub(in crate::commands) fn org(
    identified: &Result<Org, ClientError>,
    stated: Option<&Org>,
) -> Check {
    match (identified, stated) {
        (Ok(org), Some(stated)) if org.id != stated.id => {
            let message = format!("the token is for org {org}, and the profile says {stated}");
            Check::failed("org", Failure::usage(message).hint("log in again"))
        }
        (Ok(org), _) => Check::ok("org", format!("the token is for org {org}")),
        (Err(_), Some(org)) => Check::ok("org", format!("the profile is for org {org}")),
        (Err(error), None) if error.api().is_some_and(ApiError::is_forbidden) => Check::warning(
            "org",
            format!(
                "the token lacks the scope {}, so which org it is for is not known",
                Scope::ORG_READ
            ),
            permission::with_org(),
        ),
        (Err(error), None) => {
            Check::failed("org", cause::failure(error, "determine which org this is"))
        }
    }
}

fn data_center(hosts: &Hosts, client: &Client) -> Check {
    let told = hosts.api.url().unwrap_or_default();
    let used = client.api_url().map_or_else(|| told.clone(), |url| url.to_string());
    if let Some(answered) = client.api_domain_mismatch() {
        return Check::warning(
            "hosts",
            format!("the accounts server says that the API is at {answered}, not at {told}"),
            format!("if that is right, set api_domain = {answered:?} in config.toml"),
        );
    }
    if hosts.data_center().is_some() && used != told {
        return Check::warning(
            "hosts",
            format!("the org lives in another data center than {hosts}: its API is at {used}"),
            "log in again with that data center",
        );
    }
    Check::ok("hosts", format!("the API is at {used}, as the profile says"))
}

/// Whether the token of a client can list portals.
pub(in crate::commands) fn read(portals: &Result<Vec<Portal>, ClientError>) -> Check {
    match portals {
        Ok(_) => Check::ok("read", "the token can list the org's portals"),
        Err(ClientError::Api(error)) if error.is_scope_mismatch() => {
            Check::warning("read", permission::cannot_verify(), permission::EVERY_SCOPE)
        }
        Err(error) => Check::failed("read", cause::failure(error, "list the portals")),
    }
}

/// Whether the token of a client can create portals.
pub(in crate::commands) async fn can_create(client: &Client) -> Check {
    let failure = match client.call_retrying(&ProbeCreate, TRIES).await {
        Ok(CanCreate::Yes) => return Check::ok("create", "the token can create a portal"),
        Ok(CanCreate::NotHere(error)) => return no_portals(&error),
        Err(error) => {
            let check = Check::failed("create", cause::undetermined(&error));
            // Nobody can rely on the profile before this is known.
            let is_unknown = error.api().is_some();
            return if is_unknown { Check { status: Status::Unknown, ..check } } else { check };
        }
        Ok(CanCreate::MissingScope) => {
            Failure::forbidden(format!("the token lacks the scope {}", Scope::PORTAL_CREATE))
                .hint(permission::EVERY_SCOPE)
        }
        Ok(CanCreate::MissingPermission(error)) => {
            let (missing, note) = permission::missing(&error, "create a portal");
            Failure::forbidden(missing).hint(note)
        }
    };
    Check::failed("create", failure)
}

/// Such as a sandbox.
fn no_portals(error: &ApiError) -> Check {
    let failure = anyhow::anyhow!("the org can have no portal: {error}");
    Check::failed("org", Failure::from(failure).hint(explain(&error.code).remedy))
}

/// How far the clocks may be apart.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

async fn clock(transport: &HttpTransport, url: &str) -> Check {
    match date(transport, url).await {
        Ok(date) => compare_clocks(SystemTime::now(), date),
        Err(why) => Check::unknown("clock", format!("the service's clock: {why:#}")),
    }
}

/// What time the service has.
async fn date(transport: &HttpTransport, url: &str) -> anyhow::Result<SystemTime> {
    let request = http::Request::get(format!("{url}/")).body(Bytes::new())?;
    let response = transport.send(request, Bounds::new(Duration::from_secs(30))).await?;
    let date = response.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    date.context("the response has no date")
}

fn compare_clocks(here: SystemTime, there: SystemTime) -> Check {
    let (apart, direction) = match here.duration_since(there) {
        Ok(apart) => (apart, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    // The date of a response has whole seconds.
    let seconds = Duration::from_secs(apart.as_secs());
    let text = humantime::format_duration(seconds);
    if apart > CLOCK_TOLERANCE {
        Check::warning(
            "clock",
            format!("this machine's clock is {text} {direction} the service's"),
            "set the clock: a token may seem valid after its end",
        )
    } else {
        Check::ok("clock", format!("within {CLOCK_TOLERANCE:?} of the service's"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_over_one_minute_apart_are_warned_of() {
        let there = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let ahead = compare_clocks(there + Duration::from_secs(95), there);
        assert_eq!(ahead.status, Status::Warning);
        assert_eq!(ahead.message, "this machine's clock is 1m 35s ahead of the service's");
        let behind = compare_clocks(there - Duration::from_secs(3600), there);
        assert_eq!(behind.message, "this machine's clock is 1h behind the service's");
        for seconds in [0, 60] {
            let near = compare_clocks(there + Duration::from_secs(seconds), there);
            assert_eq!(near.status, Status::Ok, "{seconds}");
        }
    }
}
