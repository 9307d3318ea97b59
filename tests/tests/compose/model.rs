//! `compose/compose.yaml` with its anchors resolved, and the variables that a text wants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use yaml_serde::Value;

/// The root of the project.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// A file of the project.
pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// The whole file.
pub(super) fn stack() -> Value {
    let mut stack: Value = yaml_serde::from_str(&read("compose/compose.yaml")).expect("it is YAML");
    // What is merged may itself merge something.
    for _ in 0..3 {
        stack.apply_merge().expect("its anchors can be merged");
    }
    stack
}

/// The containers by name.
pub(super) fn services() -> BTreeMap<String, Value> {
    entries(&stack()["services"])
}

/// What a mapping holds; nothing if it is none.
pub(super) fn entries(value: &Value) -> BTreeMap<String, Value> {
    let entries = value.as_mapping().into_iter().flatten();
    entries.map(|(name, value)| (text(name), value.clone())).collect()
}

/// The texts of a list; nothing if it is none.
pub(super) fn list(value: &Value) -> Vec<String> {
    value.as_sequence().into_iter().flatten().map(text).collect()
}

/// A scalar as it is written.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| yaml_serde::to_string(value).unwrap_or_default().trim().to_owned(), str::to_owned)
}

/// Each `${NAME` of a text with what stands behind the name.
pub(super) fn wanted(text: &str) -> Vec<(&str, &str)> {
    let places = text.match_indices("${").map(|(at, _)| &text[at + 2..]);
    places.map(|rest| rest.split_at(rest.find(|c: char| !is_part(c)).unwrap_or(rest.len()))).collect()
}

/// The names in a file of variables, also of those that are only shown.
pub(super) fn named(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter_map(|line| line.trim_start_matches("# ").split_once('=')).map(|(name, _)| name);
    names.filter(|name| !name.is_empty() && name.chars().all(is_part)).map(str::to_owned).collect()
}

fn is_part(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}
