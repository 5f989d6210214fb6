//! The main job, end to end and by hand: the real tray in a lab, its real menu clicked over D-Bus.
//!
//! Each test is a desktop of its own. Nothing of the app is replaced: a click goes through the
//! prompt's stand-in to the real helper, and pfctl-lab shows what came of it.
#![cfg(target_os = "linux")]

mod common;
mod desktop;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::Lab;
use desktop::{Desktop, PATIENCE, PROMPTLY, Running, Tray, clipboard};
use portcullis::rules::ledger::Ledger;
use portcullis::status::Icon;
use portcullis::status::emblem::{EmblemMark, Risk};
use portcullis::system::LEDGER;

const CANCEL: &str = "Waiting for permission: Cancel Request";
const GUARD: &str = "Keep Debug Ports Closed";

/// A lab in which root has looked once, and the guard is as given.
fn lab(guard: &str) -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", guard]).expect(0);
    lab
}

/// As root does it: a reader sees the old file or the new one.
fn put(lab: &Lab, path: &str, bytes: &[u8]) {
    lab.write("/private/var/root/new", bytes);
    std::fs::rename(lab.file("/private/var/root/new"), lab.file(path)).unwrap();
}

fn set_prompt(lab: &Lab, answer: &str) {
    lab.write("lab.toml", format!("prompt = \"{answer}\"\nnetworks = [\"192.168.1.0/24\"]\n"));
}

/// What of the lab must not change when nothing is changed: everything but the record of the prompts.
fn unchanging(lab: &Lab) -> std::collections::BTreeMap<PathBuf, String> {
    let mut tree = lab.tree();
    tree.retain(|path, _| !path.ends_with("private/var/log/prompts.log"));
    tree
}

fn prompts(lab: &Lab) -> usize {
    let log = std::fs::read_to_string(lab.file("private/var/log/prompts.log")).unwrap_or_default();
    log.lines().count()
}

#[test]
fn a_click_opens_the_port_and_another_closes_it() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    assert_eq!(tray.icon(), Some(Icon::Closed));
    assert_eq!(tray.rows()[0].label, "All debug ports are closed");
    assert_eq!(tray.row("Close All").map(|row| row.enabled), Some(false));
    let closed_file = tray.icon_file();

    tray.click("2345  Delve");
    tray.until_icon(Icon::Open);
    let is_counted =
        |tray: &Tray| tray.emblem().is_some_and(|emblem| (emblem.risk, emblem.count) == (Risk::Some, 1));
    tray.until(PATIENCE, "it is orange, and counts one", is_counted);
    tray.until_checked("2345  Delve", true);
    assert_eq!(tray.rows()[0].label, "1 port is open for this network");
    // Somebody may listen there on the machine that runs the test, and is then named behind it.
    // Late in the day its end is of the next one, and takes the room.
    assert!(tray.row("2345  Delve — open").is_some(), "{:?}", tray.rows());
    assert_ne!(tray.icon_file(), closed_file);
    let rules = lab.rules();
    let passes =
        |line: &str| line.starts_with("pass in") && line.contains("port = 2345 flags any keep state");
    assert!(rules.lines().any(passes), "{rules}");

    tray.click("2345  Delve");
    tray.until_icon(Icon::Closed);
    tray.until_checked("2345  Delve", false);
    let rules = lab.rules();
    assert!(!rules.lines().any(passes), "{rules}");
}

#[test]
fn a_cancelled_prompt_changes_nothing_and_puts_the_mark_back() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    set_prompt(&lab, "cancel");
    let tray = desktop.tray(&lab);
    let (tree, rows, asked) = (unchanging(&lab), tray.rows(), prompts(&lab));

    tray.click("2345  Delve");
    tray.until(PATIENCE, "the prompt was shown", |_| prompts(&lab) > asked);
    tray.until_checked("2345  Delve", false);
    assert!(tray.row("2345  Delve — closed").is_some(), "{:?}", tray.rows());
    assert_eq!(tray.icon(), Some(Icon::Closed));
    assert_eq!(unchanging(&lab), tree);
    assert_eq!(tray.rows().len(), rows.len(), "a person who cancels needs no telling: {:?}", tray.rows());
}

