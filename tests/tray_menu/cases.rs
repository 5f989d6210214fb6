//! The situations in which the menu is clicked through, and how a Mac comes to each.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use portcullis::system::{AUDIT, STATUS, System as _};

use super::common::Lab;
use super::common::capture::{append, blocked};
use super::desktop::{PATIENCE, Running, Tray};

/// A situation.
pub struct Case {
    pub name: &'static str,
    /// Before the tray is there.
    pub prepare: fn(&Lab) -> Option<Running>,
    /// By a click in the tray.
    pub arrange: fn(&Lab, &Tray),
    /// The beginning of the first row or of the second.
    pub says: &'static str,
    /// What it does to the clicks.
    pub clicks: Clicks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clicks {
    /// They do what they say.
    Work,
    /// So do those that take no preferences; the others fail and say so.
    WithoutPreferences,
}

/// No program of the situation runs.
const NO_PROGRAM: Option<Running> = None;

pub const CASES: [Case; 14] = [
    Case { name: "first run", prepare: stock, ..case("Ports are not protected yet") },
    Case { name: "closed", prepare: closed, ..case("All debug ports are closed") },
    Case { name: "one open", prepare: one_open, ..case("1 port is open for this network") },
    Case { name: "three open", prepare: three_open, ..case("3 ports are open") },
    Case {
        name: "open and not seen for long",
        prepare: |lab| {
            one_open(lab);
            // Where the job runs root has looked within ten minutes.
            switch_job_off(lab);
            let mut report: serde_json::Value = serde_json::from_slice(&lab.read(STATUS)).unwrap();
            report["seen"] = (portcullis::os::now() - 65 * 60).into();
            put(lab, STATUS, report.to_string().as_bytes());
            NO_PROGRAM
        },
        ..case("1 port is open for this network, not seen since")
    },
    Case {
        name: "firewall off",
        prepare: |lab| {
            unprotected(lab);
            NO_PROGRAM
        },
        ..case("Ports are not protected: the firewall is off")
    },
    Case {
        name: "firewall off, though ports are to be closed",
        prepare: |lab| {
            closed(lab);
            // Where the job runs it turns pf on again.
            switch_job_off(lab);
            lab.pfctl(&["-d"]);
            run(lab, &["status", "--check"]);
            NO_PROGRAM
        },
        ..case("Ports are not protected: the firewall is off")
    },
    Case { name: "firewall off, a debugger exposed", prepare: exposed, ..case("Anyone can reach ") },
    Case {
        name: "another machine was blocked",
        prepare: another_blocked,
        ..case("192.168.1.20 was blocked")
    },
    Case {
        name: "waiting for permission",
        prepare: |lab| {
            closed(lab);
            answer(lab, "hang");
            NO_PROGRAM
        },
        arrange: |_, tray| tray.click("2345"),
        ..case("Waiting for permission: Cancel Request")
    },
    Case {
        name: "a failure",
        prepare: closed,
        arrange: |lab, tray| {
            answer(lab, "deny");
            tray.click("2345");
            tray.until(PATIENCE, "it fails", |tray| tray.rows()[1].label.starts_with("Failed: "));
            answer(lab, "allow");
        },
        ..case("Failed: 2345 was not opened")
    },
    Case { name: "200 ports of one's own", prepare: many, ..case("3 ports are open") },
    Case {
        name: "preferences that do not read",
        prepare: |lab| {
            one_open(lab);
            run(lab, &["prefs", "from", "lan"]);
            std::fs::write(preferences(lab), "show = 5").unwrap();
            NO_PROGRAM
        },
        clicks: Clicks::WithoutPreferences,
        ..case("The preferences do not read")
    },
    Case { name: "days later", prepare: days_later, ..case("All debug ports are closed") },
];

const fn case(says: &'static str) -> Case {
    Case { name: "", prepare: |_| NO_PROGRAM, arrange: |_, _| (), says, clicks: Clicks::Work }
}

pub fn run(lab: &Lab, words: &[&str]) {
    lab.portcullis(words).expect(0);
}

pub fn preferences(lab: &Lab) -> PathBuf {
    lab.system().preferences_file().unwrap()
}

fn switch_job_off(lab: &Lab) {
    let mut launchctl = std::process::Command::new(env!("CARGO_BIN_EXE_launchctl-lab"));
    launchctl.arg("--lab").arg(lab.path()).args(["bootout", "system/dev.portcullis.helper"]);
    assert!(launchctl.status().unwrap().success());
}

/// As root does it: a reader sees the old file or the new one.
pub fn put(lab: &Lab, path: &str, bytes: &[u8]) {
    lab.write("/private/var/root/new", bytes);
    std::fs::rename(lab.file("/private/var/root/new"), lab.file(path)).unwrap();
}

/// How the prompt is answered from now on. A question gets its first answer.
fn answer(lab: &Lab, prompt: &str) {
    let text = format!("prompt = \"{prompt}\"\ndialog = \"default\"\nnetworks = [\"192.168.1.0/24\"]\n");
    put(lab, "lab.toml", text.as_bytes());
}

/// Nothing of ours is on this Mac.
fn stock(lab: &Lab) -> Option<Running> {
    // The first program to come makes the lab.
    run(lab, &["status"]);
    answer(lab, "allow");
    lab.pfctl(&["-d"]);
    NO_PROGRAM
}

/// Closed and protected.
pub fn closed(lab: &Lab) -> Option<Running> {
    run(lab, &["status"]);
    answer(lab, "allow");
    run(lab, &["guard", "on"]);
    NO_PROGRAM
}

fn one_open(lab: &Lab) -> Option<Running> {
    closed(lab);
    run(lab, &["open", "2345", "--from", "lan"]);
    NO_PROGRAM
}

fn three_open(lab: &Lab) -> Option<Running> {
    one_open(lab);
    run(lab, &["open", "9229", "--from", "any", "--for", "1h"]);
    run(lab, &["open", "5678", "--from", "10.0.0.5", "--until", "restart"]);
    NO_PROGRAM
}

fn unprotected(lab: &Lab) {
    closed(lab);
    run(lab, &["guard", "off"]);
    lab.pfctl(&["-d"]);
    run(lab, &["status", "--check"]);
}

fn exposed(lab: &Lab) -> Option<Running> {
    run(lab, &["status"]);
    // The same port when it is started again: another one would be another row.
    let place = lab.file("/private/var/root/exposed");
    let port = std::fs::read_to_string(&place).unwrap_or_else(|_| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, free.port().to_string()).unwrap();
        free.port().to_string()
    });
    run(lab, &["prefs", "show", &format!("{port},dlv,node")]);
    unprotected(lab);
    Some(Running(listener(&port)))
}

