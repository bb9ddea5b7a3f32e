//! What a create is doing, in words.

use std::time::Duration;

use portal_model::flow::Activity;

/// Nothing where it is over.
pub(crate) fn text(activity: &Activity, settle: Duration) -> Option<String> {
    Some(match activity {
        Activity::Authenticating => "waiting for an access token".to_owned(),
        Activity::LookingFirst => "looking which portals the org has".to_owned(),
        Activity::Sending { attempt: 1 } => "sent; waiting for the answer".to_owned(),
        Activity::Sending { attempt } => {
            format!("sent again (attempt {attempt}); waiting for the answer")
        }
        Activity::LookingUp => "looking whether the portal is there".to_owned(),
        Activity::Settling { cause } => format!(
            "{cause}; looking whether the portal is there, settling {}",
            humantime::format_duration(settle)
        ),
        Activity::BackingOff { cause } => format!("{cause}; trying again"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_says_what_happens_now_and_for_how_long() {
        let activity = Activity::Settling { cause: "the answer was lost: none".to_owned() };
        assert_eq!(
            text(&activity, Duration::from_secs(10)).unwrap(),
            "the answer was lost: none; looking whether the portal is there, settling 10s"
        );
        assert_eq!(text(&Activity::Done, Duration::ZERO), None);
    }
}
