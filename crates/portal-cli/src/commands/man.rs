//! `portal man [COMMAND]`: manual pages, made from the definition of the command line and its help.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_mangen::Man;
use roff::{Roff, bold, italic, roman};

use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// Write a manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  portal man create | man -l -
  portal man --all /usr/local/share/man/man1")]
pub(crate) struct Args {
    /// The command, such as `create` or `admin user`; without one, `portal` itself
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    all: Option<PathBuf>,
}

/// What a page says about a variable that its help names.
const VARIABLES: [(&str, &str); 12] = [
    ("PORTAL_PROFILE", "Stands for --profile."),
    ("PORTAL_DATA_CENTER", "Stands for --data-center where no host is named."),
    ("PORTAL_API_DOMAIN", "Stands for --api-domain."),
    ("PORTAL_ACCOUNTS_URL", "Stands for --accounts-url."),
    ("PORTAL_CLIENT_ID", "Stands for --client-id."),
    ("PORTAL_CLIENT_SECRET", "The client secret. There is no flag for it."),
    ("PORTAL_REFRESH_TOKEN", "The refresh token. There is no flag for it."),
    ("PORTAL_ACCESS_TOKEN", "An access token, instead of the client and its refresh token."),
    ("PORTAL_PROCESSING_TIME", "Stands for --processing-time."),
    ("PORTAL_LIST_LAG", "Stands for --list-lag."),
    ("PORTAL_STATE_DIR", "The directory of the intent log."),
    ("PORTAL_DATABASE_URL", "Stands for --database-url."),
];

/// What every page says.
const EVERYWHERE: [(&str, &str); 3] = [
    ("PORTAL_LOG", "What is logged to stderr, such as debug or portal_http=debug. Never a secret."),
    ("NO_COLOR", "Leave out colors."),
    ("HTTPS_PROXY, ALL_PROXY, NO_PROXY", "Proxies, as curl has them."),
];

const FILES: [(&str, &str); 5] = [
    ("~/.config/portal/config.toml", "Profiles."),
    ("~/.config/portal/credentials.toml", "Their secrets. Refused if others can read it."),
    ("~/.local/state/portal", "The intent log: what is in doubt."),
    ("~/.local/share/portal", "The portals of --local."),
    ("~/.cache/portal", "Access tokens, and which org each credential belongs to."),
];

pub(crate) fn run(
    args: &Args,
    mut portal: clap::Command,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    // Gives each command its full name and the global options.
    portal.build();
    if let Some(directory) = &args.all {
        write_all(&portal, &portal, directory)?;
        return Ok(ExitClass::Success);
    }
    let mut command = &portal;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::usage(format!("unknown command `{}`", args.command.join(" ")))
                .hint("run `portal --help` to list the commands")
        })?;
    }
    printer.write(&page(command, &portal)?);
    Ok(ExitClass::Success)
}

