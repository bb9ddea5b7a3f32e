//! The variables that clap reads for an option: it takes them as they are, and names only the option.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::sys::{InvalidInput, environment};

/// Fails if an option has its value from a variable that has more than a value.
pub(super) fn check(command: &mut Command, matches: &ArgMatches) -> clap::error::Result<()> {
    unusable(command, Some(matches))
        .map_or(Ok(()), |invalid| Err(command.error(ErrorKind::InvalidValue, invalid)))
}

/// The same for values that clap did not take, so that it does not tell where they are from.
pub(super) fn explain(command: &mut Command, error: clap::Error) -> clap::Error {
    let is_of_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidUtf8
    );
    match unusable(command, None).filter(|_| is_of_value) {
        Some(invalid) => command.error(ErrorKind::InvalidValue, invalid),
        None => error,
    }
}

/// The first variable that is unusable, of those that were taken or, without `matches`, of all.
fn unusable(command: &Command, matches: Option<&ArgMatches>) -> Option<InvalidInput> {
    let is_taken = |arg: &&Arg| {
        let source = matches.map(|matches| matches.value_source(arg.get_id().as_str()));
        source.is_none_or(|source| source == Some(ValueSource::EnvVariable))
    };
    let names = command.get_arguments().filter(is_taken).filter_map(|arg| arg.get_env()?.to_str());
    // What was taken although it is empty has a meaning.
    let mut names = names.filter(|name| matches.is_none() || environment::path(name).is_some());
    let own = names.find_map(|name| environment::check(name).err());
    own.or_else(|| match matches {
        Some(matches) => {
            let (name, matches) = matches.subcommand()?;
            unusable(command.find_subcommand(name)?, Some(matches))
        }
        None => command.get_subcommands().find_map(|command| unusable(command, None)),
    })
}
