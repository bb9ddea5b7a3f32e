//! The lines of a file of the intent log, and the state that they add up to: [`History`].

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use portal_model::flow::Intent;
use portal_model::outcome::{Origin, OutcomeKind};
use portal_model::{Outcome, RenameOutcome};
use serde::{Deserialize, Serialize};

use super::file_name::FileName;
use super::moment::Moment;
use crate::org::identity::Identity;
use crate::org::place::Place;
use crate::sys::checked_line::decode;

/// A line of a file, in JSON with a checksum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// Written before each attempt.
    Intent(Box<Attempt>),
    /// When a recovery first held the lock: the process that wrote the lines before was dead.
    LockHeldSince(Moment),
    /// The flow ended; its last attempt ended no later.
    Ended(End),
    /// The outcome was printed or journaled.
    Delivered(Moment),
    /// A list shows what had been reported as not done.
    Appeared(Moment),
    /// The user gave up determining the outcome.
    Discarded(Moment),
}

/// What is known before an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempt {
    #[serde(flatten)]
    pub(super) whose: Whose,
    pub(super) intent: Intent,
    pub(super) at: Moment,
}

/// Where an intent belongs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whose {
    /// Version 0.1 noted none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<Identity>,
    pub(crate) place: Place,
    /// The row of a batch that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch_row: Option<BatchRow>,
}

/// A row of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchRow {
    pub(crate) journal: PathBuf,
    pub(crate) row: usize,
}

/// How a flow ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) at: Moment,
    #[serde(flatten)]
    pub(crate) ending: Ending,
    /// Set if an attempt was in doubt before, so that its effect may still appear.
    #[serde(default)]
    pub(crate) after_doubt: bool,
}

/// An outcome, as far as a later process needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Ending {
    Unknown,
    Created {
        name: String,
    },
    Present {
        name: String,
        origin: Origin,
    },
    Renamed,
    /// The rest of a create's outcomes.
    NotCreated {
        kind: OutcomeKind,
    },
    /// The rest of a rename's outcomes.
    NotRenamed,
    Discarded,
}

impl Ending {
    /// Whether the outcome is certain.
    pub(crate) fn is_certain(&self) -> bool {
        *self != Self::Unknown
    }

    /// Whether it leaves a portal of the requested name.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Created { .. } | Self::Present { .. } | Self::Renamed)
    }

    /// Whether only a list can have told it, since the service did not.
    pub(super) fn follows_doubt(&self) -> bool {
        let by_list = |kind| matches!(kind, OutcomeKind::NotCreated | OutcomeKind::OrgHasPortal);
        match self {
            Self::NotCreated { kind } => by_list(*kind),
            Self::NotRenamed => true,
            _ => false,
        }
    }
}

impl From<&Outcome> for Ending {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Unknown { .. } => Self::Unknown,
            Outcome::Created { name, .. } => Self::Created { name: name.to_string() },
            Outcome::Present { portal, origin, .. } => {
                Self::Present { name: portal.name.clone(), origin: *origin }
            }
            other => Self::NotCreated { kind: other.kind() },
        }
    }
}

impl From<&RenameOutcome> for Ending {
    fn from(outcome: &RenameOutcome) -> Self {
        match outcome {
            RenameOutcome::Unknown { .. } => Self::Unknown,
            RenameOutcome::Renamed { .. } | RenameOutcome::Unchanged { .. } => Self::Renamed,
            _ => Self::NotRenamed,
        }
    }
}

/// What the whole lines of a file say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    pub(crate) whose: Whose,
    /// The last one counts.
    pub(crate) intent: Intent,
    /// When the first attempt began.
    pub(crate) begun: Moment,
    /// After the last attempt.
    pub(super) lock_held_since: Option<Moment>,
    pub(crate) end: Option<End>,
    pub(crate) is_delivered: bool,
}

