//! Exit statuses: one for many results, and back from a number.

use portal_model::outcome::ExitClass;

/// Theirs where it is the same for all, else 1; success where there is none.
pub(crate) fn combined(exits: impl IntoIterator<Item = ExitClass>) -> ExitClass {
    let mut exits = exits.into_iter();
    let Some(first) = exits.next() else { return ExitClass::Success };
    if exits.all(|exit| exit == first) { first } else { ExitClass::Rejected }
}

/// The class of a status that was written down; one that is not known is a refusal.
pub(crate) fn from_number(number: u8) -> ExitClass {
    const ALL: [ExitClass; 8] = [
        ExitClass::Success,
        ExitClass::Rejected,
        ExitClass::Invalid,
        ExitClass::Forbidden,
        ExitClass::Exists,
        ExitClass::Unknown,
        ExitClass::Unavailable,
        ExitClass::Stopped,
    ];
    ALL.into_iter().find(|exit| *exit as u8 == number).unwrap_or(ExitClass::Rejected)
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
}
