//! What a create or rename is doing, in words.

use portal_model::flow::Activity;

/// `None` once it has ended.
pub(crate) fn text(activity: &Activity) -> Option<String> {
    Some(match activity {
        Activity::Authenticating => "getting an access token".to_owned(),
        Activity::ListingFirst => "listing the org's portals".to_owned(),
        Activity::Recording => "recording the intent".to_owned(),
        Activity::Sending { attempt: 1 } => "sent; waiting for the response".to_owned(),
        Activity::Sending { attempt } => {
            format!("sent again (attempt {attempt}); waiting for the response")
        }
        Activity::Verifying => "listing the org's portals to determine the outcome".to_owned(),
        Activity::WaitingToVerify { doubt, .. } => format!("{doubt}; verifying"),
        Activity::BackingOff { cause, .. } if cause.is_empty() => "trying again".to_owned(),
        Activity::BackingOff { cause, .. } => format!("{cause}; trying again"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portal_model::flow::NoResponse;
    use portal_model::outcome::Doubt;

    use super::*;

    #[test]
    fn lost_response_says_what_happens_now() {
        let doubt = Doubt::NoResponse(NoResponse::TimedOut);
        let activity = Activity::WaitingToVerify { doubt, until: Duration::from_secs(70) };
        assert_eq!(
            text(&activity).unwrap(),
            "response lost: no response within the timeout; verifying"
        );
        assert_eq!(text(&Activity::Done), None);
    }
}
