//! The subcommands that show something.

use portal_model::Scope;
use portal_store::{Administration, AuditEntry, Permission, PortalLimit, Registry};
use serde_json::json;

use super::{failed, unknown_org};
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// List the orgs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portal admin org list --data ./portals")]
pub(super) struct OrgsArgs {}

/// List those of an org
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portal admin user list Acme --data ./portals\n  \
                        portal admin credential list Acme --data ./portals")]
pub(super) struct OfOrgArgs {
    /// The name of the org
    org: String,
}

/// Show who changed what, and when, the latest change at the end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It has portals, orgs, users, permissions and credentials; of orgs, users and credentials that a seed \
file brought, that there was a seed. The name of an operator is what the system had for it.

Examples:
  portal admin log --limit 20 --data ./portals")]
pub(super) struct LogArgs {
    /// Show this many changes at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
}

pub(super) async fn orgs(
    registry: &impl Registry,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let orgs = registry.orgs().await.map_err(failed)?;
    let width = widest(orgs.iter().map(|org| org.name.as_str()));
    for org in &orgs {
        let environment = org.environment.as_str();
        let (limit, text) = match org.portal_limit {
            PortalLimit::One => (Some(1), "one portal"),
            PortalLimit::Unlimited => (None, "any number of portals"),
        };
        printer.result(
            format_args!("{:width$}  {environment}  {text}", org.name),
            &json!({
                "org": org.name, "id": org.id.to_string(), "environment": environment,
                "portal_limit": limit,
            }),
        );
    }
    Ok(ExitClass::Success)
}

pub(super) async fn users(
    args: &OfOrgArgs,
    registry: &impl Administration,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let users = registry.users_of(&args.org).await.map_err(failed)?;
    let users = users.ok_or_else(|| unknown_org(&args.org))?;
    let emails = widest(users.iter().map(|user| user.email.as_str()));
    let names = widest(users.iter().map(|user| user.name.as_str()));
    for user in &users {
        let permissions: Vec<_> =
            user.permissions.iter().copied().map(Permission::seed_name).collect();
        let text = if permissions.is_empty() {
            "no permission".to_owned()
        } else {
            permissions.join(", ")
        };
        printer.result(
            format_args!("{:emails$}  {:names$}  {text}", user.email, user.name),
            &json!({
                "org": args.org, "email": user.email, "id": user.id.to_string(),
                "name": user.name, "permissions": permissions,
            }),
        );
    }
    Ok(ExitClass::Success)
}

pub(super) async fn credentials(
    args: &OfOrgArgs,
    registry: &impl Administration,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let credentials = registry.credentials_of(&args.org).await.map_err(failed)?;
    let credentials = credentials.ok_or_else(|| unknown_org(&args.org))?;
    let emails = widest(credentials.iter().map(|it| it.email.as_str()));
    let clients = widest(credentials.iter().map(|it| it.client_id.as_str()));
    for it in &credentials {
        let scopes: Vec<_> = it.scopes.iter().map(Scope::as_str).collect();
        let revoked_at = it.revoked_at.map(|at| at.to_string());
        let state = match &revoked_at {
            Some(at) => format!("revoked {at}"),
            None => scopes.join(","),
        };
        printer.result(
            format_args!(
                "{:emails$}  {:clients$}  {}  {state}",
                it.email, it.client_id, it.fingerprint
            ),
            &json!({
                "org": args.org, "email": it.email, "client_id": it.client_id,
                "fingerprint": it.fingerprint, "scopes": scopes, "revoked_at": revoked_at,
            }),
        );
    }
    Ok(ExitClass::Success)
}

pub(super) async fn log(
    args: &LogArgs,
    registry: &impl Administration,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let entries = registry.audit_log(args.limit).await.map_err(failed)?;
    let actors = widest(entries.iter().map(|entry| entry.actor.as_str()));
    let actions = widest(entries.iter().map(|entry| entry.action.as_str()));
    for entry in &entries {
        let AuditEntry { at, actor, action, org, subject, detail, .. } = entry;
        let action = action.as_str();
        let of_org = org.as_ref().filter(|org| *org != subject);
        let of_org = of_org.map(|org| format!(" of {org}")).unwrap_or_default();
        let detail_text = match (action, detail) {
            ("portal_renamed", Some(old)) => format!(", was {old}"),
            (_, Some(detail)) if !detail.is_empty() => format!(": {detail}"),
            _ => String::new(),
        };
        let line =
            format!("{at}  {actor:actors$}  {action:actions$}  {subject}{of_org}{detail_text}");
        printer.result(
            // A name with a line break must not look like one more entry.
            line.replace('\n', "\u{fffd}"),
            &json!({
                "at": at.to_string(), "actor": actor, "action": action, "org": org,
                "subject": subject, "detail": detail,
            }),
        );
    }
    Ok(ExitClass::Success)
}

fn widest<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
}
