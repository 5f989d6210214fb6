//! `portcullis undo`: this user's last change, turned back port by port.

mod common;

use common::{Lab, Said, request};
use portcullis::root::request::Operation;
use portcullis::rules::ledger::Ledger;
use portcullis::system::{AUDIT, LEDGER, PF_CONF};

fn ledger(lab: &Lab) -> Ledger {
    Ledger::parse(&lab.read(LEDGER)).unwrap()
}

fn guarded() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab
}

/// A request of ada's in words, made now.
fn words(text: &str) -> Vec<String> {
    let sealed = request(Operation::Tick {}).words();
    text.split(' ').map(str::to_owned).chain(sealed.into_iter().skip(1)).collect()
}

fn helper(lab: &Lab, text: &str) -> Said {
    lab.helper(&words(text).iter().map(String::as_str).collect::<Vec<_>>())
}

fn prompts(lab: &Lab) -> Vec<String> {
    let log = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap();
    let prompt = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["prompt"].clone();
    log.lines().map(|line| prompt(line).as_str().unwrap().to_owned()).collect()
}

#[test]
fn changes_are_turned_back_one_after_the_other_with_one_prompt_each() {
    let lab = Lab::new();
    assert!(lab.portcullis(&["undo"]).expect(1).err.contains("no change of yours"));
    let states = [
        &["guard", "on"][..],
        &["open", "2345", "--from", "any"],
        &["open", "30000-30010", "--from", "10.0.0.0/8"],
        &["close", "--all"],
    ]
    .map(|arguments| {
        let before = (lab.rules(), lab.file(LEDGER).exists().then(|| ledger(&lab).openings));
        lab.portcullis(arguments).expect(0);
        before
    });
    let token = ledger(&lab).token;
    assert!(token.is_some());
    for (index, (rules, openings)) in states.into_iter().enumerate().rev() {
        let said = lab.portcullis(&["undo"]).expect(0).out;
        assert!(said.starts_with(&format!("change {} was turned back", index + 1)), "{said}");
        assert_eq!(lab.rules(), rules);
        assert_eq!(ledger(&lab).openings, openings.unwrap_or_default());
        assert_eq!(ledger(&lab).token.is_some(), index > 0);
    }
    assert_eq!(prompts(&lab).len(), 7, "closing needs none");
    assert!(prompts(&lab)[3].contains(
        "turn back change 4; open port 2345 (dlv) again for anyone until it is closed (each client can run code as you); \
         and open ports 30000-30010 again for 10.0.0.0/8 until it is closed."
    ));
    assert!(prompts(&lab)[4].contains("close ports 30000-30010"), "{:?}", prompts(&lab)[4]);
    assert!(!prompts(&lab).iter().any(|prompt| prompt.contains("pf.conf")), "{:?}", prompts(&lab));
    assert!(prompts(&lab)[6].contains("stop blocking ports "), "{:?}", prompts(&lab)[6]);
    assert!(lab.portcullis(&["undo"]).expect(1).err.contains("no change of yours"));
    // What was turned back can be asked for again, and turned back again.
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    lab.portcullis(&["undo"]).expect(0);
    assert!(ledger(&lab).openings.is_empty());
}

#[test]
fn what_was_changed_since_stays() {
    let lab = guarded();
    lab.portcullis(&["open", "3000-3010", "--from", "any"]).expect(0);
    // Another user opens one of them for others: root's own judgement of who that is.
    let mut other = assert_cmd::Command::new(env!("CARGO_BIN_EXE_helper-lab"));
    other.arg("--lab").arg(lab.path()).env("SUDO_UID", "54321");
    other.args(words("open 3005 --from hosts:10.0.0.1/32")).assert().success();
    let said = lab.portcullis(&["undo", "--dry-run"]).expect(0).out;
    assert!(said.contains("3005 was changed later") && said.contains("nothing was changed"), "{said}");
    let said = lab.portcullis(&["undo"]).expect(0).out;
    assert!(said.contains("3005 stays as it is, since it was changed later"), "{said}");
    let left = ledger(&lab).openings;
    assert_eq!((left.len(), left[0].port.to_string()), (1, "3005".to_owned()));
    // The other's change is not this user's to turn back.
    let said = lab.portcullis(&["undo", "3"]).expect(2);
    assert!(
        said.err.contains("change 3 is not one of yours that can be turned back: that is 1"),
        "{}",
        said.err
    );
    let said = helper(&lab, "undo 3 --open 3005").expect(1);
    assert!(said.err.contains("not one of yours"), "{}", said.err);
}

