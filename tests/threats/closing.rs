//! Rows 4, 5, 10 and 14: closing never fails for want of something else. Whatever lies where a file of ours should be, and
//! whatever pfctl does not say, after `close`, `close-all`, `guard off` and `uninstall` pf has nothing
//! left of what was to go, while what opens is refused and changes nothing.
//!
//! Every tenth case or so runs with the other tests; all of them with `THREATS=all`.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

use portcullis::root::request::Permission;
use portcullis::rules::ends::EndKind;
use portcullis::system::{
    ANCHOR_FILE, AUDIT, AUDIT_LOCK, JOURNAL, JOURNAL_CHILDREN, LEDGER, LOCK, PF_CONF, RECORDING_LOCK,
    RULESETS, SNAPSHOTS, STATE_DIR, STATUS,
};

use crate::common::{Lab, Said};
use crate::strict::StrictLab;

const CLOSINGS: [&str; 4] = ["close 2345=dlv", "close-all", "guard off", "uninstall"];
const OPENING: &str = "open 4321 --from any";

/// What lies in the place of a file.
const KINDS: [&str; 8] =
    ["link", "dangling link", "hard link", "pipe", "folder", "full folder", "large", "junk"];
const OBJECTS: [&str; 12] = [
    LEDGER,
    JOURNAL,
    LOCK,
    ANCHOR_FILE,
    PF_CONF,
    SNAPSHOTS,
    STATUS,
    RULESETS,
    AUDIT,
    AUDIT_LOCK,
    JOURNAL_CHILDREN,
    RECORDING_LOCK,
];
/// Those without which an opening is refused.
const NEEDED_TO_OPEN: [&str; 6] = [LEDGER, JOURNAL, LOCK, ANCHOR_FILE, PF_CONF, SNAPSHOTS];

/// Whether this one of so many cases is tried.
pub fn is_tried(number: usize, every: usize) -> bool {
    std::env::var_os("THREATS").is_some_and(|which| which == "all") || number.is_multiple_of(every)
}

/// A lab with the guard on and ports open for anybody, in one of the ways.
fn opened(way: &str) -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["prefs", "way", way]).expect(0);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345,9229", "--from", "any"]).expect(0);
    lab
}

fn copy_of(lab: &Lab) -> Lab {
    let copy = Lab::new();
    let copied = Command::new("cp").arg("-a").arg(lab.path().join(".")).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    copy
}

fn plant(place: &Path, kind: &str, outside: &Path) {
    if kind == "folder" && place.is_dir() {
        // What should be a folder is a file.
        std::fs::remove_dir_all(place).unwrap();
        return std::fs::write(place, "no folder").unwrap();
    }
    if place.is_dir() {
        std::fs::remove_dir_all(place).unwrap();
    } else {
        let _ = std::fs::remove_file(place);
    }
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    match kind {
        "link" => symlink(outside.join("target"), place).unwrap(),
        "dangling link" => symlink(outside.join("new"), place).unwrap(),
        "hard link" => std::fs::hard_link(outside.join("target"), place).unwrap(),
        "pipe" => assert!(Command::new("mkfifo").arg(place).status().unwrap().success()),
        "folder" => std::fs::create_dir(place).unwrap(),
        "full folder" => {
            std::fs::create_dir_all(place.join("deep")).unwrap();
            std::fs::write(place.join("deep/file"), "x").unwrap();
            symlink(outside.join("target"), place.join("deep/link")).unwrap();
        }
        "large" => std::fs::File::create(place).unwrap().set_len(17 << 20).unwrap(),
        "junk" => std::fs::write(place, "{ \"junk\": 1 }\n").unwrap(),
        other => panic!("{other}"),
    }
}

fn run(lab: &Lab, words: &str) -> Said {
    let mut request = crate::common::request(operation(words));
    request.may = vec![Permission::EditConf, Permission::LoadConf];
    lab.request(&request)
}

fn operation(words: &str) -> portcullis::root::request::Operation {
    use portcullis::root::request::Operation;
    use portcullis::rules::{named_port::NamedPort, source::Source};
    let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
    match words {
        "close 2345=dlv" => Operation::Close { ports: vec![dlv] },
        "close-all" => Operation::CloseAll {},
        "guard off" => Operation::Guard { on: false },
        "uninstall" => Operation::Uninstall { keep_logs: false },
        OPENING => Operation::Open {
            ports: vec![NamedPort::unnamed("4321".parse().unwrap())],
            from: Source::Any,
            until: None,
            ends: EndKind::Time,
            stay: false,
        },
        other => panic!("{other}"),
    }
}

