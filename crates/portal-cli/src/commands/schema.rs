//! `portal schema [OBJECT]`: JSON Schemas of what `--output json` prints. They are in `schema/`, and
//! every object that a test reads is checked against them.

use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::report::exit::ExitClass;
use crate::terminal::printer::Printer;

/// Print the JSON Schema of an object of `--output json`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without OBJECT lists the objects, and the commands that print them. A later version may add members to an \
object, values to an enumeration, and objects.

Examples:
  portal schema create > create.schema.json")]
pub(crate) struct Args {
    /// The object
    #[arg(value_name = "OBJECT", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(OBJECTS.iter().map(|object| object.name)))]
    object: Option<String>,
}

/// An object, and the commands that print it: none if every command does.
struct Object {
    name: &'static str,
    commands: &'static [&'static str],
    schema: &'static str,
}

macro_rules! objects {
    ($($name:literal: $commands:expr;)*) => {
        &[$(Object {
            name: $name,
            commands: &$commands,
            schema: include_str!(concat!("schema/", $name, ".json")),
        }),*]
    };
}

const OBJECTS: &[Object] = objects! {
    "create": ["create", "batch", "rehearse", "recover"];
    "create-plan": ["create --dry-run"];
    "batch-plan": ["batch --dry-run"];
    "rename": ["rename", "recover"];
    "recover": ["recover"];
    "recover-list": ["recover --list"];
    "check": ["check"];
    "portal": ["list", "get"];
    "login": ["login"];
    "logout": ["logout"];
    "profile": ["profiles", "profiles show"];
    "profile-change": ["profiles use", "profiles rename", "profiles remove"];
    "doctor": ["doctor"];
    "explain": ["explain"];
    "listening": ["serve"];
    "environment": ["serve env"];
    "call": ["serve --log json", "requests --follow"];
    "log": ["serve --log json"];
    "requests": ["requests"];
    "backup": ["backup"];
    "admin-org": ["admin org list"];
    "admin-user": ["admin user list"];
    "admin-credential": ["admin credential list"];
    "admin-change": ["admin"];
    "admin-log": ["admin log"];
    "schema": ["schema"];
    "error": [];
};

/// What several objects have. One refers to later ones only.
const DEFINITIONS: [(&str, &str); 7] = [
    ("call", include_str!("schema/definitions/call.json")),
    ("error", include_str!("schema/definitions/error.json")),
    ("invalid_file", include_str!("schema/definitions/invalid_file.json")),
    ("invalid_name", include_str!("schema/definitions/invalid_name.json")),
    ("portal", include_str!("schema/definitions/portal.json")),
    ("user", include_str!("schema/definitions/user.json")),
    ("org", include_str!("schema/definitions/org.json")),
];

/// The object of `--output json`.
#[derive(Serialize)]
struct Listed {
    object: &'static str,
    commands: &'static [&'static str],
}

pub(crate) fn run(args: &Args, printer: &Printer) -> ExitClass {
    match &args.object {
        // Clap knows the names.
        Some(name) => OBJECTS
            .iter()
            .filter(|object| object.name == name)
            .for_each(|object| printer.write(&object.document())),
        None => list(printer),
    }
    ExitClass::Success
}

fn list(printer: &Printer) {
    let width = OBJECTS.iter().map(|object| object.name.len()).max().unwrap_or_default();
    for Object { name: object, commands, .. } in OBJECTS {
        let of = match commands {
            [] => "every command".to_owned(),
            commands => format!("portal {}", commands.join(", ")),
        };
        printer.result(format_args!("{object:width$}  {of}"), &Listed { object, commands });
    }
}

impl Object {
    /// The schema as it was written, and the definitions that it refers to.
    fn document(&self) -> String {
        let mut definitions: Vec<String> = Vec::new();
        for (name, text) in DEFINITIONS {
            let reference = format!("\"#/$defs/{name}\"");
            if self.schema.contains(&reference)
                || definitions.iter().any(|other| other.contains(&reference))
            {
                let text = text.trim_end().replace('\n', "\n    ");
                definitions.push(format!("    \"{name}\": {text}"));
            }
        }
        match self.schema.trim_end().strip_suffix("\n}") {
            Some(members) if !definitions.is_empty() => {
                let definitions = definitions.join(",\n");
                format!("{members},\n  \"$defs\": {{\n{definitions}\n  }}\n}}\n")
            }
            _ => self.schema.to_owned(),
        }
    }
}
