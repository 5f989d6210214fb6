//! What a prompt did not say is not done, and what an answer rests on is looked at last.

mod common;

use common::{Lab, Said, request};
use portcullis::root::request::Operation;
use portcullis::rules::ledger::Ledger;
use portcullis::system::{AUDIT, JOURNAL, LEDGER, PF_CONF};

/// A request of ada's in words, made now.
fn helper(lab: &Lab, text: &str) -> Said {
    let sealed = request(Operation::Tick {}).words();
    let words: Vec<String> = text.split(' ').map(str::to_owned).chain(sealed.into_iter().skip(1)).collect();
    lab.helper(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn guarded() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab
}

fn is_on(lab: &Lab) -> bool {
    lab.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Enabled")
}

fn message(said: &Said) -> String {
    said.json()["message"].as_str().unwrap().to_owned()
}

fn missing(said: &Said) -> String {
    said.json()["missing"].to_string()
}

fn last_prompt(lab: &Lab) -> String {
    let log = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap();
    log.lines().last().unwrap().to_owned()
}

/// Once our anchor is loaded, another program does this to pf.
fn meddle_after_load(lab: &Lab, meddling: &str) {
    let done = lab.file("/meddled");
    let script = format!(
        "$real \"$@\"; code=$?\ncase \"$*\" in *-n*) ;; *'-a '*'-f -'*) if ! test -e '{0}'; then : > '{0}'; \
         $real \"$1\" \"$2\" {meddling} </dev/null >/dev/null 2>&1; fi;; esac\nexit $code",
        done.display()
    );
    lab.wrap_pfctl(&script);
}

/// The verbs and messages of the audit.
fn audit(lab: &Lab) -> Vec<(String, String)> {
    let text = String::from_utf8(lab.read(AUDIT)).unwrap();
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let verb = line["request"]["action"]["do"].as_str().unwrap_or_default();
        (verb.to_owned(), line["message"].as_str().unwrap().to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn a_closing_turns_nothing_on_and_says_so() {
    let lab = guarded();
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    lab.pfctl(&["-d"]).expect(0);
    let said = helper(&lab, "close 2345=dlv").expect(0);
    assert_eq!(
        message(&said),
        "port 2345 (dlv) is closed in our rules; pf is off, and is not turned on, since the prompt did not say so: \
         nothing is blocked until it is on (`portcullis guard on`)"
    );
    assert!(!is_on(&lab) && !lab.rules().contains("keep state"));
    let again = helper(&lab, "close 2345=dlv").expect(0);
    assert_eq!(again.json()["outcome"], "unchanged");
    // What launchd runs keeps what the guard's prompt said.
    lab.helper(&["tick"]).expect(0);
    assert!(is_on(&lab));
}

#[test]
fn turning_pf_on_again_is_asked_for() {
    for (arguments, says) in [
        (&["repair"][..], "put the firewall where it was last asked to be; and turn the firewall on"),
        (
            &["open", "9229", "--from", "any"],
            "open port 9229 (node) for anyone until it is closed (each client can run code as you); and turn the firewall on",
        ),
    ] {
        let lab = guarded();
        lab.pfctl(&["-d"]).expect(0);
        lab.portcullis(arguments).expect(0);
        assert!(last_prompt(&lab).contains(says), "{}", last_prompt(&lab));
        assert!(is_on(&lab));
    }
    let lab = guarded();
    lab.pfctl(&["-d"]).expect(0);
    for words in ["tick", "open 9229 --from any"] {
        let said = helper(&lab, words).expect(0);
        assert_eq!(
            (said.json()["outcome"].as_str(), missing(&said).as_str()),
            (Some("unchanged"), "[\"guard-on\"]")
        );
    }
    assert!(!is_on(&lab));
    // Others have turned it on: holding it turns nothing on.
    lab.pfctl(&["-E"]).expect(0);
    helper(&lab, "tick").expect(0);
    assert_eq!(lab.pfctl(&["-s", "References"]).expect(0).out.lines().count(), 4);
}

/// A lab in which our rules are called by pf.conf, and another has taken that call out.
fn classic_reset() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let stock = lab.read(PF_CONF);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.write(PF_CONF, stock);
    lab.pfctl(&["-f", lab.file(PF_CONF).to_str().unwrap()]).expect(0);
    lab
}

#[test]
fn a_prompted_tick_edits_and_loads_nothing_unsaid() {
    let lab = classic_reset();
    let conf = lab.read(PF_CONF);
    let said = helper(&lab, "tick").expect(0);
    assert_eq!(missing(&said), "[\"edit-conf\",\"load-conf\"]");
    assert_eq!(lab.read(PF_CONF), conf);
    lab.portcullis(&["repair"]).expect(0);
    assert!(last_prompt(&lab).contains("edit /etc/pf.conf; and load /etc/pf.conf"), "{}", last_prompt(&lab));
    assert_ne!(lab.read(PF_CONF), conf);
    let lab = classic_reset();
    lab.helper(&["tick"]).expect(0);
    assert_ne!(lab.read(PF_CONF), conf, "launchd keeps what was allowed");
}

#[test]
fn the_last_closing_leaves_pf_conf_alone_where_it_was_not_named() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let stock = lab.read(PF_CONF);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["guard", "off"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let conf = lab.read(PF_CONF);
    assert_ne!(conf, stock);
    let said = helper(&lab, "close 2345=dlv").expect(0);
    assert!(
        message(&said).contains("our call in /etc/pf.conf stays, with nothing in it"),
        "{}",
        message(&said)
    );
    assert_eq!(lab.read(PF_CONF), conf);
    assert_eq!(lab.pfctl(&["-a", "dev.portcullis", "-s", "rules"]).expect(0).out, "");
    // The block names the file, so a restart finds it.
    lab.pfctl(&["-f", lab.file(PF_CONF).to_str().unwrap()]).expect(0);
    lab.portcullis(&["repair"]).expect(0);
    assert!(last_prompt(&lab).contains("edit /etc/pf.conf"), "{}", last_prompt(&lab));
    assert_eq!(lab.read(PF_CONF), stock);
    assert!(!lab.file("/etc/pf.anchors/dev.portcullis").exists());
}

#[test]
fn an_answer_rests_on_what_pf_is_when_it_is_given() {
    for (meddling, because) in [
        ("-d", "pf is not enabled although it was asked to be"),
        ("-F all", "the loaded ruleset does not call the anchor"),
    ] {
        let lab = guarded();
        meddle_after_load(&lab, meddling);
        let said = helper(&lab, "open 2345=dlv --from any").expect(4);
        assert!(said.err.contains(because), "{meddling}: {}", said.err);
        assert!(!lab.rules().contains("keep state"));
    }
    let lab = guarded();
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    meddle_after_load(&lab, "-F all");
    let said = helper(&lab, "close 2345=dlv").expect(0);
    assert!(message(&said).starts_with("port 2345 (dlv) is closed in our rules; "), "{}", message(&said));
}

/// Leaves the journal of `words`, as a helper that was killed at the end leaves it, and what others did since.
fn interrupt(lab: &Lab, words: &str) {
    let journal = lab.file(JOURNAL);
    let kept = lab.file("/kept");
    // The first load is preceded by the journal.
    lab.wrap_pfctl(&format!(
        "case \"$*\" in *-n*) cp '{}' '{}';; esac\nexec $real \"$@\"",
        journal.display(),
        kept.display()
    ));
    helper(lab, words).expect(0);
    std::fs::copy(&kept, &journal).unwrap();
    lab.wrap_pfctl("exec $real \"$@\"");
}

#[test]
fn a_recovery_does_what_a_prompt_said() {
    // Before the change pf was on in this boot: it may be on again.
    let lab = guarded();
    interrupt(&lab, "open 2345=dlv --from any");
    lab.pfctl(&["-d"]).expect(0);
    helper(&lab, "status").expect(0);
    assert!(is_on(&lab) && !lab.rules().contains("keep state"));
    // In an earlier boot it was: now its prompt says it.
    let lab = guarded();
    interrupt(&lab, "open 2345=dlv --from any");
    let boot = portcullis::os::boot_id().unwrap();
    for path in [JOURNAL, LEDGER] {
        lab.edit_sealed(path, |text| text.replace(&boot, "ANOTHER-BOOT"));
    }
    lab.pfctl(&["-d"]).expect(0);
    for words in ["status", "tick"] {
        let said = helper(&lab, words).expect(0);
        assert_eq!(
            (said.json()["outcome"].as_str(), missing(&said).as_str()),
            (Some("unchanged"), "[\"guard-on\"]")
        );
        assert!(lab.file(JOURNAL).exists() && !is_on(&lab));
    }
    let said = helper(&lab, "close 2345=dlv").expect(0);
    assert!(message(&said).contains("was undone (it was to open 2345 (dlv))"), "{}", message(&said));
    assert!(message(&said).contains("pf is off, and is not turned on"), "{}", message(&said));
    assert!(!is_on(&lab) && !lab.file(JOURNAL).exists() && !lab.rules().contains("keep state"));
    lab.portcullis(&["repair"]).expect(0);
    assert!(last_prompt(&lab).contains("turn the firewall on") && is_on(&lab));
}

#[test]
fn each_interrupted_request_has_its_words_and_its_line() {
    let lab = guarded();
    lab.portcullis(&["open", "5005", "--from", "any"]).expect(0);
    interrupt(&lab, "open 2345=dlv --from any");
    // pf takes nothing: the recovery fails, and so does the closing that goes on in its place.
    lab.wrap_pfctl("case \"$*\" in *-n*) ;; *'-f '*) cat >/dev/null; exit 1;; esac\nexec $real \"$@\"");
    helper(&lab, "close 5005=jdwp").expect(5);
    lab.wrap_pfctl("exec $real \"$@\"");
    let said = lab.helper(&["tick"]).expect(0);
    assert!(
        message(&said)
            .starts_with("a change that was interrupted is done now (it was to close 5005 (jdwp)); "),
        "{}",
        message(&said)
    );
    let lines = audit(&lab);
    let lines: Vec<(&str, &str)> =
        lines.iter().map(|(verb, message)| (verb.as_str(), message.as_str())).collect();
    let ends: Vec<&(&str, &str)> = lines.iter().rev().take(4).collect();
    assert_eq!(ends[0].0, "tick");
    assert!(
        ends[1].0 == "close" && ends[1].1.contains("is done now (it was to close 5005 (jdwp))"),
        "{lines:?}"
    );
    assert!(ends[2].0 == "close" && ends[2].1.contains("is not undone yet"), "{lines:?}");
    assert!(ends[3].0 == "open" && ends[3].1.contains("(it was to open 2345 (dlv))"), "{lines:?}");
    assert!(Ledger::parse(&lab.read(LEDGER)).unwrap().openings.is_empty());
}

#[test]
fn a_line_is_written_before_the_journal_goes() {
    let lab = guarded();
    interrupt(&lab, "open 2345=dlv --from any");
    // As a helper that was killed between the two leaves it: its own line, and recovery's behind it.
    lab.helper(&["tick"]).expect(0);
    let lines = audit(&lab);
    let last: Vec<&(String, String)> = lines.iter().rev().take(3).collect();
    assert!(last[2].0 == "open" && last[2].1.contains("port 2345 (dlv) is open"), "{lines:?}");
    assert!(last[1].0 == "open" && last[1].1.contains("was undone (it was to open 2345 (dlv))"), "{lines:?}");
    assert_eq!(last[0].0, "tick");
}

fn prompts(lab: &Lab) -> usize {
    let log = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG));
    log.map_or(0, |log| log.lines().count())
}