/// The rules of both our anchors.
fn rules(lab: &Lab) -> String {
    let classic = lab.pfctl(&["-a", "dev.portcullis", "-s", "rules"]).out;
    lab.rules() + &classic
}

/// Whether pf lets others in to a port by a rule of ours.
fn is_open(lab: &Lab, port: u16) -> bool {
    rules(lab).lines().any(|line| line.contains(&format!("port = {port} ")) && line.contains("keep state"))
}

/// Whether pf has nothing left of what was to go.
fn is_done(lab: &Lab, words: &str) -> bool {
    match words {
        "close 2345=dlv" => !is_open(lab, 2345),
        "close-all" => !is_open(lab, 2345) && !is_open(lab, 9229),
        // What is open stays so: it means that nothing is blocked.
        "guard off" => !rules(lab).contains("block "),
        _ => rules(lab).is_empty(),
    }
}

#[test]
fn threat_10_whatever_lies_in_the_place_of_a_file_closing_goes_on() {
    let outside = tempfile::tempdir().unwrap();
    let mut number = 0;
    for way in ["apple", "classic"] {
        let base = opened(way);
        for object in OBJECTS {
            for kind in KINDS {
                for words in CLOSINGS {
                    number += 1;
                    // A step that has no divisor in common with the lists.
                    if !is_tried(number, 37) {
                        continue;
                    }
                    std::fs::write(outside.path().join("target"), "theirs\n").unwrap();
                    let lab = copy_of(&base);
                    plant(&lab.file(object), kind, outside.path());
                    let what = format!("{way}, {object}: {kind}");
                    let said = run(&lab, words);
                    assert!(is_done(&lab, words), "{what}: {words}: {}{}", said.out, said.err);
                    // What an uninstallation cannot look at it cannot vouch for.
                    let may_fail = words == "uninstall" && object == PF_CONF;
                    assert!(said.code == 0 || may_fail, "{what}: {words}: {}{}", said.out, said.err);
                    assert_eq!(std::fs::read(outside.path().join("target")).unwrap(), b"theirs\n", "{what}");
                    assert!(!outside.path().join("new").exists(), "{what}");
                    if words == "uninstall" && !may_fail {
                        assert!(!lab.file(STATE_DIR).exists(), "{what}: {}", said.out);
                    } else if !may_fail {
                        // What was set aside is not in the way of the next request.
                        run(&lab, "close-all").expect(0);
                    }
                    let _ = std::fs::remove_file(outside.path().join("new"));
                }
            }
        }
    }
    assert_eq!(number, 2 * 12 * 8 * 4);
}

#[test]
fn threat_10_what_opens_is_refused_there_and_changes_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let base = opened("apple");
    let before = rules(&base);
    let mut number = 0;
    for object in NEEDED_TO_OPEN {
        for kind in KINDS {
            number += 1;
            // A pf.conf of any bytes is pf's to judge, and a journal or snapshots of junk are not in the way.
            let is_taken = kind == "junk" && object != LEDGER
                || kind == "large" && object == LOCK
                || kind == "full folder" && object == SNAPSHOTS;
            if is_taken || !is_tried(number, 7) {
                continue;
            }
            std::fs::write(outside.path().join("target"), "theirs\n").unwrap();
            let lab = copy_of(&base);
            plant(&lab.file(object), kind, outside.path());
            let said = run(&lab, OPENING);
            assert_eq!(said.code, 1, "{object}: {kind}: {}", said.out);
            assert_eq!(said.json()["outcome"], "unchanged", "{object}: {kind}");
            assert_eq!(rules(&lab), before, "{object}: {kind}");
        }
    }
}

