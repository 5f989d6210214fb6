//! Rules as text become rulesets as a kernel holds them: `pfctl -f`, through the engine in [`crate::pf`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::config::LabConfig;
use super::kernel::{KernelRuleset, LoadedRule, Table};
use crate::os::Interface;
use crate::pf::criteria::Address;
use crate::pf::interfaces::InterfaceFacts;
use crate::pf::parse::{Parsed, parse_on};
use crate::pf::preamble::{Preamble, TableDefinition, TableSource};
use crate::pf::rule::Rule;
use crate::pf::rule::{Placed, Ruleset};

/// The largest file that is read, in bytes.
const MAXIMUM_FILE: u64 = 64 << 20;

/// How many files a ruleset may load anchors from: one that loads itself has no end.
const MAXIMUM_LOADS: usize = 1_000;

/// The files that pfctl reads, as it finds them in a lab.
#[derive(Clone, Copy, Debug)]
pub struct RuleFiles<'a> {
    /// The directory that plays `/`.
    pub directory: &'a Path,
}

impl RuleFiles<'_> {
    /// The bytes of the file that `path` names: in the lab where it is there, else by its real path, so that
    /// a file from elsewhere can be tried in a lab.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let inside = self.directory.join(path.trim_start_matches('/'));
        let is_lab_path = Path::new(path).starts_with(self.directory);
        let place: PathBuf =
            if !is_lab_path && path.starts_with('/') && inside.exists() { inside } else { path.into() };
        let file = File::open(place)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::ISDIR.raw_os_error()));
        }
        bounded(file)
    }
}

/// All that `input` gives. Errors: more than 64 MiB.
pub fn bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAXIMUM_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAXIMUM_FILE {
        true => Err(io::Error::other("more than 64 MiB")),
        false => Ok(bytes),
    }
}

/// An error as strerror(3) words it, without the number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

/// What a load puts in the place of what is there.
#[derive(Clone, Debug, Default)]
pub struct LoadResult {
    /// Each ruleset by its path, with the names of the tables that keep their addresses.
    pub rulesets: BTreeMap<String, (KernelRuleset, BTreeSet<String>)>,
    /// The interfaces that `set skip on` names.
    pub skip: BTreeSet<String>,
    /// What `-v` prints.
    pub printed: String,
    /// What `-v` says on standard error.
    pub told: String,
}

/// A load that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What pfctl says on standard error, line by line.
    pub messages: Vec<String>,
    /// The interfaces that `set skip on` names: pfctl sets them while it reads, before it knows that the rest
    /// is wrong.
    pub skip: BTreeSet<String>,
}

/// Who loads, and what for.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The pfctl that does it.
    pub pid: u32,
    /// `-vv`: rules are printed with their numbers.
    pub numbered: bool,
    /// `-n`: nothing is going to be loaded.
    pub check_only: bool,
}

/// Reads the rules of the file `name` for `anchor`, and of every file that they load anchors from.
pub fn load(
    files: RuleFiles,
    anchor: &str,
    name: &str,
    bytes: io::Result<Vec<u8>>,
    how: How,
) -> Result<LoadResult, Failed> {
    let mut loading = Loading {
        files,
        interfaces: interfaces(files.directory),
        how,
        nameless: 0,
        loaded: LoadResult::default(),
    };
    match loading.files(anchor, name, bytes) {
        Ok(()) => Ok(loading.loaded),
        Err(messages) => Err(Failed { messages, skip: loading.loaded.skip }),
    }
}

/// The interfaces that pfctl finds here, loopback first. Settings that do not read are told where they are asked for;
/// names then stay names.
fn interfaces(directory: &Path) -> Vec<InterfaceFacts> {
    let loopback = [
        Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8).into(),
        IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), 64).into(),
    ];
    let loopback = Interface { name: "lo0".to_owned(), addresses: loopback.to_vec() };
    let others = LabConfig::read(directory).map(|config| config.interfaces()).unwrap_or_default();
    std::iter::once(loopback)
        .chain(others)
        .map(|interface| InterfaceFacts { name: interface.name, addresses: interface.addresses })
        .collect()
}

