//! The orgs, with what each has.

use std::fmt::Write as _;

use maud::{Markup, html};
use portal_model::neutral::shell_word;
use portal_model::oauth::TOKEN_PATH;
use portal_model::{Environment, Portal};
use portal_store::seed::{SeedCredential, SeedGrant};
use portal_store::{Permission, PortalLimit, Registry, User};

use super::super::mask::MASK;
use super::super::state::{Admin, OrgState};
use super::layout::{copyable, layout};

/// The first orgs of `count`.
pub(in super::super) fn orgs<R: Registry>(
    admin: &Admin<R>,
    orgs: &[OrgState],
    count: usize,
    shows_secrets: bool,
) -> Markup {
    let is_throwaway = admin.throwaway.is_some();
    let content = html! {
        h1 { "Orgs" }
        @if orgs.is_empty() {
            p { "None. Add one by " code { "--seed FILE" } " or " code { "portal admin" } "." }
        }
        @if count > orgs.len() {
            p.note {
                "The first " (orgs.len()) " of " (count) "; " code { "portal admin" } " has all."
            }
        }
        @if admin.known_credentials().is_none() && !orgs.is_empty() {
            p.note {
                "Secrets are not shown here, since this page asks nobody who they are."
                @if let Some(port) = admin.default_org_at {
                    " The default org's: " code { "portal serve env --port " (port) } "."
                }
            }
        } @else if !orgs.is_empty() && !shows_secrets {
            p { a.button href="/orgs?secrets=shown" { "Show the secrets" } }
        } @else if shows_secrets {
            p { a.button href="/orgs" { "Mask the secrets" } }
        }
        @for state in orgs {
            section { (one_org(admin, state, shows_secrets)) }
        }
        @if is_throwaway {
            h2 { "Begin anew" }
            details.reset {
                summary { "Reset to the orgs of the start" }
                form method="post" action="/reset" {
                    p { "Portals, changes, access tokens and the list of requests will be gone. Faults stay." }
                    button.danger type="submit" { "Reset" }
                }
            }
        }
    };
    layout(admin, "/orgs", "Orgs", &content)
}

fn one_org<R: Registry>(admin: &Admin<R>, state: &OrgState, shows_secrets: bool) -> Markup {
    let OrgState { org, users, portals } = state;
    let environment = match org.environment {
        Environment::Developer => "developer edition",
        other => other.as_str(),
    };
    html! {
        h2 { bdi { (org.name) } }
        p.note {
            (environment) " · number " (org.id) " · "
            @match org.portal_limit {
                PortalLimit::One => "one portal at most",
                PortalLimit::Unlimited => "any number of portals",
            }
        }
        h3 { "Portals" }
        @if portals.is_empty() {
            p.note { "None yet" }
        } @else {
            ul { @for portal in portals { li { (one_portal(portal)) } } }
        }
        h3 { "Users" }
        @for user in users {
            (one_user(admin, &org.name, user, shows_secrets))
        }
    }
}

fn one_portal(portal: &Portal) -> Markup {
    html! {
        strong { bdi { (portal.name) } }
        @if let Some(created) = portal.created_time { span.note { " created " (created) } }
        @if portal.active == Some(false) { span.note { " inactive" } }
    }
}

fn one_user<R: Registry>(admin: &Admin<R>, org: &str, user: &User, shows_secrets: bool) -> Markup {
    let permissions: Vec<_> = user.permissions.iter().copied().map(permission).collect();
    let seed = admin.known_credentials();
    let seed_org = seed.and_then(|seed| seed.orgs.iter().find(|other| other.name == org));
    let seed_user =
        seed_org.and_then(|org| org.users.iter().find(|other| other.email == user.email));
    let credentials = seed_user.map(|user| &*user.credentials).unwrap_or_default();
    html! {
        p {
            bdi { (user.name) } " · " bdi { (user.email) } br;
            span.note {
                @if permissions.is_empty() { "no permission" } @else { (permissions.join(", ")) }
            }
        }
        @for credential in credentials {
            details open[shows_secrets] {
                summary { "Credential of client " code { (credential.client_id) } }
                p.note {
                    "Scopes: "
                    (credential.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
                }
                (copyable("As environment", &environment(&admin.url, credential, shows_secrets)))
                (copyable("A token with curl", &token_request(&admin.url, credential, shows_secrets)))
            }
        }
    }
}

fn permission(permission: Permission) -> &'static str {
    match permission {
        Permission::ManagePortal => "Manage Portal",
        Permission::ManagePortalUsers => "Manage Portal Users",
    }
}

/// Secrets of a credential, or what stands for them.
fn secrets(credential: &SeedCredential, shown: bool) -> (&str, &str, &str) {
    let (kind, grant) = match &credential.grant {
        SeedGrant::RefreshToken(secret) => ("refresh_token", secret),
        SeedGrant::Code(secret) => ("code", secret),
    };
    if shown {
        (credential.client_secret.expose(), kind, grant.expose())
    } else {
        (MASK, kind, MASK)
    }
}

fn environment(url: &str, credential: &SeedCredential, shown: bool) -> String {
    let (client_secret, kind, grant) = secrets(credential, shown);
    let mut variables = vec![
        ("PORTAL_API_DOMAIN", url),
        ("PORTAL_ACCOUNTS_URL", url),
        ("PORTAL_CLIENT_ID", &*credential.client_id),
        ("PORTAL_CLIENT_SECRET", client_secret),
    ];
    if kind == "refresh_token" {
        variables.push(("PORTAL_REFRESH_TOKEN", grant));
    }
    let lines = variables.iter().map(|(name, value)| {
        // A seed can have any text.
        format!("export {name}={}", shell_word(value))
    });
    let unset = "unset PORTAL_PROFILE PORTAL_DATA_CENTER PORTAL_ACCESS_TOKEN".to_owned();
    let mut lines: Vec<_> = std::iter::once(unset).chain(lines).collect();
    if kind == "code" {
        lines.push("# a code can be exchanged once, by `portal login`".to_owned());
    }
    lines.join("\n")
}

fn token_request(url: &str, credential: &SeedCredential, shown: bool) -> String {
    let (client_secret, kind, grant) = secrets(credential, shown);
    let grant_type = if kind == "code" { "authorization_code" } else { kind };
    let mut command = format!("curl --globoff {}", shell_word(&format!("{url}{TOKEN_PATH}")));
    for (name, value) in [
        ("grant_type", grant_type),
        ("client_id", &*credential.client_id),
        ("client_secret", client_secret),
        (kind, grant),
    ] {
        let _ =
            write!(command, " \\\n  --data-urlencode {}", shell_word(&format!("{name}={value}")));
    }
    command
}
