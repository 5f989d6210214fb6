//! `portcullis log`: captures as files, captures that grow, and the recording that root makes.

mod common;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::capture::{append, blocked, frame, header};
use common::{Lab, program, until};
use portcullis::os::children::{process_exists, read_register};
use portcullis::root::record::{MAX_BYTES, Recording};
use portcullis::system::{APPLE_ANCHOR, PFLOG, RECORDING, RECORDING_CHILDREN, System as _};

const PFLOG0: &str = portcullis::lab::pflog::PFLOG0;

/// A program that runs on; killed with the test.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("--lab")
            .arg(lab.path())
            .args(arguments)
            .env("USER", "ada")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Running { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(30)).expect("a line")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn interrupt(&mut self) -> i32 {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A lab whose recording ends with the test.
struct Recorded(Lab);

impl Recorded {
    fn new() -> Self {
        let lab = Lab::new();
        lab.portcullis(&["guard", "on"]).expect(0);
        Recorded(lab)
    }

    fn recording(&self) -> Recording {
        Recording::read(&self.0.system().files()).unwrap().unwrap()
    }

    /// Changes the file that root alone can change on a Mac.
    fn change(&self, change: impl FnOnce(&mut Recording)) {
        let mut recording = self.recording();
        change(&mut recording);
        self.0.system().files().replace(RECORDING, &serde_json::to_vec(&recording).unwrap(), 0o644).unwrap();
    }

    fn ended(&self) -> String {
        until("the recording ends", || {
            let recording = self.recording();
            recording.ended.is_some() && !recording.made_interface
        });
        self.recording().ended.unwrap().because
    }

    fn prompts(&self) -> Vec<String> {
        let log =
            std::fs::read_to_string(self.0.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap_or_default();
        let prompt = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["prompt"].clone();
        log.lines().map(|line| prompt(line).as_str().unwrap().to_owned()).collect()
    }

    fn logs(&self, bytes: &[u8]) {
        append(&self.0.file(PFLOG0), bytes);
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.0.portcullis(&["log", "--stop"]);
    }
}

#[test]
fn a_file_names_rules_by_a_pf_conf() {
    let lab = Lab::new();
    let mut bytes = header(117);
    bytes.extend(frame(1000, "", (1, u32::MAX), 50_000, 2345));
    bytes.extend(frame(1001, "", (1, u32::MAX), 50_000, 2345));
    bytes.extend(frame(1002, "x", (2, 0), 50_001, 9229));
    bytes.extend(frame(1003, "", (0, u32::MAX), 50_002, 2345));
    lab.write("/capture", &bytes);
    lab.write("/pf.conf", "pass all\nblock in log proto tcp to port 2345\nanchor \"x\"\nload anchor \"x\" from \"/etc/pf.anchors/x\"\n");
    lab.write("/anchors/x", "# ours\nblock return log proto tcp to port 9229\n");
    let file = |name: &str| lab.file(name).display().to_string();
    let (capture, conf, anchors) = (file("/capture"), file("/pf.conf"), file("/anchors"));
    let with = ["log", &capture, "--conf", &conf, "--anchors", &anchors];
    let said = lab.portcullis(&with).expect(0).out;
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].contains(&format!("({conf}:2: block drop in log proto tcp from any to any port = 2345)")),
        "{said}"
    );
    assert!(
        lines[2].contains("(/etc/pf.anchors/x:2: block return log proto tcp from any to any port = 9229)"),
        "{said}"
    );
    assert!(lines[3].contains("(rule 0; the rule of this number cannot have logged it"), "{said}");
    assert_eq!(lines[4], "port 2345: 2 attempts blocked, the last from 192.168.1.20");
    let json = lab.portcullis(&[&with[..], &["--json", "--port", "9229"]].concat()).expect(0).json();
    assert_eq!(json["entries"].as_array().unwrap().len(), 1);
    assert_eq!(json["entries"][0]["logged_by"]["line"], 2);
    assert_eq!(json["entries"][0]["logged_by"]["anchor"], "x");
    assert_eq!(json["blocked"]["9229"]["attempts"], 1);
    let json = lab.portcullis(&["log", &capture, "--json"]).expect(0).json();
    assert!(json["entries"][0]["logged_by"].is_null());
    assert!(json["entries"][0]["not_known"].as_str().unwrap().contains("--conf"));
}

