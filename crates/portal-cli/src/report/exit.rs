//! Exit statuses: [`ExitClass`], and which one an outcome has.

use portal_model::outcome::{NotDone, Origin};
use portal_model::{ApiError, Outcome, RenameOutcome};
use serde::{Deserialize, Serialize};

/// The exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
#[repr(u8)]
pub(crate) enum ExitClass {
    /// What was asked for is so.
    Success = 0,
    /// The service rejected the request, or the command failed.
    Rejected = 1,
    /// Invalid usage or an invalid name; nothing was sent.
    Invalid = 2,
    /// A permission, a scope or a valid token is missing.
    Forbidden = 3,
    /// The portal, another one of the org, or the name exists.
    Exists = 4,
    /// In doubt.
    Unknown = 5,
    /// Nothing was done; trying again is safe.
    Unavailable = 6,
    /// Stdout did not take the result: `EX_IOERR`.
    Io = 74,
    /// Interrupted with nothing in doubt, or declined: as after SIGINT.
    Stopped = 130,
}

impl ExitClass {
    /// What it means, for the manual.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "what was asked for is so",
            Self::Rejected => "the service rejected the request, or the command failed",
            Self::Invalid => "invalid usage, name or file; nothing was sent",
            Self::Forbidden => "a permission, a scope or a valid token is missing",
            Self::Exists => "the portal, another one of the org, or the name exists",
            Self::Unknown => "in doubt, or in progress in another process",
            Self::Unavailable => "nothing was done; running the same command again is safe",
            Self::Io => "the result could not be written to stdout",
            Self::Stopped => "interrupted with nothing in doubt, or declined",
        }
    }

    pub(crate) const ALL: [Self; 9] = [
        Self::Success,
        Self::Rejected,
        Self::Invalid,
        Self::Forbidden,
        Self::Exists,
        Self::Unknown,
        Self::Unavailable,
        Self::Io,
        Self::Stopped,
    ];
}

impl From<ExitClass> for u8 {
    fn from(exit: ExitClass) -> Self {
        exit as Self
    }
}

/// Reads a status that was written down; one that is not known counts as rejected.
impl From<u8> for ExitClass {
    fn from(number: u8) -> Self {
        Self::ALL.into_iter().find(|exit| *exit as u8 == number).unwrap_or(Self::Rejected)
    }
}

/// The status of a create; with `ensure` an existing portal is a success.
pub(crate) fn of_create(outcome: &Outcome, ensure: bool) -> ExitClass {
    match outcome {
        Outcome::Created { .. } | Outcome::Present { origin: Origin::Appeared, .. } => {
            ExitClass::Success
        }
        Outcome::Present { origin: Origin::Preexisting | Origin::Undetermined, .. } if ensure => {
            ExitClass::Success
        }
        Outcome::Present { .. } | Outcome::OrgHasPortal { .. } | Outcome::NameTaken { .. } => {
            ExitClass::Exists
        }
        Outcome::Rejected { error, .. } => of_rejection(error),
        Outcome::NotCreated { reason, .. } => of_reason(reason),
        // A variant that this version does not know proves nothing either.
        Outcome::Unknown { .. } | _ => ExitClass::Unknown,
    }
}

/// The status of a rename.
pub(crate) fn of_rename(outcome: &RenameOutcome) -> ExitClass {
    match outcome {
        RenameOutcome::Renamed { .. } | RenameOutcome::Unchanged { .. } => ExitClass::Success,
        RenameOutcome::NotFound { .. } => ExitClass::Rejected,
        RenameOutcome::NameTaken { .. } => ExitClass::Exists,
        RenameOutcome::Rejected { error, .. } => of_rejection(error),
        RenameOutcome::NotRenamed { reason, .. } => of_reason(reason),
        RenameOutcome::Unknown { .. } | _ => ExitClass::Unknown,
    }
}

fn of_rejection(error: &ApiError) -> ExitClass {
    if error.is_forbidden() { ExitClass::Forbidden } else { ExitClass::Rejected }
}

fn of_reason(reason: &NotDone) -> ExitClass {
    match reason {
        NotDone::Auth(_) => ExitClass::Forbidden,
        NotDone::Stopped => ExitClass::Stopped,
        // Whatever else kept it from being done: nothing was.
        _ => ExitClass::Unavailable,
    }
}