impl History {
    /// Reads the whole lines of the file `name`: the last one may be torn.
    ///
    /// # Errors
    /// A whole line that cannot be understood, has no checksum or does not match it, or is of
    /// another portal or org than the name says; no whole line. The first line is there before the
    /// file gets its name: without it the file is damaged, and an attempt may be in doubt (rule 11).
    pub(super) fn parse(bytes: &[u8], name: &FileName) -> anyhow::Result<Self> {
        let mut history: Option<Self> = None;
        for (index, line) in whole_lines(bytes).enumerate() {
            let place = || format!("line {}", index + 1);
            let (line, has_checksum) = decode(line).with_context(place)?;
            ensure!(has_checksum, "line {}: it has no checksum", index + 1);
            if let Line::Intent(attempt) = &line {
                // Later attempts may be at a fallback; the file is named after the first.
                let first = history
                    .as_ref()
                    .map_or(attempt.intent.name().as_str(), |_| name.portal.as_str());
                name.check(first, attempt.whose.identity.as_ref()).with_context(place)?;
            }
            history = Some(Self::after(history, line)?);
        }
        history.context("its first line is missing or torn")
    }

    fn after(before: Option<Self>, line: Line) -> anyhow::Result<Self> {
        let mut history = match (before, line) {
            (before, Line::Intent(attempt)) => {
                let Attempt { whose, intent, at } = *attempt;
                let begun = before.map_or(at, |before| before.begun);
                return Ok(Self {
                    whose,
                    intent,
                    begun,
                    // An attempt may follow whose end is not known yet.
                    lock_held_since: None,
                    end: None,
                    is_delivered: false,
                });
            }
            (None, _) => bail!("the first line is not an intent"),
            (Some(before), line) => {
                let mut history = before;
                history.add(line);
                history
            }
        };
        history.is_delivered &= history.end.is_some();
        Ok(history)
    }

    fn add(&mut self, line: Line) {
        match line {
            // An earlier moment proves more.
            Line::LockHeldSince(at) => drop(self.lock_held_since.get_or_insert(at)),
            Line::Ended(end) => self.end = Some(end),
            Line::Delivered(_) => self.is_delivered = true,
            Line::Appeared(_) => {
                if let Some(end) = &mut self.end {
                    let (name, origin) = (self.intent.name().to_string(), Origin::Appeared);
                    end.ending = Ending::Present { name, origin };
                }
            }
            Line::Discarded(at) => {
                // The attempt ended no later than was known before.
                let at = self.last_attempt_ended().cloned().unwrap_or(at);
                self.end = Some(End { at, ending: Ending::Discarded, after_doubt: true });
                self.is_delivered = true;
            }
            Line::Intent(_) => {}
        }
    }

    /// When the last attempt had ended at the latest, if that is known.
    pub(crate) fn last_attempt_ended(&self) -> Option<&Moment> {
        self.end.as_ref().map(|end| &end.at).or(self.lock_held_since.as_ref())
    }
}

/// The lines that end with a line break. Bytes, since a torn line may end within a character.
pub(super) fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

#[cfg(test)]
mod tests {
    use portal_model::PortalName;
    use portal_model::flow::CreateIntent;

    use super::*;
    use crate::sys::checked_line::encode;

    fn lines(lines: &[Line]) -> String {
        lines.iter().map(|line| String::from_utf8(encode(line).unwrap()).unwrap()).collect()
    }

    fn try_parse(text: &str) -> anyhow::Result<History> {
        let identity = crate::org::identity::tests::of_token("1000.a");
        History::parse(text.as_bytes(), &FileName::new("AcmePortal", Some(&identity)))
    }

    fn intent(attempts: u32) -> Line {
        let mut intent = CreateIntent::new(PortalName::parse("AcmePortal").unwrap());
        intent.attempts = attempts;
        let whose = Whose {
            identity: Some(crate::org::identity::tests::of_token("1000.a")),
            place: Place::Local,
            batch_row: None,
        };
        Line::Intent(Box::new(Attempt { whose, intent: intent.into(), at: Moment::now() }))
    }

    fn ended(ending: Ending) -> Line {
        Line::Ended(End { at: Moment::now(), ending, after_doubt: false })
    }

