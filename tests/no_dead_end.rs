//! Whatever others do to pf, closing works; an opening mends what harms nobody, or names the one command that does.

mod common;

use common::Lab;
use portcullis::lab::osascript::PROMPTS_LOG;

const MEND: &str = "`sudo pfctl -f /etc/pf.conf`";
const BLOCK: &str = "block return in log quick on ! lo0 proto tcp from any to any port = 2345";
const CLASSIC: &str = "dev.portcullis";

fn load_main(lab: &Lab, rules: &str) {
    lab.write("/tmp/others.conf", rules);
    lab.pfctl(&["-f", lab.file("/tmp/others.conf").to_str().unwrap()]).expect(0);
}

/// What others do, by what it is called.
fn disturb(lab: &Lab, what: &str) {
    match what {
        "flush" => drop(lab.pfctl(&["-F", "all"]).expect(0)),
        "empty" => load_main(lab, ""),
        "kill switch" => load_main(lab, "block drop all\npass quick on utun4 all\n"),
        "stop" => drop(lab.pfctl(&["-d"]).expect(0)),
        "reset" => {
            lab.write("/etc/pf.conf", STOCK);
            load_main(lab, std::str::from_utf8(STOCK).unwrap());
        }
        other => panic!("{other}"),
    }
}

const STOCK: &[u8] = include_bytes!("../resources/stock-pf.conf");
const DISTURBANCES: [&str; 5] = ["flush", "empty", "kill switch", "stop", "reset"];

fn ready(way: &str) -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.portcullis(&["prefs", "way", way]).expect(0);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "9229", "--from", "any"]).expect(0);
    lab
}

fn our_rules(lab: &Lab) -> String {
    lab.rules() + &lab.pfctl(&["-a", CLASSIC, "-s", "rules"]).expect(0).out
}

#[test]
fn closing_works_whatever_others_did() {
    for way in ["apple", "classic"] {
        for what in DISTURBANCES {
            let lab = ready(way);
            disturb(&lab, what);
            for arguments in [&["close", "2345"][..], &["close", "--all"]] {
                let said = lab.portcullis(arguments).expect(0).out;
                let rules = our_rules(&lab);
                assert!(rules.contains(BLOCK), "{way}, {what}, {arguments:?}: {rules}");
                let called = lab.pfctl(&["-s", "rules"]).expect(0).out;
                let anchor = if way == "apple" { "\"com.apple/*\"" } else { "\"dev.portcullis\"" };
                // It blocks, or says why it does not.
                assert_eq!(said.contains(MEND), !called.contains(anchor), "{way}, {what}: {said}\n{called}");
            }
            lab.portcullis(&["guard", "off"]).expect(0);
            assert_eq!(our_rules(&lab), "", "{way}, {what}");
            let held = lab.pfctl(&["-s", "References"]).expect(0).out;
            assert!(held.contains("No pf starter references held"), "{way}, {what}: {held}");
        }
    }
}

#[test]
fn an_opening_mends_what_harms_nobody_or_names_the_command() {
    for what in ["flush", "empty"] {
        let lab = ready("apple");
        disturb(&lab, what);
        lab.portcullis(&["open", "5678", "--from", "any"]).expect(0);
        assert!(lab.rules().contains("port = 5678 flags any keep state"));
        assert!(lab.pfctl(&["-s", "rules"]).expect(0).out.contains("anchor \"com.apple/*\" all"));
        let prompts = String::from_utf8(lab.read(PROMPTS_LOG)).unwrap_or_default();
        assert!(prompts.lines().last().unwrap().contains("load /etc/pf.conf"), "{prompts}");
    }
    // Where the last look says that it is needed, the first prompt says so.
    let lab = ready("apple");
    disturb(&lab, "flush");
    lab.portcullis(&["status", "--check"]).expect(0);
    let prompts = || String::from_utf8(lab.read(PROMPTS_LOG)).unwrap().lines().count();
    let before = prompts();
    lab.portcullis(&["open", "5678", "--from", "any"]).expect(0);
    assert_eq!(prompts(), before + 1);

    let lab = ready("apple");
    disturb(&lab, "kill switch");
    let before = lab.pfctl(&["-s", "rules"]).expect(0).out;
    let refused = lab.portcullis(&["open", "5678", "--from", "any"]).expect(1);
    assert!(refused.err.contains(MEND) && refused.err.contains("nothing was changed"), "{}", refused.err);
    assert_eq!(lab.pfctl(&["-s", "rules"]).expect(0).out, before);
    // The one command, and it works again.
    lab.pfctl(&["-f", "/etc/pf.conf"]).expect(0);
    lab.portcullis(&["open", "5678", "--from", "any"]).expect(0);
}

#[test]
fn a_tick_keeps_the_way_and_edits_nothing_that_it_does_not_need() {
    for what in DISTURBANCES {
        let lab = ready("apple");
        let conf = lab.read("/etc/pf.conf");
        disturb(&lab, what);
        lab.tick().expect(0);
        assert_eq!(lab.read("/etc/pf.conf"), conf, "{what}");
        assert!(lab.rules().contains("port = 2345 flags any keep state"), "{what}");
        assert_eq!(lab.pfctl(&["-a", CLASSIC, "-s", "rules"]).expect(0).out, "", "{what}");
    }
}

#[test]
fn what_others_let_in_is_said_of_the_port_that_was_asked_for() {
    let lab = ready("apple");
    let main = lab.pfctl(&["-s", "rules"]).expect(0).out;
    assert!(main.contains("anchor \"com.apple/*\""), "{main}");
    load_main(&lab, &format!("set skip on en0\n{main}"));
    // Both are open, and each of the others that are closed is let in as well.
    for port in ["9229", "2345"] {
        let said = lab.portcullis(&["close", port]).expect(5).err;
        assert!(said.contains(&format!("port {port} would stay open")), "{said}");
    }
}

#[test]
fn a_port_that_is_shown_and_not_protected_is_looked_at_while_the_guard_is_on() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["prefs", "show", "dlv", "40000"]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    let port = |lab: &Lab| {
        let status = lab.portcullis(&["status", "--json"]).expect(0).json();
        let ports = status["ports"].as_array().unwrap().clone();
        ports.into_iter().find(|port| port["port"] == 40000).unwrap()
    };
    assert_eq!((&port(&lab)["state"], &port(&lab)["pf"]["anyone"]), (&"unmanaged".into(), &"yes".into()));
    let said = lab.portcullis(&["status"]).expect(0).out;
    assert!(said.starts_with("[ ] Not protected: 40000"), "{said}");
    // The guard takes it in.
    lab.portcullis(&["guard", "on"]).expect(0);
    assert_eq!(port(&lab)["state"], "closed");
}

#[test]
fn of_a_port_that_is_not_shown_the_rules_tell() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let said = lab.portcullis(&["doctor", &port]);
    let next = format!("see what it depends on: `portcullis explain {port}`");
    assert!(said.out.contains(&next), "{}", said.out);
    lab.portcullis(&["explain", &port]).expect(0);
}
