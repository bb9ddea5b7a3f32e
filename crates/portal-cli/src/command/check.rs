//! `portal check NAME…`: the name rules, without sending anything.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portal_model::outcome::ExitClass;
use serde::Serialize;

use crate::failure::{ErrorReport, Failure};
use crate::invalid_name;
use crate::printer::Printer;

/// Check names against the rules; nothing is sent
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A name is 6 to 30 of the letters A-Z, a-z and the digits 0-9. Whether it is free only a create
tells: names are unique over all of Zoho.

Example:
  portal check PortalsAPItest100 AcmeCustomers")]
pub(crate) struct Args {
    /// The names
    #[arg(required_unless_present = "from", value_name = "NAME")]
    names: Vec<String>,
    /// Check the names in a file too: one a line, or the columns `name` and `or` of a CSV
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Serialize)]
struct Checked<'a> {
    name: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let mut names = args.names.clone();
    if let Some(path) = &args.from {
        names.extend(read(path)?);
    }
    let mut seen = HashMap::new();
    let mut all_valid = true;
    for name in &names {
        let error = match invalid_name::parse(name, printer) {
            Err(invalid) => Some(invalid_name::report(&invalid)),
            Ok(_) => seen.insert(name.to_ascii_lowercase(), name).map(|first| {
                let error = ErrorReport::new("duplicate_name", duplicate(name, first));
                printer.error(&error);
                error
            }),
        };
        match error {
            None => printer.result(
                format_args!("{name} is possible"),
                &Checked { name, outcome: "valid", error: None },
            ),
            Some(error) => {
                all_valid = false;
                printer.json(&Checked { name, outcome: "invalid", error: Some(error) });
            }
        }
    }
    Ok(if all_valid { ExitClass::Success } else { ExitClass::Invalid })
}

fn duplicate(name: &str, first: &str) -> String {
    if name == first {
        format!("{name} stands there twice")
    } else {
        format!("{name} is the same name as {first}; the case of letters doesn't count")
    }
}

/// Reads names, from lines or from a CSV with a column `name`.
fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} can't be read", path.display()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = csv.headers()?.clone();
    let column = |wanted: &str| header.iter().position(|column| column == wanted);
    let Some(name) = column("name") else {
        return Ok(text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(str::to_owned)
            .collect());
    };
    let or = column("or");
    let mut names = Vec::new();
    for row in csv.records() {
        let row = row?;
        names.extend(row.get(name).map(str::to_owned));
        let alternatives = or.and_then(|or| row.get(or)).unwrap_or_default();
        names.extend(alternatives.split('|').filter(|name| !name.is_empty()).map(str::to_owned));
    }
    Ok(names)
}
