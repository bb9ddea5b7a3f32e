//! [`Failure`]: what is known of a statement that came to nothing.

use std::error::Error as _;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::error::RegistryError;

/// Why a statement gave no result, by what that says about its effect.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection took it: it has no effect.
    NotSent(String),
    /// The server refused it and rolled it back: it has no effect.
    Refused(Box<DbError>),
    /// It was sent, and the server didn't say how it ended.
    Lost(String),
}

impl Failure {
    /// Of a statement that was handed to a connection.
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // An ERROR rolls its transaction back. FATAL and PANIC end the session, and may come
            // between a commit and the word of it.
            Some(refused) if refused.parsed_severity() == Some(Severity::Error) => {
                Self::Refused(Box::new(refused.clone()))
            }
            _ => Self::Lost(describe(error)),
        }
    }

    /// Whether the server refused it for this constraint.
    pub(super) fn breaks(&self, constraint: &str) -> bool {
        matches!(self, Self::Refused(refused) if refused.constraint() == Some(constraint))
    }

    /// Whether two changes waited for each other, of which the server broke this one off.
    pub(super) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Refused(refused) if *refused.code() == SqlState::T_R_DEADLOCK_DETECTED)
    }

    /// Whether the connection is lost, or works where another may do better.
    pub(super) fn ends_the_session(&self) -> bool {
        const OF_THE_CONNECTION: [&SqlState; 4] = [
            // The server has become a standby.
            &SqlState::READ_ONLY_SQL_TRANSACTION,
            // A proxy gave the session to somebody else, or reset it.
            &SqlState::INVALID_SQL_STATEMENT_NAME,
            // The schema changed under a prepared statement.
            &SqlState::FEATURE_NOT_SUPPORTED,
            &SqlState::UNDEFINED_TABLE,
        ];
        match self {
            Self::NotSent(_) => false,
            Self::Refused(refused) => OF_THE_CONNECTION.contains(&refused.code()),
            Self::Lost(_) => true,
        }
    }

    /// What it means for a call that only read.
    pub(super) fn of_a_read(self) -> RegistryError {
        match RegistryError::from(self) {
            RegistryError::Unknown(why) => RegistryError::NotApplied(why),
            error => error,
        }
    }
}

impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(why) => Self::NotApplied(why),
            Failure::Refused(refused) => Self::NotApplied(sentence(&refused)),
            Failure::Lost(why) => Self::Unknown(why),
        }
    }
}

/// What went wrong, without the parts of the connection string.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(refused) = error.as_db_error() {
        return sentence(refused);
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// What an error of the server means for whoever runs this, in one sentence.
fn sentence(error: &DbError) -> String {
    let code = error.code();
    if *code == SqlState::DISK_FULL {
        return format!("the database's disk is full: {}; make room", error.message());
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return "the database is read-only: expected a primary, found a standby".to_owned();
    }
    format!("the database refused: {} (SQLSTATE {})", error.message(), code.code())
}
