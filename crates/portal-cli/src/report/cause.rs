//! Why something was not created or renamed, and what to do about it.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use portal_http::client::{ClientError, IdentifyError, ReadError};
use portal_model::ResponseError;
use portal_model::error::with_sources;
use portal_model::explain::{explain, explain_oauth};
use portal_model::flow::{NotSent, Policy};
use portal_model::oauth::{OAuthError, TokenError};
use portal_model::outcome::{
    AuthFailure, Conflict, Doubt, Failure as Unreached, NotDone, Unverified,
};
use portal_model::{ApiError, ErrorCode, Portal};

use crate::report::failure::{ErrorKind, ExitClass, Failure};
use crate::report::permission::{self, EVERY_SCOPE};
use crate::report::place::{Place, operands};
use crate::report::portal::cell;

/// What to do about a token that the service does not accept. One that can be renewed was.
pub(super) const TOKEN_REJECTED: &str = "check that the credentials and the API host are of the same data center, \
    or log in again; an access token in PORTAL_ACCESS_TOKEN lasts an hour";

/// What to do if the credentials lead to another org than the user states.
pub(super) const CORRECT_ORG: &str =
    "correct the id of the org in PORTAL_ORG_ID or the profile, or log in again";

/// How often a call that changes nothing is tried.
pub(crate) const TRIES: u32 = 3;

const READ: &str = "ZohoCRM.settings.clientportal.READ";

/// The portal that was to be created or renamed.
pub(super) struct Subject<'a> {
    /// Its name: with fallbacks the one that was tried last, of a rename the new one.
    pub(super) name: &'a str,
    /// Of a rename.
    pub(super) old: Option<&'a str>,
    pub(super) context: &'a ReportContext,
}

