//! What every file has in common.

use super::project::{absent, files, rust};

const LONGEST: usize = 400;

#[test]
fn every_rust_file_says_first_what_it_is_for() {
    let silent = rust().into_iter().filter(|file| !file.text.starts_with("//! "));
    absent(silent.map(|file| format!("{}:1", file.path)), "begin the file with one `//!` line: what it is for");
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let measured = rust().into_iter().map(|file| (file.text.lines().count(), file.path));
    let long = measured.filter(|(lines, _)| *lines > LONGEST);
    absent(
        long.map(|(lines, path)| format!("{path}:{lines}")),
        "a file that wants to be longer is two nouns: split it",
    );
}

#[test]
fn nothing_is_left_for_later() {
    // Written apart, or this file would find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimple", "mented!"), concat!("to", "do!(")];
    let here = files().into_iter().filter(|file| !file.is_in(&["Cargo.lock"]));
    absent(here.flat_map(|file| file.says(&marks)), "do it now, or write an issue");
}

#[test]
fn nothing_names_a_place_of_one_machine() {
    let places = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/t", "mp/"),
        concat!("/wo", "rk/"),
    ];
    let advice = "ask the system for the directory (std::env::temp_dir, mktemp -d), or make the path relative";
    absent(files().into_iter().flat_map(|file| file.says(&places)), advice);
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let migrations =
        files().into_iter().filter_map(|file| file.path.strip_prefix("shared/migrations/").map(str::to_owned));
    let wrong = migrations.enumerate().filter(|(index, name)| !name.starts_with(&format!("{:04}_", index + 1)));
    absent(
        wrong.map(|(_, name)| name),
        "name it NNNN_what_it_does.sql with the next free number; never change an old one",
    );
}
