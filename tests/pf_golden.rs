//! pfctl's language against golden files: `NAME.conf` prints as `NAME.ok`, `NAME.bad` fails as `NAME.err`; every printed
//! form reads back as what was printed.
//!
//! `BLESS=1 cargo test --test pf_golden` writes the `.ok` and `.err` files anew: read their diff before it is kept.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis::pf::interfaces::InterfaceFacts;
use portcullis::pf::parse::{Parsed, parse, parse_listing, parse_on, parse_text};
use portcullis::pf::rule::Rule;
use portcullis::pf::rule::Ruleset;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pf")
}

fn files(extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "no .{extension} files");
    files
}

fn read(path: &Path) -> Parsed {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    parse(name, &text, &mut |name| fs::read_to_string(data().join(name)).map_err(|_| "no such file".into()))
}

fn compare(path: &Path, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

fn rules(ruleset: &Ruleset) -> Vec<&Rule> {
    ruleset.rules().map(|placed| &placed.item).collect()
}

#[test]
fn files_print_in_normal_form() {
    let mut problems = Vec::new();
    for path in files("conf") {
        let parsed = read(&path);
        problems.extend(parsed.problems.iter().map(ToString::to_string));
        compare(&path.with_extension("ok"), &parsed.ruleset.to_string());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn bad_files_tell_every_problem() {
    for path in files("bad") {
        let parsed = read(&path);
        assert!(!parsed.problems.is_empty(), "{}", path.display());
        let problems: String = parsed.problems.iter().map(|problem| format!("{problem}\n")).collect();
        compare(&path.with_extension("err"), &problems);
    }
}

#[test]
fn what_is_printed_reads_back_the_same() {
    for path in files("conf") {
        let first = read(&path).ruleset;
        let text: String = first.rules().map(|placed| format!("{}\n", placed.item)).collect();
        let again = parse_listing("printed", &text);
        assert_eq!(again.problems, [], "{}", path.display());
        assert_eq!(normal(&rules(&first)), normal(&rules(&again.ruleset)), "{}", path.display());
        let printed: String = again.ruleset.rules().map(|placed| format!("{}\n", placed.item)).collect();
        assert_eq!(printed, text, "{}", path.display());
    }
}

/// The rules without the places of those in inline anchors.
fn normal(rules: &[&Rule]) -> Vec<String> {
    rules
        .iter()
        .map(|rule| {
            let mut rule = (*rule).clone();
            if let Some(call) = &mut rule.anchor
                && let Some(inline) = call.inline.take()
            {
                return format!(
                    "{rule:?} {:?}",
                    normal(&inline.rules().map(|placed| &placed.item).collect::<Vec<_>>())
                );
            }
            format!("{rule:?}")
        })
        .collect()
}

/// As on a machine that has these interfaces: names become addresses, as `pfctl -nvf` shows them.
#[test]
fn names_of_interfaces_become_their_addresses() {
    let interfaces = [
        ("lo0", &["127.0.0.1/8", "::1/128"][..]),
        ("en0", &["192.168.1.10/24", "10.0.0.5/16", "fd00::10/64"]),
    ];
    let facts = interfaces.map(|(name, addresses)| InterfaceFacts {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    });
    let text = "nat on en0 inet from 10.0.0.0/8 to any -> en0:0\n\
        antispoof quick for { lo0 en0 } inet\n\
        pass in proto tcp from en0:network port { 1 2 } to en0:0 port 2345\n\
        pass out inet from en0:broadcast/32 to en5\n\
        pass out inet from en0/24 to (en0)\n\
        table <own> { self, en0:network }\n";
    let parsed = parse_on("x", text.as_bytes(), &mut |_| Err("no files here".into()), &facts);
    assert_eq!(parsed.problems.len(), 1, "{:?}", parsed.problems);
    assert_eq!(parsed.problems[0].line, 4, "a mask has no place behind :broadcast");
    let text = text.replace("en0:broadcast/32", "en0:broadcast");
    let parsed = parse_on("x", text.as_bytes(), &mut |_| Err("no files here".into()), &facts);
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    insta::assert_snapshot!(parsed.ruleset.to_string());
}

/// Statements that are read here and that macOS's pfctl refuses: each kind is noted once.
#[test]
fn what_pfctl_may_refuse_is_told_once() {
    let told = |text: &str| -> Vec<String> {
        let parsed = parse_text("x", text);
        assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        parsed
            .doubts
            .iter()
            .map(|doubt| format!("{}:{} {}", doubt.line, doubt.column, doubt.message))
            .collect()
    };
    let text = fs::read_to_string(data().join("doubtful.conf")).unwrap();
    insta::assert_snapshot!(told(&text).join("\n"));
    assert_eq!(told("pass all\r\n").len(), 1);
    assert_eq!(told("pass all\n# no end").len(), 0);
    assert_eq!(told("").len(), 0);
    let listing = parse_listing("x", "pass all\r\npass in proto { tcp\nudp }");
    assert_eq!(listing.doubts.len(), 0, "a listing is what pfctl wrote");
}

/// As `pfctl -vvs rules` shows an anchor with its rules: the brace stands behind the line of its owner.
#[test]
fn a_listing_with_owners_keeps_rules_in_their_anchor() {
    let text = "@0 anchor \"x\" all\n  [ Owner : nil          Priority : 0     ] {\n\
        @0 block drop all\n  [ Evaluations: 1         Packets: 0         Bytes: 0           States: 0     ]\n}\n\
        @1 pass all flags S/SA keep state\n  [ Owner : nil          Priority : 0     ]\n";
    let parsed = parse_listing("x", text);
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    assert_eq!(
        parsed.ruleset.to_string(),
        "anchor \"x\" all {\n  block drop all\n}\npass all flags S/SA keep state\n"
    );
}