struct Loading<'a> {
    files: RuleFiles<'a>,
    interfaces: Vec<InterfaceFacts>,
    how: How,
    /// How many anchors without a name there were: they are called `_1`, `_2`, … .
    nameless: usize,
    loaded: LoadResult,
}

impl Loading<'_> {
    fn files(&mut self, anchor: &str, name: &str, bytes: io::Result<Vec<u8>>) -> Result<(), Vec<String>> {
        let mut loads = VecDeque::from(self.file(anchor, name, bytes)?);
        // pfctl follows `load anchor` in the main ruleset alone, and there in the files that it loads as
        // well.
        let mut followed = 0;
        while let Some((path, name)) = loads.pop_front().filter(|_| anchor.is_empty()) {
            followed += 1;
            let bytes = match followed > MAXIMUM_LOADS {
                true => Err(io::Error::other(format!("more than {MAXIMUM_LOADS} files"))),
                false => self.files.read(&name),
            };
            let _ = writeln!(self.loaded.told, "\nLoading anchor {path} from {name}");
            loads.extend(self.file(&path, &name, bytes).map_err(|mut messages| {
                messages.push("pfctl: load anchors".to_owned());
                messages
            })?);
        }
        Ok(())
    }

    /// Takes up one file; what it loads anchors from, as their paths and files.
    fn file(
        &mut self,
        anchor: &str,
        name: &str,
        bytes: io::Result<Vec<u8>>,
    ) -> Result<Vec<(String, String)>, Vec<String>> {
        let read = match bytes {
            Ok(bytes) => self.text(anchor, name, &bytes),
            Err(error) => Err(unreadable(name, &error)),
        };
        read.map_err(|mut messages| {
            if !self.how.check_only {
                messages.push("pfctl: Syntax error in config file: pf rules not loaded".to_owned());
            }
            messages
        })
    }

    fn text(&mut self, anchor: &str, name: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, Vec<String>> {
        let files = self.files;
        let mut include = |path: &str| {
            let bytes = files.read(path).map_err(|error| reason(&error))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let Parsed { ruleset, problems, .. } = parse_on(name, bytes, &mut include, &self.interfaces);
        self.loaded.skip.extend(ruleset.skipped().into_iter().map(str::to_owned));
        if !problems.is_empty() {
            return Err(problems.iter().map(|problem| problem.pfctl_form()).collect());
        }
        self.ruleset(anchor, &ruleset).map_err(|problem| vec![problem.to_string()])?;
        self.print(&ruleset);
        let loads = ruleset
            .loads
            .iter()
            .map(|Placed { item, .. }| (below(anchor, &item.anchor), item.file.to_string()));
        Ok(loads.collect())
    }

    fn ruleset(&mut self, anchor: &str, ruleset: &Ruleset) -> Result<(), TableProblem> {
        let mut loaded = KernelRuleset { loaded_by: self.how.pid, ..KernelRuleset::default() };
        loaded.scrub = self.lines(anchor, &ruleset.scrub)?;
        loaded.nat = self.lines(anchor, &ruleset.nat)?;
        loaded.rdr = self.lines(anchor, &ruleset.rdr)?;
        loaded.binat = self.lines(anchor, &ruleset.binat)?;
        loaded.filter = self.lines(anchor, &ruleset.filter)?;
        loaded.dummynet = self.lines(anchor, &ruleset.dummynet)?;
        let mut unfilled = BTreeSet::new();
        for (place, table) in ruleset.tables() {
            let mut held = Table { constant: table.constant, persist: table.persist, ..Table::default() };
            for source in table.contents.iter().flatten() {
                self.fill(&mut held, source)
                    .map_err(|source| TableProblem { place: place.to_string(), source })?;
            }
            match table.contents {
                Some(_) => unfilled.remove(&*table.name),
                None => unfilled.insert(table.name.to_string()),
            };
            loaded.tables.insert(table.name.to_string(), held);
        }
        self.loaded.rulesets.insert(anchor.to_owned(), (loaded, unfilled));
        Ok(())
    }

    fn lines(&mut self, anchor: &str, rules: &[Placed<Rule>]) -> Result<Vec<LoadedRule>, TableProblem> {
        rules.iter().map(|placed| self.line(anchor, &placed.item)).collect()
    }

    fn line(&mut self, anchor: &str, rule: &Rule) -> Result<LoadedRule, TableProblem> {
        let label = rule.label.as_deref().map(str::to_owned);
        let Some(call) = &rule.anchor else {
            return Ok(LoadedRule { text: rule.to_string(), calls: None, label });
        };
        let path = match &call.path {
            Some(path) => below(anchor, path),
            None => {
                self.nameless += 1;
                below(anchor, &format!("_{}", self.nameless))
            }
        };
        if let Some(ruleset) = &call.inline {
            self.ruleset(&path, ruleset)?;
        }
        Ok(LoadedRule { text: bare(rule), calls: Some(path), label })
    }

    fn fill(&self, table: &mut Table, source: &TableSource) -> Result<(), TableError> {
        match source {
            // A text with such a table has a problem, and nothing of it is loaded.
            TableSource::Unreadable => return Err(TableError::Unreadable),
            TableSource::File(path) => {
                let bytes = self
                    .files
                    .read(path)
                    .map_err(|source| TableError::File { path: path.to_string(), source })?;
                for (left_out, network) in addresses(&String::from_utf8_lossy(&bytes))? {
                    table.addresses.insert(network, left_out);
                }
            }
            TableSource::Addresses(addresses) => {
                for (left_out, address) in addresses {
                    let Address::Net(network) = address else {
                        return Err(TableError::Name(address.clone()));
                    };
                    table.addresses.insert(network.trunc(), *left_out);
                }
            }
        }
        Ok(())
    }

    fn print(&mut self, ruleset: &Ruleset) {
        for placed in &ruleset.preamble {
            let _ = match &placed.item {
                Preamble::Table(table) => writeln!(self.loaded.printed, "{}", with_any(table)),
                other => writeln!(self.loaded.printed, "{other}"),
            };
        }
        print_rules(&mut self.loaded.printed, ruleset, self.how.numbered, 0);
    }
}

/// Why a table cannot be filled, in pfctl's words.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("the addresses of a table do not read")]
    Unreadable,
    #[error("cannot load \"{path}\": {}", reason(source))]
    File { path: String, source: io::Error },
    #[error("no IP address found for {0}")]
    NoAddress(String),
    /// pfctl would ask a name server.
    #[error("the lab cannot look up the addresses of {0}")]
    Name(Address),
}

