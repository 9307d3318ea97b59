//! Who may use whom: modules of the library in order, services side by side.

use super::project::{File, absent, files, read, rust};

const SERVICES: [&str; 4] = ["api", "bot", "notification-daemon", "status-daemon"];

#[test]
fn a_module_of_the_library_uses_only_what_stands_above_it() {
    let order = modules(&read("shared/src/lib.rs"));
    let library = rust().into_iter().filter(|file| file.is_in(&["shared/src/"]));
    let findings = library.flat_map(|file| below(&file, &order));
    absent(
        findings,
        "move the code to the lower of the two modules, or the shared part above both (shared/src/lib.rs)",
    );
}

#[test]
fn services_do_not_know_each_other_nor_the_library_its_users() {
    let users: Vec<&str> = SERVICES.into_iter().chain(["tests", "benches"]).collect();
    let manifests = files().into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let product = manifests.filter(|file| !file.is_in(&["tests/", "benches/"]));
    let findings = product.flat_map(|file| named(&file, &users));
    absent(findings, "what two services need belongs to shared");
}

#[test]
fn the_check_of_the_order_sees_every_way_to_name_a_module() {
    let text = "//! It.\nuse crate::store::{Db, Sql};\nuse crate::{clock, amqp::relay, store};\nfn f() { crate::actions::join() }\n";
    let file = File { path: "shared/src/store/games.rs".to_owned(), text: text.to_owned() };
    let order = ["clock", "store", "amqp", "actions"].map(str::to_owned);
    let expected = ["shared/src/store/games.rs:3: store uses amqp", "shared/src/store/games.rs:4: store uses actions"];
    assert_eq!(below(&file, &order), expected);
}

/// The modules in the order in which `lib.rs` lists them.
fn modules(lib: &File) -> Vec<String> {
    let name = |(_, line): (usize, &str)| {
        line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    };
    lib.code().filter_map(name).collect()
}

/// Uses of modules that stand below the file's own.
fn below(file: &File, order: &[String]) -> Vec<String> {
    let place = |name: &str| order.iter().position(|module| module == name);
    let own = file.path.trim_start_matches("shared/src/").split(['/', '.']).next().unwrap_or_default();
    let Some(mine) = place(own) else { return Vec::new() };
    let mut findings = Vec::new();
    for (number, line) in file.code() {
        let used = used(line).into_iter().filter(|name| place(name).is_some_and(|theirs| theirs > mine));
        findings.extend(used.map(|name| format!("{}:{number}: {own} uses {name}", file.path)));
    }
    findings
}

/// The modules that a line names after `crate::`, alone or in braces.
fn used(line: &str) -> Vec<&str> {
    let word = |text: &'_ str| text.len() - text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    let mut names = Vec::new();
    for (start, path) in line.match_indices("crate::") {
        let rest = &line[start + path.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.push(&rest[..word(rest)]);
            continue;
        };
        let mut depth = 0_usize;
        for part in list.split_inclusive(['{', '}', ',']) {
            let name = part.trim_start();
            if depth == 0 && word(name) > 0 {
                names.push(&name[..word(name)]);
            }
            match part.chars().last() {
                Some('{') => depth += 1,
                Some('}') if depth == 0 => break,
                Some('}') => depth -= 1,
                _ => {}
            }
        }
    }
    names
}

/// Dependencies of a manifest that have one of these names.
fn named(manifest: &File, names: &[&str]) -> Vec<String> {
    let lines = manifest.text.lines().enumerate();
    let found = lines.filter(|(_, line)| {
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        names.contains(&name)
    });
    found.map(|(index, line)| format!("{}:{}: {line}", manifest.path, index + 1)).collect()
}
