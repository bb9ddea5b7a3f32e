//! `portal schema [OBJECT]`: JSON Schemas of what `--output json` prints. Whatever a test reads of it is
//! checked against them.

use std::collections::BTreeMap;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::report::failure::{ExitClass, Failure};
use crate::report::similar::similar;
use crate::terminal::printer::Printer;

/// Print the JSON Schema of an object of `--output json`
///
/// Without OBJECT lists the objects, and the commands that print them. A later version may add
/// members to an object, values to an enumeration, and objects.
///
/// # Examples
///
///     portal schema outcome > outcome.schema.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The object, such as `outcome` [default: a list of them]
    #[arg(value_name = "OBJECT", add = ArgValueCandidates::new(candidates))]
    object: Option<String>,
}

/// `schema.json`: the schemas, and what they refer to.
#[derive(Deserialize)]
struct Document {
    /// The commands that print each object: none if every command does.
    commands: BTreeMap<String, Vec<String>>,
    objects: Map<String, Value>,
    #[serde(rename = "$defs")]
    definitions: Map<String, Value>,
}

/// In the order in which people read it.
#[derive(Serialize)]
struct Schema<'a> {
    #[serde(rename = "$schema")]
    dialect: &'static str,
    title: &'a str,
    #[serde(flatten)]
    found: Option<&'a Value>,
    #[serde(rename = "$defs", skip_serializing_if = "BTreeMap::is_empty")]
    definitions: BTreeMap<&'a String, &'a Value>,
}

/// An object for which `portal schema OBJECT` prints the schema.
#[derive(Serialize)]
struct Listed {
    object: String,
    /// The commands that print it.
    commands: Vec<String>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let document = Document::read()?;
    let Some(object) = &args.object else {
        printer.table(document.commands.into_iter().map(|(object, commands)| {
            let of = match commands.as_slice() {
                [] => "every command".to_owned(),
                commands => format!("portal {}", commands.join(", ")),
            };
            ([object.clone(), of], Listed { object, commands })
        }));
        return Ok(ExitClass::Success);
    };
    if !document.commands.contains_key(object) {
        let guess = similar(object, document.commands.keys().map(String::as_str));
        return Err(Failure::usage(format!("unknown object `{object}`")).hint(match guess {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => "run `portal schema` to list them".to_owned(),
        }));
    }
    printer.write(&(serde_json::to_string_pretty(&document.schema(object)?)? + "\n"));
    Ok(ExitClass::Success)
}

fn candidates() -> Vec<CompletionCandidate> {
    let objects = Document::read().into_iter().flat_map(|document| document.commands.into_keys());
    objects.map(CompletionCandidate::new).collect()
}

impl Document {
    fn read() -> serde_json::Result<Self> {
        serde_json::from_str(include_str!("schema.json"))
    }

    /// The schema of an object, with the definitions that it needs.
    fn schema<'a>(&'a self, object: &'a str) -> serde_json::Result<Schema<'a>> {
        let found = self.objects.get(object).or_else(|| self.definitions.get(object));
        let mut definitions = BTreeMap::new();
        loop {
            let so_far = (definitions.len(), serde_json::to_string(&(found, &definitions))?);
            let refers = |name: &str| so_far.1.contains(&format!("\"#/$defs/{name}\""));
            definitions.extend(self.definitions.iter().filter(|(name, _)| refers(name)));
            if definitions.len() == so_far.0 {
                break;
            }
        }
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        Ok(Schema { dialect, title: object, found, definitions })
    }
}
