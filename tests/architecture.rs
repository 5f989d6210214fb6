//! The table in `src/lib.rs` is a true map: every module is on it, imports point down it only, and what is pure takes no
//! clock, file, process or global.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What takes everything it needs from its caller.
const PURE: [&str; 12] = [
    "pf",
    "port.rs",
    "rules",
    "report.rs",
    "status",
    "diagnosis",
    "menu",
    "debuggers",
    "root/plan.rs",
    "root/permissions.rs",
    "root/request.rs",
    "root/words.rs",
];

/// The files of a pure module that look at the machine or ask a server, for the others to be given what they found.
const LOOKING: [&str; 5] = [
    "debuggers/build_info.rs",
    "debuggers/probe.rs",
    "debuggers/scan.rs",
    "debuggers/watch.rs",
    "debuggers/wire.rs",
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
        if LOOKING.contains(&path.as_str()) {
            continue;
        }
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

/// One meaning for each name.
#[test]
fn a_type_name_is_declared_in_one_file() {
    let mut files: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for file in sources() {
        for name in code(&file).lines().filter_map(declared_type) {
            files.entry(name.to_owned()).or_default().insert(file.clone());
        }
    }
    assert!(files.len() > 300, "{} types: is this test reading them right?", files.len());
    files.retain(|_, places| places.len() > 1);
    assert!(files.is_empty(), "{files:#?}");
}

/// The name of the type that a line declares; not of one inside of a function or an `impl`.
fn declared_type(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let rest =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
        rest.trim_start()
    });
    let declared = ["struct ", "enum ", "trait ", "type ", "union "].iter();
    let rest = declared.filter_map(|keyword| line.strip_prefix(keyword)).next()?;
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

#[test]
fn a_use_is_read_in_every_form() {
    let text = "use crate::pf::rule;\nuse crate::{firewall, lab::{self, config}, os};\nlet x = crate::sockets::look();\n";
    let read: Vec<_> = uses(text).into_iter().collect();
    assert_eq!(read, ["firewall", "lab", "os", "pf", "sockets"]);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = Tree::read().circles();
    let circles: Vec<String> = circles.iter().map(|files| files.join(", ")).collect();
    assert!(circles.is_empty(), "these import each other in a circle:\n{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found_by_way_of_a_re_export() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let circles = |files: Vec<(String, String)>| Tree::of(files).circles();
    let (shared, user) =
        (file("a/b.rs", "pub struct B;"), file("a/c.rs", "use super::B;\npub fn c(_: B) {}"));
    let parent = |text: &str| file("a/mod.rs", text);
    // A parent that declares and re-exports is in no circle, whoever of its children uses the other's type by way of it.
    assert_eq!(circles(vec![parent("mod b;\nmod c;\npub use b::B;\nuse c::c;"), shared, user]), [[""; 0]; 0]);
    let user = file("a/c.rs", "use super::Defined;\npub fn c(_: Defined) {}");
    let found = circles(vec![parent("mod c;\nuse c::c;\npub struct Defined;"), user]);
    assert_eq!(found, [["a/c.rs", "a/mod.rs"]]);
    let (one, other) =
        (file("a/b.rs", "use crate::a::{c::C, d};"), file("a/c.rs", "fn f() -> super::super::a::b::B {}"));
    assert_eq!(circles(vec![parent("mod b;\nmod c;"), one, other]), [["a/b.rs", "a/c.rs"]]);
}

/// The files of the library, and what each imports.
struct Tree {
    /// By module path, such as `["pf", "rule"]`: the file, and its `use` declarations as (name, path).
    modules: BTreeMap<Vec<String>, Module>,
}

struct Module {
    file: String,
    /// Names in the module, or `*`, and the paths that they stand for.
    aliases: Vec<(String, Vec<String>)>,
    /// Paths in the code, from `crate` or `super` on.
    paths: Vec<Vec<String>>,
}

impl Tree {
    fn read() -> Self {
        let relative = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        Self::of(sources().iter().map(|path| (relative(path), code(path))).collect())
    }

    fn of(files: Vec<(String, String)>) -> Self {
        let modules = files.into_iter().map(|(file, text)| {
            let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
            let path = path.split('/').map(str::to_owned).collect();
            (path, Module { aliases: declarations(&text), paths: absolute_paths(&text), file })
        });
        Tree { modules: modules.collect() }
    }

    /// Sets of files each of which leads to every other.
    fn circles(&self) -> Vec<Vec<String>> {
        let edges: BTreeMap<&str, BTreeSet<&str>> = self
            .modules
            .iter()
            .map(|(path, module)| (module.file.as_str(), self.imports(path, module)))
            .collect();
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            edges.keys().map(|file| (*file, reachable(file, &edges))).collect();
        let mut circles = BTreeSet::new();
        for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
            let circle: Vec<String> = reached
                .iter()
                .filter(|other| reach.get(*other).is_some_and(|back| back.contains(file)))
                .map(|other| (*other).to_owned())
                .collect();
            circles.insert(circle);
        }
        circles.into_iter().collect()
    }

    /// The other files that a module takes something of.
    fn imports(&self, path: &[String], module: &Module) -> BTreeSet<&str> {
        let used = module.aliases.iter().map(|(_, used)| used).chain(&module.paths);
        let files = used.filter_map(|used| self.resolve(path, used, 0));
        files.filter(|file| *file != module.file).collect()
    }

    /// The file that defines what `used`, written in the module `from`, leads to; `None` for what is not ours.
    fn resolve(&self, from: &[String], used: &[String], depth: usize) -> Option<&str> {
        let mut at: Vec<String> = match used.first()?.as_str() {
            "crate" | "portcullis" => Vec::new(),
            _ => from.to_vec(),
        };
        let mut rest = match used.first()?.as_str() {
            "crate" | "portcullis" | "self" => &used[1..],
            _ => used,
        };
        while let Some("super") = rest.first().map(String::as_str) {
            at.pop();
            rest = &rest[1..];
        }
        for (index, name) in rest.iter().enumerate() {
            let child: Vec<String> = at.iter().chain([name]).cloned().collect();
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            let module = self.modules.get(&at)?;
            // A name that the module took from elsewhere leads there.
            let alias = module.aliases.iter().find(|(alias, _)| alias == name);
            return match alias {
                Some((_, target)) if depth < 16 && (at != from || index > 0 || depth > 0) => {
                    let target: Vec<String> = target.iter().chain(&rest[index + 1..]).cloned().collect();
                    self.resolve(&at, &target, depth + 1)
                }
                // A path that begins with a name of nothing here is another crate's.
                _ if index == 0 && used.len() == rest.len() => None,
                _ => Some(&module.file),
            };
        }
        // A parent that is named on the way is not used; a module that is named last is.
        self.modules.get(&at).map(|module| module.file.as_str())
    }
}