impl Subject<'_> {
    /// The name that it has as long as nothing is done.
    pub(super) fn now(&self) -> &str {
        self.old.unwrap_or(self.name)
    }

    pub(super) const fn done(&self) -> &'static str {
        if self.old.is_some() { "renamed" } else { "created" }
    }

    /// Completes "I need a permission to".
    fn purpose(&self) -> String {
        match (self.old, self.name) {
            (Some(old), new) => format!("rename the portal {old} to {new}"),
            (None, name) => format!("create the portal {name}"),
        }
    }

    /// That nothing was done, as a recovery knows it, and the command that would.
    fn absent(&self) -> (&'static str, String) {
        let org = &self.context.org;
        match (self.old, self.name) {
            (Some(old), new) => {
                let names = operands([old, new]);
                ("it still has the old name", format!("portal rename{org}{names}"))
            }
            (None, name) => {
                ("the org's list does not show it", format!("portal create {name}{org}"))
            }
        }
    }

    /// `NAME was not created: why`
    fn not_done(&self, kind: ErrorKind, why: impl Display) -> Failure {
        Failure::new(kind, self.message(&why))
    }

    fn message(&self, why: &dyn Display) -> String {
        format!("{} was not {}: {why}", self.now(), self.done())
    }

    /// What to do where the org has another portal.
    pub(super) fn instead_of(&self, portal: &Portal) -> String {
        let (old, new, org) = (cell(&portal.name), self.name, &self.context.org);
        let renamed = operands([&portal.name, new]);
        format!(
            "use {old}, run `portal rename{org}{renamed}`, or pass `--allow-another` if the org may \
             have several"
        )
    }

    pub(super) fn rejected(&self, error: &ApiError) -> Failure {
        rejected(error, &self.purpose(), |why| self.message(why))
    }

    pub(super) fn stopped_by(&self, reason: &NotDone) -> Failure {
        let why = with_sources(reason);
        let not_done = |kind| self.not_done(kind, &why);
        match reason {
            NotDone::Unreachable(
                Unreached::NotSent(error) | Unreached::Token(TokenError::NotSent(error)),
            ) => unreachable(self.message(&why), Some(error)),
            NotDone::Unreachable(_) => unreachable(self.message(&why), None),
            NotDone::RateLimited { retry_after, .. } => {
                let again = match retry_after.map(|time| time.as_secs()) {
                    None => "in a few minutes".to_owned(),
                    Some(86_401..) => "in a day or later".to_owned(),
                    Some(seconds) => format!("in {} s", seconds.max(1)),
                };
                not_done(ErrorKind::RateLimited).hint(format!("run the same command again {again}"))
            }
            NotDone::Auth(AuthFailure::Rejected(error)) => {
                refused_by_accounts(self.message(&why), error)
            }
            NotDone::Auth(AuthFailure::TokenRejected(ResponseError::Api(error))) => {
                not_done(ErrorKind::Auth).of_service(error).hint(TOKEN_REJECTED)
            }
            NotDone::Auth(_) => not_done(ErrorKind::Auth),
            NotDone::Absent | NotDone::NotAttempted if self.context.recovered => {
                let (absent, command) = self.absent();
                let why = if *reason == NotDone::Absent { absent } else { &why };
                self.not_done(ErrorKind::Absent, why)
                    .hint(format!("run `{command}` if it is still wanted"))
            }
            NotDone::Absent | NotDone::NotAttempted => not_done(ErrorKind::Absent).hint("run the same command again"),
            NotDone::Exhausted { .. } | NotDone::Deadline { .. } => not_done(ErrorKind::Exhausted)
                .hint("run the same command again; `--deadline` gives it more time"),
            NotDone::NotRecorded(_) => not_done(ErrorKind::NotRecorded).hint(
                "free space for the ledger or make it writable, then run the same command again; if a \
                 database was too slow, pass a batch fewer `--jobs`",
            ),
            NotDone::Conflict { conflict, name } => {
                let (how, way_out) = contradiction(*conflict, name);
                self.not_done(ErrorKind::Conflict, how).hint(way_out)
            }
            NotDone::OtherOrg { .. } => {
                not_done(ErrorKind::AnotherOrg).exit(ExitClass::Invalid).hint(CORRECT_ORG)
            }
            NotDone::Stopped => not_done(ErrorKind::Stopped),
            // Whatever the reason, nothing was done.
            _ => not_done(ErrorKind::Failed).exit(ExitClass::Unavailable),
        }
    }

    pub(super) fn in_doubt(&self, doubt: &Doubt, why: &Unverified) -> Failure {
        let (name, org) = (self.name, &self.context.org);
        let reason = match why {
            // Nobody has tried yet.
            Unverified::Stopped if self.context.is_preview => {
                "its outcome is determined first".to_owned()
            }
            why => in_words(why, name),
        };
        let (now, done) = (self.now(), self.done());
        if let Doubt::Done(entry) = doubt {
            let message = format!(
                "{now} was {done} earlier (entry {entry}); it is not known whether that is still \
                 so: {reason}"
            );
            let hint = format!("run `portal list{org}` to see what the org has now");
            return Failure::new(ErrorKind::InDoubt, message).hint(hint);
        }
        let doubt = match (doubt, why) {
            // Who can't read it doesn't know.
            (Doubt::Earlier, Unverified::Ledger(_)) => {
                "an earlier attempt may be in doubt".to_owned()
            }
            (doubt, _) => with_sources(doubt),
        };
        let message = format!("it is not known whether {now} was {done}: {doubt}; {reason}");
        let kind = match why {
            Unverified::Elsewhere => ErrorKind::InProgress,
            Unverified::Ledger(_) => ErrorKind::UnreadableLedger,
            _ => ErrorKind::InDoubt,
        };
        Failure::new(kind, message).hint(match why {
            Unverified::Elsewhere => {
                format!("wait for the other process, then run `portal recover {name}{org}`")
            }
            Unverified::Conflict(conflict) => contradiction(*conflict, name).1,
            Unverified::Ledger(_) => {
                "make the ledger, or its database, readable and writable, and run the same command \
                 again"
                    .to_owned()
            }
            Unverified::ListRejected(error) if error.is_scope_mismatch() => format!(
                "run `portal recover {name}{org}` with a token that has the scope {READ}, or \
                 check the org's portals in Zoho CRM"
            ),
            Unverified::MayBeRenamed(other) => format!(
                "check in Zoho CRM: if {} is the portal, run `portal rename{org}{}`; if not, use \
                 another name",
                cell(other),
                operands([other, name])
            ),
            // No later list tells more.
            Unverified::RenamedElsewhere(other) => format!(
                "run `portal rename{org}{}` if that name is still wanted",
                operands([other, name])
            ),
            _ => format!("run `portal recover {name}{org}` to determine the outcome"),
        })
    }

    /// How to find out which org has the name.
    pub(super) fn unknown_owner_hint(&self, why: &Unverified) -> String {
        let (name, org) = (self.now(), &self.context.org);
        match why {
            Unverified::ListRejected(error) if error.is_scope_mismatch() => {
                format!("use a token with the scope {READ} to learn whose it is")
            }
            Unverified::Changed => {
                format!("run `portal list{org}` later to see whether this org has {name}")
            }
            _ => format!("run `portal list{org}` to see whether this org has {name}"),
        }
    }
}

