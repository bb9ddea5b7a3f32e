//! `portal man [COMMAND]`: manual pages, made from the definition of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use crate::commands::sections::Sections;
use crate::report::failure::{ExitClass, Failure};
use crate::terminal::printer::Printer;

/// Write a manual page
///
/// # Examples
///
///     portal man create | man -l -
///     portal man --all /usr/local/share/man/man1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The command, such as `create` or `admin user`; without one, `portal` itself
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    all: Option<PathBuf>,
}

pub(crate) fn run(
    args: &Args,
    mut portal: clap::Command,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    // Gives each command its full name and the global options.
    portal.build();
    if let Some(directory) = &args.all {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        write_all(&[], &portal, directory)?;
        return Ok(ExitClass::Success);
    }
    let (mut above, mut command) = (Vec::new(), &portal);
    for name in &args.command {
        above.push(command);
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::usage(format!("unknown command `{}`", args.command.join(" ")))
                .hint("run `portal --help` to list the commands")
        })?;
    }
    printer.write(&page(&above, command)?);
    Ok(ExitClass::Success)
}

/// Writes the page of a command, of which those `above` are parents, and of its subcommands.
fn write_all(
    above: &[&clap::Command],
    command: &clap::Command,
    directory: &Path,
) -> Result<(), Failure> {
    let path = directory.join(format!("{}.1", name(command)));
    fs::write(&path, page(above, command)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let above = [above, &[command]].concat();
    command.get_subcommands().try_for_each(|command| write_all(&above, command, directory))
}

/// `portal-admin-user`
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(above: &[&clap::Command], command: &clap::Command) -> anyhow::Result<String> {
    let man = Man::new(as_in_page(command));
    // Without a date, which `Man` would leave out rather than leave empty.
    let title = name(command).to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH {title} 1 \"\" \"portal {version}\" \"Portal Manual\"\n");
    let mut page = title.into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let sections = Sections::of(command);
    let mut about = Roff::new();
    lines(&mut about, &sections.below(""));
    about.to_writer(&mut page)?;
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_options_section(&mut page)?;

    let every = Sections::of(above.first().copied().unwrap_or(command));
    let exits = ExitClass::ALL.map(|(exit, meaning)| format!("{}  {meaning}", exit as u8));
    let exit_status = Some(sections.below("Exit status")).filter(|text| !text.is_empty());
    let examples = sections.below("Examples");
    let mut rest = Roff::new();
    for (heading, text) in [
        ("ENVIRONMENT", [sections.below("Environment"), every.below("Variables")].join("\n")),
        ("EXIT STATUS", exit_status.unwrap_or_else(|| exits.join("\n"))),
        ("FILES", [every.below("Files"), ELSEWHERE.to_owned()].join("\n")),
    ] {
        rest.control("SH", [heading]);
        lines(&mut rest, &text);
    }
    if !examples.is_empty() {
        rest.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.lines() {
            rest.text([roman(line)]);
        }
        rest.control("fi", []);
    }
    rest.control("SH", ["SEE ALSO"]).text([roman(see_also(above, command).join(", "))]);
    rest.to_writer(&mut page)?;
    Ok(in_ascii(&String::from_utf8(page)?))
}

const ELSEWHERE: &str = "On other systems, and where XDG_CONFIG_HOME and its like are set, in the \
                         directories of the platform.";

/// Each line as a paragraph, or as the definition of what stands before two spaces.
fn lines(roff: &mut Roff, text: &str) {
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.split_once("  ") {
            Some((term, text)) => {
                roff.control("TP", []).text([bold(term)]).text([roman(text)]);
            }
            None => {
                roff.control("PP", []).text([roman(line)]);
            }
        }
    }
}

/// With the synopsis that its help has, and all options in one section.
fn as_in_page(command: &clap::Command) -> clap::Command {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim_start().to_owned();
    let command = command.clone().override_usage(usage).subcommand_help_heading("COMMANDS");
    command.mut_args(|argument| argument.help_heading(None))
}

/// The pages above and below, and those that this page or one above refers to.
fn see_also(above: &[&clap::Command], command: &clap::Command) -> Vec<String> {
    let relatives = above.iter().copied().chain(command.get_subcommands());
    let relatives = relatives.map(|relative| name(relative).to_owned());
    let referring = above.iter().copied().chain([command]);
    let others = referring.map(|it| Sections::of(it).below("See also").replace('\n', ", "));
    let others = others.flat_map(|names| names.split(", ").map(str::to_owned).collect::<Vec<_>>());
    let others = others.filter(|name| !name.is_empty()).map(|name| format!("portal-{name}"));
    relatives.chain(others).map(|page| page + "(1)").collect()
}

/// With escapes for what not every roff reads.
fn in_ascii(page: &str) -> String {
    let ascii = |c: char| match c {
        c if c.is_ascii() => c.to_string(),
        // Not in every font of every device.
        '…' => "...".to_owned(),
        c => format!("\\[u{:04X}]", u32::from(c)),
    };
    page.chars().map(ascii).collect()
}