/// pfctl fails, or hangs, at calls of a kind: once, or whenever they come.
#[test]
fn threat_14_whatever_pfctl_does_not_say_closing_goes_on() {
    let mut number = 0;
    for way in ["apple", "classic"] {
        let base = opened(way);
        for (what, calls) in [
            ("others", "'-a com.apple/200.AirDrop'*|'-a com.apple/250.'*|'-a com.example'*"),
            ("a check once", "*'-n '*"),
            ("the list of anchors once", "*'-s Anchors'*"),
            ("whether it filters once", "*'-s info'*|*'-s References'*"),
            ("the main ruleset once", "'-s rules'*|'-s nat'*"),
            ("our own rules once", "*100.dev.portcullis*'-s rules'*|*'-a dev.portcullis -s rules'*"),
            ("interfaces", "*'-s Interfaces'*"),
            ("what the file would load once", "*-nvf*"),
        ] {
            for (fails, does) in [("fails", "echo broken >&2; exit 1"), ("hangs", "sleep 30")] {
                for words in CLOSINGS {
                    number += 1;
                    if !is_tried(number, 19) {
                        continue;
                    }
                    let lab = copy_of(&base);
                    let once = if what.ends_with("once") {
                        "test -e \"$lab/once\" || { : >\"$lab/once\"; "
                    } else {
                        "{ "
                    };
                    lab.wrap_pfctl(&format!(
                            "lab=$2; all=$*; rest=${{all#*\"$lab\" }}; case \"$rest\" in {calls}) {once}{does}; }};; esac\nexec $real \"$@\""
                        ),
                    );
                    let said = run(&lab, words);
                    lab.wrap_pfctl("exec $real \"$@\"");
                    let what = format!("{way}: {what} {fails}");
                    assert!(is_done(&lab, words), "{what}: {words}: {}{}", said.out, said.err);
                    assert!(said.code == 0, "{what}: {words}: {}{}", said.out, said.err);
                }
            }
        }
    }
}

/// Folders that others can write: nothing can be written there, and pf is closed all the same.
#[test]
fn threat_05_folders_that_others_can_write_keep_no_port_open() {
    let Some(base) = StrictLab::new() else {
        println!("skipped: only root can give files to others");
        return;
    };
    base.opened();
    let mut number = 0;
    for folder in ["/Library/Application Support", STATE_DIR, "/Library/Logs/Portcullis", "/etc/pf.anchors"] {
        for (owner, mode) in [(0, 0o775), (0, 0o757), (501, 0o755)] {
            for words in CLOSINGS {
                number += 1;
                if !is_tried(number, 5) {
                    continue;
                }
                let lab = base.copy();
                let place = lab.lab.file(folder);
                chown(&place, Some(owner), None).unwrap();
                std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).unwrap();
                let what = format!("{folder} {owner} {mode:04o}: {words}");
                let opening = lab.apply(operation(OPENING));
                if folder != "/Library/Logs/Portcullis" {
                    assert!(!opening.ok && !is_open(&lab.lab, 4321), "{what}: {}", opening.message);
                }
                let said = lab.apply(operation(words));
                // The guard is not taken away halfway: what is closed stays blocked.
                let is_halfway = !said.ok && (words == "guard off" || !is_open(&lab.lab, 2345));
                assert!(is_done(&lab.lab, words) || is_halfway, "{what}: {}", said.message);
                if folder.contains("Application Support") {
                    assert!(
                        !said.ok && said.message.contains("pfctl -a com.apple/100.dev.portcullis"),
                        "{what}: {}",
                        said.message
                    );
                }
            }
        }
    }
}

/// Files of ours that another owns, or can write.
#[test]
fn threat_05_files_that_others_can_write_are_set_aside_by_what_closes() {
    let Some(base) = StrictLab::new() else {
        println!("skipped: only root can give files to others");
        return;
    };
    base.opened();
    let mut number = 0;
    for object in [LEDGER, LOCK, ANCHOR_FILE, STATUS, AUDIT, SNAPSHOTS, PF_CONF] {
        for (owner, mode) in [(0, 0o666), (0, 0o620), (0, 0o604 | 0o2), (501, 0o600)] {
            for words in CLOSINGS {
                number += 1;
                if !is_tried(number, 9) {
                    continue;
                }
                let lab = base.copy();
                let place = lab.lab.file(object);
                let mode = if place.is_dir() { mode | 0o100 } else { mode };
                chown(&place, Some(owner), None).unwrap();
                std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).unwrap();
                let what = format!("{object} {owner} {mode:04o}: {words}");
                let said = lab.apply(operation(words));
                assert!(is_done(&lab.lab, words), "{what}: {}", said.message);
                assert!(said.ok || object == PF_CONF && words == "uninstall", "{what}: {}", said.message);
            }
        }
    }
}
