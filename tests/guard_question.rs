//! Whether the other debug ports are to be kept closed: asked once, and one password does both.

mod common;

use common::Lab;
use portcullis::lab::osascript::{DIALOGS_LOG, PROMPTS_LOG};
use portcullis::rules::ledger::{Guard, Ledger};
use portcullis::system::LEDGER;

/// The dialogs that were shown, and how many prompts for a password.
fn asked(lab: &Lab) -> (Vec<serde_json::Value>, usize) {
    let lines = |path| std::fs::read_to_string(lab.file(path)).unwrap_or_default();
    let dialogs = lines(DIALOGS_LOG).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (dialogs, lines(PROMPTS_LOG).lines().count())
}

fn guard(lab: &Lab) -> Guard {
    Ledger::parse(&lab.read(LEDGER)).unwrap().guard
}

#[test]
fn the_first_opening_asks_about_the_guard_and_one_password_does_both() {
    let lab = Lab::new();
    lab.write("/lab.toml", "dialog = \"default\"");
    let opened = lab.portcullis(&["open", "2345"]).expect(0).out;
    assert!(!opened.contains("pf is off"), "{opened}");
    let (dialogs, prompts) = asked(&lab);
    assert_eq!((dialogs.len(), prompts, guard(&lab)), (1, 1, Guard::On));
    assert_eq!(dialogs[0]["title"], "Keep the other debug ports closed to other machines?");
    let text = dialogs[0]["message"].as_str().unwrap();
    assert!(text.contains("9229 (node)") && !text.contains("2345"), "{text}");
    assert_eq!(dialogs[0]["buttons"], serde_json::json!(["Cancel", "Leave As They Are", "Keep Closed"]));
    let log = lab.read(PROMPTS_LOG);
    let prompt = String::from_utf8_lossy(&log);
    assert!(prompt.contains("turn the firewall on; block ") && prompt.contains("9229 (node)"), "{prompt}");
    lab.portcullis(&["open", "9229"]).expect(0);
    assert_eq!(asked(&lab).0.len(), 1, "it is asked once");
}

#[test]
fn no_is_remembered_as_well() {
    let lab = Lab::new();
    lab.write("/lab.toml", "dialog = \"other\"");
    for port in ["2345", "9229", "2345"] {
        lab.portcullis(&["open", port, "--from", "any"]).expect(0);
        assert_eq!((asked(&lab).0.len(), guard(&lab)), (1, Guard::Off));
        lab.portcullis(&["close", "--all"]).expect(0);
    }
    assert!(lab.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Disabled"));
    // Its own command says otherwise.
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345"]).expect(0);
    assert_eq!((asked(&lab).0.len(), guard(&lab)), (1, Guard::On));
}

#[test]
fn a_cancelled_question_changes_nothing_and_asks_no_password() {
    let lab = Lab::new();
    lab.write("/lab.toml", "dialog = \"cancel\"");
    let said = lab.portcullis(&["open", "2345"]).expect(3);
    assert!(said.err.contains("cancelled: nothing was changed"), "{}", said.err);
    assert_eq!((asked(&lab).0.len(), asked(&lab).1), (1, 0));
    assert!(!lab.file(LEDGER).exists());
    // It is asked again: nothing was answered.
    lab.portcullis(&["open", "2345"]).expect(3);
    assert_eq!(asked(&lab).0.len(), 2);
}

#[test]
fn the_command_line_answers_for_itself_and_without_a_screen_nothing_is_asked() {
    for (arguments, remembered, dialogs) in [
        (&["open", "2345", "--guard", "on"][..], Guard::On, 0),
        (&["open", "2345", "--guard", "off"], Guard::Off, 0),
        (&["open", "2345"], Guard::Unset, 1),
    ] {
        let lab = Lab::new();
        lab.portcullis(arguments).expect(0);
        assert_eq!((asked(&lab).0.len(), asked(&lab).1, guard(&lab)), (dialogs, 1, remembered));
    }
    let lab = Lab::new();
    lab.portcullis(&["open", "2345", "--guard", "off"]).expect(0);
    // Said out loud it outdoes what was chosen before.
    lab.portcullis(&["open", "2345", "--guard", "on"]).expect(0);
    assert_eq!(guard(&lab), Guard::On);
    let said = lab.portcullis(&["open", "9229", "--guard", "off"]).expect(2);
    assert!(said.err.contains("`portcullis guard off`"), "{}", said.err);
    assert_eq!(guard(&lab), Guard::On);
}

#[test]
fn where_pf_is_on_the_answer_counts_too() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.write("/lab.toml", "dialog = \"other\"");
    lab.pfctl(&["-E"]).expect(0);
    // pf was not looked at yet, so it is asked.
    lab.portcullis(&["open", "2345"]).expect(0);
    assert_eq!((asked(&lab).0.len(), asked(&lab).1, guard(&lab)), (1, 1, Guard::Off));
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.write("/lab.toml", "dialog = \"other\"");
    lab.pfctl(&["-E"]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    // It costs nothing more.
    lab.portcullis(&["open", "2345"]).expect(0);
    assert_eq!((asked(&lab).0.len(), guard(&lab)), (0, Guard::On));
}
