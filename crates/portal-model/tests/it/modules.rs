//! Imports point in one direction: down the lists in the README, in `src/flow.rs` and in
//! `src/flow/proof.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of a list and the row on which each is, with `::` between a module and its child.
struct Order(BTreeMap<String, usize>);

impl Order {
    /// The first column of the table after `heading`.
    fn documented(docs: &str, heading: &str) -> Self {
        let rows = docs
            .lines()
            .map(|line| line.trim_start_matches("//!").trim())
            .skip_while(|line| !line.ends_with(heading))
            .skip_while(|line| !line.starts_with("| `"))
            .take_while(|line| line.starts_with("| `"));
        let modules = rows.enumerate().flat_map(|(row, line)| {
            let cell = line.split(" | ").next().unwrap().trim_start_matches("| ");
            cell.split(", ").map(move |name| (name.trim_matches('`').to_owned(), row))
        });
        Self(modules.collect())
    }

    /// The module of the list that a path within the list's parent leads to.
    fn find(&self, path: &[String]) -> Option<(&str, usize)> {
        (1..=path.len()).rev().find_map(|length| {
            let (module, row) = self.0.get_key_value(&path[..length].join("::"))?;
            Some((module.as_str(), *row))
        })
    }
}

/// Every source file below `dir`, with its module path from the root of the crate.
fn files(dir: &Path, module: &[String], found: &mut Vec<(PathBuf, Vec<String>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = [module, &[name]].concat();
        if path.is_dir() {
            files(&path, &module, found);
        } else {
            found.push((path, module));
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths after each `crate::` and `super::` in the code of `module`, from the root of the crate.
fn imports(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let code: String = code
        .lines()
        // Unit tests may use everything.
        .take_while(|line| *line != "mod tests {")
        .map(|line| line.split("//").next().unwrap())
        .collect();
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        if code[..at].ends_with(is_word) || code[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &code[at + start.len()..];
        let mut base = if start == "crate::" { Vec::new() } else { module.to_vec() };
        base.truncate(base.len().saturating_sub(usize::from(start == "super::")));
        loop {
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            match (word, rest[word.len()..].strip_prefix("::")) {
                ("super", Some(tail)) => {
                    base.pop();
                    rest = tail;
                }
                ("", _) if rest.starts_with('*') => {
                    found.push(base);
                    break;
                }
                ("", _) => {
                    // A group, whose paths may have groups themselves: their names are enough.
                    let group = rest.trim_start_matches('{');
                    let names = group[..group.find('}').unwrap_or(0)].split(',');
                    let path = |name: &str| {
                        let words = name.trim().split("::").map(ToOwned::to_owned);
                        base.iter().cloned().chain(words).collect()
                    };
                    found.extend(names.map(path));
                    break;
                }
                (word, tail) => {
                    base.push(word.to_owned());
                    let Some(tail) = tail else {
                        found.push(base);
                        break;
                    };
                    rest = tail;
                }
            }
        }
    }
    found
}

/// Checks the modules below `parent` against the list in its docs.
fn check(docs: &str, heading: &str, parent: &[&str]) {
    let order = Order::documented(docs, heading);
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let dir = parent.iter().fold(src, |dir, name| dir.join(name));
    let parent: Vec<String> = parent.iter().map(|&name| name.to_owned()).collect();
    let mut found = Vec::new();
    files(&dir, &parent, &mut found);
    let mut seen: Vec<&str> = Vec::new();
    for (path, module) in found {
        let below = &module[parent.len()..];
        if below == ["lib"] {
            continue;
        }
        let (name, row) =
            order.find(below).unwrap_or_else(|| panic!("{module:?} is not in the list"));
        seen.push(name);
        let code = fs::read_to_string(&path).unwrap();
        for import in imports(&code, &module) {
            let Some(import) = import.strip_prefix(parent.as_slice()) else { continue };
            let by_parent = import.first().is_none_or(|name| name.starts_with(char::is_uppercase));
            assert!(
                !by_parent || name == "tests",
                "{name} imports {import:?} by way of its parent"
            );
            if let Some((other, other_row)) = order.find(import).filter(|(other, _)| *other != name)
            {
                assert!(other_row > row, "{name} must not import {other}");
            }
        }
    }
    let missing: Vec<_> = order.0.keys().filter(|name| !seen.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "the list names modules that do not exist: {missing:?}");
}

#[test]
fn modules_of_crate_import_downwards() {
    check(include_str!("../../README.md"), "Where to look", &[]);
}

#[test]
fn modules_of_flow_import_downwards() {
    check(include_str!("../../src/flow.rs"), "Order of the modules", &["flow"]);
}

#[test]
fn modules_of_proof_import_downwards() {
    check(include_str!("../../src/flow/proof.rs"), "Order of the modules", &["flow", "proof"]);
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::a::B;\nuse super::{c::D, e};\nuse super::super::f;\n// use crate::g;\n\
                fn h() { crate::i::j() }\nmod tests {\nuse crate::k;";
    let module = ["x", "y", "z"].map(ToOwned::to_owned);
    let found = imports(code, &module).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(found, ["a::B", "i::j", "x::y::c::D", "x::y::e", "x::f"]);
}
