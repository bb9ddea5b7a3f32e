//! What a create or rename is doing, in words.

use std::time::{Duration, SystemTime};

use portal_model::error::with_sources;
use portal_model::flow::Activity;

/// `None` once it has ended.
pub(crate) fn text(activity: &Activity) -> Option<String> {
    Some(match activity {
        Activity::Authenticating => "connecting".to_owned(),
        Activity::ListingFirst => "listing the org's portals".to_owned(),
        Activity::Recording => "recording the attempt".to_owned(),
        Activity::WaitingForOthers => {
            "waiting for earlier creates and renames to end and be listed".to_owned()
        }
        Activity::Sending { attempt: 1 } => "sent; waiting for the response".to_owned(),
        Activity::Sending { attempt } => {
            format!("sent again (attempt {attempt}); waiting for the response")
        }
        Activity::Verifying => "listing the org's portals to determine the outcome".to_owned(),
        Activity::WaitingToVerify { doubt, .. } => format!("{}; verifying", with_sources(doubt)),
        Activity::BackingOff { cause, .. } if cause.is_empty() => "trying again".to_owned(),
        Activity::BackingOff { cause, .. } => format!("{cause}; trying again"),
        _ => return None,
    })
}

/// What comes next, and when, if that is known; the flow began `elapsed` ago.
pub(crate) fn next(activity: &Activity, elapsed: Duration) -> Option<String> {
    let left = |until: &Duration| {
        // The next second is nearer to the truth than "in 0s".
        whole_seconds(until.saturating_sub(elapsed).max(Duration::from_secs(1)))
    };
    match activity {
        Activity::WaitingToVerify { until, .. } => {
            Some(format!("certain in {} at the latest", left(until)))
        }
        Activity::BackingOff { until, .. } => Some(format!("next try in {}", left(until))),
        _ => None,
    }
}

/// `1m 5s`
pub(crate) fn whole_seconds(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

/// `3m ago`; the time itself if it is in the future of this clock.
pub(crate) fn ago(time: SystemTime, now: SystemTime) -> String {
    let Ok(since) = now.duration_since(time) else {
        return humantime::format_rfc3339_seconds(time).to_string();
    };
    match since.as_secs() {
        seconds @ 0..60 => format!("{seconds}s ago"),
        seconds @ 60..3600 => format!("{}m ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h ago", seconds / 3600),
        seconds => format!("{}d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
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
        let next = |seconds| next(&activity, Duration::from_secs(seconds));
        assert_eq!(next(5).unwrap(), "certain in 1m 5s at the latest");
        assert_eq!(next(71).unwrap(), "certain in 1s at the latest");
        assert_eq!(text(&Activity::Done), None);
    }
}
