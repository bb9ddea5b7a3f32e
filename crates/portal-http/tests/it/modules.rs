//! Modules import in one direction: down the lists in `src/client.rs` and `src/server.rs`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The line of the documented list on which each module stands.
fn documented_order(docs: &str) -> HashMap<&str, usize> {
    let rows = docs.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.enumerate()
        .flat_map(|(level, row)| {
            let modules = row.split(" | ").next().unwrap().split(", ");
            modules.map(move |module| (module.trim_matches('`'), level))
        })
        .collect()
}

/// The modules after each `super::` in `code`, those in braces included.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    code.split("super::").skip(1).flat_map(|rest| {
        let list = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        list.unwrap_or(rest.split(|c| !is_name(c)).next().unwrap()).split(',').map(str::trim)
    })
}

/// Checks the modules in `src/NAME` against the list in the docs of that module.
fn check(name: &str) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let docs = fs::read_to_string(src.join(format!("{name}.rs"))).unwrap();
    let order = documented_order(&docs);
    let mut seen = 0;
    for entry in fs::read_dir(src.join(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let module = path.file_stem().unwrap().to_str().unwrap();
        let level = *order.get(module).unwrap_or_else(|| panic!("{module} is not in the list"));
        let code = fs::read_to_string(&path).unwrap();
        // Unit tests may start a whole server, and docs link to what is above.
        let code = code.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().map(|line| line.split("//").next().unwrap());
        let code = code.collect::<Vec<_>>().join("\n");
        for import in imports(&code).filter(|import| order.contains_key(import)) {
            assert!(order[import] > level, "{module} must not import {import}");
        }
        seen += 1;
    }
    assert_eq!(seen, order.len(), "the list names modules that do not exist");
}

#[test]
fn client_modules_import_downwards_only() {
    check("client");
}

#[test]
fn server_modules_import_downwards_only() {
    check("server");
}
