//! The helper by itself: its answers, its exit statuses, and what it leaves when something fails on the way.

mod common;

use common::{Lab, request};
use portcullis::root::request::{Operation, Request};
use portcullis::rules::ends::EndKind;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::LEDGER;

fn open(port: &str, until: Option<i64>) -> Request {
    let ports = vec![NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() }];
    request(Operation::Open { ports, from: Source::Any, until, ends: EndKind::Time, stay: false })
}

fn ready() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab
}

/// Files that say what is open; not the log, the copies, and what root saw.
fn substance(lab: &Lab) -> std::collections::BTreeMap<std::path::PathBuf, String> {
    let mut tree = lab.tree();
    tree.retain(|path, _| {
        let path = path.to_string_lossy();
        path.starts_with("etc/") || path.ends_with("Portcullis/ledger.json")
    });
    // Written anew, its header has another time.
    let anchor = std::path::PathBuf::from("etc/pf.anchors/dev.portcullis");
    if tree.contains_key(&anchor) {
        let text = String::from_utf8(lab.read("/etc/pf.anchors/dev.portcullis")).unwrap();
        tree.insert(anchor, text.lines().filter(|line| !line.starts_with('#')).collect());
    }
    tree
}

#[test]
fn usage_and_bad_requests_end_with_2() {
    let lab = ready();
    // Each is in the audit all the same: tests/history.rs.
    let tree = || {
        let mut tree = lab.tree();
        tree.retain(|path, _| !path.starts_with("Library/Logs"));
        tree
    };
    let before = tree();
    for arguments in [
        &[][..],
        &["open"],
        &["open", "2345", "--from"],
        &["pass all"],
        &["fly"],
        &[""],
        &["tick", "--asker", "ada"],
        &["record"],
        &["record", "0"],
        &["record", "721"],
        &["record", "-1"],
        &["record", "1", "/etc/x"],
    ] {
        let said = lab.helper(arguments).expect(2);
        assert_eq!(said.json()["outcome"], "unchanged", "{arguments:?}");
        assert!(said.err.contains("nothing was changed"), "{}", said.err);
    }
    let low = lab.request(&open("80", None)).expect(2);
    assert!(low.err.contains("below 1024"), "{}", low.err);
    // Root on a Mac would have its real pf asked.
    if !(portcullis::os::is_macos() && portcullis::os::is_root()) {
        let output =
            assert_cmd::Command::new(env!("CARGO_BIN_EXE_portcullis-helper")).arg("status").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "no pf of macOS here, or not root");
    }
    assert_eq!(tree(), before);
}

#[test]
fn a_rule_that_pf_refuses_changes_nothing() {
    let lab = ready();
    let before = substance(&lab);
    lab.wrap_pfctl("case \"$*\" in *-n*) cat >/dev/null; echo 'stdin:1: syntax error' >&2; exit 1;; esac\nexec $real \"$@\"",
    );
    let said = lab.request(&open("2345", None)).expect(1);
    assert!(said.err.contains("syntax error") && said.err.contains("nothing was changed"), "{}", said.err);
    assert_eq!(substance(&lab), before);
}

#[test]
fn a_load_that_fails_is_undone() {
    let lab = ready();
    let (before, rules) = (substance(&lab), lab.rules());
    // The check passes, the first load fails, the undo's load works.
    let once = lab.file("/failed-once");
    let script = format!(
        "case \"$*\" in *-n*) ;; *'-f '*) if ! test -e '{0}'; then : > '{0}'; cat >/dev/null; echo 'pfctl: DIOCXCOMMIT: Device busy' >&2; exit 1; fi;; esac\nexec $real \"$@\"",
        once.display()
    );
    lab.wrap_pfctl(&script);
    let said = lab.request(&open("2345", None)).expect(4);
    assert_eq!(said.json()["outcome"], "restored");
    assert!(said.err.contains("Device busy") && said.err.contains("put back"), "{}", said.err);
    assert_eq!(substance(&lab), before);
    assert_eq!(lab.rules(), rules);
    // A port that the guard was not asked to look after before is blocked now: that is said.
    std::fs::remove_file(&once).unwrap();
    let said = lab.request(&open("8000", None)).expect(4);
    assert!(
        said.err.contains("the guard blocks 8000") && said.err.contains("everything else"),
        "{}",
        said.err
    );
    assert!(lab.rules().contains("port = 8000"));
}

