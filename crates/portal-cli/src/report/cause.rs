//! Why there is no new portal, and what to do about it.

use std::time::Duration;

use portal_model::explain::{explain, explain_oauth};
use portal_model::oauth::OAuthError;
use portal_model::outcome::{AuthFailure, NotCreated, Owner, Unsettled};
use portal_model::{ApiError, ErrorCode, Outcome};
use serde_json::json;

use crate::failure::ErrorReport;
use crate::permission;
use crate::report::Asked;

/// The error of an outcome without a portal of that name.
pub(super) fn of(outcome: &Outcome, asked: &Asked) -> Option<ErrorReport> {
    let name = outcome.name();
    Some(match outcome {
        Outcome::Created { .. } | Outcome::Present { .. } => return None,
        Outcome::OrgHasPortal { portal, .. } => ErrorReport::new(
            "org_has_portal",
            format!("{name} was not created: the org has the portal {} already", portal.name),
        )
        .details(json!({ "portal": portal }))
        .hint(format!(
            "use {old}, or `portal rename {old} {name}`; where the org may have several, \
             `--allow-another` creates it beside {old}",
            old = portal.name
        )),
        Outcome::NameTaken { owner: Owner::AnotherOrg, .. } => ErrorReport::new(
            "name_taken",
            format!("{name} was not created: another organization has a portal of that name"),
        )
        .hint("take another name; `--or NAME` gives one to try when the first is taken"),
        Outcome::NameTaken { owner: Owner::Undetermined, .. } => ErrorReport::new(
            "name_taken",
            format!(
                "{name} was not created: the name is taken, and the token may not look whether by \
                 this org"
            ),
        )
        .hint("a token with the scope ZohoCRM.settings.clientportal.READ tells whose it is"),
        Outcome::Rejected { error, .. } => refused(name, error),
        Outcome::NotCreated { reason: NotCreated::Exhausted, .. } if asked.settled => {
            ErrorReport::new("settled", format!("{name} was not created: it is not there"))
                .hint(format!("`portal create {name}` can be run again"))
        }
        Outcome::NotCreated { reason, .. } => not_created(name, reason),
        Outcome::Unknown { doubt, unsettled, .. } => ErrorReport::new(
            "in_doubt",
            format!("it is not known whether {name} was created: {doubt}; {unsettled}"),
        )
        .hint(settle(name, unsettled)),
        _ => ErrorReport::new("failed", format!("{name}: {}", outcome.kind())),
    })
}

fn settle(name: &str, unsettled: &Unsettled) -> String {
    match unsettled {
        Unsettled::LookUpRefused(error) if error.is_scope_mismatch() => format!(
            "look at the org's portals in Zoho CRM; or with a token that has the scope \
             ZohoCRM.settings.clientportal.READ, `portal create --resume {name}` settles it"
        ),
        _ => format!("`portal create --resume {name}` looks again and settles it"),
    }
}

fn refused(name: &str, error: &ApiError) -> ErrorReport {
    let (message, hint) = if error.code == ErrorCode::NoPermission {
        let (missing, note) = permission::missing(error, &format!("create the portal {name}"));
        (format!("{name} was not created: {missing}"), note)
    } else {
        (format!("{name} was not created: {error}"), explain(&error.code).remedy.to_owned())
    };
    ErrorReport { hint: Some(hint), ..ErrorReport::refused(message, error) }
}

fn not_created(name: &str, reason: &NotCreated) -> ErrorReport {
    let message = format!("{name} was not created: {reason}");
    match reason {
        NotCreated::Unreachable(_) => ErrorReport::new("unreachable", message)
            .hint("check the network and the API host; running the same again is safe"),
        NotCreated::Throttled { retry_after } => {
            ErrorReport::new("throttled", message).hint(later(*retry_after))
        }
        NotCreated::Auth(failure) => auth(message, failure),
        NotCreated::Exhausted => ErrorReport::new("exhausted", message)
            .hint("running the same again is safe; `--deadline` gives it more time"),
        NotCreated::NotStarted(_) => ErrorReport::new("not_started", message).hint(
            "make room or set the rights of the state folder; running the same again is safe",
        ),
        NotCreated::Stopped => ErrorReport::new("stopped", message),
        _ => ErrorReport::new("failed", message),
    }
}

fn later(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(time) => format!("run the same again in {} s; that is safe", time.as_secs().max(1)),
        None => "run the same again in some minutes; that is safe".to_owned(),
    }
}

fn auth(message: String, failure: &AuthFailure) -> ErrorReport {
    match failure {
        AuthFailure::Refused(error) => ErrorReport {
            code: Some(error.error.clone()),
            ..ErrorReport::new("auth", message).hint(renew(error))
        },
        AuthFailure::TokenRejected(error) => {
            let refused = ErrorReport::refused(message, error);
            ErrorReport { kind: "auth".into(), ..refused }.hint(explain(&error.code).remedy)
        }
        _ => ErrorReport::new("auth", message),
    }
}

/// What to do about a refusal of the accounts server.
pub(crate) fn renew(error: &OAuthError) -> &'static str {
    explain_oauth(&error.error).remedy
}
