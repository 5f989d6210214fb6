//! The app's bundle, as far as it can be judged without a Mac: what it says of itself, its icon, its first start by
//! `make run`, and what it asks of Objective-C by name.

#[path = "common/program.rs"]
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The first macOS that the app runs on.
const DEPLOYMENT_TARGET: (u32, u32) = (11, 0);

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn there_is_one_app_at_a_time_and_it_has_no_place_in_the_dock() {
    let text = read("bundle/Info.plist");
    let plist = roxmltree::Document::parse_with_options(
        &text,
        roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() },
    );
    let plist = plist.unwrap();
    let value = |key: &str| {
        let name = plist.descendants().find(|node| node.has_tag_name("key") && node.text() == Some(key));
        let value = name.and_then(|name| name.next_sibling_element()).unwrap_or_else(|| panic!("{key}"));
        format!("{} {}", value.tag_name().name(), value.text().unwrap_or_default())
    };
    assert_eq!(value("LSMultipleInstancesProhibited"), "true ");
    assert_eq!(value("LSUIElement"), "true ");
    assert_eq!(value("CFBundleExecutable"), "string portcullis-tray");
    let (major, minor) = DEPLOYMENT_TARGET;
    assert_eq!(value("LSMinimumSystemVersion"), format!("string {major}.{minor}"));
    assert!(read("bundle/app.sh").contains(&format!("MACOSX_DEPLOYMENT_TARGET={major}.{minor}")));
}

/// Not every macOS reads `icp4` and `icp5` as PNG.
#[test]
fn the_icon_has_only_pictures_that_every_macos_reads() {
    let icon = std::fs::read(Path::new(ROOT).join("bundle/Portcullis.icns")).unwrap();
    let length = |bytes: &[u8]| u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
    assert_eq!((&icon[..4], length(&icon)), (&b"icns"[..], icon.len()));
    let mut rest = &icon[8..];
    let mut kinds = BTreeSet::new();
    while !rest.is_empty() {
        let (entry, next) = rest.split_at(length(rest));
        assert!(entry[8..].starts_with(b"\x89PNG\r\n\x1a\n"));
        kinds.insert(std::str::from_utf8(&entry[..4]).unwrap());
        rest = next;
    }
    assert_eq!(kinds, BTreeSet::from(["ic07", "ic08", "ic09", "ic10", "ic11", "ic12", "ic13", "ic14"]));
}

#[cfg(target_os = "linux")]
mod make_run {
    use std::path::Path;
    use std::process::Command;

    use crate::program;

