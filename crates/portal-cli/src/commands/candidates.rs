//! What shells complete after the flags that say which org.

use std::collections::BTreeSet;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use portal_ledger::Filter;
use portal_model::neutral::printable_line;
use portal_model::{ApiVersion, DataCenter};

use crate::org::ledger;
use crate::org::profile::{Entry, Profiles, check_name};
use crate::report::place::Place;
use crate::sys::directories;

/// The profiles that `portal login` stored.
pub(crate) fn profiles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        // A shell has no place for errors.
        let profiles = directories::config().and_then(|directory| Profiles::load(&directory)).ok();
        let entries = profiles.iter().flat_map(Profiles::entries);
        // Only these can be typed without quotes.
        let named = entries.filter(|(name, _)| check_name(name).is_ok());
        let org = |entry: &Entry| entry.org.as_ref()?.name.clone();
        let place = |entry| org(entry).unwrap_or_else(|| entry.hosts.to_string());
        let help = |entry| Some(printable_line(&place(entry)).into());
        named.map(|(name, entry)| CompletionCandidate::new(name).help(help(entry))).collect()
    })
}

/// The names of earlier creates and renames, or only of what is unfinished.
pub(super) fn names(is_unfinished: bool) -> ArgValueCandidates {
    ArgValueCandidates::new(move || {
        let mut filter = Filter::default();
        filter.is_unfinished = is_unfinished;
        // A shell has no place for errors, and a key that is pressed no time for a database elsewhere.
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let place = ledger::Place::of(&Place::Local);
        let entries = runtime
            .ok()
            .zip(place.ok())
            .and_then(|(runtime, place)| runtime.block_on(ledger::entries(place, &filter)).ok());
        let names = entries.iter().flatten().map(|entry| entry.name().to_owned());
        names.collect::<BTreeSet<_>>().into_iter().map(CompletionCandidate::new).collect()
    })
}

/// The codes of the data centers.
pub(crate) fn data_centers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let help = |here: &DataCenter| Some(here.accounts_url().into());
        let all = DataCenter::ALL.iter();
        all.map(|here| CompletionCandidate::new(here.code()).help(help(here))).collect()
    })
}

/// The versions of the API.
pub(crate) fn api_versions() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let all = ApiVersion::ALL.iter().map(ToString::to_string);
        all.map(CompletionCandidate::new).collect()
    })
}
