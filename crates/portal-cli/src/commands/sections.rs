//! [`Sections`]: what the help of a command has after its options, which its manual page has too: its doc
//! comment below the first paragraph, with the headings `# Exit status`, `# Examples` and `# See also`, and
//! of `portal` itself `# Variables` and `# Files`, which every page has.

use std::fmt;

/// What the help of a command has after its options, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections(Vec<Section>);

impl clap::builder::CommandExt for Sections {}

/// A paragraph, or what stands below a heading.
#[derive(Clone, Debug)]
struct Section {
    /// Empty for a paragraph.
    heading: String,
    text: String,
}

/// The variables that select an org.
pub(crate) const ORG: &str = "\
    PORTAL_CLIENT_SECRET with PORTAL_REFRESH_TOKEN, or PORTAL_ACCESS_TOKEN\n\
    PORTAL_ORG_ID is the org's id, for a token that cannot read it\n\
    Secrets are never flags. --local and --profile ignore the variables of hosts and \
    credentials. If nothing names an org, the profile of `portal profiles use` counts.";

/// Where the ledger is.
pub(crate) const STATE: &str = "PORTAL_STATE_DIR is the directory of the ledger\n\
    PORTAL_LEDGER is a PostgreSQL database instead, which several machines share";

/// What is said of the variables that a command reads, one per line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment(pub(crate) &'static [&'static str]);

impl clap::builder::CommandExt for Environment {}

/// Takes the sections of each command out of its long description, where clap would have them above the
/// options.
pub(crate) fn with_sections(command: clap::Command) -> clap::Command {
    let sections = Sections::parse(&command);
    command.add(sections).long_about(None).mut_subcommands(with_sections)
}

impl Sections {
    /// The sections of a command.
    pub(crate) fn of(command: &clap::Command) -> Self {
        command.get().cloned().unwrap_or_default()
    }

    /// What stands below a heading, or in the paragraphs without one.
    pub(crate) fn below(&self, heading: &str) -> String {
        let sections = self.0.iter().filter(|section| section.heading == heading);
        sections.map(|section| section.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn parse(command: &clap::Command) -> Self {
        let text = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let mut sections = Vec::<Section>::new();
        for block in text.split("\n\n").skip(1) {
            match (block.strip_prefix("# "), sections.last_mut()) {
                (Some(block), _) => {
                    let (heading, below) = block.split_once('\n').unwrap_or((block, ""));
                    sections.push(Section { heading: heading.to_owned(), text: lines(below) });
                }
                (None, Some(last)) if last.text.is_empty() => last.text = lines(block),
                (None, _) => sections.push(Section { heading: String::new(), text: lines(block) }),
            }
        }
        if let Some(environment) = command.get::<Environment>() {
            let examples = sections.iter().position(|section| section.heading == "Examples");
            let heading = "Environment".to_owned();
            let section = Section { heading, text: environment.0.join("\n") };
            sections.insert(examples.unwrap_or(sections.len()), section);
        }
        Self(sections)
    }
}

/// Examples as they stand, prose in one line.
fn lines(block: &str) -> String {
    if block.starts_with("    ") { textwrap::dedent(block) } else { block.replace('\n', " ") }
}

/// Formats as the help has it.
impl fmt::Display for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |Section { heading, text }: &Section| match heading.as_str() {
            "" => Some(text.clone()),
            // In the manual page only.
            "See also" => None,
            heading => Some(format!("{heading}:\n{}", textwrap::indent(text, "  "))),
        };
        f.write_str(&self.0.iter().filter_map(text).collect::<Vec<_>>().join("\n\n"))
    }
}