#[test]
fn a_dry_run_says_who_gets_in_when_the_guard_goes() {
    let lab = guarded();
    let said = lab.portcullis(&["undo", "--dry-run"]).expect(0).out;
    assert!(said.contains("2345         network   block → pass") && !said.contains("more or less"), "{said}");
    assert!(said.contains("pf would go off with the guard, and block nothing any more"), "{said}");
    lab.portcullis(&["undo"]).expect(0);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "10.0.0.0/8"]).expect(0);
    let said = lab.portcullis(&["undo", "--dry-run"]).expect(0).out;
    assert!(said.contains("2345         network   pass → block"), "{said}");
    // Off, it is held to what would be on again.
    lab.portcullis(&["close", "2345"]).expect(0);
    lab.portcullis(&["guard", "off"]).expect(0);
    let said = lab.portcullis(&["undo", "--dry-run"]).expect(0).out;
    assert!(said.contains("2345         network   pass → block"), "{said}");
    assert!(said.contains("pf is off, and would go on with the guard"), "{said}");
}

#[test]
fn it_says_what_it_did() {
    let lab = Lab::new();
    for arguments in [&["guard", "on"][..], &["open", "2345", "--from", "any"], &["close", "2345"]] {
        lab.portcullis(arguments).expect(0);
    }
    let said = lab.portcullis(&["undo", "99"]).expect(2);
    let listed = "change 99 is not one of yours that can be turned back: those are 1, 2 and 3";
    assert!(said.err.contains(listed), "{}", said.err);
    helper(&lab, "undo 3 --open 2345=dlv").expect(0);
    // Repeated, it is not said to be done.
    let again = helper(&lab, "undo 3 --open 2345=dlv").expect(0).json();
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(again["message"], "nothing is left to turn back of change 3");
    lab.portcullis(&["undo", "2"]).expect(0);
    let said = lab.portcullis(&["undo", "--dry-run"]).expect(0).out;
    assert!(said.contains("the guard would be off again"), "{said}");
    let said = lab.portcullis(&["undo"]).expect(0).out;
    assert!(said.starts_with("change 1 was turned back; the guard is off again"), "{said}");
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["guard", "off"]).expect(0);
    let said = lab.portcullis(&["undo"]).expect(0).out;
    assert!(said.contains(" was turned back; the guard is on again"), "{said}");
    assert!(said.contains("; in our rules no debug port is open now"), "{said}");
    let prompts = prompts(&lab);
    let last = prompts.last().unwrap();
    assert!(last.contains("block ports ") && last.contains("2345 (dlv)"), "{last}");
}

#[test]
fn without_a_block_in_pf_conf_its_edit_is_not_asked_for() {
    let lab = Lab::new();
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    lab.portcullis(&["close", "9229"]).expect(0);
    let said = lab.portcullis(&["undo"]).expect(0).out;
    assert!(said.contains("; open now: 9229 (node) for anyone"), "{said}");
    lab.portcullis(&["undo"]).expect(0);
    let prompts = prompts(&lab);
    assert!(prompts[1].contains("open port 9229 (node) again for anyone until it is closed"), "{prompts:?}");
    assert!(!prompts.iter().any(|prompt| prompt.contains("pf.conf")), "{prompts:?}");
}

