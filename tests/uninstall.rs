//! `portcullis uninstall`: after any requests in any order the Mac is as it was before the first of them, file by file and
//! in pf.
//!
//! `PORTCULLIS_UNINSTALL_OPERATIONS` says how many there are each way (`make uninstall`: 1,000).

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::{Lab, request};
use fastrand::Rng;
use portcullis::lab::pflog::PFLOG0;
use portcullis::root::answer::Response;
use portcullis::root::apply::apply;
use portcullis::root::permissions::AskedBy;
use portcullis::root::request::{Operation, Permission, Request};
use portcullis::rules::ends::EndKind;
use portcullis::rules::ledger::Attachment;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{LOGS, PF_CONF, STATE_DIR};

/// What is compared: every file, the folders, and pf.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    files: BTreeMap<PathBuf, String>,
    folders: Vec<PathBuf>,
    pf: Vec<String>,
}

impl Picture {
    /// But for what the pretended kernel and prompt keep for themselves, and the user's own preferences.
    fn of(lab: &Lab) -> Self {
        let own = |path: &PathBuf| path.starts_with("private") || path.starts_with("Users");
        let mut files = lab.tree();
        files.retain(|path, _| !own(path));
        let mut folders = Vec::new();
        let mut left = vec![PathBuf::new()];
        while let Some(folder) = left.pop() {
            for entry in std::fs::read_dir(lab.path().join(&folder)).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    left.push(folder.join(entry.file_name()));
                }
            }
            folders.push(folder);
        }
        folders.retain(|path| !own(path));
        folders.sort();
        let shows: [&[&str]; 6] = [
            &["-s", "rules"],
            &["-s", "nat"],
            &["-a", "com.apple/250.vpn", "-s", "rules"],
            &["-a", "com.apple/100.dev.portcullis", "-s", "rules"],
            &["-a", "dev.portcullis", "-s", "rules"],
            &["-v", "-s", "Anchors"],
        ];
        let mut pf: Vec<String> = shows.map(|words| lab.pfctl(words).expect(0).out).into();
        let info = lab.pfctl(&["-s", "info"]).expect(0).out;
        pf.push(info.lines().next().unwrap_or_default().split(" for ").next().unwrap_or_default().to_owned());
        let references = lab.pfctl(&["-s", "References"]).expect(0).out;
        pf.push(references.lines().filter(|line| line.contains("pfctl")).count().to_string());
        Picture { files, folders, pf }
    }
}

/// A Mac on which others use pf as well, or not.
fn mac(others: bool) -> Lab {
    let lab = Lab::new();
    for folder in ["/Library/Application Support", "/Library/Logs"] {
        std::fs::create_dir_all(lab.file(folder)).unwrap();
    }
    lab.portcullis(&["status"]).expect(0);
    if others {
        lab.write("/tmp/vpn", "block in quick proto tcp from any to any port 5900\n");
        let file = lab.file("/tmp/vpn").display().to_string();
        lab.pfctl(&["-a", "com.apple/250.vpn", "-f", &file]).expect(0);
        lab.pfctl(&["-E"]).expect(0);
    }
    lab
}

fn named(port: &str) -> NamedPort {
    NamedPort::unnamed(port.parse().unwrap())
}

fn operation(random: &mut Rng, latest: u32) -> Operation {
    let ports = ["2345", "9229", "3000-3010", "3005", "50000-50002"].map(named);
    let ports = vec![ports[random.usize(..5)].clone()];
    let hosts = vec!["10.0.0.0/8".parse().unwrap()];
    let lan = vec!["192.168.1.0/24".parse().unwrap()];
    match random.usize(..16) {
        0..6 => {
            let from = [Source::Any, Source::Hosts { hosts }, Source::Lan { networks: lan }];
            let until = (random.usize(..3) == 0).then(|| portcullis::os::now() + 3600);
            Operation::Open {
                ports,
                from: from[random.usize(..3)].clone(),
                until,
                ends: EndKind::Time,
                stay: false,
            }
        }
        6..9 => Operation::Close { ports },
        9 => Operation::CloseAll {},
        10 => Operation::Guard { on: true },
        11 => Operation::Guard { on: false },
        12 => Operation::Tick {},
        13 => Operation::Status {},
        _ => {
            let any = vec![named("2345"), named("9229"), named("3000-3010"), named("50000-50002")];
            let change = latest.saturating_sub(random.u32(..4));
            Operation::Undo { change, opens: any.clone(), unblocks: any }
        }
    }
}

