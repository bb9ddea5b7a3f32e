//! What a safe create or rename needs beyond the flow (rules 9 to 11): the intent log, a lock per org,
//! and the recovery of what other processes left in doubt.

pub(crate) mod confirmation;
pub(crate) mod create;
pub(crate) mod intent_log;
pub(crate) mod late;
pub(crate) mod recent;
pub(crate) mod recovery;
pub(crate) mod unidentified;
pub(crate) mod withheld;