#[test]
fn bad_files_end_with_a_word() {
    let lab = Lab::new();
    let file = |name: &str, bytes: &[u8]| {
        lab.write(name, bytes);
        lab.file(name).display().to_string()
    };
    let junk = file("/junk", b"not a capture at all, and that is longer than a header");
    assert!(lab.portcullis(&["log", &junk]).expect(2).err.contains("not a pcap file"));
    let ethernet = file("/ethernet", &header(1));
    assert!(lab.portcullis(&["log", &ethernet]).expect(2).err.contains("link type 1"));
    let whole = [header(117), frame(1, "", (0, u32::MAX), 1, 2345)].concat();
    let cut = file("/cut", &whole[..whole.len() - 1]);
    assert!(lab.portcullis(&["log", &cut]).expect(1).out.contains("middle of packet 1"));
    for arguments in [&["log", "/nowhere/at/all"][..], &["log", "/nowhere/at/all", "--follow"]] {
        assert!(lab.portcullis(arguments).expect(2).err.contains("No such file"));
    }
    for bad in [
        &["log", "--for", "13h"][..],
        &["log", "--for", "x"],
        &["log", "--stop", "--follow"],
        &["log", &junk, "--for", "1h"],
    ] {
        lab.portcullis(bad).expect(2);
    }
}

#[test]
fn a_file_is_followed_as_it_grows_until_ctrl_c() {
    let lab = Lab::new();
    let path = lab.file("/capture");
    File::create(&path).unwrap();
    let mut follow =
        Running::start(&lab, &["log", path.to_str().unwrap(), "--follow", "--json", "--port", "2345"]);
    for byte in [header(117), frame(1, "", (0, u32::MAX), 1, 2345)].concat() {
        append(&path, &[byte]);
    }
    let entry = follow.json();
    assert_eq!(
        (&entry["version"], &entry["seconds"], &entry["to"]["port"]),
        (&1.into(), &1.into(), &2345.into())
    );
    append(&path, &[frame(2, "", (0, u32::MAX), 1, 9229), frame(3, "", (0, u32::MAX), 1, 2345)].concat());
    assert_eq!(follow.json()["seconds"], 3, "the other port is left out");
    std::fs::write(lab.file("/new"), [header(117), frame(4, "", (0, u32::MAX), 1, 2345)].concat()).unwrap();
    std::fs::rename(lab.file("/new"), &path).unwrap();
    assert_eq!(follow.json()["seconds"], 4, "it was replaced");
    assert_eq!(follow.interrupt(), 0);
}

