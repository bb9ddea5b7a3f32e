//! The variables that clap reads for an option: it takes them as they are, and names only the option.

use std::ffi::OsString;

use clap::Command;

use crate::sys::{InvalidInput, environment};

/// Fails if a variable of the subcommand that `arguments` name has more than a value. One that is empty counts
/// as unset only where that has a meaning.
pub(super) fn check(command: &Command, arguments: &[OsString]) -> Result<(), InvalidInput> {
    const MAY_BE_EMPTY: &str = "PORTAL_ADMIN_LISTEN";
    let subcommand = arguments.iter().skip(1).find_map(|word| command.find_subcommand(word));
    let options = subcommand.into_iter().flat_map(Command::get_arguments);
    let mut names = options.filter_map(|option| option.get_env()?.to_str());
    names.try_for_each(|name| match std::env::var_os(name) {
        None => Ok(()),
        Some(value) if value.is_empty() && name == MAY_BE_EMPTY => Ok(()),
        Some(_) => environment::check(name),
    })
}