/// How the ledger contradicts what is wanted, and what to do about it.
fn contradiction(conflict: Conflict, name: &str) -> (String, String) {
    match conflict {
        Conflict::NameDropped => (
            format!("an earlier run of it got to {name}, which is not among the names now"),
            format!("pass `--fallback {name}` again, or run `portal recover {name}`"),
        ),
        Conflict::LabelMoved => (
            format!(
                "{name} was begun in another org than the profile leads to now, or in one whose id is \
                 not known"
            ),
            "log in to that org again, or log in to this one with another `--profile`".to_owned(),
        ),
        other => (
            format!("{other}: {name}"),
            format!("run `portal history {name}` to see what the ledger has"),
        ),
    }
}

/// Why something could not be verified; a missing scope in words, without the response.
fn in_words(why: &Unverified, name: &str) -> String {
    match why {
        Unverified::ListRejected(error) if error.is_scope_mismatch() => {
            "the token is not allowed to list the org's portals".to_owned()
        }
        Unverified::Conflict(conflict) => contradiction(*conflict, name).0,
        why => with_sources(why),
    }
}

/// A rejection by the service. `purpose` completes "I need a permission to", and `message` is the
/// error with its reason.
pub(super) fn rejected(
    error: &ApiError,
    purpose: &str,
    message: impl Fn(&dyn Display) -> String,
) -> Failure {
    let exit = match error.code {
        _ if error.is_forbidden() || error.needs_new_token() => ExitClass::Forbidden,
        _ if error.is_rate_limited() => ExitClass::Unavailable,
        _ => ExitClass::Rejected,
    };
    let (message, hint) = if error.code == ErrorCode::NoPermission {
        let (missing, note) = permission::missing(error, purpose);
        (message(&missing), note)
    } else if error.needs_new_token() {
        (message(error), TOKEN_REJECTED.to_owned())
    } else if error.is_scope_mismatch() {
        (message(error), EVERY_SCOPE.to_owned())
    } else {
        (message(error), explain(&error.code).remedy.to_owned())
    };
    Failure::new(ErrorKind::Rejected, message).of_service(error).exit(exit).hint(hint)
}

/// A refusal by the accounts server.
pub(super) fn refused_by_accounts(message: String, error: &OAuthError) -> Failure {
    let kind = if error.is_rate_limited() { ErrorKind::RateLimited } else { ErrorKind::Auth };
    let mut failure = Failure::new(kind, message).hint(match error.error.as_str() {
        OAuthError::INVALID_CODE => {
            "create a new code in Zoho's API console, then run `portal login`"
        }
        other => explain_oauth(other).remedy,
    });
    failure.report.code = Some(error.error.clone());
    failure
}