    fn parse(text: &str) -> History {
        try_parse(text).unwrap()
    }

    fn attempts(history: &History) -> u32 {
        let Intent::Create(create) = &history.intent else { panic!("{history:?}") };
        create.attempts
    }

    #[test]
    fn torn_line_is_damage_if_first_and_ignored_if_later_at_every_byte() {
        let first = lines(&[intent(1)]);
        let both = lines(&[intent(1), intent(2)]);
        for length in 0..=both.len() {
            let history = try_parse(&both[..length]).ok();
            let expected = match length {
                _ if length == both.len() => Some(2),
                _ if length >= first.len() => Some(1),
                _ => None,
            };
            assert_eq!(history.as_ref().map(attempts), expected, "{length}");
        }
    }

    #[test]
    fn whole_line_that_is_not_understood_is_an_error() {
        for text in ["nonsense\n".to_owned(), lines(&[ended(Ending::Unknown)])] {
            assert!(try_parse(&text).is_err(), "{text}");
            assert!(try_parse(&(lines(&[intent(1)]) + "x" + &text)).is_err());
        }
    }

    #[test]
    fn line_that_was_changed_or_has_no_checksum_is_an_error() {
        let text = lines(&[intent(1), ended(Ending::Unknown)]);
        for (from, to) in [("AcmePortal", "AcmeOther"), ("unknown", "renamed"), ("\"check", "\"x")]
        {
            assert!(try_parse(&text.replacen(from, to, 1)).is_err(), "{from}");
        }
        let bare = serde_json::to_string(&intent(1)).unwrap() + "\n";
        assert!(try_parse(&bare).is_err());
    }

    #[test]
    fn line_torn_within_character_is_ignored() {
        let mut bytes = lines(&[intent(1)]).into_bytes();
        bytes.extend("\"\u{e4}".as_bytes().iter().take(2));
        let identity = crate::org::identity::tests::of_token("1000.a");
        let name = FileName::new("AcmePortal", Some(&identity));
        assert!(History::parse(&bytes, &name).is_ok());
    }

    #[test]
    fn fallback_keeps_file_of_the_first_name() {
        let Line::Intent(mut fallback) = intent(2) else { panic!("it is an intent") };
        fallback.intent = CreateIntent::new(PortalName::parse("AcmeOther").unwrap()).into();
        let fallback = Line::Intent(fallback);
        let history = parse(&lines(&[intent(1), fallback.clone()]));
        assert_eq!(history.intent.name().as_str(), "AcmeOther");
        assert!(try_parse(&lines(&[fallback])).is_err());
    }

    #[test]
    fn discard_keeps_the_earlier_end_of_the_attempt() {
        let held = Moment::now();
        let text =
            lines(&[intent(1), Line::LockHeldSince(held.clone()), Line::Discarded(Moment::now())]);
        assert_eq!(parse(&text).last_attempt_ended(), Some(&held));
    }

    #[test]
    fn another_attempt_withdraws_the_recorded_end() {
        let first = [intent(1), ended(Ending::Unknown)];
        assert!(parse(&lines(&first)).last_attempt_ended().is_some());
        let again = [&first[..], &[intent(2)]].concat();
        let history = parse(&lines(&again));
        assert_eq!((history.last_attempt_ended(), history.end.as_ref()), (None, None));
    }

    #[test]
    fn first_moment_with_lock_held_counts() {
        let (first, later) = (Moment::now(), Moment::now());
        let text =
            lines(&[intent(1), Line::LockHeldSince(first.clone()), Line::LockHeldSince(later)]);
        assert_eq!(parse(&text).last_attempt_ended(), Some(&first));
    }

    #[test]
    fn line_names_where_and_what_without_nesting() {
        let value = serde_json::to_value(intent(1)).unwrap();
        assert_eq!(value["intent"]["place"], "local");
        assert_eq!(value["intent"]["intent"]["effect"], "create");
        let value = serde_json::to_value(ended(Ending::Created { name: "A".into() })).unwrap();
        assert_eq!(value["ended"]["outcome"], "created");
    }
}