fn reachable<'a>(from: &str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(file) = waiting.pop() {
        for next in edges.get(file).into_iter().flatten() {
            if found.insert(*next) {
                waiting.push(next);
            }
        }
    }
    found
}

/// The `use` declarations of a text: each name that it brings in, with its path.
fn declarations(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("use ") {
        let begins = text[..at].rsplit('\n').next().unwrap_or_default();
        if !begins.split_whitespace().all(|word| word.starts_with("pub")) {
            continue;
        }
        let tree = text[at + 4..].split(';').next().unwrap_or_default();
        leaves(&tree.split_whitespace().collect::<Vec<_>>().join(" "), &[], &mut found);
    }
    found
}

/// The leaves of a `use` tree: `a::{b, c::D as E}` gives `b` for `a::b` and `E` for `a::c::D`.
fn leaves(tree: &str, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let (path, group) = tree.split_once('{').map_or((tree, None), |(path, group)| (path, Some(group)));
    let (path, name) = path.split_once(" as ").map_or((path, None), |(path, name)| (path, Some(name)));
    let mut whole = before.to_vec();
    whole.extend(path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    if let Some(group) = group {
        let (mut depth, mut entry) = (0, String::new());
        for letter in group[..group.rfind('}').unwrap_or(group.len())].chars().chain([',']) {
            match letter {
                ',' if depth == 0 => leaves(std::mem::take(&mut entry).trim(), &whole, found),
                letter => {
                    depth += i32::from(letter == '{') - i32::from(letter == '}');
                    entry.push(letter);
                }
            }
        }
        return;
    }
    if whole.last().is_some_and(|last| last == "self") {
        whole.pop();
    }
    if let Some(last) = whole.last() {
        let name = name.map_or_else(|| last.clone(), |name| name.trim().to_owned());
        found.push((name, whole));
    }
}

/// The paths in a text's code that begin with `crate` or `super`.
fn absolute_paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in text.match_indices(root) {
            let whole = text[..at]
                .chars()
                .next_back()
                .is_none_or(|before| !before.is_alphanumeric() && before != ':');
            let path: String =
                text[at..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
            let parts: Vec<String> =
                path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            // `use` trees are read as declarations.
            if whole
                && !path.ends_with("::")
                && !text[..at].rsplit(['\n', ';']).next().unwrap_or_default().contains("use ")
            {
                found.push(parts);
            }
        }
    }
    found
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