/// A server that was not reached, and what to do about it if `why` there was no connection is known.
fn unreachable(message: String, why: Option<&NotSent>) -> Failure {
    Failure::new(ErrorKind::Unreachable, message).hint(match why {
        Some(NotSent::Untrusted(_)) => {
            "pass `--ca-file FILE` with the certificate of its CA, or set PORTAL_CA_FILE; `portal \
             login` keeps it in the profile"
        }
        Some(NotSent::NoListener(_)) => "run `portal serve` in another terminal, or check the port",
        _ => "check the network and that host, then run the same command again",
    })
}

/// What a report depends on beside the outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportContext {
    pub(crate) profile: Option<String>,
    /// The arguments that lead to the org, each after a space, for commands in hints.
    pub(crate) org: String,
    /// An existing portal is a success.
    pub(crate) ensure: bool,
    /// The command only determines an earlier outcome.
    pub(crate) recovered: bool,
    /// It is what would come of it.
    pub(crate) is_preview: bool,
    /// When the earlier create was begun that made the portal.
    pub(crate) begun: Option<SystemTime>,
    /// How long after an attempt absence counts.
    pub(crate) verified_after: Option<Duration>,
}

impl ReportContext {
    /// Of a call at `place`, to which the arguments `org` lead.
    pub(crate) fn new(place: &Place, org: String, policy: &Policy) -> Self {
        Self {
            profile: place.profile().map(str::to_owned),
            org,
            verified_after: Some(policy.processing_time.saturating_add(policy.list_lag)),
            ..Self::default()
        }
    }

    /// The time that an outcome without effect rests on, if a list has proved it.
    pub(crate) fn verified_after(&self, why: &NotDone) -> Option<u64> {
        let is_proved = matches!(why, NotDone::Absent | NotDone::Exhausted { .. });
        self.verified_after.filter(|_| is_proved).map(|time| time.as_secs())
    }
}

/// The failure of a call that changes nothing, or that can be repeated. `purpose` completes
/// "could not …".
pub(crate) fn failure(error: &ClientError, purpose: &str) -> Failure {
    let message = |why: &dyn Display| format!("could not {purpose}: {why}");
    match error {
        ClientError::Token(TokenError::Rejected(refusal)) => {
            refused_by_accounts(message(&with_sources(error)), refusal)
        }
        ClientError::Token(TokenError::Local(_) | TokenError::NotRenewable) => {
            Failure::forbidden(message(&with_sources(error)))
        }
        ClientError::Token(TokenError::NotSent(why)) | ClientError::NotSent(why) => {
            unreachable(message(why), Some(why))
        }
        ClientError::Api(error) if error.http_status < 500 => rejected(error, purpose, message),
        ClientError::Unreadable(response) if response.http_status == 401 => {
            Failure::forbidden(message(response)).hint(TOKEN_REJECTED)
        }
        _ => unreachable(message(&with_sources(error)), None),
    }
}

/// Why a create without a name does not show whether a token can create.
pub(crate) fn undetermined(error: &ClientError) -> Failure {
    match error {
        ClientError::Api(error) => {
            let why = format!("the response does not show it, after {TRIES} tries: {error}");
            Failure::new(ErrorKind::Failed, why).hint("run the same again in a while")
        }
        error => failure(error, "find out whether the token can create"),
    }
}

/// The failure of a command whose org cannot be determined.
pub(crate) fn unidentified(error: &IdentifyError) -> Failure {
    match error {
        IdentifyError::Client(error) => failure(error, "determine which org this is"),
        error => Failure::new(ErrorKind::AnotherOrg, error.to_string())
            .exit(ExitClass::Invalid)
            .hint(CORRECT_ORG),
    }
}

/// The failure of a look at what would come of a create or a rename.
pub(crate) fn preview(error: &ReadError) -> Failure {
    match error {
        ReadError::Identify(error) => unidentified(error),
        error => Failure::new(ErrorKind::UnreadableLedger, with_sources(error)),
    }
}
