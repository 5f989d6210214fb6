//! `portcullis clean-up`: lines without effect go from /etc/pf.conf, behind one prompt, and come back by `undo`.

mod common;

use common::{Lab, request};
use portcullis::os::hash;
use portcullis::root::conf_lines::ConfLine;
use portcullis::root::request::Operation;
use portcullis::system::{AUDIT, PF_CONF};

const LOAD: &str = "load anchor \"dev.web\" from \"/etc/pf.anchors/dev.web\"";

/// A lab whose pf.conf ends with these lines, loaded where pfctl takes them.
fn lab_with(lines: &str) -> (Lab, String) {
    let lab = Lab::new();
    lab.portcullis(&["ports"]).expect(0);
    lab.write("/etc/pf.anchors/dev.web", "rdr pass on lo0 proto tcp to port 80 -> 127.0.0.1 port 8080\n");
    let stock = conf(&lab);
    lab.write(PF_CONF, format!("{stock}{lines}"));
    (lab, stock)
}

fn conf(lab: &Lab) -> String {
    String::from_utf8(lab.read(PF_CONF)).unwrap()
}

fn prompts(lab: &Lab) -> Vec<String> {
    let log = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap_or_default();
    let prompt = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["prompt"].clone();
    log.lines().map(|line| prompt(line).as_str().unwrap().to_owned()).collect()
}

fn clean_up(sha256: &str, lines: &[(usize, &str)]) -> Operation {
    let line = |(number, text): &(usize, &str)| ConfLine {
        number: u32::try_from(*number).unwrap(),
        text: (*text).to_owned(),
    };
    Operation::CleanUp { sha256: sha256.to_owned(), lines: lines.iter().map(line).collect() }
}

#[test]
fn a_load_without_a_call_goes_and_comes_back() {
    let (lab, stock) = lab_with(&format!("{LOAD}\n"));
    lab.pfctl(&["-f", "/etc/pf.conf"]).expect(0);
    let rules = lab.rules();
    let edited = conf(&lab);
    let would = lab.portcullis(&["clean-up", "--dry-run"]).expect(0).out;
    assert!(
        would.contains(&format!("would take out /etc/pf.conf:{}: {LOAD}", stock.lines().count() + 1)),
        "{would}"
    );
    assert!(
        would.contains("no `rdr-anchor` calls it") && would.ends_with("nothing was changed\n"),
        "{would}"
    );
    assert_eq!((conf(&lab), prompts(&lab).len()), (edited.clone(), 0));
    let done = lab.portcullis(&["clean-up"]).expect(0).out;
    assert!(
        done.contains(&format!(
            "took 1 line out of /etc/pf.conf, and no rule that pf obeys has changed: `{LOAD}`"
        )),
        "{done}"
    );
    assert_eq!(conf(&lab), stock);
    assert_eq!(lab.rules(), rules);
    assert_eq!(
        prompts(&lab),
        [format!("Portcullis wants to take 1 line without effect out of /etc/pf.conf: `{LOAD}`.")]
    );
    // Nothing is left, and nothing is asked.
    let done = lab.portcullis(&["clean-up"]).expect(0).out;
    assert!(done.contains("no line without effect"), "{done}");
    let would = lab.portcullis(&["undo", "--dry-run"]).expect(0).out;
    assert!(would.contains("would be back in /etc/pf.conf"), "{would}");
    let back = lab.portcullis(&["undo"]).expect(0).out;
    assert!(back.contains(&format!("change 1 was turned back; back in /etc/pf.conf: `{LOAD}`")), "{back}");
    assert_eq!(conf(&lab), edited);
    let last = prompts(&lab).pop().unwrap();
    assert!(last.contains(&format!("put back into /etc/pf.conf: `{LOAD}`; and edit /etc/pf.conf")), "{last}");
    assert_eq!(prompts(&lab).len(), 2);
    assert!(lab.portcullis(&["undo"]).expect(1).err.contains("no change of yours"));
    let history = lab.portcullis(&["history"]).expect(0).out;
    assert!(history.contains("took 1 line out of /etc/pf.conf"), "{history}");
}

#[test]
fn a_file_that_does_not_load_loads_again_without_commands_of_the_shell() {
    let (lab, stock) = lab_with(&format!("sudo pfctl -e\n{LOAD}\nsysctl -w net.inet.ip.fw.enable=1\n"));
    lab.pfctl(&["-nf", "/etc/pf.conf"]).expect(1);
    let said = lab.portcullis(&["clean-up", "--json"]).expect(0).json();
    assert_eq!((&said["ok"], &said["outcome"]), (&true.into(), &"changed".into()));
    assert_eq!(said["lines"].as_array().unwrap().len(), 3);
    assert_eq!(conf(&lab), stock);
    lab.pfctl(&["-nf", "/etc/pf.conf"]).expect(0);
}