#[test]
fn what_is_so_already_asks_nothing() {
    let lab = guarded();
    let all: [&[&str]; 4] =
        [&["guard", "on"], &["open", "2345", "--from", "any"], &["close", "9229"], &["open", "5005"]];
    for arguments in all {
        lab.portcullis(arguments).expect(0);
    }
    let asked = prompts(&lab);
    for arguments in all {
        let said = lab.portcullis(&[arguments, &["--json"]].concat()).expect(0).json();
        assert_eq!(said["outcome"], "unchanged", "{said}");
    }
    assert_eq!(prompts(&lab), asked);
    let said = lab.portcullis(&["open", "2345", "--from", "any"]).expect(0).out;
    let named =
        "port 2345 (dlv) is open for anyone while this Mac is on the network 192.168.1.0/24; as root saw it ";
    assert!(said.starts_with(named) && said.trim_end().ends_with(" s ago"), "{said}");
    // pf.conf was edited after the look: what loads it may have emptied our anchor.
    lab.write(PF_CONF, lab.read(PF_CONF));
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert_eq!(prompts(&lab), asked + 1);
    let asked = prompts(&lab);
    // For others, or where a change was interrupted, root is asked.
    lab.portcullis(&["open", "2345", "--from", "10.0.0.1"]).expect(0);
    assert_eq!(prompts(&lab), asked + 1);
    lab.write(JOURNAL, "{");
    lab.portcullis(&["close", "9229"]).expect(0);
    assert_eq!(prompts(&lab), asked + 2);
    lab.portcullis(&["guard", "off"]).expect(0);
    lab.portcullis(&["close", "--all"]).expect(0);
    let asked = prompts(&lab);
    for arguments in [&["guard", "off"][..], &["close", "--all"]] {
        lab.portcullis(arguments).expect(0);
    }
    assert_eq!(prompts(&lab), asked);
}

#[test]
fn one_prompt_turns_pf_on_again_with_an_opening() {
    let lab = guarded();
    lab.pfctl(&["-d"]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    let asked = prompts(&lab);
    lab.portcullis(&["open", "9229"]).expect(0);
    assert_eq!(prompts(&lab), asked + 1);
    assert!(last_prompt(&lab).contains("turn the firewall on"), "{}", last_prompt(&lab));
    assert!(is_on(&lab));
}

#[test]
fn a_place_that_root_may_not_read_is_told_in_a_dialog() {
    use portcullis::elevate::place::{RestrictedPlace, tell};
    let lab = Lab::new();
    tell(&portcullis::lab::Lab::open(&lab.file("/")).unwrap(), RestrictedPlace::Downloads);
    let shown = std::fs::read_to_string(lab.file(portcullis::lab::osascript::DIALOGS_LOG)).unwrap();
    assert!(
        shown.contains("runs from your Downloads folder") && shown.contains("move Portcullis.app"),
        "{shown}"
    );
}