/// A program that listens for every address on this port: a debugger where there is one.
fn listener(port: &str) -> Child {
    let start = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    let perl = "use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 5, LocalPort => shift); sleep";
    start("dlv", &["dap", &format!("--listen=0.0.0.0:{port}")])
        .or_else(|_| start("perl", &["-e", perl, port]))
        .unwrap()
}

fn another_blocked(lab: &Lab) -> Option<Running> {
    closed(lab);
    run(lab, &["log", "--for", "10m"]);
    append(&lab.file(portcullis::lab::pflog::PFLOG0), &blocked(0, 50_000, 2345));
    super::common::until("it is recorded", || {
        let said = lab.portcullis(&["status", "--json"]).expect(0).json();
        said["ports"][0]["blocked"].is_object()
    });
    run(lab, &["log", "--stop"]);
    NO_PROGRAM
}

fn many(lab: &Lab) -> Option<Running> {
    run(lab, &["status"]);
    let ports: Vec<String> = (20_000..20_200).map(|port| port.to_string()).collect();
    run(lab, &["prefs", "show", &ports.join(",")]);
    closed(lab);
    run(lab, &["open", "20003,20150,20199", "--from", "lan"]);
    NO_PROGRAM
}

/// Two ports were open together some days ago.
fn days_later(lab: &Lab) -> Option<Running> {
    closed(lab);
    run(lab, &["open", "2345,9229", "--from", "lan"]);
    run(lab, &["close", "--all"]);
    let log = String::from_utf8(lab.read(AUDIT)).unwrap();
    let older = log.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["time"] = (line["time"].as_i64().unwrap() - 200_000).into();
        format!("{line}\n")
    });
    put(lab, AUDIT, older.collect::<String>().as_bytes());
    NO_PROGRAM
}
