//! What a create is waiting for, on stderr.

use std::time::Duration;

use portal_model::flow::{Activity, Policy};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval_at};

use crate::printer::Printer;

/// Says at most once a second what a create is doing, from its second second on.
pub(super) struct Progress<'a> {
    activity: watch::Receiver<Activity>,
    settle: Duration,
    printer: &'a Printer,
    seconds: Interval,
    said: Option<String>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        activity: watch::Receiver<Activity>,
        policy: &Policy,
        printer: &'a Printer,
    ) -> Self {
        let second = Duration::from_secs(1);
        let seconds = interval_at(Instant::now() + second, second);
        Self { activity, settle: policy.settle, printer, seconds, said: None }
    }

    /// Waits for a second, then says what is new.
    pub(super) async fn tick(&mut self) {
        self.seconds.tick().await;
        let text = text(&self.activity.borrow(), self.settle);
        if text.is_some() && text != self.said {
            if let Some(text) = &text {
                self.printer.waiting(text);
            }
            self.said = text;
        }
    }
}

fn text(activity: &Activity, settle: Duration) -> Option<String> {
    Some(match activity {
        Activity::Authenticating => "waiting for an access token".to_owned(),
        Activity::LookingFirst => "looking which portals the org has".to_owned(),
        Activity::Sending { attempt: 1 } => "sent; waiting for the answer".to_owned(),
        Activity::Sending { attempt } => {
            format!("sent for the {attempt}. time; waiting for the answer")
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
