//! A change that was interrupted is said by every command that speaks of ports or rules, and the command that is named
//! undoes it.

mod common;

use common::Lab;
use portcullis::rules::seal;
use portcullis::system::{JOURNAL, LEDGER, STATUS};

/// A lab whose last change, the closing of 2345, did not come to its end.
fn interrupted() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    let content = seal::open(&lab.read(LEDGER)).unwrap();
    let mut ledger: serde_json::Value = serde_json::from_slice(&content).unwrap();
    ledger["changing"] = serde_json::json!({
        "since": 1_700_000_000,
        "pid": 0,
        "open": [{ "name": "dlv", "port": 2345, "from": { "kind": "any" } }],
    });
    lab.write(LEDGER, seal::close(&ledger).unwrap());
    // Cut short, so that its end is the same whatever was asked.
    lab.write(JOURNAL, "{");
    lab
}

#[test]
fn every_command_says_it_first() {
    let lab = interrupted();
    for arguments in [
        &["status"][..],
        &["explain", "2345"],
        &["explain", "5678", "--from", "anyone"],
        &["close", "9229", "--dry-run"],
        &["close", "--all", "--dry-run"],
        &["open", "5678", "--dry-run"],
        &["undo", "--dry-run"],
        &["connect", "2345"],
        &["log"],
        &["history"],
        &["snapshots"],
        &["uninstall", "--dry-run"],
    ] {
        let said = lab.portcullis(arguments);
        let text = if said.out.is_empty() { said.err } else { said.out };
        let first: String = text.lines().take(2).collect();
        assert!(
            first.contains("a change was interrupted") && first.contains("portcullis repair"),
            "{arguments:?}: {text}"
        );
        let json = lab.portcullis(&[arguments, &["--json"]].concat());
        if !json.out.contains("\"ok\": false") {
            assert_eq!(json.json()["interrupted"], true, "{arguments:?}: {}", json.out);
        }
    }
    let doctor = lab.portcullis(&["doctor"]).expect(1).out;
    assert!(doctor.contains("a change was interrupted"), "{doctor}");
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    let dlv = status["ports"].as_array().unwrap().iter().find(|port| port["port"] == 2345).unwrap();
    assert_eq!((&dlv["state"], &dlv["pf"]["anyone"]), (&"may-be-open".into(), &"unknown".into()));
    let text = lab.portcullis(&["status"]).expect(0).out;
    assert!(
        text.contains("2345        dlv        may be open for anyone: a change was interrupted"),
        "{text}"
    );
}

#[test]
fn what_may_be_open_is_neither_blocked_nor_the_same_as_before() {
    let lab = interrupted();
    let explained = lab.portcullis(&["explain", "2345", "--json"]).expect(3).json();
    assert_eq!(
        (&explained["verdict"], &explained["answers"]["anyone"]["inet"]),
        (&"unknown".into(), &"unknown".into()),
        "{explained:#}"
    );
    assert!(explained["sentence"].as_str().unwrap().starts_with("unknown: a change was interrupted"));
    lab.portcullis(&["explain", "2345", "--from", "loopback"]).expect(0);
    lab.portcullis(&["explain", "5678"]).expect(1);
    let said = lab.portcullis(&["close", "2345", "--dry-run"]).expect(0).out;
    assert!(said.contains("anyone    unknown → block"), "{said}");
    let said = lab.portcullis(&["close", "5678", "--dry-run"]).expect(0).out;
    assert!(!said.contains("more or less"), "{said}");
    // pf is off by what root saw; the change may have turned it on, and the other way round.
    let seen = String::from_utf8(lab.read(STATUS)).unwrap();
    lab.write(STATUS, seen.replace("\"enabled\"", "\"disabled\""));
    lab.portcullis(&["explain", "2345"]).expect(3);
}

#[test]
fn the_repair_that_is_named_ends_it() {
    for is_gone in [false, true] {
        is_repaired(is_gone);
    }
}

#[test]
fn a_look_says_that_it_undid_it() {
    let lab = interrupted();
    let said = lab.portcullis(&["status", "--check"]).expect(0).out;
    assert!(said.starts_with("a change that was interrupted "), "{said}");
    assert!(said.lines().next().unwrap().ends_with("looked at pf; nothing else was changed"), "{said}");
    let log = lab.read(portcullis::lab::osascript::PROMPTS_LOG);
    let log = String::from_utf8(log).unwrap();
    let undoing =
        "look at the firewall; and undo a change that was interrupted, by which port 2345 (dlv) may be open";
    assert!(log.lines().last().unwrap().contains(undoing), "{log}");
    let again = lab.portcullis(&["status", "--check", "--json"]).expect(0).json();
    assert!(again.get("changed").is_none(), "{again}");
}

/// `is_gone`: another program took the journal away.
fn is_repaired(is_gone: bool) {
    let lab = interrupted();
    if is_gone {
        std::fs::remove_file(lab.file(JOURNAL)).unwrap();
    }
    lab.portcullis(&["repair"]).expect(0);
    let status = lab.portcullis(&["status"]).expect(0).out;
    assert!(!status.contains("interrupted") && status.contains("dlv        closed"), "{status}");
    assert!(!lab.portcullis(&["history"]).expect(0).out.starts_with('!'));
}