#[test]
fn while_a_prompt_waits_so_does_the_menu_and_a_failure_is_said() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    set_prompt(&lab, "hang");
    let tray = desktop.tray(&lab);
    let asked = prompts(&lab);

    tray.click("2345  Delve");
    tray.until(PATIENCE, "the prompt waits", |tray| {
        prompts(&lab) > asked && tray.row("2345  Delve — waiting for permission").is_some()
    });
    let waits = |tray: &Tray| tray.emblem().is_some_and(|emblem| emblem.mark == Some(EmblemMark::Waiting));
    tray.until(PATIENCE, "the icon says so too", waits);
    let rows = tray.rows();
    // What needs no root works all the while.
    let works: Vec<&str> = rows
        .iter()
        .filter(|row| row.enabled && row.rows.is_empty() && !row.label.is_empty())
        .map(|row| &*row.label)
        .collect();
    assert_eq!(
        works,
        ["All debug ports are closed", "Waiting for permission: Cancel Request", "Quit Portcullis"],
        "{rows:?}"
    );
    assert_eq!(tray.row("2345").unwrap().checked, Some(false), "not open before it is");
    // A panel may send the click of a row that turned grey under the pointer.
    tray.send_click(&tray.row("9229").unwrap());
    tray.until(PATIENCE, "its own mark is taken back", |tray| {
        tray.row("9229").unwrap().checked == Some(false)
    });

    end_prompt(&lab);
    tray.until(PATIENCE, "the failure is said", |tray| tray.row("Failed: ").is_some());
    tray.until_checked("2345  Delve — closed", false);
    assert_eq!(prompts(&lab), asked + 1, "one prompt at a time");

    let tree = unchanging(&lab);
    tray.click("2345  Delve");
    tray.until(PATIENCE, "the prompt waits", |_| prompts(&lab) == asked + 2);
    tray.until(PATIENCE, "it can be cancelled", |tray| tray.row(CANCEL).is_some());
    tray.click(CANCEL);
    tray.until_checked("2345  Delve — closed", false);
    tray.until(PATIENCE, "nothing is left of it", |tray| {
        tray.row(CANCEL).is_none() && tray.row("Failed: ").is_none()
    });
    assert_eq!(unchanging(&lab), tree);

    set_prompt(&lab, "allow");
    tray.click("2345  Delve");
    tray.until_checked("2345  Delve — open", true);
    assert!(tray.row("Failed: ").is_none(), "it is over: {:?}", tray.rows());
}

/// The process of the stand-in for the prompt of this lab.
fn prompt(lab: &Lab) -> Option<String> {
    let lab = lab.path().to_str().unwrap();
    let is_prompt = |pid: &str| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.split('\0').next().is_some_and(|program| program.contains("osascript"))
            && command.contains(lab)
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let names = processes.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    names.filter(|name| name.parse::<u32>().is_ok()).find(|pid| is_prompt(pid))
}

/// Ends the stand-in for the prompt of this lab, as a crash of the real one would.
fn end_prompt(lab: &Lab) {
    assert!(Command::new("kill").arg(prompt(lab).expect("no prompt")).status().unwrap().success());
}

#[test]
fn what_the_command_line_changes_shows_within_a_second() {
    let (desktop, lab) = (Desktop::new(), Lab::new());
    let tray = desktop.tray(&lab);
    // Nobody has looked yet: the directory of what root saw is not there, and watching begins above it.
    assert_eq!(tray.icon(), Some(Icon::Unknown));
    lab.portcullis(&["guard", "on"]).expect(0);
    tray.until(PROMPTLY, "the guard shows", |tray| tray.icon() == Some(Icon::Closed));
    lab.portcullis(&["open", "9229", "--from", "10.0.0.5"]).expect(0);
    let took = tray.until(PROMPTLY, "the open port shows", |tray| {
        tray.icon() == Some(Icon::Open)
            && tray.row("9229  Node.js — open for 10.0.0.5").is_some_and(|row| row.checked == Some(true))
    });
    eprintln!("shown after {took:?}");
    lab.portcullis(&["close", "9229"]).expect(0);
    tray.until(PROMPTLY, "the closed port shows", |tray| tray.icon() == Some(Icon::Closed));
    lab.portcullis(&["prefs", "show", "dlv"]).expect(0);
    tray.until(PROMPTLY, "the preference shows", |tray| {
        tray.row("9229").is_none() && tray.row("2345").is_some()
    });
}