/// A table that cannot be filled, and the line that defines it.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
struct TableProblem {
    place: String,
    source: TableError,
}

/// What pfctl says of a file of rules that cannot be read.
fn unreadable(name: &str, error: &io::Error) -> Vec<String> {
    let reason = reason(error);
    vec![format!("pfctl: {name}: {reason}"), format!("pfctl: cannot open the main config file!: {reason}")]
}

/// A table as pfctl prints it while it is loaded: every address of a family is `any`, which is not read again.
fn with_any(table: &TableDefinition) -> TableDefinition {
    let mut shown = table.clone();
    for source in shown.contents.iter_mut().flatten() {
        let TableSource::Addresses(addresses) = source else { continue };
        for (_, address) in addresses {
            if matches!(address, Address::Net(network) if network.prefix_len() == 0) {
                *address = Address::Any;
            }
        }
    }
    shown
}

/// Rules in the order in which pfctl loads and prints them.
fn print_rules(out: &mut String, ruleset: &Ruleset, numbered: bool, depth: usize) {
    let kinds =
        [&ruleset.scrub, &ruleset.nat, &ruleset.rdr, &ruleset.binat, &ruleset.filter, &ruleset.dummynet];
    for rules in kinds {
        for (number, Placed { item: rule, .. }) in rules.iter().enumerate() {
            let indent = if numbered { format!("@{number} ") } else { "  ".repeat(depth) };
            let inline = rule.anchor.as_ref().and_then(|call| call.inline.as_deref());
            let _ = writeln!(out, "{indent}{}{}", as_loaded(rule), if inline.is_some() { " {" } else { "" });
            if let Some(ruleset) = inline {
                print_rules(out, ruleset, numbered, depth + 1);
                let _ = writeln!(out, "{}}}", "  ".repeat(depth));
            }
        }
    }
}

