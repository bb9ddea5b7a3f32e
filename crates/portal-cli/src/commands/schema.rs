//! `portal schema [OBJECT]`: JSON Schemas of what `--output json` prints. Whatever a test reads of it is
//! checked against them.

use std::collections::{BTreeMap, BTreeSet};

use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::report::exit::ExitClass;
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
    #[arg(value_name = "OBJECT", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(OBJECTS.iter().map(|(name, ..)| *name)))]
    object: Option<String>,
}

/// The objects, and the commands that print each: none if every command does.
const OBJECTS: &[(&str, &[&str])] = &[
    ("outcome", &["create", "rename", "batch", "rehearse", "recover"]),
    ("late", &["recover"]),
    ("history", &["history"]),
    ("check", &["check"]),
    ("portal", &["list"]),
    ("login", &["login"]),
    ("logout", &["logout"]),
    ("profile", &["profiles", "profiles show", "serve profiles"]),
    ("profile-change", &["profiles use", "profiles rename"]),
    ("doctor", &["doctor"]),
    ("explain", &["explain"]),
    ("listening", &["serve"]),
    ("environment", &["serve env"]),
    ("call", &["serve --log json", "requests --follow"]),
    ("log", &["serve --log json"]),
    ("requests", &["requests"]),
    ("backup", &["admin backup"]),
    ("admin-org", &["admin org list"]),
    ("admin-user", &["admin user list"]),
    ("admin-credential", &["admin credential list"]),
    ("admin-change", &["admin"]),
    ("admin-log", &["admin log"]),
    ("schema", &["schema"]),
    ("error", &[]),
];

/// The schemas, and what they refer to.
#[derive(Deserialize)]
struct Document {
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
    definitions: BTreeMap<&'a str, &'a Value>,
}

/// An object for which `portal schema OBJECT` prints the schema.
#[derive(Serialize)]
struct Listed {
    object: &'static str,
    /// The commands that print it.
    commands: &'static [&'static str],
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, serde_json::Error> {
    if let Some(object) = &args.object {
        let document: Document = serde_json::from_str(include_str!("schema.json"))?;
        printer.write(&(serde_json::to_string_pretty(&document.schema(object))? + "\n"));
    } else {
        printer.table(OBJECTS.iter().map(|&(object, commands)| {
            let of = match commands {
                [] => "every command".to_owned(),
                commands => format!("portal {}", commands.join(", ")),
            };
            ([object.to_owned(), of], Listed { object, commands })
        }));
    }
    Ok(ExitClass::Success)
}

impl Document {
    /// The schema of an object, with the definitions that it needs.
    fn schema<'a>(&'a self, object: &'a str) -> Schema<'a> {
        let found = self.objects.get(object).or_else(|| self.definitions.get(object));
        let mut needed = BTreeSet::new();
        if let Some(found) = found {
            self.add_references(found, &mut needed);
        }
        let definition = |name| Some((name, self.definitions.get(name)?));
        Schema {
            dialect: "https://json-schema.org/draft/2020-12/schema",
            title: object,
            found,
            definitions: needed.into_iter().filter_map(definition).collect(),
        }
    }

    fn add_references<'a>(&'a self, schema: &'a Value, needed: &mut BTreeSet<&'a str>) {
        let parts: Vec<&Value> = match schema {
            Value::Object(members) => members.values().collect(),
            Value::Array(items) => items.iter().collect(),
            Value::String(text) => {
                let new = text.strip_prefix("#/$defs/").filter(|name| needed.insert(name));
                new.and_then(|name| self.definitions.get(name)).into_iter().collect()
            }
            _ => Vec::new(),
        };
        for part in parts {
            self.add_references(part, needed);
        }
    }
}