#[test]
fn the_log_is_recorded_by_one_prompt_and_names_our_rules() {
    let recorded = Recorded::new();
    let lab = &recorded.0;
    assert!(lab.portcullis(&["log"]).expect(1).err.contains("not recorded yet"));
    let prompts = recorded.prompts().len();
    let mut follow = Running::start(lab, &["log", "--follow", "--json"]);
    until("the recording begins", || lab.file(PFLOG0).exists() && lab.file(PFLOG).exists());
    // Which of our rules blocks 2345, by its number.
    let rules = lab.rules();
    let blocks =
        |rule: &str, port: &str| rule.starts_with("block") && rule.contains(&format!("port = {port} "));
    let number = |port: &str| rules.lines().position(|rule| blocks(rule, port)).unwrap() as u32;
    let numbers = [number("2345"), number("9229")];
    until("the prompt was answered", || recorded.prompts().len() == prompts + 1);
    for (from_port, rule, port) in
        [(50_000, 0, 2345), (50_000, 0, 2345), (50_001, 0, 2345), (50_002, 1, 9229)]
    {
        recorded.logs(&blocked(numbers[rule], from_port, port));
    }
    let entry = follow.json();
    assert_eq!(entry["logged_by"]["place"], format!("anchor {APPLE_ANCHOR} rule {}", numbers[0]));
    assert!(entry["logged_by"]["text"].as_str().unwrap().starts_with("block return in log quick on ! lo0"));
    let ports: Vec<u64> = (0..3).map(|_| follow.json()["to"]["port"].as_u64().unwrap()).collect();
    assert_eq!(ports, [2345, 2345, 9229]);
    assert_eq!(
        recorded.prompts()[prompts..],
        ["Portcullis wants to record the headers of what the firewall logs for 1 h."]
    );
    // A number that is another rule's by now is not taken for it.
    recorded.logs(&blocked(numbers[1], 50_003, 2345));
    assert!(follow.json()["not_known"].as_str().unwrap().contains("cannot have logged it"));
    assert_eq!(follow.interrupt(), 0);

    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    let port = |number: u64| {
        status["ports"].as_array().unwrap().iter().find(|port| port["port"] == number).unwrap()["blocked"]
            .clone()
    };
    assert_eq!((&port(2345)["attempts"], &port(2345)["last_from"]), (&3.into(), &"192.168.1.20".into()));
    assert_eq!(port(9229)["attempts"], 1);
    assert!(port(5678).is_null());
    let text = lab.portcullis(&["status"]).expect(0).out;
    assert!(text.contains("3 attempts blocked in the last hour, last from 192.168.1.20"), "{text}");
    let log = lab.portcullis(&["log", "--json"]).expect(0).json();
    assert_eq!((log["entries"].as_array().unwrap().len(), &log["recording"]["under_way"]), (5, &true.into()));

    // Asking again makes it longer, never shorter, and there is one at a time.
    let (pid, end) = (recorded.recording().pid, recorded.recording().until);
    assert!(lab.portcullis(&["log", "--for", "1m"]).expect(0).out.contains("already"));
    assert!(lab.portcullis(&["log", "--for", "2h"]).expect(0).out.contains("120 min"));
    assert_eq!(recorded.recording().pid, pid);
    assert!(recorded.recording().until >= end + 59 * 60);
    lab.helper(&["record", "60"]).expect(1);

    let said = lab.portcullis(&["log", "--stop"]).expect(0).out;
    assert!(said.contains("not recorded any more"), "{said}");
    assert_eq!(recorded.ended(), "it was stopped");
    assert!(!lab.file(PFLOG0).exists(), "the interface is gone");
    until("the process has ended", || !portcullis::os::process_exists(pid) || zombie(pid));
    assert!(lab.portcullis(&["log", "--stop"]).expect(0).out.contains("nothing was changed"));
    assert!(lab.portcullis(&["log"]).expect(0).out.contains("it was stopped"));
    let left: Vec<_> =
        lab.tree().into_keys().filter(|path| path.to_string_lossy().ends_with(".portcullis")).collect();
    assert!(left.iter().all(|path| path.ends_with("dev.portcullis")), "{left:?}");
    let audit = String::from_utf8(lab.read("/Library/Logs/Portcullis/audit.jsonl")).unwrap();
    assert!(
        audit.contains("\"do\":\"log\",\"minutes\":60") && audit.contains("\"do\":\"stop-log\""),
        "{audit}"
    );
}