#[test]
fn our_block_stays_with_the_guard_on() {
    let (lab, stock) = lab_with(&format!("{LOAD}\n"));
    lab.pfctl(&["-f", "/etc/pf.conf"]).expect(0);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["guard", "on"]).expect(0);
    let with_block = conf(&lab);
    lab.portcullis(&["clean-up"]).expect(0);
    assert_eq!(conf(&lab), with_block.replace(&format!("{LOAD}\n"), ""));
    lab.portcullis(&["guard", "off"]).expect(0);
    assert_eq!(conf(&lab), stock);
    lab.portcullis(&["undo", "2"]).expect(0);
    assert_eq!(conf(&lab), format!("{stock}{LOAD}\n"));
    lab.portcullis(&["uninstall"]).expect(0);
}

#[test]
fn root_takes_out_only_what_it_finds_without_effect_itself() {
    let (lab, stock) = lab_with(&format!("{LOAD}\nblock in proto tcp to any port 2345\n"));
    let text = conf(&lab);
    let (sha256, first) = (hash::of_bytes(text.as_bytes()), stock.lines().count() + 1);
    let block = "block in proto tcp to any port 2345";
    for (sha256, lines, why) in [
        (&sha256, &[(first + 1, block)][..], "is not without effect"),
        (&sha256, &[(first, LOAD), (first + 1, block)], "is not without effect"),
        (&sha256, &[(first + 1, LOAD)], "is not what the request says"),
        (&sha256, &[(first, "load anchor \"dev.web\"")], "is not what the request says"),
        (&hash::of_bytes(stock.as_bytes()), &[(first, LOAD)], "is not as it was when this was asked"),
    ] {
        let said = lab.request(&request(clean_up(sha256, lines))).expect(1).json();
        assert_eq!(said["outcome"], "unchanged");
        assert!(said["message"].as_str().unwrap().contains(why), "{said}");
        assert_eq!(conf(&lab), text);
    }
    // A program has put the call into the main ruleset.
    lab.write("/called.conf", format!("rdr-anchor \"dev.web\"\n{}", text.replace(&format!("{LOAD}\n"), "")));
    let called = lab.file("/called.conf").display().to_string();
    lab.pfctl(&["-f", &called]).expect(1);
    lab.write("/called.conf", "rdr-anchor \"dev.web\"\nanchor \"com.apple/*\"\n");
    lab.pfctl(&["-f", &called]).expect(0);
    let said = lab.request(&request(clean_up(&sha256, &[(first, LOAD)]))).expect(1).json();
    assert!(said["message"].as_str().unwrap().contains("which a program calls by now"), "{said}");
    lab.pfctl(&["-f", "/etc/pf.conf"]).expect(0);
    lab.request(&request(clean_up(&sha256, &[(first, LOAD)]))).expect(0);
    assert_eq!(conf(&lab), text.replace(&format!("{LOAD}\n"), ""));
    let audit = String::from_utf8(lab.read(AUDIT)).unwrap();
    assert_eq!(audit.lines().filter(|line| line.contains("\"do\":\"clean-up\"")).count(), 7);
}

#[test]
fn lines_do_not_come_back_into_a_file_that_others_have_changed() {
    let (lab, _) = lab_with(&format!("{LOAD}\n"));
    lab.portcullis(&["clean-up"]).expect(0);
    let edited = conf(&lab) + "# of others\n";
    lab.write(PF_CONF, &edited);
    let said = lab.portcullis(&["undo"]).expect(1).err;
    assert!(
        said.contains(&format!("put back by hand what is meant still: `{LOAD}`; nothing was changed")),
        "{said}"
    );
    assert_eq!(conf(&lab), edited);
}

#[test]
fn what_is_not_in_pf_conf_is_left_to_commands() {
    let (lab, _) = lab_with("");
    let plist = |argument: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<plist version=\"1.0\"><dict><key>Label</key><string>com.example.pf</string>\
             <key>ProgramArguments</key><array><string>/sbin/pfctl</string><string>{argument}</string></array></dict></plist>\n"
        )
    };
    lab.write("/Library/LaunchDaemons/com.example.pf.plist", plist("-e"));
    lab.write("/etc/sysctl.conf", "net.inet.ip.fw.enable=1\n");
    let said = lab.portcullis(&["clean-up"]).expect(0).out;
    assert!(said.contains("sudo launchctl bootout system/com.example.pf; sudo rm /Library/LaunchDaemons/com.example.pf.plist\n"), "{said}");
    assert!(said.contains("sudo sed -i '' 1d /etc/sysctl.conf\n"), "{said}");
    assert_eq!(prompts(&lab), [""; 0]);
    lab.write("/Library/LaunchDaemons/com.example.pf.plist", plist("-E"));
    std::fs::remove_file(lab.file("/etc/sysctl.conf")).unwrap();
    assert_eq!(lab.portcullis(&["clean-up"]).expect(0).out, "/etc/pf.conf has no line without effect\n");
}
