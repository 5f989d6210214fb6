//! What `portcullis status` prints in each situation that is out of the ordinary, and that the command which it names is
//! one that works there.

mod common;

use common::Lab;
use portcullis::rules::seal;
use portcullis::system::{JOURNAL, LEDGER, PF_CONF, STATUS};

/// The guard is on, and one port is open.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write(PREFERENCES, SHOWN);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "20229", "--from", "any"]).expect(0);
    lab
}

const PREFERENCES: &str = "/Users/you/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";

/// Ports that no debugger of this machine's own has.
const SHOWN: &str = "show = [\"one\", \"two\"]\n[[port]]\nname = \"one\"\nport = 20345\n[[port]]\nname = \"two\"\nport = 20229\n";

fn change(lab: &Lab, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(lab.read(path)).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    lab.write(path, text.replacen(from, to, 1));
}

fn load(lab: &Lab, anchor: &str, rules: &str) {
    lab.write("/rules", rules);
    let file = lab.file("/rules").display().to_string();
    let anchor = if anchor.is_empty() { vec![] } else { vec!["-a", anchor] };
    lab.pfctl(&[anchor, vec!["-f", &file]].concat()).expect(0);
}

fn look(lab: &Lab) {
    lab.portcullis(&["status", "--check"]).expect(0);
}

/// What is printed, without what differs from run to run.
fn status(lab: &Lab) -> String {
    let text = lab.portcullis(&["status"]).expect(0).out;
    let text = text.replace(&format!("   (lab: {})", lab.path().display()), "");
    // When root looked is now.
    let mut parts = text.split("not seen since ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| text + "not seen since HH:MM" + rest.get(5..).unwrap_or_default())
}

#[test]
fn each_situation_is_said() {
    let mut said = String::new();
    let mut show = |what: &str, lab: &Lab| said += &format!("== {what}\n{}", status(lab));
    let boot = portcullis::os::boot_id().unwrap();

    let one = lab();
    show("as it should be", &one);
    change(&one, STATUS, &boot, "another-boot");
    show("another boot", &one);
    let one = lab();
    let before = one.read(STATUS);
    one.portcullis(&["close", "20229"]).expect(0);
    one.write(STATUS, before);
    show("an outdated look", &one);
    let one = lab();
    one.edit_ledger(|text| text.replace("\"version\": 1", "\"version\": 9"));
    show("a newer ledger", &one);
    one.write(LEDGER, "junk");
    show("a damaged ledger", &one);
    let one = lab();
    let mut ledger: serde_json::Value =
        serde_json::from_slice(&seal::open(&one.read(LEDGER)).unwrap()).unwrap();
    let open = serde_json::json!([{ "name": "one", "port": 20345, "from": { "kind": "any" } }]);
    ledger["changing"] = serde_json::json!({ "since": 1_700_000_000, "pid": 0, "open": open });
    one.write(LEDGER, seal::close(&ledger).unwrap());
    one.write(JOURNAL, "{");
    show("an interrupted change", &one);
    let one = lab();
    one.pfctl(&["-d"]).expect(0);
    look(&one);
    show("a token lost", &one);
    let one = lab();
    load(&one, "com.apple/050.vpn", "pass in quick proto tcp from any to any port 20345\n");
    look(&one);
    show("a contradiction", &one);
    load(&one, "com.apple/050.vpn", "block in quick proto tcp from any to any port 20229\n");
    look(&one);
    show("an opening that others block", &one);
    let one = lab();
    load(&one, "", "pass all\n");
    look(&one);
    show("rules that are not evaluated", &one);
    let one = Lab::new();
    one.write(PREFERENCES, SHOWN);
    one.portcullis(&["open", "20229", "--from", "any"]).expect(0);
    show("pf off with an opening", &one);
    let one = lab();
    one.portcullis(&["guard", "off"]).expect(0);
    show("the guard off", &one);
    let one = Lab::new();
    one.write(PREFERENCES, format!("way = \"classic\"\n{SHOWN}"));
    one.portcullis(&["guard", "on"]).expect(0);
    let conf = String::from_utf8(one.read(PF_CONF)).unwrap();
    let end = conf.trim_end().rfind('\n').unwrap();
    one.write(PF_CONF, &conf[..=end]);
    look(&one);
    show("a torn block", &one);
    insta::assert_snapshot!(said);
}

#[test]
fn the_command_that_is_named_works() {
    for ledger in ["junk", "{\"version\": 9}"] {
        let lab = lab();
        lab.write(LEDGER, ledger);
        let json = lab.portcullis(&["status", "--json"]).expect(0).json();
        assert!(json["notes"][0].as_str().unwrap().contains("`portcullis close --all`"), "{json:#}");
        lab.portcullis(&["open", "20345"]).expect(1);
        lab.portcullis(&["close", "--all"]).expect(0);
        lab.portcullis(&["open", "20345"]).expect(0);
        assert!(!status(&lab).contains("cannot be used"));
    }
    let lab = lab();
    load(&lab, "", "pass all\n");
    look(&lab);
    // As the note says.
    lab.pfctl(&["-f", &lab.file(PF_CONF).display().to_string()]).expect(0);
    look(&lab);
    assert!(status(&lab).contains("one        closed, "), "{}", status(&lab));
}
