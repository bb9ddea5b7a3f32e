//! What the checks of a profile come to: [`Verdict`].

use std::collections::BTreeMap;

use super::checks::{Check, Status};
use crate::report::exit::ExitClass;

/// Whether portals can be created with a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Ready,
    NoToken,
    NotPermitted,
    Failed,
    Undetermined,
}

impl Verdict {
    pub(super) fn of(checks: &[Check]) -> Self {
        let failed = |about| {
            checks.iter().any(|check| check.about == about && check.status == Status::Failed)
        };
        let exit = |wanted| checks.iter().any(|check| check.exit == wanted);
        if failed("token") {
            Self::NoToken
        } else if exit(ExitClass::Forbidden) {
            Self::NotPermitted
        } else if checks.iter().any(|check| check.status == Status::Failed) {
            Self::Failed
        } else if checks.iter().any(|check| check.exit != ExitClass::Success) {
            Self::Undetermined
        } else {
            Self::Ready
        }
    }

    /// Completes `acme: `.
    pub(super) const fn of_one(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NoToken => "no valid token",
            Self::NotPermitted => "not permitted to create",
            Self::Failed => "cannot create",
            Self::Undetermined => "undetermined",
        }
    }

    /// Completes a number.
    const fn of_many(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NoToken => "without a valid token",
            Self::NotPermitted => "not permitted",
            Self::Failed => "that cannot create",
            Self::Undetermined => "undetermined",
        }
    }
}

/// `201 profiles: 193 ready · 2 without a valid token · 4 not permitted · 2 undetermined`
pub(super) fn summary(verdicts: &[Verdict]) -> String {
    let mut counts = BTreeMap::<Verdict, usize>::new();
    for verdict in verdicts {
        *counts.entry(*verdict).or_default() += 1;
    }
    let counts = counts.iter().map(|(verdict, count)| format!("{count} {}", verdict.of_many()));
    let counts = counts.collect::<Vec<_>>().join(" · ");
    format!("{} profiles: {counts}", verdicts.len())
}