#[test]
fn rules_that_do_not_read_back_are_undone() {
    let lab = ready();
    let before = substance(&lab);
    // pf takes the new rules and drops them silently.
    lab.wrap_pfctl("case \"$*\" in *-n*) ;; *'-f '*) cat >/dev/null; exit 0;; esac\nexec $real \"$@\"");
    let said = lab.request(&open("2345", None)).expect(4);
    assert!(said.err.contains("does not hold what was loaded"), "{}", said.err);
    assert_eq!(substance(&lab), before);
}

#[test]
fn what_cannot_be_undone_is_said_and_undone_by_the_next_request() {
    let lab = ready();
    let (before, rules) = (substance(&lab), lab.rules());
    // The load is done and is said to have failed; no other is done.
    let script = format!(
        "case \"$*\" in *-n*) ;; *'-f '*) if ! test -e '{0}'; then : > '{0}'; $real \"$@\"; else cat >/dev/null; fi; echo 'pfctl: /dev/pf: Device not configured' >&2; exit 1;; esac\nexec $real \"$@\"",
        lab.file("/loaded-once").display()
    );
    lab.wrap_pfctl(&script);
    let said = lab.request(&open("2345", None)).expect(5);
    assert_eq!(said.json()["outcome"], "damaged");
    let command = "sudo pfctl -a com.apple/100.dev.portcullis -f /etc/pf.anchors/dev.portcullis";
    assert!(said.err.contains(command), "{}", said.err);
    assert_eq!(
        String::from_utf8(lab.read("/etc/pf.anchors/dev.portcullis")).unwrap().matches("pass quick").count(),
        0
    );
    assert!(lab.request(&open("9229", None)).expect(5).err.contains(command));
    let status = lab.portcullis(&["status"]).expect(0).out;
    assert!(status.contains("[?] Not known: a change was interrupted"), "{status}");
    assert!(status.contains("may be open for anyone: a change was interrupted"), "{status}");
    assert!(status.contains("portcullis repair"), "{status}");
    lab.wrap_pfctl("exec $real \"$@\"");
    let said = lab.portcullis(&["repair", "--json"]).expect(0).json();
    assert_eq!(said["outcome"], "changed");
    assert!(said["message"].as_str().unwrap().contains("interrupted was undone"), "{said}");
    assert!(!lab.portcullis(&["status"]).expect(0).out.contains("interrupted"));
    assert_eq!(lab.rules(), rules);
    assert_eq!(substance(&lab), before);
    assert!(!lab.file("/Library/Application Support/Portcullis/journal.json").exists());
}

#[test]
fn what_is_over_is_closed_by_the_next_tick() {
    let lab = ready();
    let in_an_hour = portcullis::os::now() + 3600;
    lab.request(&open("2345", Some(in_an_hour))).expect(0);
    assert!(lab.rules().contains("keep state"));
    let ledger = String::from_utf8(lab.read(LEDGER)).unwrap();
    let (end, over) = (in_an_hour.to_string(), (in_an_hour - 3601).to_string());
    assert!(ledger.contains(&end), "{ledger}");
    lab.edit_ledger(|ledger| ledger.replace(&end, &over));
    lab.tick().expect(0);
    assert!(!lab.rules().contains("keep state"), "{}", lab.rules());
    // An opening that is over before it begins never opens.
    let said = lab.request(&open("2345", Some(1))).expect(1);
    assert_eq!(
        said.json()["message"],
        "the end of the opening, 1970-01-01T00:00:01Z, is past already: give a later one; nothing was changed"
    );
    assert!(!lab.rules().contains("keep state"));
}