/// A rule as it is shown while it is loaded: of an anchor's path only the last name, with its slash (seen on macOS:
/// `anchor "/*" all` for com.apple/*), but for that of rules in braces (OpenBSD 4.3's pfctl).
fn as_loaded(rule: &Rule) -> String {
    let path = rule.anchor.as_ref().and_then(|call| call.path.as_deref());
    let Some((above, _)) = path.and_then(|path| path.rsplit_once('/')) else { return bare(rule) };
    let mut shown = rule.clone();
    if let Some(call) = &mut shown.anchor
        && let Some(path) = &mut call.path
    {
        let slash = usize::from(call.inline.is_some());
        *path = path.chars().skip(above.chars().count() + slash).collect();
    }
    bare(&shown)
}

/// A rule in its normal form, without the braces of an inline anchor.
fn bare(rule: &Rule) -> String {
    match &rule.anchor {
        Some(call) if call.inline.is_some() => {
            let mut rule = rule.clone();
            if let Some(call) = &mut rule.anchor {
                call.inline = None;
            }
            rule.to_string()
        }
        _ => rule.to_string(),
    }
}

/// The path of the anchor that a rule of `anchor` calls `name`: `/x` stands for itself, `../x` is beside,
/// `x/*` is x.
fn below(anchor: &str, name: &str) -> String {
    let name = name.strip_suffix("/*").unwrap_or(name);
    let (mut base, mut name) = match name.strip_prefix('/') {
        Some(absolute) => ("", absolute),
        None => (anchor, name),
    };
    while let Some(rest) = name.strip_prefix("../") {
        base = base.rsplit_once('/').map_or("", |(above, _)| above);
        name = rest;
    }
    match (base, name) {
        (base, "" | "*") => base.to_owned(),
        ("", name) => name.to_owned(),
        (base, name) => format!("{base}/{name}"),
    }
}

/// The addresses in a file of them: one or more on a line, `!` before what is left out, `#` before a remark.
pub fn addresses(text: &str) -> Result<Vec<(bool, IpNet)>, TableError> {
    let words = text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let mut read = Vec::new();
    let mut left_out = false;
    for word in words {
        if word == "!" {
            left_out = true;
            continue;
        }
        let (exclamation, network) = address(word).ok_or_else(|| TableError::NoAddress(word.to_owned()))?;
        read.push((left_out || exclamation, network));
        left_out = false;
    }
    Ok(read)
}

