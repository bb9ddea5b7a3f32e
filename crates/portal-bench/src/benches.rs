//! The benches. Each has the figures of some rows of the table, whose sides run by turns.

mod client;
mod command;
mod creates;
mod requests;

use std::time::Duration;

use clap::ValueEnum;

use crate::figure::Figure;

/// How long and how often to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    rounds: usize,
    /// Of one side in one round.
    span: Duration,
}

impl Effort {
    pub(crate) const FULL: Self = Self { rounds: 11, span: Duration::from_secs(1) };
    pub(crate) const QUICK: Self = Self { rounds: 1, span: Duration::from_millis(100) };

    /// Measures a round of every side again and again. What comes first warms up, and does not
    /// count.
    fn rounds<T>(self, mut round: impl FnMut(Duration) -> T) -> Vec<T> {
        round(self.span / 4);
        (0..self.rounds).map(|_| round(self.span)).collect()
    }
}

/// Why a bench can't run here, as a clause.
pub(crate) struct Skipped(pub(crate) String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Creates over 64 connections
    Creates,
    /// Creates over one connection
    One,
    /// Creates that are rejected
    Rejects,
    /// Lists and gets of an org with one portal
    Reads,
    /// Creates by the client of portal-http
    Client,
    /// Creates by the command
    Command,
}

impl Bench {
    /// As `--only` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Creates => "creates",
            Self::One => "one",
            Self::Rejects => "rejects",
            Self::Reads => "reads",
            Self::Client => "client",
            Self::Command => "command",
        }
    }

    pub(crate) fn run(self, effort: Effort) -> Result<Vec<Figure>, Skipped> {
        match self {
            Self::Creates => Ok(creates::many(effort)),
            Self::One => Ok(creates::one(effort)),
            Self::Rejects => Ok(requests::rejects(effort)),
            Self::Reads => Ok(requests::reads(effort)),
            Self::Client => Ok(client::calls(effort)),
            Self::Command => command::processes(effort),
        }
    }
}
