//! When what is opened ends, as a person says it: on the command line, in the preferences, in every answer.

mod common;

use common::Lab;
use portcullis::rules::ends::{EndKind, EveningEnd};
use portcullis::rules::evening::evening;
use portcullis::rules::ledger::{Ledger, Opening};
use portcullis::system::{LEDGER, System as _};

fn prompts(lab: &Lab) -> Vec<String> {
    let log = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap_or_default();
    let prompt = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["prompt"].clone();
    log.lines().map(|line| prompt(line).as_str().unwrap().to_owned()).collect()
}

fn opening(lab: &Lab) -> Opening {
    Ledger::parse(&lab.read(LEDGER)).unwrap().openings.remove(0)
}

/// A lab with the guard, in which what is opened ends as preferred.
fn preferring(lasts: &str) -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["prefs", "for", lasts]).expect(0);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab
}

fn open(lab: &Lab, arguments: &[&str]) -> common::Said {
    lab.portcullis_as_given(&[&["open", "2345", "--from", "any"], arguments].concat())
}

#[test]
fn it_lasts_as_long_as_is_said_and_says_so_everywhere() {
    let lab = preferring("evening");
    let now = portcullis::os::now();
    let said = open(&lab, &["--for", "26h"]).expect(0).out;
    assert!(said.contains("is open for anyone until ") && said.contains(", 26 h left"), "{said}");
    let (until, prompt) = (opening(&lab).until.unwrap(), prompts(&lab).pop().unwrap());
    assert!((now + 26 * 3600..now + 26 * 3600 + 60).contains(&until));
    assert!(prompt.contains("for anyone until 20") && prompt.contains(':'), "{prompt}");
    let status = lab.portcullis(&["status"]).expect(0).out;
    assert!(status.contains("open for anyone until 20") && status.contains(" left"), "{status}");
    let json = lab.portcullis(&["status", "--json"]).expect(0).json();
    let port = json["ports"].as_array().unwrap().iter().find(|port| port["port"] == 2345).unwrap();
    assert_eq!((port["until"].as_i64(), port["end"]["kind"].as_str()), (Some(until), Some("time")));
    assert!(port["end"]["left"].as_i64().unwrap() > 25 * 3600, "{port}");
    // Opened again it has a new end.
    open(&lab, &["--for", "2h"]).expect(0);
    assert!(opening(&lab).until.unwrap() < until);
    open(&lab, &["--keep"]).expect(0);
    assert_eq!((opening(&lab).until, opening(&lab).kind()), (None, EndKind::Time));
}

#[test]
fn what_is_preferred_is_the_evening_unless_it_was_changed() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let before = portcullis::os::now();
    let said = open(&lab, &[]).expect(0).out;
    let (now, zone, day) = (portcullis::os::now(), lab.system().zone(), Default::default());
    let until = opening(&lab).until.unwrap();
    assert!((evening(before, day, &zone).until..=evening(now, day, &zone).until).contains(&until));
    assert_eq!(opening(&lab).evening, Some(EveningEnd::Due));
    assert!(said.contains(" until ") && said.contains(" left"), "{said}");
    assert!(prompts(&lab).pop().unwrap().contains("until the evening ("), "{:?}", prompts(&lab));
    for (preferred, kind) in [("restart", EndKind::Restart), ("keep", EndKind::Time), ("90m", EndKind::Time)]
    {
        lab.portcullis(&["prefs", "for", preferred]).expect(0);
        let said = open(&lab, &[]).expect(0).out;
        let opening = opening(&lab);
        assert_eq!((opening.kind(), opening.until.is_some()), (kind, preferred == "90m"), "{said}");
    }
    let prompts = prompts(&lab);
    assert!(prompts[prompts.len() - 3].contains("until this Mac restarts"), "{prompts:?}");
    let refused = lab.portcullis(&["prefs", "for", "a while"]).expect(2).err;
    assert!(refused.contains("evening, restart, keep"), "{refused}");
}

#[test]
fn an_end_that_cannot_be_is_refused_before_any_prompt() {
    let lab = preferring("keep");
    let asked = prompts(&lab).len();
    for (arguments, says) in [
        (&["--for", "a while"][..], "is not a duration"),
        (&["--for", "0m"], "is not a duration"),
        (&["--for", "-5m"], "give a time ahead"),
        (&["--until", "noon"], "is not a time"),
        (&["--until", "2020-01-01 12:00"], "is past already"),
        (&["--until", "2099-01-01 12:00"], "31 days"),
        (&["--for", "2h", "--until", "evening"], "cannot be used with"),
        (&["--keep", "--for", "2h"], "cannot be used with"),
    ] {
        let said = open(&lab, arguments).expect(2).err;
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert_eq!(prompts(&lab).len(), asked);
}

#[test]
fn what_is_open_so_already_asks_nothing() {
    let lab = preferring("restart");
    open(&lab, &[]).expect(0);
    let asked = prompts(&lab).len();
    let again = open(&lab, &["--until", "restart", "--json"]).expect(0).json();
    assert_eq!((again["outcome"].as_str(), prompts(&lab).len()), (Some("unchanged"), asked));
    open(&lab, &["--for", "2h"]).expect(0);
    assert_eq!(prompts(&lab).len(), asked + 1);
}

#[test]
fn the_end_of_day_is_roots() {
    let lab = preferring("evening");
    let said = lab.portcullis(&["prefs", "end-of-day", "8:30"]).expect(2).err;
    assert!(said.contains("not an end of day"), "{said}");
    let said = lab.portcullis(&["prefs", "end-of-day", "19:15"]).expect(0).out;
    assert!(said.contains("the working day ends at 19:15"), "{said}");
    assert!(prompts(&lab).pop().unwrap().contains("end the working day at 19:15"), "{:?}", prompts(&lab));
    assert_eq!(Ledger::parse(&lab.read(LEDGER)).unwrap().end_of_day.unwrap().to_string(), "19:15");
    let shown = lab.portcullis(&["prefs"]).expect(0).out;
    assert!(shown.contains("for   evening\n") && shown.contains("end-of-day  19:15\n"), "{shown}");
    assert_eq!(lab.portcullis(&["prefs", "--json"]).expect(0).json()["end_of_day"], "19:15");
    // It outlasts what is opened and closed.
    open(&lab, &[]).expect(0);
    lab.portcullis(&["close", "--all"]).expect(0);
    assert!(Ledger::parse(&lab.read(LEDGER)).unwrap().end_of_day.is_some());
}
