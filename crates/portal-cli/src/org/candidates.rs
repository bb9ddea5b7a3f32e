//! What shells complete after the flags that say which org.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use portal_model::neutral::printable_line;
use portal_model::{ApiVersion, DataCenter};

use crate::org::profile::{Profiles, check_name};
use crate::sys::directories;

/// The profiles that `portal login` stored.
pub(crate) fn profiles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        // A shell has no place for errors.
        let profiles = directories::config().and_then(|directory| Profiles::load(&directory)).ok();
        let entries = profiles.iter().flat_map(Profiles::entries);
        // Only these can be typed without quotes.
        let named = entries.filter(|(name, _)| check_name(name).is_ok());
        let candidates = named.map(|(name, entry)| {
            let org = entry.org.as_ref().and_then(|org| org.name.clone());
            let place = org.unwrap_or_else(|| entry.hosts.to_string());
            CompletionCandidate::new(name).help(Some(printable_line(&place).into()))
        });
        candidates.collect()
    })
}

/// The codes of the data centers.
pub(crate) fn data_centers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        DataCenter::ALL
            .iter()
            .map(|here| {
                CompletionCandidate::new(here.code()).help(Some(here.accounts_url().into()))
            })
            .collect()
    })
}

/// The versions of the API.
pub(crate) fn api_versions() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        ApiVersion::ALL
            .iter()
            .map(|version| CompletionCandidate::new(version.to_string()))
            .collect()
    })
}
