//! `portal schema [OBJECT]`: JSON Schemas of what `--output json` prints, derived from the types that
//! are printed.

use clap::builder::PossibleValuesParser;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::sections::{About, Examples, Sections};
use crate::commands::{admin, check, doctor, explain, login, logout, profiles, requests, serve};
use crate::report::entry::{EntryObject, LateObject};
use crate::report::exit::ExitClass;
use crate::report::outcome::Report;
use crate::report::portal::PortalObject;
use crate::terminal::printer::Printer;
use crate::terminal::results::Failed;

/// Print the JSON Schema of an object of `--output json`
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    About("Without OBJECT lists the objects, and the commands that print them. A later version may \
              add members to an object, values to an enumeration, and objects."),
    Examples("portal schema outcome > outcome.schema.json"),
]))]
pub(crate) struct Args {
    /// The object, such as `outcome` [default: a list of them]
    #[arg(value_name = "OBJECT", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(OBJECTS.iter().map(|(name, ..)| *name)))]
    object: Option<String>,
}

/// The name of an object, its schema, and the commands that print it: none if every command does.
type Object = (&'static str, fn() -> Schema, &'static [&'static str]);

const OBJECTS: &[Object] = &[
    ("outcome", schema::<Report>, &["create", "rename", "batch", "rehearse", "recover"]),
    ("late", schema::<LateObject<'_>>, &["recover"]),
    ("history", schema::<EntryObject<'_>>, &["history"]),
    ("check", schema::<check::Checked<'_>>, &["check"]),
    ("portal", schema::<PortalObject>, &["list"]),
    ("login", schema::<login::LoggedIn<'_>>, &["login"]),
    ("logout", schema::<logout::LoggedOut<'_>>, &["logout"]),
    ("profile", schema::<profiles::Listed<'_>>, &["profiles", "profiles show", "serve profiles"]),
    ("profile-change", schema::<profiles::Changed<'_>>, &["profiles use", "profiles rename"]),
    ("doctor", schema::<doctor::Checked<'_>>, &["doctor"]),
    ("explain", schema::<explain::Explained>, &["explain"]),
    ("listening", schema::<serve::Listening<'_>>, &["serve"]),
    ("environment", schema::<serve::Environment>, &["serve env"]),
    ("call", schema::<requests::Call>, &["serve --log json", "requests --follow"]),
    ("log", schema::<LogLine>, &["serve --log json"]),
    ("requests", schema::<requests::Requests>, &["requests"]),
    ("backup", schema::<admin::BackedUp<'_>>, &["admin backup"]),
    ("admin-org", schema::<admin::OrgRow<'_>>, &["admin org list"]),
    ("admin-user", schema::<admin::UserRow<'_>>, &["admin user list"]),
    ("admin-credential", schema::<admin::CredentialRow<'_>>, &["admin credential list"]),
    ("admin-change", schema::<admin::Changed<'_>>, &["admin"]),
    ("admin-log", schema::<admin::LogRow<'_>>, &["admin log"]),
    ("schema", schema::<Listed>, &["schema"]),
    ("error", schema::<Failed<'_>>, &[]),
];

/// An object for which `portal schema OBJECT` prints the schema.
#[derive(Serialize, JsonSchema)]
struct Listed {
    object: &'static str,
    /// The commands that print it.
    commands: &'static [&'static str],
}

/// A line on stderr of `portal serve --log json` that is not about a call: a warning, an error, or what
/// `PORTAL_LOG` asks for.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the library for logs writes it")]
struct LogLine {
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
    #[schemars(extend("enum" = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]))]
    level: String,
    /// The module that logs.
    target: String,
    message: String,
    /// The values of the event, and where it happened.
    #[schemars(flatten)]
    other: Map<String, Value>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, serde_json::Error> {
    // Clap knows the names.
    let wanted = OBJECTS.iter().find(|(name, ..)| args.object.as_deref() == Some(name));
    if let Some((name, schema, _)) = wanted {
        let mut schema = schema();
        schema.insert("title".to_owned(), (*name).into());
        printer.write(&(serde_json::to_string_pretty(&schema)? + "\n"));
    } else {
        printer.table(OBJECTS.iter().map(|&(object, _, commands)| {
            let of = match commands {
                [] => "every command".to_owned(),
                commands => format!("portal {}", commands.join(", ")),
            };
            ([object.to_owned(), of], Listed { object, commands })
        }));
    }
    Ok(ExitClass::Success)
}

fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(as_printed);
    settings.into_generator().into_root_schema_for::<T>()
}

/// A member that may be absent is left out rather than null, and a description is one line.
fn as_printed(schema: &mut Schema) {
    transform_subschemas(&mut as_printed, schema);
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(Value::Object(members)) = schema.get_mut("properties") else { return };
    for (name, member) in members {
        if let Value::Object(member) = member
            && !required.iter().any(|it| it == name)
        {
            forbid_null(member);
        }
    }
}

fn forbid_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|it| !it.is_null());
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = &mut types[..] {
            let only = only.take();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut schemas)) = schema.remove("anyOf") {
        schemas.retain(|it| it["type"] != "null");
        match &mut schemas[..] {
            [Value::Object(only)] => schema.append(only),
            _ => drop(schema.insert("anyOf".to_owned(), schemas.into())),
        }
    }
}