    /// A folder of stand-ins for what `make run` calls on a Mac; each call is a line of its `log`.
    fn mac(with: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let built = r#"while [ $# -gt 0 ]; do case $1 in --bin) bin=$2;; --target) target=$2;; --profile) profile=$2;; esac; shift; done
            mkdir -p "$CARGO_TARGET_DIR/$target/$profile"; echo "$bin" >"$CARGO_TARGET_DIR/$target/$profile/$bin""#;
        let programs = [
            ("uname", "echo Darwin"),
            ("xcode-select", "echo /Applications/Xcode.app/Contents/Developer"),
            ("xcrun", "echo /Applications/Xcode.app/SDKs/MacOSX.sdk"),
            ("rustc", "echo 'rustc 1.99.0 (0 2026-01-01)'; echo 'host: aarch64-apple-darwin'"),
            ("cargo", built),
            ("strip", ":"),
            ("lipo", r#"cp "$2" "$4""#),
            ("codesign", ":"),
            ("shasum", "sha256sum \"$3\""),
            ("pkill", "touch \"$LOG.quit\""),
            ("pgrep", "! test -e \"$LOG.quit\""),
            ("open", ":"),
        ];
        for (name, script) in programs.iter().chain(with) {
            let path = folder.path().join(name);
            let says = format!("echo \"{name} $* SDKROOT=$SDKROOT\" >>\"$LOG\"\n{script}");
            program::script(&path, &says);
        }
        folder
    }

    /// What was called, a line each, and whether all went well.
    fn run(mac: &Path) -> (Vec<String>, bool, String) {
        let log = mac.join("log");
        let path = format!("{}:/usr/bin:/bin", mac.display());
        let output = Command::new("/bin/bash")
            .arg(Path::new(super::ROOT).join("scripts/run.sh"))
            .env_clear()
            .envs([("PATH", path.as_str()), ("HOME", "/nonexistent")])
            .env("LOG", &log)
            .env("CARGO_TARGET_DIR", mac.join("target"))
            .output()
            .unwrap();
        let calls = std::fs::read_to_string(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (calls.lines().map(str::to_owned).collect(), output.status.success(), said)
    }

    /// Xcode has the headers of the system in an SDK alone, and libproc reads them while it is built.
    #[test]
    fn the_sdk_is_named_where_only_xcode_has_one() {
        let mac = mac(&[]);
        let (calls, is_well, said) = run(mac.path());
        assert!(is_well, "{said}\n{calls:#?}");
        let builds: Vec<&String> = calls.iter().filter(|call| call.starts_with("cargo build")).collect();
        assert_eq!(builds.len(), 3, "{calls:#?}");
        assert!(
            builds.iter().all(|call| call.ends_with("SDKROOT=/Applications/Xcode.app/SDKs/MacOSX.sdk")),
            "{builds:#?}"
        );
    }

    #[test]
    fn an_app_that_runs_is_quit_before_the_new_one_is_opened() {
        let mac = mac(&[]);
        let (calls, is_well, said) = run(mac.path());
        assert!(is_well, "{said}");
        let place = |name: &str| calls.iter().position(|call| call.starts_with(name)).unwrap();
        assert!(place("pkill -U") < place("pgrep -U") && place("pgrep -U") < place("open -W"), "{calls:#?}");
        assert!(calls[place("pkill")].contains("-x portcullis-tray"));
    }

    #[test]
    fn without_tools_of_apples_the_next_step_is_said() {
        let mac = mac(&[("xcode-select", "exit 2")]);
        let (calls, is_well, said) = run(mac.path());
        assert!(!is_well && said.contains("xcode-select --install"), "{said}");
        assert!(calls.iter().all(|call| !call.starts_with("cargo")), "{calls:#?}");
    }
}

/// What a source asks of Objective-C by name.
#[derive(Default)]
struct Names {
    selectors: BTreeSet<String>,
    classes: BTreeSet<String>,
    /// Of AppKit and Foundation, classes among them.
    imports: BTreeSet<String>,
}

impl Names {
    fn read(&mut self, text: &str) {
        for sent in after(text, "msg_send!") {
            let [_, message @ ..] = &parts(sent)[..] else { panic!("{sent}") };
            self.selectors.insert(selector(message));
        }
        for named in after(text, "class!").filter(|named| is_name(named)) {
            self.classes.insert(named.to_owned());
        }
        for framework in ["app_kit", "foundation"] {
            for imported in text.split(&format!("use objc2_{framework}::")).skip(1) {
                let end = imported.find(';').unwrap();
                let names = imported[..end].trim_start_matches('{').trim_end_matches('}').split(',');
                self.imports
                    .extend(names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("NS")));
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What stands in the brackets after each `word` that is no part of a longer one.
fn after<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(word).filter_map(move |(at, _)| {
        let is_whole = !text[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let rest = text[at + word.len()..].trim_start();
        (is_whole && rest.starts_with(['(', '['])).then(|| inside(rest))
    })
}

/// What stands between a text's first bracket and its partner.
fn inside(text: &str) -> &str {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text[1..at].trim();
        }
    }
    panic!("no end of {}", &text[..text.len().min(80)]);
}

/// A text at its commas, but for those in brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// `retain`; `addChildWindow: w, ordered: o` is `addChildWindow:ordered:`.
fn selector(message: &[&str]) -> String {
    match message {
        [word] if is_name(word) => (*word).to_owned(),
        words => words.iter().map(|word| format!("{}:", word.split_once(':').unwrap().0)).collect(),
    }
}

/// The sources of ours, tao, muda and tray-icon that are compiled for a Mac, without their comments.
fn sources() -> Vec<String> {
    let crates = ["tao", "muda", "tray-icon"].map(locked_source);
    let mut found = Vec::new();
    for root in [Path::new(ROOT).join("src")].iter().chain(&crates) {
        collect(root, &mut found);
    }
    assert!(found.len() > 150, "{} files", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    const ELSEWHERE: [&str; 6] = ["ios", "android", "windows", "linux", "gtk", "unix"];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if ELSEWHERE.contains(&name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
            found.push(code.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// `src` of a crate, of the version that Cargo.lock names.
fn locked_source(name: &str) -> PathBuf {
    let lock = read("Cargo.lock");
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap();
    let version = after.split('"').next().unwrap();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cargo"));
    let find = || {
        let registries = std::fs::read_dir(home.join("registry/src")).ok()?;
        let mut sources = registries.map(|entry| entry.unwrap().path().join(format!("{name}-{version}/src")));
        sources.find(|source| source.is_dir())
    };
    find().unwrap_or_else(|| {
        // A build without the tray, on a machine that has never made one.
        let fetch =
            std::process::Command::new(env!("CARGO")).args(["fetch", "--locked"]).current_dir(ROOT).status();
        assert!(fetch.unwrap().success(), "cargo fetch failed");
        find().unwrap_or_else(|| panic!("{name} {version} is not in {}", home.display()))
    })
}

/// A line of `bundle/objective-c.txt`.
struct Row<'a> {
    kind: &'a str,
    name: &'a str,
    since: (u32, u32),
    /// How the source looks before it asks; nothing where every macOS has it.
    looked_up: &'a str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (kind, rest) = line.split_once(' ').unwrap();
            let mut words = rest.trim_start().splitn(3, ' ');
            let (name, since) = (words.next().unwrap(), words.next().unwrap());
            let (major, minor) = since.split_once('.').unwrap();
            let since = (major.parse().unwrap(), minor.parse().unwrap());
            Row { kind, name, since, looked_up: words.next().unwrap_or_default() }
        })
        .collect()
}

#[test]
fn what_is_asked_of_objective_c_is_there_or_looked_up_first() {
    let table = read("bundle/objective-c.txt");
    let rows = rows(&table);
    let sources = sources();
    let mut names = Names::default();
    sources.iter().for_each(|text| names.read(text));
    assert!(names.selectors.len() > 30 && names.imports.len() > 50, "is this test reading them right?");

    let listed = |kind: &str| -> BTreeMap<&str, &Row<'_>> {
        rows.iter().filter(|row| row.kind == kind).map(|row| (row.name, row)).collect()
    };
    let (selectors, classes, values) = (listed("selector"), listed("class"), listed("value"));
    let unlisted: Vec<&String> = names
        .selectors
        .iter()
        .filter(|name| !selectors.contains_key(name.as_str()))
        .chain(names.classes.iter().filter(|name| !classes.contains_key(name.as_str())))
        .chain(
            names
                .imports
                .iter()
                .filter(|name| !classes.contains_key(name.as_str()) && !values.contains_key(name.as_str())),
        )
        .collect();
    assert!(unlisted.is_empty(), "look up which macOS has these first, and list them: {unlisted:?}");

    for row in &rows {
        let is_asked = match row.kind {
            "selector" if row.looked_up.is_empty() => names.selectors.contains(row.name),
            "selector" => sources.iter().any(|text| text.contains(row.looked_up)),
            "class" => names.classes.contains(row.name) || names.imports.contains(row.name),
            "value" => names.imports.contains(row.name),
            "newer" => true,
            other => panic!("{other} is no kind"),
        };
        assert!(is_asked, "{} is listed and not asked for (any more)", row.name);
        let is_newer = row.since > DEPLOYMENT_TARGET;
        assert_eq!(
            is_newer,
            row.kind == "newer" || !row.looked_up.is_empty(),
            "{} since {:?}",
            row.name,
            row.since
        );
        if row.kind == "newer" {
            let calls = [format!(".{}(", row.name), format!("::{}(", row.name)];
            let calling = sources.iter().any(|text| calls.iter().any(|call| text.contains(call)));
            assert!(!calling, "{} came with macOS {:?} and is called: look first", row.name, row.since);
        }
    }
}