#[test]
fn who_was_blocked_shows_soon() {
    use common::capture::{append, blocked};
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    lab.portcullis(&["log", "--for", "10m"]).expect(0);
    let shows = |times: &str| {
        tray.until(PATIENCE, times, |tray| {
            let details = tray.details(2345);
            details
                .iter()
                .any(|row| row.label.starts_with("Let In ") && row.label.contains(times) && row.enabled)
        });
    };
    for (from_port, says) in [(50_000, "(blocked once)"), (50_001, "(blocked 2 times)")] {
        append(&lab.file(portcullis::lab::pflog::PFLOG0), &blocked(0, from_port, 2345));
        shows(says);
    }
    lab.portcullis(&["log", "--stop"]).expect(0);
    shows("(blocked 2 times)");
    assert!(tray.rows()[1].label.ends_with(" was blocked on 2345: Let In…"), "{:?}", tray.rows());
}

#[test]
fn the_icon_is_plain_where_that_is_preferred() {
    use desktop::icon::{Ink, rgba};
    use portcullis::status::emblem::Emblem;
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    let closed = Emblem { shape: Icon::Closed, risk: Risk::None, mark: None, count: 0 };
    for (row, ink) in [("In One Colour", Ink::White), ("Coloured", Ink::Coloured)] {
        let icons = || -> Vec<desktop::Row> {
            let rows = tray.rows();
            let settings = rows.iter().find(|row| row.label == "Settings").unwrap();
            settings.rows.iter().find(|row| row.label == "Icon").unwrap().rows.clone()
        };
        tray.send_click(icons().iter().find(|one| one.label == row).unwrap());
        let picture = rgba(closed, ink);
        tray.until(PATIENCE, row, |tray| desktop::read_picture(&tray.icon_file()) == picture);
        tray.until(PATIENCE, "its row is checked", |_| {
            icons().iter().all(|one| one.checked == Some(one.label == row))
        });
    }
}

#[test]
fn guard_and_close_all() {
    let (desktop, lab) = (Desktop::new(), lab("off"));
    let tray = desktop.tray(&lab);
    assert_eq!(tray.row(GUARD).unwrap().checked, Some(false));
    tray.click(GUARD);
    tray.until_icon(Icon::Closed);
    tray.until_checked(GUARD, true);
    for port in ["2345", "9229"] {
        tray.click(port);
        tray.until_checked(port, true);
        tray.until_icon(Icon::Open);
    }
    tray.click("Close All");
    tray.until_icon(Icon::Closed);
    for port in ["2345", "9229"] {
        tray.until_checked(port, false);
    }
    tray.until(PATIENCE, "nothing is left to close", |tray| !tray.row("Close All").unwrap().enabled);
    let rules = lab.rules();
    assert!(rules.contains("block") && !rules.contains("keep state"), "{rules}");
}

#[test]
fn what_is_open_for_three_seconds_closes_and_shows_it_by_itself() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    lab.portcullis(&["open", "2345", "--from", "any", "--for", "3s"]).expect(0);
    let asked = prompts(&lab);
    tray.until(PATIENCE, "it is closed, and shows it", |tray| {
        !lab.rules().contains("keep state")
            && tray.icon() == Some(Icon::Closed)
            && tray.row("2345  Delve — closed").is_some_and(|row| row.checked == Some(false))
    });
    let history = lab.portcullis(&["history"]).expect(0).out;
    assert!(history.contains("2345 (dlv) is closed: its time is over"), "{history}");
    assert_eq!(prompts(&lab), asked, "nothing was asked");
}

#[test]
fn closing_asks_for_nothing_unless_the_job_is_gone() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    let open = |port: &str| {
        lab.portcullis(&["open", port, "--from", "any"]).expect(0);
        tray.until_checked(port, true);
        prompts(&lab)
    };
    for row in ["2345", "Close All"] {
        let asked = open("2345");
        tray.click(row);
        tray.until_checked("2345", false);
        tray.until_icon(Icon::Closed);
        assert_eq!(prompts(&lab), asked, "{row}");
    }
    let asked = open("2345");
    let bootout = Command::new(env!("CARGO_BIN_EXE_launchctl-lab"))
        .arg("--lab")
        .arg(lab.path())
        .args(["bootout", "system/dev.portcullis.helper"])
        .status();
    assert!(bootout.unwrap().success());
    tray.click("2345");
    tray.until_checked("2345", false);
    tray.until_icon(Icon::Closed);
    assert_eq!(prompts(&lab), asked + 1);
}

