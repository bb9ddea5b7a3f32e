//! What `portal schema` documents: every object that a test reads is checked against it.

use std::path::Path;
use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

use crate::support::{Home, Ran, Served};

struct Documented {
    object: String,
    /// Commands with the options that matter.
    commands: Vec<String>,
    schema: Schema,
}

impl Documented {
    fn validate(&self, object: &Value) -> Result<(), String> {
        self.schema.0.validate(object, self.schema.1).map_err(|error| format!("{error:#}"))
    }
}

/// A schema that is itself valid.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn new(object: &str, schema: Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource(object, schema).unwrap();
        let index = compiler.compile(object, &mut schemas).expect(object);
        Self(schemas, index)
    }
}

static DOCUMENTED: LazyLock<Vec<Documented>> = LazyLock::new(|| {
    let home = Home::new();
    let listed = run(&home, &["schema", "--output", "json"]);
    let documented = listed.stdout.lines().map(|line| {
        let listed: Value = serde_json::from_str(line).unwrap();
        let object = listed["object"].as_str().unwrap().to_owned();
        let commands = listed["commands"].as_array().unwrap().iter();
        let commands = commands.map(|command| command.as_str().unwrap().to_owned()).collect();
        let mut schema = serde_json::from_str(&run(&home, &["schema", &object]).stdout).unwrap();
        close(&mut schema);
        Documented { schema: Schema::new(&object, schema), object, commands }
    });
    documented.collect()
});

/// Without [`Ran::json`], which needs the schemas.
fn run(home: &Home, arguments: &[&str]) -> Ran {
    let ran = home.run(arguments);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}");
    ran
}

/// Refuses members that are not documented. Users may meet those of a later version.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.contains_key("properties") && members.get("type") == Some(&json!("object")) {
                members.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Whether a process with these arguments runs this command.
fn is_run(command: &str, arguments: &[String]) -> bool {
    command.split(' ').all(|word| arguments.iter().any(|argument| argument == word))
}

/// Checks an object that a process with these arguments printed; without arguments it may be one of
/// any command.
pub(crate) fn check(arguments: &[String], object: &Value) {
    let candidates = || {
        DOCUMENTED.iter().filter(|documented| {
            let commands = &documented.commands;
            arguments.is_empty()
                || commands.is_empty()
                || commands.iter().any(|command| is_run(command, arguments))
        })
    };
    if candidates().any(|documented| documented.validate(object).is_ok()) {
        return;
    }
    let why = candidates().filter_map(|documented| {
        let error = documented.validate(object).err()?;
        Some(format!("\n  {}: {error}", documented.object))
    });
    panic!("{arguments:?} printed what is not documented: {object}{}", why.collect::<String>());
}

#[test]
fn schemas_are_valid_and_say_what_they_describe() {
    let home = Home::new();
    for Documented { object, .. } in DOCUMENTED.iter() {
        let schema: Value =
            serde_json::from_str(&run(&home, &["schema", object]).stdout).expect(object);
        Schema::new(object, schema.clone());
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{object}");
    }
}

#[test]
fn undocumented_member_is_refused() {
    let create = DOCUMENTED.iter().find(|documented| documented.object == "outcome").unwrap();
    let created = json!({ "name": "AcmePortal", "profile": null, "outcome": "created" });
    assert!(create.validate(&created).is_ok());
    for (member, value) in
        [("surprise", json!(1)), ("error", json!({})), ("outcome", json!("deleted"))]
    {
        let mut changed = created.clone();
        changed[member] = value;
        assert!(create.validate(&changed).is_err(), "{member}");
    }
}

#[test]
fn objects_in_golden_files_are_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let starts = ["{\"name\"", "{\"error\""];
        for line in text.lines().filter(|line| starts.iter().any(|start| line.starts_with(start))) {
            check(&[], &serde_json::from_str(line).expect(line));
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn log_line_of_server_is_documented() {
    let home = Home::new();
    let served = Served::start(&home, &[]);
    check(&["serve".to_owned()], &served.listening);
    assert_eq!(served.run(&home, &["list"]).status, 0);
    let log = served.log();
    let calls = log.lines().filter(|line| line.starts_with('{'));
    let calls: Vec<Value> = calls.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(calls.len() >= 2, "{log}");
    let arguments = ["serve", "--log", "json"].map(str::to_owned);
    for call in &calls {
        check(&arguments, call);
    }
}

#[test]
fn unknown_object_gets_best_guess() {
    let ran = Home::new().run(&["schema", "historic"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("did you mean `history`?"), "{ran:?}");
}
