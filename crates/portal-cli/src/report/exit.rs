//! Exit statuses: [`ExitClass`].

/// The exit status of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum ExitClass {
    /// What was asked for is so.
    #[default]
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
    /// All of them, and what each means, for the manual.
    pub(crate) const ALL: [(Self, &str); 9] = [
        (Self::Success, "what was asked for is so"),
        (Self::Rejected, "the service rejected the request, or the command failed"),
        (Self::Invalid, "invalid usage, name or file; nothing was sent"),
        (Self::Forbidden, "a permission, a scope or a valid token is missing"),
        (Self::Exists, "the portal, another one of the org, or the name exists"),
        (Self::Unknown, "in doubt, or under way in another process"),
        (Self::Unavailable, "nothing was done; running the same command again is safe"),
        (Self::Io, "the result could not be written to stdout"),
        (Self::Stopped, "interrupted with nothing in doubt, or declined"),
    ];
}

/// The status of a child process; one that is not known counts as rejected.
impl From<u8> for ExitClass {
    fn from(number: u8) -> Self {
        let mut all = Self::ALL.into_iter().map(|(exit, _)| exit);
        all.find(|exit| *exit as u8 == number).unwrap_or(Self::Rejected)
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
    use super::*;

    #[test]
    fn results_that_agree_keep_their_status_and_others_give_1() {
        assert_eq!(combined([]), ExitClass::Success);
        assert_eq!(combined([ExitClass::Exists, ExitClass::Exists]), ExitClass::Exists);
        assert_eq!(combined([ExitClass::Success, ExitClass::Unknown]), ExitClass::Rejected);
    }

    #[test]
    fn status_reads_back_from_its_number() {
        for (exit, _) in ExitClass::ALL {
            assert_eq!(ExitClass::from(exit as u8), exit);
        }
        assert_eq!(ExitClass::from(99), ExitClass::Rejected);
    }
}
