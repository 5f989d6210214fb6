//! The table in `src/lib.rs` is a true map: every module is on it, imports point down it only, and what is pure takes no
//! clock, file, process or global.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What takes everything it needs from its caller.
const PURE: [&str; 9] = [
    "pf",
    "port.rs",
    "rules",
    "report.rs",
    "status",
    "diagnosis",
    "menu.rs",
    "root/plan.rs",
    "root/request.rs",
];

/// What a pure module never names: ways to a clock, a file, a process, the environment.
const IMPURE: [&str; 12] = [
    "std::fs",
    "std::process",
    "std::env",
    "std::net::Tcp",
    "std::thread",
    "std::io::stdin",
    "SystemTime",
    "Instant",
    "::now(",
    "crate::os",
    "rustix::",
    "static mut",
];

#[test]
fn imports_point_down_only() {
    let map = map();
    let row = |module: &str| map.iter().position(|row| row.iter().any(|other| other == module));
    let mut wrong = BTreeSet::new();
    for file in sources() {
        let from = module(&file);
        // The programs stand above the map: they may use all of it.
        if ["main", "bin", "cli", "tray"].contains(&from.as_str()) {
            continue;
        }
        let place = row(&from).unwrap_or_else(|| panic!("{} is not on the map", file.display()));
        for used in uses(&code(&file)) {
            if row(&used).is_some_and(|below| below < place) {
                wrong.insert(format!("{} uses {used}, which stands above {from}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_map_names_every_module_once() {
    let library = std::fs::read_to_string(root().join("lib.rs")).unwrap();
    let declared = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut declared: Vec<_> = declared.map(str::to_owned).collect();
    let mut mapped = map().concat();
    declared.sort();
    mapped.sort();
    assert!(declared.len() > 5, "lib.rs declares {declared:?}: is this test reading it right?");
    assert_eq!(mapped, declared);
}

#[test]
fn pure_modules_take_no_clock_file_process_or_global() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources() {
        let path = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let Some(pure) = PURE.iter().find(|pure| Path::new(&path).starts_with(pure)) else { continue };
        seen.insert(*pure);
        for (number, line) in code(&file).lines().enumerate() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("src/{path}:{}: {word} in a pure module", number + 1));
            }
        }
    }
    assert_eq!(seen.len(), PURE.len(), "of {PURE:?} only {seen:?} are there");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_lives_in_os_only() {
    let files: Vec<_> = sources()
        .into_iter()
        .filter(|file| !file.starts_with(root().join("os")))
        .filter(|file| code(file).contains("unsafe ") || code(file).contains("allow(unsafe_code"))
        .collect();
    assert!(files.is_empty(), "unsafe outside src/os/: {files:?}");
}

#[test]
fn a_use_is_read_in_every_form() {
    let text = "use crate::pf::rule;\nuse crate::{firewall, lab::{self, config}, os};\nlet x = crate::sockets::look();\n";
    let read: Vec<_> = uses(text).into_iter().collect();
    assert_eq!(read, ["firewall", "lab", "os", "pf", "sockets"]);
}

/// The rows of the table in `lib.rs`, highest first, each with the modules it names in its first column. Modules in one
/// row may use each other.
fn map() -> Vec<Vec<String>> {
    let library = std::fs::read_to_string(root().join("lib.rs")).unwrap();
    let rows = library.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split(" | ").next());
    rows.map(|row| row.split("`], [`").map(|name| name.trim_end_matches("`]").to_owned()).collect()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file but `lib.rs`, which is the map.
fn sources() -> Vec<PathBuf> {
    let mut folders = vec![root()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path != root().join("lib.rs")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The module of the library that a file belongs to: `pf` for `src/pf/rule.rs`.
fn module(file: &Path) -> String {
    let first = file.strip_prefix(root()).unwrap().components().next().unwrap();
    Path::new(&first).with_extension("").to_string_lossy().into_owned()
}

/// A file without its comments and without its unit tests, which may use what they like; line numbers stay.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let line = |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The library's modules that a text uses, by `use crate::…` or by `crate::…` or `portcullis::…` in the code.
fn uses(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in ["crate::", "portcullis::"] {
        for (at, _) in text.match_indices(prefix) {
            let rest = &text[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(first_names(group)),
                None => found.extend(name(rest)),
            }
        }
    }
    found
}

/// The first name of each entry in a `use` group, whose opening brace was read.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut entry) = (0, String::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.extend(name(std::mem::take(&mut entry).trim_start())),
            letter if depth == 0 => entry.push(letter),
            _ => {}
        }
    }
    names.extend(name(entry.trim_start()));
    names
}

/// The lower-case name that a text begins with, a module's.
fn name(text: &str) -> Option<String> {
    let name: String =
        text.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
    (!name.is_empty()).then_some(name)
}