#[test]
fn an_evening_that_is_put_off_is_a_notification() {
    use portcullis::lab::osascript::NOTIFICATIONS_LOG;
    use portcullis::lab::store::STATES;
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    lab.portcullis(&["open", "2345", "--from", "any", "--until", "evening"]).expect(0);
    tray.until_checked("2345", true);
    lab.write(STATES, "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50006       ESTABLISHED:ESTABLISHED\n");
    // Its evening is now.
    let mut ledger = Ledger::parse(&lab.read(LEDGER)).unwrap();
    let opening = &mut ledger.openings[0];
    let left = opening.until.unwrap() - portcullis::os::now();
    opening.until = Some(portcullis::os::now());
    opening.clocks.values_mut().for_each(|end| *end -= left.unsigned_abs());
    put(&lab, LEDGER, &ledger.file().unwrap());
    tray.until(PATIENCE, "it has 30 minutes more", |tray| {
        tray.row("2345").is_some_and(|row| row.label.contains("(+30 min)"))
    });
    tray.until(PATIENCE, "that is told", |_| lab.file(NOTIFICATIONS_LOG).exists());
    let told = String::from_utf8(lab.read(NOTIFICATIONS_LOG)).unwrap();
    assert!(told.contains("2345 (dlv) stays open until") && told.lines().count() == 1, "{told}");
}

#[test]
fn what_was_seen_before_a_restart_is_not_shown_as_now() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    assert_eq!(tray.icon(), Some(Icon::Closed));
    let path = portcullis::system::STATUS;
    let mut report: serde_json::Value = serde_json::from_slice(&lab.read(path)).unwrap();
    report["boot"] = "another".into();
    put(&lab, path, report.to_string().as_bytes());
    tray.until(PROMPTLY, "the icon is unknown", |tray| tray.icon() == Some(Icon::Unknown));
    // The menu's changes reach the panel one by one.
    tray.until(PATIENCE, "no port is known", |tray| tray.row("2345  Delve — not known").is_some());
    tray.until(PATIENCE, "the headline says so", |tray| tray.rows()[0].label.starts_with("Not seen since "));
    tray.click("Look Again…");
    tray.until_icon(Icon::Closed);
}

/// A port that is open for anyone, and free now.
fn open_port(lab: &Lab) -> u16 {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    lab.portcullis(&["open", &port.to_string(), "--from", "any"]).expect(0);
    port
}

#[test]
fn a_debugger_that_starts_is_seen_and_its_settings_are_copied() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let port = open_port(&lab);
    let tray = desktop.tray(&lab);
    let of_port = format!("{port} — ");
    assert_eq!(
        tray.row(&of_port).unwrap().label,
        format!("{of_port}open for anyone until leaving 192.168.1.0/24")
    );

    let listen = format!("--listen=127.0.0.1:{port}");
    let mut dlv = Command::new("dlv");
    dlv.args(["dap", &listen]).stdin(Stdio::null()).stdout(Stdio::null()).env("HOME", desktop.home.path());
    let Ok(dlv) = dlv.spawn() else {
        println!("skipped: there is no dlv here");
        return;
    };
    let mut dlv = Running(dlv);
    // Nothing tells that a program listens: it is looked at every few seconds, since the port is open.
    tray.until(PATIENCE, "the debugger is seen", |tray| {
        let row = tray.row(&of_port);
        row.is_some_and(|row| row.label.ends_with("this Mac only"))
    });
    tray.until(PATIENCE, "there are settings for it", |tray| !tray.clients(port).is_empty());
    let details = tray.details(port);
    assert!(details[0].label.ends_with("it listens for no other machine"), "{details:?}");
    assert_eq!(details[1].label, "Next: Copy the Tunnel for Another Machine");
    assert!(details.iter().any(|row| row.label.starts_with("Stop dlv (") && row.enabled), "{details:?}");
    let clients = tray.clients(port);
    let labels: Vec<&str> = clients.iter().map(|row| row.label.as_str()).collect();
    assert!(labels.starts_with(&["VS Code", "GoLand"]) && labels.contains(&"SSH"), "{labels:?}");

    if Command::new("xclip").arg("-version").output().is_ok() {
        let before = unchanging(&lab);
        tray.send_click(&clients[0]);
        tray.until(PATIENCE, "the settings are on the clipboard", |_| {
            clipboard(&desktop).is_some_and(|text| text.contains(&format!("\"port\": {port}")))
        });
        tray.until(PATIENCE, "its row says so", |tray| tray.clients(port)[0].label == "Copied");
        assert!(tray.row("Failed: ").is_none(), "{:?}", tray.rows());
        assert_eq!(unchanging(&lab), before);
        let goland = lab.portcullis_on(&desktop.display, &["connect", &port.to_string(), "--copy", "goland"]);
        assert!(goland.expect(0).out.contains("copied the settings for GoLand"));
        // The command has ended; the program that serves the clipboard takes it over a moment later.
        tray.until(PATIENCE, "GoLand's are on it", |_| {
            clipboard(&desktop).is_some_and(|text| text.contains("GoLand does not speak"))
        });
    } else {
        println!("skipped: there is no xclip here");
    }

    assert!(dlv.0.try_wait().unwrap().is_none(), "the debugger was harmed");
    drop(dlv);
    tray.until(PATIENCE, "it is seen to be gone", |tray| {
        tray.clients(port).is_empty()
            && tray
                .row(&of_port)
                .is_some_and(|row| row.label.ends_with("open for anyone until leaving 192.168.1.0/24"))
    });
}