/// Asks for `count` things at random; gives how many changed something.
fn at_random(lab: &Lab, way: Attachment, count: usize) -> usize {
    let (system, mut random, mut latest, mut changes) = (lab.system(), Rng::with_seed(1), 0, 0);
    for _ in 0..count {
        let mut asked: Request = request(operation(&mut random, latest));
        // Now and then the rules move to the other way, and back with the next opening.
        let other = if way == Attachment::Apple { Attachment::Classic } else { Attachment::Apple };
        asked.way = Some(if random.usize(..12) == 0 { other } else { way });
        asked.may = vec![Permission::EditConf, Permission::LoadConf];
        let Response { ok, snapshot, .. } = apply(&system, &asked, AskedBy::User);
        changes += usize::from(ok && snapshot.is_some());
        latest = snapshot.unwrap_or(latest);
    }
    changes
}

fn operations() -> usize {
    let count = std::env::var("PORTCULLIS_UNINSTALL_OPERATIONS").ok();
    count.map_or(30, |count| count.parse().unwrap())
}

fn leaves_no_trace(way: Attachment, others: bool) {
    let lab = mac(others);
    let before = Picture::of(&lab);
    let changes = at_random(&lab, way, operations());
    assert!(changes > operations() / 3, "{changes}");
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    lab.portcullis(&["log", "--for", "1h"]).expect(0);
    assert_ne!(Picture::of(&lab), before);
    let said = lab.portcullis(&["uninstall"]).expect(0).out;
    assert!(said.contains("/etc/pf.conf is byte for byte as it was before Portcullis (SHA-256 "), "{said}");
    assert!(!lab.file(PFLOG0).exists());
    assert_eq!(Picture::of(&lab), before);
}

#[test]
fn nothing_is_left_below_apples_anchor() {
    leaves_no_trace(Attachment::Apple, true);
}

#[test]
fn nothing_is_left_of_the_classic_way() {
    leaves_no_trace(Attachment::Classic, false);
}

#[test]
fn it_says_what_it_would_do_and_asks_once() {
    let lab = mac(false);
    let untouched = Picture::of(&lab);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let before = lab.tree();
    let said = lab.portcullis(&["uninstall", "--dry-run"]).expect(0).out;
    assert!(said.contains("would close 2345 (dlv)") && said.contains(STATE_DIR), "{said}");
    let json = lab.portcullis(&["uninstall", "--dry-run", "--keep-logs", "--json"]).expect(0).json();
    assert!(json["keeps"].to_string().contains(LOGS) && !json["removes"].to_string().contains(LOGS));
    assert_eq!(lab.tree(), before);
    lab.portcullis(&["uninstall", "--keep-logs"]).expect(0);
    let prompts = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap();
    assert_eq!(prompts.lines().count(), 3);
    assert!(prompts.lines().last().unwrap().contains("remove all that it has put on this Mac, but its logs"));
    let left: Vec<String> = std::fs::read_dir(lab.file(LOGS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(left.contains(&"audit.jsonl".to_owned()) && !lab.file(STATE_DIR).exists(), "{left:?}");
    let history = lab.portcullis(&["history"]).expect(0).out;
    assert!(
        history.lines().last().unwrap().contains("uninstall  changed: no debug port has a rule of ours now"),
        "{history}"
    );
    lab.portcullis(&["uninstall"]).expect(0);
    assert_eq!(Picture::of(&lab), untouched);
    // Where nothing is, nothing is to be removed, and nothing is made.
    lab.portcullis(&["uninstall"]).expect(0);
    assert_eq!(Picture::of(&lab), untouched);
}

#[test]
fn what_others_wrote_into_pf_conf_stays_and_is_said() {
    let lab = mac(false);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let theirs = [lab.read(PF_CONF).as_slice(), b"# a line of another's\n"].concat();
    lab.write(PF_CONF, theirs);
    let said = lab.portcullis(&["uninstall"]).expect(0).out;
    assert!(said.contains("others have changed it since"), "{said}");
    let left = String::from_utf8(lab.read(PF_CONF)).unwrap();
    assert!(left.ends_with("# a line of another's\n") && !left.contains("portcullis"), "{left}");
}

#[test]
fn what_cannot_be_removed_is_said_and_asking_again_goes_on() {
    let lab = mac(false);
    let untouched = Picture::of(&lab);
    lab.portcullis(&["guard", "on"]).expect(0);
    let stray = lab.file(LOGS).join("a folder");
    std::fs::create_dir(&stray).unwrap();
    let said = lab.portcullis(&["uninstall"]).expect(5);
    assert!(said.err.contains("but the logs could not be removed"), "{}", said.err);
    assert!(!lab.rules().contains("2345"));
    std::fs::remove_dir(&stray).unwrap();
    lab.portcullis(&["uninstall"]).expect(0);
    assert_eq!(Picture::of(&lab), untouched);
}
