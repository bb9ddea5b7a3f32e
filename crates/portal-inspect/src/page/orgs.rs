//! The orgs, with what each has.

use std::iter;

use maud::{Markup, html};
use portal_model::neutral::shell_word;
use portal_model::{Environment, Portal};
use portal_store::seed::{SeedCredential, SeedGrant};
use portal_store::{Org, Permission, PortalLimit, User};

use super::layout::{Frame, copyable, layout};
use crate::inspector::About;
use crate::variables::leading_elsewhere;

/// Stands for a secret.
const MASK: &str = "•••";
/// Leads to the org of the environment, whatever a seed calls its secrets.
pub(super) const TOKEN_OF_ENVIRONMENT: &str = r#"curl -s "$PORTAL_ACCOUNTS_URL/oauth/v2/token" -d grant_type=refresh_token \
  -d client_id="$PORTAL_CLIENT_ID" -d client_secret="$PORTAL_CLIENT_SECRET" -d refresh_token="$PORTAL_REFRESH_TOKEN""#;

/// An org with all that belongs to it.
type OrgState = (Org, Vec<User>, Vec<Portal>);

/// The first orgs of `count`.
pub(crate) fn orgs(
    frame: &Frame<'_>,
    orgs: &[OrgState],
    count: usize,
    shows_secrets: bool,
) -> Markup {
    let about = frame.about;
    let content = html! {
        h1 { "Orgs" }
        @if orgs.is_empty() {
            p { "None yet. A seed adds some." }
        }
        @if count > orgs.len() {
            p.note {
                "The first " (orgs.len()) " of " (count)
            }
        }
        @if about.known_credentials().is_none() && !orgs.is_empty() {
            p.note {
                "Secrets are not shown here, since this page does not authenticate."
                @if let Some(command) = &about.environment_command {
                    " The default org's: " code { (command) } "."
                }
            }
        } @else if !orgs.is_empty() && !shows_secrets {
            p { a.button href="/orgs?secrets=shown" { "Show the secrets" } }
        } @else if shows_secrets {
            p { a.button href="/orgs" { "Mask the secrets" } }
        }
        @for state in orgs {
            section { (one_org(about, state, shows_secrets)) }
        }
        @if about.throwaway.is_some() {
            h2 { "Start over" }
            details.reset {
                summary { "Reset: back to the orgs it started with" }
                form method="post" action="/reset" {
                    input type="hidden" name="back" value="/orgs";
                    p { "Portals, changes, access tokens and the list of requests will be gone, and the faults are those of the start." }
                    button.danger type="submit" { "Reset" }
                }
            }
        }
    };
    layout(frame, "/orgs", "Orgs", &content)
}

fn one_org(about: &About, (org, users, portals): &OrgState, shows_secrets: bool) -> Markup {
    html! {
        h2 { bdi { (org.name) } }
        p.note {
            @match org.environment {
                Environment::Developer => "developer edition",
                other => (other.as_str()),
            }
            " · number " (org.id) " · "
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
            (one_user(about, &org.name, user, shows_secrets))
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

fn one_user(about: &About, org: &str, user: &User, shows_secrets: bool) -> Markup {
    let permissions: Vec<_> = user.permissions.iter().copied().map(permission).collect();
    let orgs = about.known_credentials().map(|seed| &*seed.orgs).unwrap_or_default();
    let users = orgs.iter().filter(|seed| seed.name == org).flat_map(|seed| &seed.users);
    let credentials = users.filter(|seed| seed.email == user.email).flat_map(|it| &it.credentials);
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
                    @for (at, scope) in credential.scopes.iter().enumerate() {
                        @if at > 0 { ", " } (scope)
                    }
                }
                (copyable("As environment", &environment(&about.url, credential, shows_secrets)))
                @if let SeedGrant::RefreshToken(_) = credential.grant {
                    (copyable("A token with curl, in that environment", TOKEN_OF_ENVIRONMENT))
                }
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

/// The client secret and the grant of a credential, or what stands for them.
fn secrets(credential: &SeedCredential, shown: bool) -> (&str, &str) {
    let (SeedGrant::RefreshToken(grant) | SeedGrant::Code(grant)) = &credential.grant;
    if shown { (credential.client_secret.expose(), grant.expose()) } else { (MASK, MASK) }
}

fn environment(url: &str, credential: &SeedCredential, shown: bool) -> String {
    let (client_secret, grant) = secrets(credential, shown);
    // A seed can have any text.
    let export = |name, value| format!("export {name}={}", shell_word(value));
    let mut variables = vec![
        ("PORTAL_API_DOMAIN", url),
        ("PORTAL_ACCOUNTS_URL", url),
        ("PORTAL_CLIENT_ID", &credential.client_id),
        ("PORTAL_CLIENT_SECRET", client_secret),
    ];
    let note = match credential.grant {
        SeedGrant::RefreshToken(_) => {
            variables.push(("PORTAL_REFRESH_TOKEN", grant));
            None
        }
        SeedGrant::Code(_) => Some("# a code can be exchanged once, by `portal login`".to_owned()),
    };
    let others = leading_elsewhere(variables.iter().map(|(name, _)| *name));
    let unset = format!("unset {}", others.join(" "));
    let exports = variables.into_iter().map(|(name, value)| export(name, value));
    iter::once(unset).chain(exports).chain(note).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use portal_store::Seed;

    use super::*;

    #[test]
    fn environment_unsets_what_would_lead_elsewhere() {
        let seed: Seed = "[[org]]\nname = \"acme\"\n[[org.user]]\nname = \"Admin\"\n\
            email = \"admin@acme.example\"\npermissions = []\n[[org.user.credential]]\n\
            client_id = \"1000.ACME\"\nclient_secret = \"0123456789abcdef0123\"\n\
            scopes = [\"ZohoCRM.settings.clientportal.ALL\"]\n\
            grant_code = \"1000.0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef\"\n"
            .parse()
            .unwrap();
        let credential = &seed.orgs[0].users[0].credentials[0];
        let text = environment("http://127.0.0.1:8780", credential, true);
        let (first, rest) = text.split_once('\n').unwrap();
        for name in ["PORTAL_PROFILE", "PORTAL_ORG_ID", "PORTAL_REFRESH_TOKEN", "PORTAL_SERVER"] {
            assert!(first.contains(name), "{first}");
        }
        assert!(!first.contains("PORTAL_API_DOMAIN"), "{first}");
        assert!(rest.starts_with("export PORTAL_API_DOMAIN=http://127.0.0.1:8780\n"), "{rest}");
    }
}
