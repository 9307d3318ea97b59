//! Rules: an id that the code names has its sentence, and a sentence has somebody who names it.

use std::collections::{BTreeMap, BTreeSet};

use super::project::{File, absent, read, rust};

#[test]
fn every_rule_that_is_named_stands_in_the_rules() {
    let (rules, named) = (entries(&read("docs/rules.md")), named());
    let families: BTreeSet<&str> = rules.iter().map(|id| family(id)).collect();
    let ours = named.iter().filter(|(id, _)| families.contains(family(id)));
    let unknown = ours.filter(|(id, _)| !rules.contains(*id)).map(|(id, place)| format!("{place}: {id}"));
    absent(unknown, "write the rule into its family's table in docs/rules.md, as one sentence");

    let idle = rules.iter().filter(|id| !named.contains_key(*id)).cloned();
    absent(idle, "nothing names this rule any more: take it out of docs/rules.md");
}

#[test]
fn the_check_of_the_rules_sees_lists_ranges_and_names_of_tests() {
    assert_eq!(ids("/// Seats (RO-04 to RO-06, L-12), as in UTF-16."), ["RO-04", "RO-05", "RO-06", "RO-06", "L-12"]);
    assert_eq!(ids("async fn no_01_and_no_02_a_join_is_judged() {"), ["NO-01", "NO-02"]);
    assert_eq!(ids("const KEYS: usize = 10_000;"), [""; 0]);
}

/// The ids that begin the rows of the tables.
fn entries(document: &File) -> BTreeSet<String> {
    let cells = document.text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.filter(|cell| cell.contains('-')).map(str::to_owned).collect()
}

/// Every id in Rust files, and where it stands first.
fn named() -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    for file in rust() {
        for (index, line) in file.text.lines().enumerate() {
            for id in ids(line) {
                named.entry(id).or_insert_with(|| format!("{}:{}", file.path, index + 1));
            }
        }
    }
    named
}

/// The letters before the number.
fn family(id: &str) -> &str {
    id.split('-').next().unwrap_or_default()
}

/// The ids in a line, written out or as part of a function's name.
fn ids(line: &str) -> Vec<String> {
    let line = line.split_once("fn ").map_or_else(|| line.to_owned(), |(_, name)| name.to_uppercase());
    let words: Vec<&str> = line.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    (0..words.len()).flat_map(|index| range(&words[index..])).collect()
}

/// What these words begin with: one id, or all from one to another.
fn range(words: &[&str]) -> Vec<String> {
    let (family, first, last) = match words {
        [family, first, to, again, last, ..] if family == again && to.eq_ignore_ascii_case("to") => {
            (family, first, last)
        }
        [family, first, ..] => (family, first, first),
        _ => return Vec::new(),
    };
    let is_family = (1..=2).contains(&family.len()) && family.bytes().all(|byte| byte.is_ascii_uppercase());
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|_| digits.len() == 2);
    match (is_family, number(first), number(last)) {
        (true, Some(first), Some(last)) => (first..=last).map(|number| format!("{family}-{number:02}")).collect(),
        _ => Vec::new(),
    }
}
