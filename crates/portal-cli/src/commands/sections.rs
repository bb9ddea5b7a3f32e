//! [`Sections`]: what the help of a command has after its options, which its manual page has too.

use std::fmt;

pub(crate) use self::Section::{About, Environment, Examples, ExitStatus, SeeAlso};

/// What the help of a command has after its options, in its order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sections(pub(crate) &'static [Section]);

impl clap::builder::CommandExt for Sections {}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Section {
    /// A paragraph.
    About(&'static str),
    Environment(&'static [Variables]),
    ExitStatus(&'static str),
    /// One per line; a continued line is indented.
    Examples(&'static str),
    /// Other commands, for the manual page only.
    SeeAlso(&'static [&'static str]),
}

/// What a command reads from the environment, beside the variables that clap knows of its options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variables {
    pub(super) names: &'static [&'static str],
    /// One per line.
    pub(super) notes: &'static str,
}

/// The variables that select an org.
pub(super) const ORG: Variables = Variables {
    names: &[
        "PORTAL_PROFILE",
        "PORTAL_DATA_CENTER",
        "PORTAL_API_DOMAIN",
        "PORTAL_ACCOUNTS_URL",
        "PORTAL_ORG_ID",
        "PORTAL_CLIENT_ID",
        "PORTAL_CLIENT_SECRET",
        "PORTAL_REFRESH_TOKEN",
        "PORTAL_ACCESS_TOKEN",
    ],
    notes: "PORTAL_CLIENT_SECRET with PORTAL_REFRESH_TOKEN, or PORTAL_ACCESS_TOKEN\n\
            PORTAL_ORG_ID is the org's id, for a token that cannot read it\n\
            Secrets are never flags. --local and --profile ignore the variables of hosts and \
            credentials. If nothing names an org, the profile of `portal profiles use` counts.",
};

/// Where the ledger is.
pub(super) const STATE: Variables = Variables {
    names: &["PORTAL_STATE_DIR", "PORTAL_LEDGER"],
    notes: "PORTAL_STATE_DIR is the directory of the ledger\n\
            PORTAL_LEDGER is a PostgreSQL database instead, which several machines share",
};

impl Sections {
    /// The sections of a command.
    pub(crate) fn of(command: &clap::Command) -> Self {
        command.get().copied().unwrap_or(Self(&[]))
    }
}

/// Formats as the help has it.
impl fmt::Display for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |head, lines: &str| format!("{head}:\n{}", textwrap::indent(lines, "  "));
        let text = |section: &Section| match section {
            About(text) => Some((*text).to_owned()),
            Environment(variables) => Some(list("Environment", &notes(variables))),
            ExitStatus(text) => Some(list("Exit status", text)),
            Examples(lines) => Some(list("Examples", lines)),
            SeeAlso(_) => None,
        };
        f.write_str(&self.0.iter().filter_map(text).collect::<Vec<_>>().join("\n\n"))
    }
}

pub(super) fn notes(variables: &[Variables]) -> String {
    variables.iter().map(|variables| variables.notes).collect::<Vec<_>>().join("\n")
}