/// The common status of several results, or 1 if they differ; success if there are none.
pub(crate) fn combined(exits: impl IntoIterator<Item = ExitClass>) -> ExitClass {
    let mut exits = exits.into_iter();
    let Some(first) = exits.next() else { return ExitClass::Success };
    if exits.all(|exit| exit == first) { first } else { ExitClass::Rejected }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portal_model::flow::{CreateIntent, RenameIntent};
    use portal_model::oauth::OAuthError;
    use portal_model::outcome::{AuthFailure, Doubt, Owner, Unverified};
    use portal_model::server::rejections;
    use portal_model::{Portal, PortalName};

    use super::*;

    fn name() -> PortalName {
        PortalName::parse("AcmePortal").unwrap()
    }

    fn reasons() -> Vec<(NotDone, u8)> {
        let token = AuthFailure::TokenRejected(rejections::invalid_token());
        vec![
            (NotDone::Deadline, 6),
            (NotDone::Exhausted, 6),
            (NotDone::Absent, 6),
            (NotDone::Unreachable("refused".to_owned()), 6),
            (NotDone::RateLimited { retry_after: Some(Duration::from_secs(9)) }, 6),
            (NotDone::NotRecorded("disk full".to_owned()), 6),
            (NotDone::Auth(token), 3),
            (NotDone::Auth(AuthFailure::Rejected(OAuthError::new("invalid_code"))), 3),
            (NotDone::Auth(AuthFailure::Unavailable("cache".to_owned())), 3),
            (NotDone::Stopped, 130),
        ]
    }

    fn rejections() -> Vec<(ApiError, u8)> {
        vec![
            (rejections::no_permission(["Manage"]), 3),
            (rejections::scope_mismatch(), 3),
            (rejections::limit_reached(1), 1),
            (rejections::not_in_sandbox(), 1),
            (ApiError::new(400, "SOMETHING_NEW".into(), "?"), 1),
        ]
    }

    #[test]
    fn create_has_status_of_table() {
        let present = |origin| Outcome::Present {
            portal: Portal::new("AcmePortal"),
            origin,
            taken: Vec::new(),
        };
        let taken = |owner| Outcome::NameTaken { name: name(), owner };
        let other = Outcome::OrgHasPortal { name: name(), portal: Portal::new("AcmeOld") };
        let unknown = |why| Outcome::Unknown {
            intent: CreateIntent::new(name()),
            doubt: Doubt::InProgress,
            why,
        };
        // Without and with `ensure`.
        let mut table = vec![
            (Outcome::Created { name: name(), taken: Vec::new() }, 0, 0),
            (present(Origin::Appeared), 0, 0),
            (present(Origin::Preexisting), 4, 0),
            (present(Origin::Undetermined), 4, 0),
            (other, 4, 4),
            (taken(Owner::AnotherOrg), 4, 4),
            (taken(Owner::Undetermined(Unverified::AtOnce)), 4, 4),
            (unknown(Unverified::Deadline), 5, 5),
            (unknown(Unverified::Stopped), 5, 5),
        ];
        let rejected = |(error, exit)| (Outcome::Rejected { name: name(), error }, exit, exit);
        table.extend(rejections().into_iter().map(rejected));
        let not_done = |(reason, exit)| (Outcome::NotCreated { name: name(), reason }, exit, exit);
        table.extend(reasons().into_iter().map(not_done));
        for (outcome, plain, ensured) in table {
            let exits = [false, true].map(|ensure| of_create(&outcome, ensure) as u8);
            assert_eq!(exits, [plain, ensured], "{outcome:?}");
        }
    }

    #[test]
    fn rename_has_status_of_table() {
        let unknown = RenameOutcome::Unknown {
            intent: RenameIntent::new("AcmeOld", name()),
            doubt: Doubt::InProgress,
            why: Unverified::Deadline,
        };
        let mut table = vec![
            (RenameOutcome::Renamed { old: "AcmeOld".to_owned(), new: name() }, 0),
            (RenameOutcome::Unchanged { portal: Portal::new("AcmePortal") }, 0),
            (RenameOutcome::NotFound { old: "AcmeOld".to_owned() }, 1),
            (RenameOutcome::NameTaken { new: name(), owner: Owner::ThisOrg }, 4),
            (unknown, 5),
        ];
        let rejected = |(error, exit)| (RenameOutcome::Rejected { new: name(), error }, exit);
        table.extend(rejections().into_iter().map(rejected));
        let not_done = |(reason, exit)| (RenameOutcome::NotRenamed { new: name(), reason }, exit);
        table.extend(reasons().into_iter().map(not_done));
        for (outcome, exit) in table {
            assert_eq!(of_rename(&outcome) as u8, exit, "{outcome:?}");
        }
    }

    #[test]
    fn results_that_agree_keep_their_status_and_others_give_1() {
        assert_eq!(combined([]), ExitClass::Success);
        assert_eq!(combined([ExitClass::Exists, ExitClass::Exists]), ExitClass::Exists);
        assert_eq!(combined([ExitClass::Success, ExitClass::Unknown]), ExitClass::Rejected);
    }

    #[test]
    fn status_reads_back_from_its_number() {
        for exit in ExitClass::ALL {
            assert_eq!(ExitClass::from(u8::from(exit)), exit);
        }
        assert_eq!(ExitClass::from(99), ExitClass::Rejected);
    }
}