#[test]
fn a_tick_puts_back_what_a_restart_took() {
    let lab = ready();
    lab.request(&open("2345", None)).expect(0);
    let rules = lab.rules();
    std::fs::remove_file(lab.file("/private/var/pf/kernel.json")).unwrap();
    assert!(!lab.rules().contains("2345"), "the pretended Mac has restarted");
    lab.tick().expect(0);
    assert_eq!(lab.rules(), rules);
    assert!(lab.pfctl(&["-s", "info"]).expect(0).out.contains("Enabled"));
}

#[test]
fn pf_that_others_hold_stays_on() {
    let lab = ready();
    lab.pfctl(&["-E"]).expect(0);
    lab.portcullis(&["guard", "off"]).expect(0);
    assert!(lab.pfctl(&["-s", "info"]).expect(0).out.contains("Enabled"));
}

#[test]
fn the_guard_goes_on_by_itself_where_others_enabled_pf() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.pfctl(&["-E"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!(status["firewall"]["guard"], "on");
    assert!(lab.rules().contains("block return in log quick on ! lo0 proto tcp from any to any port = 9229"));
}

#[test]
fn damaged_ledgers_are_refused_and_kept() {
    let lab = ready();
    let ledger = "/Library/Application Support/Portcullis/ledger.json";
    let whole = String::from_utf8(lab.read(ledger)).unwrap();
    for damaged in [
        String::new(),
        "{}".into(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("\"version\": 1", "\"version\": 9"),
    ] {
        lab.write(ledger, &damaged);
        let said = lab.request(&open("2345", None)).expect(1);
        assert!(said.err.contains("ledger.json") && said.err.contains("nothing was changed"), "{}", said.err);
        assert_eq!(lab.read(ledger), damaged.as_bytes());
    }
}

#[test]
fn a_damaged_ledger_refuses_no_closing() {
    let ledger = "/Library/Application Support/Portcullis/ledger.json";
    let state = "/Library/Application Support/Portcullis";
    for (arguments, guarded) in [
        (&["close", "2345"][..], true),
        (&["close", "--all"], true),
        (&["repair"], true),
        (&["guard", "off"], false),
    ] {
        let lab = ready();
        lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
        let whole = String::from_utf8(lab.read(ledger)).unwrap();
        let damaged = whole.replace("\"version\": 1", "\"version\": 9");
        lab.write(ledger, &damaged);
        lab.portcullis(arguments).expect(0);
        let rules = lab.rules();
        assert!(!rules.contains("keep state"), "{rules}");
        assert_eq!(
            rules.contains("block return in log quick on ! lo0 proto tcp from any to any port = 2345"),
            guarded
        );
        let enabled = lab.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Enabled");
        assert_eq!(enabled, guarded, "our hold is known by its number");
        let names = std::fs::read_dir(lab.file(state)).unwrap().map(|entry| entry.unwrap().file_name());
        let aside =
            names.map(|name| name.into_string().unwrap()).find(|name| name.starts_with("ledger.damaged-"));
        assert_eq!(lab.read(&format!("{state}/{}", aside.unwrap())), damaged.as_bytes());
        lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
        let held = lab.pfctl(&["-s", "References"]).expect(0).out;
        assert_eq!(held.lines().count(), if guarded { 3 } else { 1 }, "{held}");
    }
}

#[test]
fn a_journal_that_does_not_read_closes_every_opening() {
    let state = "/Library/Application Support/Portcullis";
    for damaged in ["", "{\"version\": 7}", "{"] {
        let lab = ready();
        lab.portcullis(&["open", "2345", "9229", "--from", "any"]).expect(0);
        lab.write(&format!("{state}/journal.json"), damaged);
        let said = lab.tick().expect(0).json();
        assert_eq!(said["outcome"], "changed", "{said}");
        assert!(
            !lab.rules().contains("keep state") && lab.rules().contains("block return"),
            "the guard stays"
        );
        assert!(lab.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Enabled"));
        let names = std::fs::read_dir(lab.file(state)).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        let aside = names.iter().find(|name| name.starts_with("journal.damaged-")).unwrap();
        assert_eq!(lab.read(&format!("{state}/{aside}")), damaged.as_bytes());
        assert!(!names.contains(&"journal.json".to_owned()), "{names:?}");
    }
}

#[test]
fn links_are_not_followed() {
    let lab = ready();
    let outside = tempfile::tempdir().unwrap();
    std::fs::rename(lab.file("/etc/pf.anchors"), outside.path().join("anchors")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("anchors"), lab.file("/etc/pf.anchors")).unwrap();
    let said = lab.request(&open("2345", None)).expect(1);
    assert!(said.err.contains("symbolic link"), "{}", said.err);
}

#[test]
fn a_connection_that_is_refused_by_now_is_cut() {
    let lab = ready();
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let kept = "ALL tcp 127.0.0.1:2345 <- 127.0.0.1:50001       ESTABLISHED:ESTABLISHED\nALL tcp 192.168.1.2:22 <- 192.168.1.9:50002       ESTABLISHED:ESTABLISHED\n";
    let cut = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n";
    lab.write("/private/var/pf/states", format!("{cut}{kept}"));
    let said = lab.portcullis(&["close", "2345"]).expect(0);
    assert!(said.out.contains("1 open connection was cut"), "{}", said.out);
    assert_eq!(lab.read("/private/var/pf/states"), kept.as_bytes());
}

#[test]
fn one_request_at_a_time_and_none_is_lost() {
    let lab = ready();
    std::thread::scope(|scope| {
        for port in 4000..4008 {
            let lab = &lab;
            scope.spawn(move || lab.request(&open(&port.to_string(), None)).expect(0));
        }
    });
    let rules = lab.rules();
    for port in 4000..4008 {
        assert!(rules.contains(&format!("port = {port}")), "{port} in {rules}");
    }
}

#[test]
fn users_can_read_what_root_writes_for_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = ready();
    let mode = |path: &str| lab.file(path).metadata().unwrap().permissions().mode() & 0o7777;
    // The shell behind the prompt has a umask of 077.
    assert_eq!(mode("/Library/Application Support/Portcullis"), 0o755);
    assert_eq!(mode("/Library/Application Support/Portcullis/status.json"), 0o644);
    assert_eq!(mode("/Library/Logs/Portcullis"), 0o755);
    assert_eq!(mode("/Library/Logs/Portcullis/audit.jsonl"), 0o644);
}

/// How often `arguments` runs pfctl in this lab.
fn pfctl_runs(lab: &Lab, arguments: &[&str]) -> usize {
    let calls = lab.file("/pfctl-calls");
    std::fs::write(&calls, "").unwrap();
    lab.wrap_pfctl("echo \"$*\" >>\"$2/pfctl-calls\"\nexec $real \"$@\"");
    lab.portcullis(arguments).expect(0);
    std::fs::read_to_string(calls).unwrap().lines().count()
}

#[test]
fn a_change_asks_pf_only_what_it_must_know() {
    let fresh = Lab::new();
    fresh.portcullis(&["status"]).expect(0);
    let guarded = ready();
    let runs = [
        pfctl_runs(&fresh, &["open", "2345"]),
        pfctl_runs(&guarded, &["open", "2345"]),
        pfctl_runs(&guarded, &["close", "2345"]),
        pfctl_runs(&guarded, &["repair"]),
        pfctl_runs(&guarded, &["status", "--check"]),
    ];
    assert_eq!(pfctl_runs(&guarded, &["close", "2345"]), 0, "it is closed already");
    assert!(runs.iter().all(|runs| (5..=15).contains(runs)), "{runs:?}");
}