fn write_all(
    command: &clap::Command,
    portal: &clap::Command,
    directory: &Path,
) -> Result<(), Failure> {
    let path = directory.join(format!("{}.1", name(command)));
    fs::write(&path, page(command, portal)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    command.get_subcommands().try_for_each(|command| write_all(command, portal, directory))
}

/// `portal-admin-user`
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &clap::Command, portal: &clap::Command) -> anyhow::Result<String> {
    let help = command.clone().render_long_help().to_string();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (sections, prose): (Vec<&str>, Vec<&str>) =
        after.split("\n\n").partition(|block| HEADINGS.iter().any(|h| block.starts_with(h)));
    let section = |heading: &str| {
        let lines = sections.iter().find_map(|block| block.strip_prefix(heading));
        lines.map(|lines| lines.trim_matches('\n').lines().map(str::trim_start))
    };
    let man = Man::new(with_usage_of_its_own(command));
    // Without a date, which `Man` would leave out rather than leave empty.
    let title = name(command).to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH {title} 1 \"\" \"portal {version}\" \"Portal Manual\"\n");
    let mut page = title.into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut text = Roff::new();
    for paragraph in prose.iter().filter(|paragraph| !paragraph.is_empty()) {
        text.control("PP", []).text([roman(paragraph.replace('\n', " "))]);
    }
    text.to_writer(&mut page)?;
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    // The sections after the first are parts of it.
    let options = String::from_utf8(options)?.replace("\n.SH ", "\n.SS ");
    page.extend(options.replacen("\n.SS OPTIONS", "\n.SH OPTIONS", 1).into_bytes());

    let mut rest = Roff::new();
    rest.control("SH", ["ENVIRONMENT"]);
    for line in section(ENVIRONMENT).into_iter().flatten() {
        rest.control("PP", []).text([roman(line)]);
    }
    let is_top = std::ptr::eq(command, portal);
    let own = VARIABLES.iter().filter(|(variable, _)| is_top || help.contains(variable));
    definitions(&mut rest, own.chain(&EVERYWHERE));
    rest.control("SH", ["EXIT STATUS"]);
    match section(EXIT_STATUS) {
        Some(lines) => lines.for_each(|line| {
            rest.text([roman(line)]);
        }),
        None => {
            for exit in ExitClass::ALL {
                rest.control("TP", []).text([bold((exit as u8).to_string())]);
                rest.text([roman(exit.meaning())]);
            }
        }
    }
    rest.control("SH", ["FILES"]);
    definitions(&mut rest, FILES.iter());
    rest.control("PP", []).text([roman(
        "On other systems, and where XDG_CONFIG_HOME and its like are set, in the directories of the \
         platform.",
    )]);
    if let Some(lines) = section(EXAMPLES) {
        rest.control("SH", ["EXAMPLES"]).control("nf", []);
        lines.for_each(|line| {
            rest.text([roman(line)]);
        });
        rest.control("fi", []);
    }
    rest.control("SH", ["SEE ALSO"]);
    rest.text([roman(see_also(command, portal, &help).join(", "))]);
    rest.to_writer(&mut page)?;
    Ok(in_ascii(&String::from_utf8(page)?))
}

const ENVIRONMENT: &str = "Environment:";
const EXIT_STATUS: &str = "Exit status:";
const EXAMPLES: &str = "Examples:";
/// The parts of a help text that are sections of a page.
const HEADINGS: [&str; 3] = [ENVIRONMENT, EXIT_STATUS, EXAMPLES];

/// With the synopsis that its help has.
fn with_usage_of_its_own(command: &clap::Command) -> clap::Command {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim_start().to_owned();
    command.clone().override_usage(usage).subcommand_help_heading("COMMANDS")
}

fn definitions<'a>(roff: &mut Roff, list: impl Iterator<Item = &'a (&'a str, &'a str)>) {
    for (term, text) in list {
        roff.control("TP", []).text([italic(*term)]).text([roman(*text)]);
    }
}

/// The page above, those below, and of the commands that the help names.
fn see_also(command: &clap::Command, portal: &clap::Command, help: &str) -> Vec<String> {
    let is_top = std::ptr::eq(command, portal);
    let is_named = |other: &clap::Command| {
        let mention = format!("`portal {}", other.get_name());
        name(other) != name(command) && help.contains(&mention)
    };
    let named = portal.get_subcommands().filter(|other| !is_top && is_named(other));
    let below = command.get_subcommands();
    let mut pages: Vec<String> =
        below.chain(named).map(|other| format!("{}(1)", name(other))).collect();
    if !is_top {
        pages.insert(0, "portal(1)".to_owned());
    }
    pages.dedup();
    pages
}

/// Without repeated preambles, and with escapes for what not every roff reads.
fn in_ascii(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut preamble = HashSet::new();
    for line in page.replace('…', "...").lines() {
        let is_preamble = line.starts_with(r".ie \n(.g") || line.starts_with(".el .ds Aq");
        if is_preamble && !preamble.insert(line) {
            continue;
        }
        for c in line.chars() {
            if c.is_ascii() {
                text.push(c);
            } else {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "\\[u{:04X}]", u32::from(c));
            }
        }
        text.push('\n');
    }
    text
}
