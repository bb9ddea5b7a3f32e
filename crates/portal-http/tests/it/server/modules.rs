//! The modules of the server import in one direction: down the list in `src/server.rs`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

const DOCS: &str = include_str!("../../../src/server.rs");

/// The line of the documented list on which each module stands.
fn documented_order() -> HashMap<&'static str, usize> {
    let rows = DOCS.lines().filter_map(|line| line.strip_prefix("//! | `"));
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
        list.unwrap_or(rest.split(|c| !is_name(c)).next().unwrap()).split(", ")
    })
}

#[test]
fn modules_import_downwards_only() {
    let order = documented_order();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let module = path.file_stem().unwrap().to_str().unwrap();
        let level = *order.get(module).unwrap_or_else(|| panic!("{module} is not in the list"));
        let code = fs::read_to_string(&path).unwrap();
        // Unit tests may start a whole server.
        let code = code.split("#[cfg(test)]").next().unwrap();
        for import in imports(code).filter(|import| order.contains_key(import)) {
            assert!(order[import] > level, "{module} must not import {import}");
        }
        seen += 1;
    }
    assert_eq!(seen, order.len(), "the list names modules that do not exist");
}