#[test]
fn a_program_that_started_is_in_its_row_when_the_menu_is_asked_for() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    // Neither open nor in use: it is not looked at every few seconds.
    lab.portcullis(&["prefs", "show", &port.to_string()]).expect(0);
    let tray = desktop.tray(&lab);
    let says =
        |tray: &Tray, what: &str| tray.row(&format!("{port} — ")).is_some_and(|row| row.label.contains(what));
    assert!(!says(&tray, "this Mac only"), "{:?}", tray.rows());
    let _program = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let _: bool = tray.menu.call("AboutToShow", &(0i32,)).unwrap();
    let took = tray.until(PATIENCE, "it is in its row", |tray| says(tray, "this Mac only"));
    eprintln!("shown after {took:?}");
}

#[test]
fn a_screen_reader_says_the_state_of_the_icon() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    let says = |tray: &Tray| tray.item.get_property::<String>("IconAccessibleDesc").unwrap();
    assert!(says(&tray).starts_with("All debug ports are closed"), "{}", says(&tray));
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    tray.until(PATIENCE, "it says what is open", |tray| says(tray).starts_with("1 port is open: 2345 (dlv)"));
    lab.portcullis(&["open", "9229", "--from", "10.0.0.5"]).expect(0);
    tray.until(PATIENCE, "and what else", |tray| says(tray).starts_with("2 ports are open: "));
}

#[test]
fn a_server_that_accepts_nobody_is_told_from_one_that_has_just_been_called() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let port = open_port(&lab);
    let deaf = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let tray = desktop.tray(&lab);
    let says = |tray: &Tray, what: &str| {
        let row = tray.row(&format!("{port} — "));
        row.is_some_and(|row| row.label.contains(what))
    };
    assert!(says(&tray, "this Mac only"), "a queue may have filled just now: {:?}", tray.rows());
    tray.until(PATIENCE, "its queue does not move", |tray| says(tray, "stuck"));
    drop(deaf);
}

#[test]
fn quit_leaves_nothing_behind() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let tray = desktop.tray(&lab);
    assert!(tray.icon_file().exists());
    assert!(tray.icon_file().starts_with(desktop.home.path().join("runtime")), "{:?}", tray.icon_file());
    assert_eq!(tray.quit(), Some(0));
    assert_eq!(desktop.left_over(), Vec::<PathBuf>::new());
}

