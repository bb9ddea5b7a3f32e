//! The benches. Each has the figures of some rows of the table, whose sides run by turns.

mod batch;
mod build;
mod client;
mod command;
mod creates;
mod large;
mod model;
#[cfg(unix)]
mod postgres;
mod requests;
mod start;

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
    pub(crate) const FULL: Self = Self { rounds: 9, span: Duration::from_secs(1) };
    pub(crate) const QUICK: Self = Self { rounds: 1, span: Duration::from_millis(100) };

    const fn is_quick(self) -> bool {
        self.rounds == Self::QUICK.rounds
    }

    /// Measures a round of every side again and again. What comes first warms up, and does not
    /// count.
    fn rounds<T>(self, mut round: impl FnMut(Duration) -> T) -> Vec<T> {
        round(self.span / 4);
        (0..self.rounds).map(|_| round(self.span)).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Creates over 64 connections
    Creates,
    /// Creates over one connection
    One,
    /// Creates with and without the admin listener
    Admin,
    /// Creates that are rejected
    Rejects,
    /// Lists and gets of an org with one portal
    Reads,
    /// Creates in PostgreSQL
    Postgres,
    /// Lists and creates by the client of portal-http
    Client,
    /// Creates by the command, a process each
    Command,
    /// A batch of 10,000 rows
    Batch,
    /// The start of the server
    Start,
    /// The server after a million creates
    Memory,
    /// Names, requests and responses, without I/O
    Model,
    /// Ten million portals; only if it is named
    Large,
    /// A first build; only if it is named
    Build,
}

impl Bench {
    /// Those that run if none is named.
    pub(crate) fn usual(effort: Effort) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|it| effort.is_quick() || !matches!(it, Self::Large | Self::Build)).collect()
    }

    /// As `--only` has it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
    }

    /// The error is why it can't run here, as a clause.
    pub(crate) fn run(self, effort: Effort) -> Result<Vec<Figure>, String> {
        Ok(match self {
            Self::Creates => creates::many(effort),
            Self::One => creates::one(effort),
            Self::Admin => creates::with_admin_listener(effort),
            Self::Rejects => requests::rejects(effort),
            Self::Reads => requests::reads(effort),
            #[cfg(unix)]
            Self::Postgres => return postgres::creates(effort),
            #[cfg(not(unix))]
            Self::Postgres => return Err("it starts PostgreSQL on Unix only".to_owned()),
            Self::Client => client::calls(effort),
            Self::Command => return command::processes(effort),
            Self::Batch => batch::rows(effort),
            Self::Start => start::starts(effort),
            Self::Memory => start::memory(effort),
            Self::Model => model::wire(effort),
            Self::Large => large::registry(effort),
            Self::Build => return build::first(effort),
        })
    }
}