/// Whether a process has ended and its parent has not waited for it: where no init does.
fn zombie(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

#[test]
fn a_recording_ends_when_its_time_is_over_and_so_does_following_it() {
    let recorded = Recorded::new();
    let mut follow = Running::start(&recorded.0, &["log", "--follow"]);
    until("the recording begins", || recorded.0.file(PFLOG).exists() && recorded.0.file(RECORDING).exists());
    recorded.logs(&blocked(0, 50_000, 2345));
    assert!(follow.line().contains("192.168.1.20:50000 -> 192.168.1.1:2345"));
    recorded.change(|recording| recording.until = portcullis::os::now() - 1);
    assert_eq!(recorded.ended(), "its time was over");
    assert_eq!(follow.child.wait().unwrap().code(), Some(0));
    assert!(!recorded.0.file(PFLOG0).exists());
    // The next one begins with an empty file.
    recorded.0.portcullis(&["log", "--for", "5m"]).expect(0);
    assert!(recorded.recording().ended.is_none());
    let json = recorded.0.portcullis(&["log", "--json"]).expect(0).json();
    assert_eq!(json["entries"].as_array().unwrap().len(), 0);
}

#[test]
fn a_recording_ends_when_its_file_is_full() {
    let recorded = Recorded::new();
    recorded.0.portcullis(&["log", "--for", "1h"]).expect(0);
    let one = blocked(0, 50_000, 2345);
    recorded.logs(&one.repeat(MAX_BYTES as usize / one.len() + 100));
    assert!(recorded.ended().starts_with("the file is full"));
    let length = recorded.0.file(PFLOG).metadata().unwrap().len();
    assert!(length <= MAX_BYTES && length > MAX_BYTES - one.len() as u64, "{length}");
    recorded.0.portcullis(&["log", "--json"]).expect(0);
}

#[test]
fn a_pflog0_of_somebody_else_stays() {
    let recorded = Recorded::new();
    recorded.0.write(PFLOG0, header(117));
    recorded.0.portcullis(&["log", "--for", "1h"]).expect(0);
    recorded.0.portcullis(&["log", "--stop"]).expect(0);
    assert!(recorded.0.file(PFLOG0).exists());
}

#[test]
fn what_a_recording_that_was_killed_left_is_cleared_away_with_its_tcpdump() {
    let recorded = Recorded::new();
    let children = || read_register(&recorded.0.read(RECORDING_CHILDREN));
    let kill = || {
        let pid = rustix::process::Pid::from_raw(recorded.recording().pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    recorded.0.portcullis(&["log", "--for", "1h"]).expect(0);
    let first = children();
    assert!(first.iter().any(|child| child.runs()), "tcpdump is written down: {first:?}");
    kill();
    until("another can begin", || {
        recorded.0.portcullis(&["log", "--for", "2h"]).out.contains("being recorded in")
    });
    assert!(!first.iter().any(|child| child.runs()), "the first tcpdump has ended");
    let second = children();
    kill();
    until("it is cleared away", || recorded.0.portcullis(&["log", "--stop"]).out.contains("without a word"));
    assert!(!second.iter().any(|child| child.runs()));
    assert!(!recorded.0.file(PFLOG0).exists() && !recorded.0.file(RECORDING_CHILDREN).exists());
    assert!(recorded.recording().ended.is_some());
    assert!(recorded.0.portcullis(&["log", "--stop"]).expect(0).out.contains("nothing was changed"));
}

/// Whatever became of its file, a recorder that was killed is not forgotten.
#[test]
fn what_a_recording_left_is_known_though_its_file_is_damaged() {
    let damage = |what: &str, place: &std::path::Path| {
        let text = std::fs::read_to_string(place).unwrap();
        match what {
            "junk" => std::fs::write(place, "junk").unwrap(),
            "nothing in it" => std::fs::write(place, "").unwrap(),
            "another version" => {
                std::fs::write(place, text.replace("\"version\": 1", "\"version\": 9")).unwrap();
            }
            gone => {
                std::fs::remove_file(place).unwrap();
                if gone == "a folder" {
                    std::fs::create_dir(place).unwrap();
                }
            }
        }
    };
    let damages = ["junk", "nothing in it", "another version", "gone", "a folder"];
    for (number, what) in damages.into_iter().enumerate() {
        let requests = [&["log", "--stop"][..], &["log", "--for", "1h"], &["uninstall"]];
        // All of them after the first; after the others, one.
        for next in requests.into_iter().skip(number % 3).take(if number == 0 { 3 } else { 1 }) {
            let recorded = Recorded::new();
            let lab = &recorded.0;
            lab.portcullis(&["log", "--for", "1h"]).expect(0);
            let recorder = recorded.recording().pid;
            let pid = rustix::process::Pid::from_raw(recorder as i32).unwrap();
            let children = read_register(&lab.read(RECORDING_CHILDREN));
            let tcpdump: Vec<_> = children.into_iter().filter(|child| child.runs()).collect();
            assert!(!tcpdump.is_empty());
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            until("the recorder ends", || zombie(recorder) || !process_exists(recorder));
            damage(what, &lab.file(RECORDING));
            let said = lab.portcullis(next).expect(0);
            assert!(!said.out.contains("nothing was changed"), "{what}: {next:?}: {}", said.out);
            assert!(!tcpdump.iter().any(|child| child.runs()), "{what}: {next:?}: tcpdump runs on");
            if next[1..] == ["--for", "1h"] {
                lab.portcullis(&["log", "--stop"]).expect(0);
            }
            assert!(!lab.file(PFLOG0).exists(), "{what}: {next:?}: pflog0 is left");
        }
    }
}

#[test]
fn pflog0_is_known_as_ours_before_it_is_made() {
    let recorded = Recorded::new();
    let lab = &recorded.0;
    let ifconfig = lab.file("/sbin/ifconfig");
    let real = std::fs::canonicalize(&ifconfig).unwrap();
    let script = |text: &str| program::script(&ifconfig, text);
    // As the stand-in is called by its name, it is found beside.
    let beside = lab.file("/ifconfig");
    program::copy(&real, &beside);
    // The recorder is killed just when pflog0 was made.
    let (at_create, recording) = (lab.file("/at-create"), lab.file(RECORDING));
    let killed = format!(
        "case \"$*\" in *create) cp '{}' '{}'; '{2}' \"$@\"; kill -9 $PPID;; {{DESTROY}} *) exec '{2}' \"$@\";; esac",
        recording.display(),
        at_create.display(),
        beside.display()
    );
    script(&killed.replace("{DESTROY}", ""));
    let said = lab.portcullis(&["log", "--for", "1h"]).expect(4);
    assert!(said.err.contains("taken away again"), "{}", said.err);
    assert!(!lab.file(PFLOG0).exists());
    assert!(std::fs::read_to_string(&at_create).unwrap().contains("\"made_interface\": true"));
    // It cannot be taken away: that is no answer of "unchanged".
    script(&killed.replace("{DESTROY}", "*destroy) echo 'ifconfig: SIOCIFDESTROY: busy' >&2; exit 1;;"));
    for arguments in [&["log", "--for", "1h"][..], &["log", "--stop"], &["log", "--for", "1h"]] {
        let said = lab.portcullis(arguments).expect(5);
        assert!(said.err.contains("busy") && !said.err.contains("nothing was changed"), "{}", said.err);
        assert!(lab.file(PFLOG0).exists() && recorded.recording().made_interface);
    }
    script(&format!("exec '{}' \"$@\"", beside.display()));
    lab.portcullis(&["log", "--stop"]).expect(0);
    assert!(!lab.file(PFLOG0).exists());
}

#[test]
fn what_goes_wrong_leaves_nothing_behind() {
    let recorded = Recorded::new();
    let lab = &recorded.0;
    // A link where the packets are to go is not followed.
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    std::fs::write(&target, "mine").unwrap();
    std::os::unix::fs::symlink(&target, lab.file(PFLOG)).unwrap();
    let said = lab.portcullis(&["log", "--for", "1h"]).expect(4);
    assert!(said.err.contains("no plain file") && said.err.contains("taken away again"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
    assert!(!lab.file(PFLOG0).exists() && !lab.file(RECORDING).exists());
    std::fs::remove_file(lab.file(PFLOG)).unwrap();
    // Nor is one in place of the folder.
    std::fs::rename(lab.file("/Library/Logs/Portcullis"), outside.path().join("logs")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("logs"), lab.file("/Library/Logs/Portcullis")).unwrap();
    assert!(lab.portcullis(&["log", "--for", "1h"]).expect(4).err.contains("symbolic link"));
    assert!(!outside.path().join("logs/pflog.pcap").exists() && !lab.file(PFLOG0).exists());
    std::fs::remove_file(lab.file("/Library/Logs/Portcullis")).unwrap();
    // What is known of the last recording does not read: the next one begins all the same.
    lab.write(RECORDING, "junk");
    assert!(lab.portcullis(&["log", "--stop"]).expect(0).out.contains("was taken away"));
    lab.write(RECORDING, "junk");
    lab.portcullis(&["log", "--for", "1h"]).expect(0);
    lab.write(RECORDING, "junk");
    until("a recording ends when its file does not read", || !lab.file(PFLOG0).exists());
    assert!(recorded.ended().contains("does not read"));
    // tcpdump that fails, and one that records something else.
    let tcpdump = lab.file("/usr/sbin/tcpdump");
    let script = |text: &str| program::script(&tcpdump, text);
    script("echo 'tcpdump: pflog0: You do not have permission' >&2; exit 1");
    assert!(lab.portcullis(&["log", "--for", "1h"]).expect(4).err.contains("do not have permission"));
    assert!(!lab.file(PFLOG0).exists());
    script(
        "echo 'tcpdump: listening on pflog0' >&2; printf '\\324\\303\\262\\241\\2\\0\\4\\0\\0\\0\\0\\0\\0\\0\\0\\0\\200\\0\\0\\0\\1\\0\\0\\0'; exec sleep 60",
    );
    lab.portcullis(&["log", "--for", "1h"]).expect(0);
    assert!(recorded.ended().contains("link type 1, not 117"));
    assert_eq!(lab.read(PFLOG), b"");
    // The prompt is cancelled.
    lab.write("/lab.toml", "prompt = \"cancel\"\n");
    lab.portcullis(&["log", "--for", "1h"]).expect(3);
    lab.portcullis(&["log", "--follow"]).expect(3);
    assert!(!lab.file(PFLOG0).exists());
}
