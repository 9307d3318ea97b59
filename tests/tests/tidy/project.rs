//! The project as text: its files, their lines, and how a test complains about them.

use std::fs;
use std::path::{Path, PathBuf};

/// Not written by anybody here, or not text.
const SKIPPED: [&str; 4] = [".git", ".sqlx", "target", "proptest-regressions"];

/// A file, by its path from the root of the project.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// Whether it is one of these; a name that ends with a slash stands for all that is below.
    pub(super) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == *place || place.ends_with('/') && self.path.starts_with(place))
    }

    /// Its lines with their numbers, without comments.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Where one of these words stands in the code, as `file:line: word`.
    pub(super) fn mentions(&self, words: &[&str]) -> Vec<String> {
        self.code().filter_map(|line| self.finding(line, words)).collect()
    }

    /// The same in all of the text, comments included.
    pub(super) fn says(&self, words: &[&str]) -> Vec<String> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter_map(|line| self.finding(line, words)).collect()
    }

    fn finding(&self, (number, line): (usize, &str), words: &[&str]) -> Option<String> {
        let word = words.iter().find(|word| line.contains(**word))?;
        Some(format!("{}:{number}: {word}", self.path))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// Whether there is a file or directory of this name.
pub(super) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// One file.
pub(super) fn read(path: &str) -> File {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    File { path: path.to_owned(), text }
}

/// Everything that is text.
pub(super) fn files() -> Vec<File> {
    let mut files = Vec::new();
    gather(&root(), &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Every Rust file.
pub(super) fn rust() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// The Rust files that are part of what people run: the library and the services, not the harness around them.
pub(super) fn production() -> Vec<File> {
    rust().into_iter().filter(|file| !file.is_in(&["tests/", "benches/"])).collect()
}

fn gather(folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the project can be listed").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            gather(&path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).expect("it lies below the root").to_string_lossy().into_owned();
            files.push(File { path, text });
        }
    }
}

/// Fails with every finding and what to do about it.
#[track_caller]
pub(super) fn absent(findings: impl IntoIterator<Item = String>, advice: &str) {
    let findings: Vec<_> = findings.into_iter().collect();
    assert!(findings.is_empty(), "{advice}:\n  {}\n", findings.join("\n  "));
}
