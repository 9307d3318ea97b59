//! Documents keep their word: what they name is there, and so are they.

use std::path::Path;

use super::project::{File, absent, exists, files, read};

/// Where a path in the text begins, if it is one of ours.
const TOPS: [&str; 12] = [
    ".ci/",
    "alloy/",
    "api/",
    "benches/",
    "bot/",
    "compose/",
    "docs/",
    "notification-daemon/",
    "script/",
    "shared/",
    "status-daemon/",
    "tests/",
];

/// Not in a clone, since it holds passwords: `script/stack-env` writes it.
const WRITTEN: &str = "compose/.env";

#[test]
fn every_path_in_a_document_leads_somewhere() {
    let documents = files().into_iter().filter(|file| file.path.ends_with(".md"));
    let named = documents.flat_map(|file| {
        let lines = file.text.lines().enumerate();
        let named =
            lines.flat_map(|(index, line)| paths(line).into_iter().map(move |path| (index + 1, path.to_owned())));
        named.map(|(number, path)| (format!("{}:{number}: {path}", file.path), path)).collect::<Vec<_>>()
    });
    let lost = named.filter(|(_, path)| path != WRITTEN && !exists(path));
    absent(lost.map(|(finding, _)| finding), "name what is there now");
}

#[test]
fn no_document_is_cited_that_is_not_here() {
    let cited = files().into_iter().flat_map(|file| {
        let lines = file.text.lines().enumerate();
        let cited = lines.flat_map(|(index, line)| documents(line).into_iter().map(move |name| (index + 1, name)));
        let lost = cited.filter(|(_, name)| !exists(name) && !exists(&beside(&file, name)));
        lost.map(|(number, name)| format!("{}:{number}: {name}", file.path)).collect::<Vec<_>>()
    });
    absent(cited, "who has only a clone cannot follow: cite docs/rules.md, a decision or a public specification");
}

#[test]
fn every_invariant_that_is_written_down_has_its_test() {
    let tests: String =
        files().into_iter().filter(|file| file.is_in(&["tests/tests/tidy/"])).map(|file| file.text).collect();
    let architecture = read("ARCHITECTURE.md");
    let named = architecture.text.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2);
    let missing = named.filter(|name| !tests.contains(&format!("fn {name}() {{")));
    absent(missing.map(str::to_owned), "ARCHITECTURE.md promises a test that is not in tests/tests/tidy");
}

#[test]
fn a_decision_fits_on_a_card() {
    let decisions = files().into_iter().filter(|file| file.is_in(&["docs/decisions/"]));
    let long = decisions.filter(|file| file.text.lines().filter(|line| !line.is_empty()).count() > 6);
    absent(
        long.map(|file| file.path),
        "a title and five lines: what, why, instead of what, what follows, where it is tested",
    );
}

/// The paths between backticks.
fn paths(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_whitespace().next());
    quoted.filter(|text| TOPS.iter().any(|top| text.starts_with(top)) && !text.contains(['<', '*', '{', '$'])).collect()
}

/// The documents that a line names.
fn documents(line: &str) -> Vec<&str> {
    let words = line.split(|c: char| !c.is_alphanumeric() && !"._-/".contains(c));
    words.map(|word| word.trim_end_matches('.')).filter(|word| word.len() > 3 && word.ends_with(".md")).collect()
}

/// Where a name leads from a file's own folder.
fn beside(file: &File, name: &str) -> String {
    Path::new(&file.path).with_file_name(name).to_string_lossy().into_owned()
}