#[test]
fn the_prompt_ends_with_the_tray_and_nothing_is_left_or_opened() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    set_prompt(&lab, "hang");
    for how in ["Quit", "TERM", "INT", "HUP"] {
        let tray = desktop.tray(&lab);
        let tree = unchanging(&lab);
        tray.click("2345  Delve");
        tray.until(PATIENCE, "the prompt waits", |_| prompt(&lab).is_some());
        let status = match how {
            "Quit" => tray.quit(),
            signal => {
                let pid = tray.child.0.id().to_string();
                assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
                tray.exit_status()
            }
        };
        assert_eq!((status, prompt(&lab)), (Some(0), None), "{how}");
        assert_eq!(desktop.left_over(), Vec::<PathBuf>::new(), "{how}");
        assert_eq!(unchanging(&lab), tree, "{how}");
    }
}

#[test]
fn a_second_tray_says_where_the_first_is_and_ends() {
    let (desktop, first, other) = (Desktop::new(), lab("on"), lab("on"));
    let tray = desktop.tray(&first);
    let output = desktop.command(&first).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let runs = format!(
        "portcullis: Portcullis runs already (process {}): its icon is in the panel",
        tray.child.0.id()
    );
    assert_eq!((output.status.code(), said.lines().count()), (Some(0), 1), "{said}");
    assert!(said.starts_with(&runs), "{said}");
    assert_eq!(desktop.tray(&other).quit(), Some(0), "another lab has one of its own");
    assert_eq!(tray.quit(), Some(0));
    assert_eq!(desktop.tray(&first).quit(), Some(0));
}

#[test]
fn without_a_panel_it_says_so_in_one_line_and_goes_on() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    desktop.connection.release_name("org.kde.StatusNotifierWatcher").unwrap();
    let mut tray = Running(desktop.command(&lab).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(tray.0.stderr.take().unwrap()).lines();
    let said =
        lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("portcullis: "))).unwrap().unwrap();
    assert!(
        said.starts_with("portcullis: no panel shows the icon (no program has the name org.kde."),
        "{said}"
    );
    assert!(tray.0.try_wait().unwrap().is_none(), "it waits for a panel");
}

#[test]
fn without_a_display_it_says_so_in_one_line() {
    let lab = Lab::new();
    let run = |display: &[(&str, &str)]| {
        Command::new(env!("CARGO_BIN_EXE_portcullis-tray"))
            .arg("--lab")
            .arg(lab.path())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .envs(display.iter().copied())
            .output()
            .unwrap()
    };
    for (display, says) in [(&[][..], "there is no display"), (&[("DISPLAY", ":65000")], "does not answer")] {
        let output = run(display);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.starts_with("portcullis: cannot show the tray: ") && said.contains(says), "{said}");
    }
}

/// `make bench` asks for more rounds (PORTCULLIS_ROUNDS), and prints their medians beside the command line's own opening.
#[test]
fn a_tray_starts_opens_and_shows_it() {
    let given = std::env::var("PORTCULLIS_ROUNDS").ok();
    let rounds: usize = given.map_or(1, |text| text.parse().expect("PORTCULLIS_ROUNDS is a number"));
    let mut took = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        let (desktop, lab) = (Desktop::new(), lab("on"));
        let is_open = |port: &str| {
            lab.rules().contains(&format!(
                "pass in quick on ! lo0 proto tcp from any to any port = {port} flags any keep state"
            ))
        };
        lab.portcullis(&["prefs", "from", "any"]).expect(0);
        let began = Instant::now();
        lab.portcullis(&["open", "9229"]).expect(0);
        assert!(is_open("9229"));
        took[3].push(began.elapsed());
        lab.portcullis(&["close", "9229"]).expect(0);
        let began = Instant::now();
        let tray = desktop.tray(&lab);
        tray.until_icon(Icon::Closed);
        took[0].push(began.elapsed());
        assert!(!is_open("2345"));
        let began = Instant::now();
        tray.click("2345");
        tray.until(PATIENCE, "the rules are there", |_| is_open("2345"));
        took[1].push(began.elapsed());
        took[2].push(tray.until(PATIENCE, "the icon says so", |tray| tray.icon() == Some(Icon::Open)));
        assert_eq!(tray.quit(), Some(0));
    }
    took.iter_mut().for_each(|all| all.sort());
    let [start, rules, icon, command] = took.map(|all| all[all.len() / 2]);
    println!(
        "start to icon {start:?}, click to rules {rules:?} ({:.2} of `portcullis open`, {command:?}), icon after rules {icon:?}",
        rules.as_secs_f64() / command.as_secs_f64()
    );
}
