//! [`Failure`]: why a statement failed, and whether it may have taken effect.

use portal_model::error::with_sources;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::error::RegistryError;

/// A failed statement, by its possible effect.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection accepted it: no effect.
    NotSent(String),
    /// The server refused it and rolled back: no effect.
    Refused(Box<DbError>),
    /// It was sent, but no result was received: in doubt.
    Lost(String),
}

impl Failure {
    /// Whether the server rolled the transaction back because of another one that it could not see: one
    /// that took the same name, or that waited for this one in turn.
    pub(super) fn is_race(&self) -> bool {
        const RACES: [&SqlState; 2] =
            [&SqlState::UNIQUE_VIOLATION, &SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Refused(refused) if RACES.contains(&refused.code()))
    }

    /// Whether the connection is lost, or the statement may work over another one.
    pub(super) fn ends_connection(&self) -> bool {
        const OF_THE_CONNECTION: [&SqlState; 4] = [
            // The server has become a standby.
            &SqlState::READ_ONLY_SQL_TRANSACTION,
            // A pooler handed out another server session, or reset this one.
            &SqlState::INVALID_SQL_STATEMENT_NAME,
            // The schema changed under a prepared statement.
            &SqlState::FEATURE_NOT_SUPPORTED,
            &SqlState::UNDEFINED_TABLE,
        ];
        match self {
            Self::Refused(refused) => OF_THE_CONNECTION.contains(&refused.code()),
            Self::NotSent(_) | Self::Lost(_) => true,
        }
    }

    /// Maps the failure to prepare a statement, which comes before it.
    pub(super) fn before_sending(self) -> Self {
        match self {
            Self::Lost(why) => Self::NotSent(why),
            failure => failure,
        }
    }

    /// Maps the failure of what is never in doubt: a read, or a transaction before its commit.
    pub(super) fn not_applied(self) -> RegistryError {
        match RegistryError::from(self) {
            RegistryError::Unknown(why) => RegistryError::NotApplied(why),
            error => error,
        }
    }
}

/// Classifies the error of a statement that was handed to a connection.
impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // ERROR rolls back. FATAL and PANIC end the session and may be sent after a commit,
            // before its acknowledgement.
            Some(refused) if refused.parsed_severity() == Some(Severity::Error) => {
                Self::Refused(Box::new(refused.clone()))
            }
            _ => Self::Lost(describe(&error)),
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

/// Describes an error without the connection string.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(refused) = error.as_db_error() {
        return sentence(refused);
    }
    with_sources(error)
}

/// Describes an error of the server to its operator, in one sentence.
fn sentence(error: &DbError) -> String {
    let code = error.code();
    if *code == SqlState::DISK_FULL {
        return format!("the database's disk is full: {}; free some space", error.message());
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return "the database is read-only: expected a primary, found a standby".to_owned();
    }
    format!("the database rejected the statement: {} (SQLSTATE {})", error.message(), code.code())
}
