//! Lines of a file of the intent log, and the state they add up to: [`History`].

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use portal_model::Outcome;
use portal_model::flow::Intent;
use portal_model::outcome::{Origin, OutcomeKind};
use serde::{Deserialize, Serialize};

use super::file_name::FileName;
use super::moment::Moment;
use crate::org::identity::Identity;
use crate::org::place::Place;
use crate::sys::checked_line::decode;

/// One line of a file: JSON with a checksum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// Written before each attempt.
    Intent(Box<Attempt>),
    /// A recovery first held the lock at this moment: the process before it was dead.
    LockHeldSince(Moment),
    /// The flow ended, and so had its last attempt.
    Ended(End),
    /// The outcome was printed or journaled.
    Delivered(Moment),
    /// A list shows an effect that had been reported as not done.
    Appeared(Moment),
    /// The user discarded the outcome.
    Discarded(Moment),
}

/// The intent of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempt {
    #[serde(flatten)]
    pub(super) whose: Whose,
    pub(super) intent: Intent,
    pub(super) at: Moment,
}

/// The org, place and batch row of an intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whose {
    pub(crate) identity: Identity,
    pub(crate) place: Place,
    /// The batch row, if any.
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
    /// Whether an earlier attempt was in doubt, so that its effect may still appear.
    #[serde(default)]
    pub(crate) after_doubt: bool,
}

/// The part of an outcome that a later process needs.
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
    /// The other outcomes of a create.
    NotCreated {
        kind: OutcomeKind,
    },
    /// The other outcomes of a rename.
    NotRenamed,
    Discarded,
}

impl Ending {
    /// Whether the outcome is certain.
    pub(crate) fn is_certain(&self) -> bool {
        *self != Self::Unknown
    }

    /// Whether the org has a portal of the requested name.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Created { .. } | Self::Present { .. } | Self::Renamed)
    }

    /// Whether it was determined by a list rather than a response.
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
                Self::Present { name: portal.name.clone(), origin: origin.clone() }
            }
            Outcome::Renamed { .. } | Outcome::Unchanged { .. } => Self::Renamed,
            Outcome::NotRenamed { .. } | Outcome::NotFound { .. } => Self::NotRenamed,
            other => Self::NotCreated { kind: other.kind() },
        }
    }
}

/// The state after all complete lines of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    pub(crate) whose: Whose,
    /// The latest one.
    pub(crate) intent: Intent,
    /// The start of the first attempt.
    pub(crate) begun: Moment,
    /// How the flow ended, after its last attempt.
    pub(super) lock_held_since: Option<Moment>,
    pub(crate) end: Option<End>,
    pub(crate) is_delivered: bool,
}

impl History {
    /// Parses the complete lines of the file `name`: the last one may be torn.
    ///
    /// # Errors
    /// Fails if a complete line is invalid, lacks its checksum or does not match it, or belongs to
    /// another portal or org than the file name. Also fails without a complete line: a file gets its
    /// name after its first line, so it is damaged, and an attempt may be in doubt (rule 11).
    pub(super) fn parse(bytes: &[u8], name: &FileName) -> anyhow::Result<Self> {
        let mut history: Option<Self> = None;
        for (index, line) in whole_lines(bytes).enumerate() {
            let place = || format!("line {}", index + 1);
            let line = decode(line).with_context(place)?;
            if let Line::Intent(attempt) = &line {
                // Later attempts may use a fallback name; the file is named after the first.
                let first = history
                    .as_ref()
                    .map_or(attempt.intent.name().as_str(), |_| name.portal.as_str());
                name.check(first, &attempt.whose.identity).with_context(place)?;
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
                    // The end of this attempt is not known yet.
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
            // The earliest moment proves most.
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
                // The bound that was known before still holds.
                let at = self.last_attempt_ended().cloned().unwrap_or(at);
                self.end = Some(End { at, ending: Ending::Discarded, after_doubt: true });
                self.is_delivered = true;
            }
            Line::Intent(_) => {}
        }
    }

    /// The time by which the last attempt had ended, if known.
    pub(crate) fn last_attempt_ended(&self) -> Option<&Moment> {
        self.end.as_ref().map(|end| &end.at).or(self.lock_held_since.as_ref())
    }
}

/// Returns the lines that end with a line break. Bytes, since a torn line can end within a character.
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
        History::parse(text.as_bytes(), &FileName::new("AcmePortal", &identity))
    }

    fn intent(attempts: u32) -> Line {
        let mut intent = CreateIntent::new(PortalName::parse("AcmePortal").unwrap());
        intent.attempts = attempts;
        let whose = Whose {
            identity: crate::org::identity::tests::of_token("1000.a"),
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
    fn torn_first_line_is_damage_later_one_ignored() {
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
    fn unknown_whole_line_is_refused() {
        for text in ["nonsense\n".to_owned(), lines(&[ended(Ending::Unknown)])] {
            assert!(try_parse(&text).is_err(), "{text}");
            assert!(try_parse(&(lines(&[intent(1)]) + "x" + &text)).is_err());
        }
    }

    #[test]
    fn changed_or_unchecked_line_is_refused() {
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
        let name = FileName::new("AcmePortal", &identity);
        assert!(History::parse(&bytes, &name).is_ok());
    }

    #[test]
    fn fallback_keeps_file_of_first_name() {
        let Line::Intent(mut fallback) = intent(2) else { panic!("it is an intent") };
        fallback.intent = CreateIntent::new(PortalName::parse("AcmeOther").unwrap()).into();
        let fallback = Line::Intent(fallback);
        let history = parse(&lines(&[intent(1), fallback.clone()]));
        assert_eq!(history.intent.name().as_str(), "AcmeOther");
        assert!(try_parse(&lines(&[fallback])).is_err());
    }

    #[test]
    fn discard_keeps_earlier_end_of_attempt() {
        let held = Moment::now();
        let text =
            lines(&[intent(1), Line::LockHeldSince(held.clone()), Line::Discarded(Moment::now())]);
        assert_eq!(parse(&text).last_attempt_ended(), Some(&held));
    }

    #[test]
    fn further_attempt_withdraws_recorded_end() {
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
