//! The variables as a whole: those that clap reads for an option, which it takes as they are, naming only the
//! option; and those that nothing reads.

use std::ffi::OsString;

use clap::Command;

use crate::report::similar::letters;
use crate::sys::{InvalidInput, environment};

/// Fails if a variable of the subcommand that `arguments` name is empty, or has more than a value.
pub(super) fn check(command: &Command, arguments: &[OsString]) -> Result<(), InvalidInput> {
    let subcommand = arguments.iter().skip(1).find_map(|word| command.find_subcommand(word));
    let options = subcommand.into_iter().flat_map(Command::get_arguments);
    let mut names = options.filter_map(|option| option.get_env()?.to_str());
    names.try_for_each(environment::check)
}

/// Fails if a variable that nothing reads is named almost like one that is read: what it was to select, such as
/// an org, would be another one.
pub(super) fn check_names() -> Result<(), InvalidInput> {
    let mut names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let misspelt = names.find_map(|name| Some((meant(&name)?, name)));
    misspelt.map_or(Ok(()), |(meant, name)| {
        let what = format!("unknown variable {name}: did you mean {meant}? Rename it, or unset it");
        Err(InvalidInput(what))
    })
}

/// The variable for which `name` is a slip of the keyboard. Scripts have variables of their own, and Kubernetes
/// sets `PORTAL_PORT` for a service that is called portal.
fn meant(name: &str) -> Option<&'static str> {
    const LETTERS_OF_ONE_SLIP: usize = 5;
    let own = name.strip_prefix("PORTAL_")?;
    let is_meant = |known: &&str| {
        let known = letters(known.trim_start_matches("PORTAL_"));
        strsim::osa_distance(&letters(own), &known) <= known.len() / LETTERS_OF_ONE_SLIP
    };
    if environment::names().any(|known| known == name) {
        return None;
    }
    environment::names().find(is_meant)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn slip_in_name_of_variable_is_noticed() {
        for (name, expected) in [
            ("PORTAL_PROFIL", Some("PORTAL_PROFILE")),
            ("PORTAL_DATACENTER", Some("PORTAL_DATA_CENTER")),
            ("PORTAL_DATA_CENTRE", Some("PORTAL_DATA_CENTER")),
            ("PORTAL_LEDGR", Some("PORTAL_LEDGER")),
            ("PORTAL_STATEDIR", Some("PORTAL_STATE_DIR")),
            ("PORTAL_PROCESSINGTIME", Some("PORTAL_PROCESSING_TIME")),
            ("PORTAL_ACESS_TOKN", Some("PORTAL_ACCESS_TOKEN")),
            ("PORTAL_PROFILE", None),
            ("PORTAL_LEDGER_PASSWORD", None),
            ("PORTAL_DATABASE_URL_OF_ANOTHER", None),
            ("PORTAL_PORT", None),
            ("PORTAL_LOSS", None),
            ("PORTAL_", None),
            ("PROFILE", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }

    #[test]
    fn variables_of_options_are_known() {
        let portal = Cli::command();
        let options = portal.get_subcommands().flat_map(Command::get_arguments);
        for name in options.filter_map(|option| option.get_env()?.to_str()) {
            assert!(environment::names().any(|known| known == name), "{name}");
        }
    }
}