/// `10.0.0.1`, `10.0.0.0/8`, `10/8`, `!10.0.0.1`: whether it is left out, and the network. The lab looks up
/// no names.
pub fn address(word: &str) -> Option<(bool, IpNet)> {
    let (left_out, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
    let network = match word.split_once('/') {
        None => IpNet::from(word.parse::<IpAddr>().ok()?),
        Some((base, bits)) => {
            let dots = base.matches('.').count();
            let padded = if base.contains(':') {
                base.to_owned()
            } else {
                base.to_owned() + &".0".repeat(3_usize.checked_sub(dots)?)
            };
            IpNet::new(padded.parse().ok()?, bits.parse().ok()?).ok()?
        }
    };
    Some((left_out, network.trunc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_load(directory: &Path, anchor: &str, text: &str) -> Result<LoadResult, Vec<String>> {
        let how = How { pid: 1, numbered: false, check_only: false };
        let loaded = load(RuleFiles { directory }, anchor, "x.conf", Ok(text.into()), how);
        loaded.map_err(|failed| failed.messages)
    }

    fn texts(lines: &[LoadedRule]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_stock_file_loads_apples_anchor() {
        let directory = tempfile::tempdir().unwrap();
        crate::lab::init(directory.path()).unwrap();
        let loaded = try_load(directory.path(), "", crate::lab::STOCK_PF_CONF).unwrap();
        let (main, _) = &loaded.rulesets[""];
        assert_eq!(texts(&main.filter), ["anchor \"com.apple/*\" all"]);
        assert_eq!(texts(&main.scrub), ["scrub-anchor \"com.apple/*\" all fragment reassemble"]);
        let (apple, _) = &loaded.rulesets["com.apple"];
        assert_eq!(apple.filter[1].calls.as_deref(), Some("com.apple/250.ApplicationFirewall"));
    }

    #[test]
    fn inline_anchors_become_anchors() {
        let loaded =
            try_load(Path::new("/"), "a", "anchor in { pass all\nanchor \"x\" { block all } }\n").unwrap();
        let paths: Vec<&str> = loaded.rulesets.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a", "a/_1", "a/_1/x"]);
        let (outer, _) = &loaded.rulesets["a"];
        assert_eq!(
            outer.filter[0],
            LoadedRule { text: "anchor in all".into(), calls: Some("a/_1".into()), label: None }
        );
        assert_eq!(loaded.printed.lines().next(), Some("anchor in all {"));
        assert_eq!(loaded.printed.lines().last(), Some("}"));
    }

    #[test]
    fn problems_are_worded_as_pfctl_words_them() {
        let errors = try_load(Path::new("/"), "", "pass all\npas all\n").unwrap_err();
        const NOT_LOADED: &str = "pfctl: Syntax error in config file: pf rules not loaded";
        assert_eq!(errors, ["x.conf:2: syntax error", NOT_LOADED]);
        let errors = try_load(Path::new("/"), "", "load anchor \"a\" from \"/no/such\"\n").unwrap_err();
        assert_eq!(errors[0], "pfctl: /no/such: No such file or directory");
        assert_eq!(errors[2..], [NOT_LOADED, "pfctl: load anchors"]);
        let errors = try_load(Path::new("/"), "", "table <t> { en0 }\n").unwrap_err();
        assert_eq!(errors[0], "x.conf:1: the lab cannot look up the addresses of en0");
    }

    #[test]
    fn files_that_load_files() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("a", "anchor \"x\"\nload anchor \"x\" from \"/b\"\n");
        write("b", "pass\n");
        let loaded = try_load(directory.path(), "", "load anchor \"a\" from \"/a\"\n").unwrap();
        assert_eq!(loaded.rulesets.keys().map(String::as_str).collect::<Vec<_>>(), ["", "a", "a/x"]);
        assert_eq!(loaded.told, "\nLoading anchor a from /a\n\nLoading anchor a/x from /b\n");
        // Into an anchor, nothing is loaded but its own file.
        let loaded = try_load(directory.path(), "y", "load anchor \"a\" from \"/a\"\n").unwrap();
        assert_eq!(loaded.rulesets.len(), 1);
        write("b", "load anchor \"x\" from \"/b\"\n");
        let errors = try_load(directory.path(), "", "load anchor \"a\" from \"/a\"\n").unwrap_err();
        assert_eq!(errors[0], "pfctl: /b: more than 1000 files");
    }

    #[test]
    fn paths_of_anchors() {
        for (anchor, name, path) in [
            ("", "com.apple/*", "com.apple"),
            ("com.apple", "200.AirDrop/*", "com.apple/200.AirDrop"),
            ("a/b", "/c", "c"),
            ("a/b", "../c", "a/c"),
            ("a", "../../../c", "c"),
            ("a", "*", "a"),
        ] {
            assert_eq!(below(anchor, name), path, "{anchor} {name}");
        }
    }

    #[test]
    fn addresses_of_tables() {
        let read = addresses("10/8 # all of it\n!10.1.0.0/16 ! 10.2.0.1\nfe80::1%0\n").unwrap_err();
        assert_eq!(read.to_string(), "no IP address found for fe80::1%0");
        let read = addresses("10/8 # all of it\n!10.1.2.3/16 ! 10.2.0.1\n\nfe80::/64").unwrap();
        let texts: Vec<String> = read.iter().map(|(out, network)| format!("{out} {network}")).collect();
        assert_eq!(texts, ["false 10.0.0.0/8", "true 10.1.0.0/16", "true 10.2.0.1/32", "false fe80::/64"]);
        for bad in ["", "!", "10.0.0.0/33", "1.2.3.4.5/8", "x", "10", "/8", "10/"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