#[test]
fn what_has_ended_is_not_opened_again() {
    let lab = guarded();
    let until = portcullis::os::now() + 3600;
    let end = jiff::Timestamp::from_second(until).unwrap();
    helper(&lab, &format!("open 2345=dlv --from any --until {end}")).expect(0);
    lab.portcullis(&["close", "2345"]).expect(0);
    assert!(lab.portcullis(&["undo", "--dry-run"]).expect(0).out.contains("+pass in quick"));
    // An hour goes by.
    let earlier = |text: String| {
        let earlier = text.replace(&until.to_string(), &(portcullis::os::now() - 1).to_string());
        assert_ne!(earlier, text);
        earlier
    };
    lab.write(AUDIT, earlier(String::from_utf8(lab.read(AUDIT)).unwrap()));
    lab.edit_sealed("/Library/Application Support/Portcullis/snapshots/000003/manifest.json", earlier);
    let said = lab.portcullis(&["undo"]).expect(1).err;
    assert!(said.contains("nothing is left to turn back of change 3 "), "{said}");
    assert!(said.contains("; `portcullis undo 1` turns back the one before it"), "{said}");
    helper(&lab, "undo 3 --open 2345=dlv").expect(0);
    assert!(ledger(&lab).openings.is_empty() && !lab.rules().contains("keep state"));
}

#[test]
fn nothing_is_more_open_than_the_prompt_said() {
    let lab = guarded();
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    lab.portcullis(&["close", "2345"]).expect(0);
    let before = lab.rules();
    for words in ["undo 3", "undo 3 --open 9229=node", "undo 1", "undo 99"] {
        let said = helper(&lab, words).expect(1);
        assert!(said.err.contains("nothing was changed"), "{}", said.err);
    }
    assert_eq!(lab.rules(), before);
    lab.write("/Library/Application Support/Portcullis/snapshots/000003/ledger.json", "{}");
    let said = lab.portcullis(&["undo"]).expect(1);
    assert!(said.err.contains("is not what its manifest says"), "{}", said.err);
}

#[test]
fn a_dry_run_shows_the_diff_and_changes_nothing() {
    let lab = guarded();
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let before = lab.tree();
    let json = lab.portcullis(&["undo", "--dry-run", "--json"]).expect(0).json();
    let diff = json["diff"].to_string();
    assert!(diff.contains("-pass in quick on ! lo0 proto tcp from any to any port = 2345"), "{diff}");
    assert!(json["notes"][0].as_str().unwrap().starts_with("change 2 of "), "{json}");
    assert_eq!(lab.tree(), before);
}

#[test]
fn pf_conf_is_byte_for_byte_as_it_was() {
    let lab = guarded();
    let before = lab.read(PF_CONF);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert_ne!(lab.read(PF_CONF), before);
    // A line of another's, written since, stays.
    let with_line = [lab.read(PF_CONF).as_slice(), b"# a line of another's\n"].concat();
    lab.write(PF_CONF, &with_line);
    lab.portcullis(&["undo"]).expect(0);
    assert_eq!(lab.read(PF_CONF), [before.as_slice(), b"# a line of another's\n"].concat());
    assert!(ledger(&lab).openings.is_empty() && lab.rules().contains("block return"), "{}", lab.rules());
}

#[test]
fn nothing_is_opened_by_it_while_the_preferences_do_not_read() {
    const PREFERENCES: &str =
        "/Users/you/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";
    let lab = guarded();
    lab.portcullis(&["open", "2345", "--from", "any", "--keep", "--stay"]).expect(0);
    lab.portcullis(&["close", "2345"]).expect(0);
    let rules = lab.rules();
    lab.write(PREFERENCES, "for = 5");
    let refused = lab.portcullis(&["undo"]).expect(2).err;
    assert!(refused.contains("preferences.toml"), "{refused}");
    assert_eq!(lab.rules(), rules);
    // What goes off is turned off, and not on again.
    lab.portcullis(&["guard", "off"]).expect(0);
    lab.portcullis(&["undo"]).expect(2);
    std::fs::remove_file(lab.file(PREFERENCES)).unwrap();
    lab.portcullis(&["undo"]).expect(0);
    let said = lab.portcullis(&["undo"]).expect(0).out;
    let open = "; open now: 2345 (dlv) for anyone until it is closed, on other networks too";
    assert!(said.contains(open), "{said}");
    // What it closes is closed.
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    lab.write(PREFERENCES, "for = 5");
    let said = lab.portcullis(&["undo"]).expect(0).out;
    assert!(said.contains(open) && !said.contains("9229 (node) for"), "{said}");
}
