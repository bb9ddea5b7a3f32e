//! Why something was not created or renamed, and what to do about it.

use std::fmt::Display;
use std::time::Duration;

use portal_model::explain::{explain, explain_oauth};
use portal_model::oauth::OAuthError;
use portal_model::outcome::{AuthFailure, Doubt, NotDone, Owner, Unverified};
use portal_model::{ApiError, ErrorCode, Outcome, PortalName, RenameOutcome};
use serde_json::json;

use crate::report::asked::Asked;
use crate::report::failure::ErrorReport;
use crate::report::permission;

const READ: &str = "ZohoCRM.settings.clientportal.READ";

/// The error of a create without a portal as requested.
pub(super) fn of_create(outcome: &Outcome, asked: &Asked) -> Option<ErrorReport> {
    let name = outcome.name();
    let wish = Wish {
        name,
        recover: name,
        done: "created",
        org: &asked.org,
        purpose: &format!("create the portal {name}"),
    };
    Some(match outcome {
        Outcome::Created { .. } | Outcome::Present { .. } => return None,
        Outcome::OrgHasPortal { portal, .. } => wish
            .not("org_has_portal", format_args!("the org has the portal {}", portal.name))
            .details(json!({ "portal": portal }))
            .hint(format!(
                "use {old}, run `portal rename {old} {name}{org}`, or pass `--allow-another` if the \
                 org may have several",
                old = portal.name,
                org = asked.org
            )),
        Outcome::NameTaken { owner, .. } => wish.taken(owner).hint(match owner {
            Owner::Undetermined(why) => whose(why, name, &asked.org),
            _ => "choose another name, or pass `--fallback NAME` to try one if the first is taken"
                .to_owned(),
        }),
        Outcome::Rejected { error, .. } => wish.rejected(error),
        Outcome::NotCreated { reason: NotDone::Absent, .. } if asked.recovered => wish
            .not("absent", "the org's list does not show it")
            .hint(format!("run `portal create {name}{}` if it is still wanted", asked.org)),
        Outcome::NotCreated { reason, .. } => wish.not_done(reason),
        Outcome::Unknown { doubt, why, .. } => wish.in_doubt(doubt, why),
        _ => ErrorReport::new("failed", format!("{name}: {}", outcome.kind())),
    })
}

/// The error of a rename without the new name.
pub(super) fn of_rename(
    outcome: &RenameOutcome,
    old: &str,
    new: &PortalName,
    asked: &Asked,
) -> Option<ErrorReport> {
    let purpose = format!("rename the portal {old} to {new}");
    let wish = Wish {
        name: old,
        recover: new.as_str(),
        done: "renamed",
        org: &asked.org,
        purpose: &purpose,
    };
    Some(match outcome {
        RenameOutcome::Renamed { .. } | RenameOutcome::Unchanged { .. } => return None,
        RenameOutcome::NotFound { .. } => {
            wish.not("not_found", "the org has no portal of that name").hint(list(asked))
        }
        RenameOutcome::NameTaken { owner, .. } => wish.taken(owner).hint("choose another name"),
        // The service's code for a missing portal of the old name, too.
        RenameOutcome::Rejected { error, .. } if error.code == ErrorCode::InvalidData => {
            wish.rejected(error).hint(list(asked))
        }
        RenameOutcome::Rejected { error, .. } => wish.rejected(error),
        RenameOutcome::NotRenamed { reason: NotDone::Absent, .. } if asked.recovered => wish
            .not("absent", "it still has the old name")
            .hint(format!("run `portal rename {old} {new}{}` if it is still wanted", asked.org)),
        RenameOutcome::NotRenamed { reason, .. } => wish.not_done(reason),
        RenameOutcome::Unknown { doubt, why, .. } => wish.in_doubt(doubt, why),
        _ => ErrorReport::new("failed", format!("{old} was not renamed")),
    })
}

/// What was to be done.
struct Wish<'a> {
    name: &'a str,
    /// The name under which the intent log has it.
    recover: &'a str,
    done: &'static str,
    /// See [`Asked::org`].
    org: &'a str,
    purpose: &'a str,
}

