//! The lines of a file of the intent log, and the state that they add up to: [`History`].

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use portal_model::flow::Intent;
use portal_model::outcome::{Origin, OutcomeKind};
use portal_model::{Outcome, RenameOutcome};
use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::identity::Identity;
use crate::target::Place;

/// A line of a file, in JSON.
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
    /// Reads the whole lines of a file: the last one may be torn. `None` if there is none, so that
    /// nothing was sent.
    ///
    /// # Errors
    /// A whole line that cannot be understood.
    pub(super) fn parse(text: &str) -> anyhow::Result<Option<Self>> {
        let mut history = None;
        for (index, line) in whole_lines(text).enumerate() {
            let line = serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
            history = Some(Self::after(history, line)?);
        }
        Ok(history)
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

/// The lines that end with a line break.
pub(super) fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

#[cfg(test)]
mod tests {
    use portal_model::PortalName;
    use portal_model::flow::CreateIntent;

    use super::*;

    fn lines(lines: &[Line]) -> String {
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
    }

    fn intent(attempts: u32) -> Line {
        let mut intent = CreateIntent::new(PortalName::parse("AcmePortal").unwrap());
        intent.attempts = attempts;
        let whose = Whose {
            identity: Some(crate::identity::tests::of_token("1000.a")),
            place: Place::Local,
            batch_row: None,
        };
        Line::Intent(Box::new(Attempt { whose, intent: intent.into(), at: Moment::now() }))
    }

    fn ended(ending: Ending) -> Line {
        Line::Ended(End { at: Moment::now(), ending, after_doubt: false })
    }

    fn parse(text: &str) -> History {
        History::parse(text).unwrap().unwrap()
    }

    fn attempts(history: &History) -> u32 {
        let Intent::Create(create) = &history.intent else { panic!("{history:?}") };
        create.attempts
    }

    #[test]
    fn torn_line_reads_as_if_it_were_missing_at_every_byte() {
        let first = lines(&[intent(1)]);
        let both = lines(&[intent(1), intent(2)]);
        for length in 0..=both.len() {
            let history = History::parse(&both[..length]).unwrap();
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
            assert!(History::parse(&text).is_err(), "{text}");
            assert!(History::parse(&(lines(&[intent(1)]) + "x" + &text)).is_err());
        }
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