impl Wish<'_> {
    /// `NAME was not created: why`
    fn not(&self, kind: &'static str, why: impl Display) -> ErrorReport {
        ErrorReport::new(kind, self.message(why))
    }

    fn message(&self, why: impl Display) -> String {
        format!("{} was not {}: {why}", self.name, self.done)
    }

    fn taken(&self, owner: &Owner) -> ErrorReport {
        match owner {
            Owner::ThisOrg => self.not("name_taken", "another portal of this org has the name"),
            Owner::AnotherOrg => self.not("name_taken", "the name belongs to another organization"),
            Owner::Undetermined(why) => {
                // It may be this org, by a copy of this very request: nothing is denied.
                let (name, why) = (self.recover, Why(why));
                let message = format!("the name {name} is taken; by which org is not known: {why}");
                ErrorReport::new("name_taken", message)
            }
            _ => self.not("name_taken", "the name is taken"),
        }
    }

    fn rejected(&self, error: &ApiError) -> ErrorReport {
        let (message, hint) = if error.code == ErrorCode::NoPermission {
            let (missing, note) = permission::missing(error, self.purpose);
            (self.message(missing), note)
        } else {
            (self.message(error), explain(&error.code).remedy.to_owned())
        };
        ErrorReport::rejected(message, error).hint(hint)
    }

    fn not_done(&self, reason: &NotDone) -> ErrorReport {
        let report = |kind| self.not(kind, reason);
        match reason {
            NotDone::Unreachable(_) => report("unreachable")
                .hint("check the network and the API host, then run the same command again"),
            NotDone::RateLimited { retry_after } => {
                report("rate_limited").hint(later(*retry_after))
            }
            NotDone::Auth(failure) => auth(self.message(reason), failure),
            NotDone::Absent => report("absent").hint("run the same command again"),
            NotDone::Exhausted | NotDone::Deadline => report("exhausted")
                .hint("run the same command again; `--deadline` gives it more time"),
            NotDone::NotRecorded(_) => report("not_recorded").hint(
                "make the state directory writable or set PORTAL_STATE_DIR, then run the same \
                 command again",
            ),
            NotDone::Stopped => report("stopped"),
            _ => report("failed"),
        }
    }

    fn in_doubt(&self, doubt: &Doubt, why: &Unverified) -> ErrorReport {
        let Self { name, recover, done, org, .. } = self;
        let message = format!("it is not known whether {name} was {done}: {doubt}; {}", Why(why));
        ErrorReport::new("in_doubt", message).hint(match why {
            Unverified::ListRejected(error) if error.is_scope_mismatch() => format!(
                "run `portal recover {recover}{org}` with a token that has the scope {READ}, or \
                 check the org's portals in Zoho CRM"
            ),
            Unverified::MayBeRenamed(other) => format!(
                "check in Zoho CRM whether {other} is the portal, then run `portal recover \
                 --discard {recover}{org}`"
            ),
            _ => format!("run `portal recover {recover}{org}` to determine the outcome"),
        })
    }
}

/// Why something could not be verified; a missing scope in words, without the response.
struct Why<'a>(&'a Unverified);

impl Display for Why<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Unverified::ListRejected(error) if error.is_scope_mismatch() => {
                f.write_str("the token is not allowed to list the org's portals")
            }
            why => why.fmt(f),
        }
    }
}

fn list(asked: &Asked) -> String {
    format!("run `portal list{}` to see the org's portals", asked.org)
}

/// How to learn whose a name is.
fn whose(why: &Unverified, name: &str, org: &str) -> String {
    match why {
        Unverified::ListRejected(error) if error.is_scope_mismatch() => {
            format!("use a token with the scope {READ} to learn whose it is")
        }
        Unverified::EarlierAttempt => {
            format!("run `portal list{org}` later to see whether this org has {name}")
        }
        _ => format!("run `portal list{org}` to see whether this org has {name}"),
    }
}

fn later(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(time) => format!("run the same command again in {} s", time.as_secs().max(1)),
        None => "run the same command again in a few minutes".to_owned(),
    }
}

fn auth(message: String, failure: &AuthFailure) -> ErrorReport {
    match failure {
        AuthFailure::Rejected(error) => ErrorReport {
            code: Some(error.error.clone()),
            ..ErrorReport::new("auth", message).hint(renew(error))
        },
        AuthFailure::TokenRejected(error) => {
            let rejected = ErrorReport::rejected(message, error);
            ErrorReport { kind: "auth".into(), ..rejected }.hint(explain(&error.code).remedy)
        }
        _ => ErrorReport::new("auth", message),
    }
}

/// What to do about a rejection by the accounts server.
pub(crate) fn renew(error: &OAuthError) -> &'static str {
    match error.error.as_str() {
        OAuthError::INVALID_CODE => {
            "create a new code in Zoho's API console, then run `portal login`"
        }
        other => explain_oauth(other).remedy,
    }
}
