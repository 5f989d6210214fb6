//! The main job, end to end and by hand: the real tray in a lab, its real menu clicked over D-Bus.
//!
//! Each test is a desktop of its own: a session bus, a screen (Xvfb), and this process as the panel. The panel holds
//! the name `org.kde.StatusNotifierWatcher`, to which the icon announces itself; it reads the icon from the file that
//! the icon names, and the menu by `com.canonical.dbusmenu`. Nothing of the app is replaced: a click goes through the
//! prompt's stand-in to the real helper, and pfctl-lab shows what came of it.
#![cfg(target_os = "linux")]

mod common;
/// The pictures as the program draws them.
#[path = "../src/tray/icon.rs"]
mod icon;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use common::Lab;
use portcullis::rules::ledger::Ledger;
use portcullis::status::Icon;
use portcullis::system::LEDGER;
use zbus::blocking::{Connection, Proxy, connection, proxy};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};

/// What each icon looks like.
static PICTURES: LazyLock<Vec<(Icon, Vec<u8>)>> = LazyLock::new(|| {
    let all = [Icon::Closed, Icon::Open, Icon::Off, Icon::Unknown];
    all.into_iter().map(|icon| (icon, icon::rgba(icon).unwrap())).collect()
});

/// For whatever takes as long as the machine takes.
const PATIENCE: Duration = Duration::from_secs(20);
const CANCEL: &str = "Waiting for permission: Cancel Request";
const GUARD: &str = "Keep Debug Ports Closed";
/// Within this a change made elsewhere must show.
const PROMPTLY: Duration = Duration::from_secs(1);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program that prints where it is to be found on its first line.
fn start(program: &str, arguments: &[&str]) -> (Running, String) {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line.trim().to_owned())
}

/// The panel's side of the announcement: passes on who announced, and by which path.
struct Announcements(Sender<(String, String)>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Announcements {
    fn register_status_notifier_item(&self, path: String, #[zbus(header)] header: zbus::message::Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let _ = self.0.send((sender, path));
    }
    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }
    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        Vec::new()
    }
    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A bus, a screen, and a panel.
struct Desktop {
    bus: String,
    display: String,
    connection: Connection,
    announced: Receiver<(String, String)>,
    home: tempfile::TempDir,
    _programs: [Running; 2],
}

impl Desktop {
    fn new() -> Self {
        let (dbus, bus) = start("dbus-daemon", &["--session", "--nofork", "--print-address=1"]);
        let screen = ["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"];
        let (xvfb, display) = start("Xvfb", &screen);
        let (sender, announced) = channel();
        let connection = connection::Builder::address(bus.as_str())
            .and_then(|builder| builder.serve_at("/StatusNotifierWatcher", Announcements(sender)))
            .and_then(|builder| builder.name("org.kde.StatusNotifierWatcher"))
            .and_then(|builder| builder.build())
            .unwrap();
        let home = tempfile::tempdir().unwrap();
        for directory in ["runtime", "temporary"] {
            std::fs::create_dir(home.path().join(directory)).unwrap();
        }
        let display = format!(":{display}");
        Desktop { bus, display, connection, announced, home, _programs: [dbus, xvfb] }
    }

    fn command(&self, lab: &Lab) -> Command {
        let home = self.home.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-tray"));
        command
            // What a Mac gives an app at its first start.
            .arg("-psn_0_12345")
            .arg("--lab")
            .arg(lab.path())
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("DISPLAY", &self.display)
            .env_remove("WAYLAND_DISPLAY")
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env("GSETTINGS_BACKEND", "memory")
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home.join("runtime"))
            .env("TMPDIR", home.join("temporary"))
            .env("USER", "ada")
            .stdin(Stdio::null());
        command
    }

    /// Starts the tray in this lab, and waits until it is in the panel.
    fn tray(&self, lab: &Lab) -> Tray {
        let child = Running(self.command(lab).spawn().unwrap());
        let (sender, path) = self.announced.recv_timeout(PATIENCE).expect("no icon announced itself");
        let item = self.proxy(&sender, path, "org.kde.StatusNotifierItem");
        let menu: OwnedObjectPath = item.get_property("Menu").unwrap();
        let menu = self.proxy(&sender, menu.to_string(), "com.canonical.dbusmenu");
        let tray = Tray { child, item, menu };
        tray.until(PATIENCE, "the menu is there", |tray| tray.row("Quit Portcullis").is_some());
        tray
    }

    fn proxy(&self, owner: &str, path: String, interface: &'static str) -> Proxy<'static> {
        proxy::Builder::new(&self.connection)
            .destination(owner.to_owned())
            .and_then(|builder| builder.path(path))
            .and_then(|builder| builder.interface(interface))
            // Icons announce changes by signals of their own, so that cached properties would stay for ever.
            .and_then(|builder| builder.cache_properties(zbus::proxy::CacheProperties::No).build())
            .unwrap()
    }

    /// What the tray left in the places for files that pass.
    fn left_over(&self) -> Vec<PathBuf> {
        let inside = |directory: &str| std::fs::read_dir(self.home.path().join(directory)).unwrap();
        inside("runtime").chain(inside("temporary")).map(|entry| entry.unwrap().path()).collect()
    }
}

/// A row as the panel draws it.
#[derive(Clone, Debug)]
struct Row {
    number: i32,
    label: String,
    enabled: bool,
    checked: Option<bool>,
    /// The menu behind it.
    rows: Vec<Row>,
}

/// The icon in the panel.
struct Tray {
    child: Running,
    item: Proxy<'static>,
    menu: Proxy<'static>,
}

impl Tray {
    fn rows(&self) -> Vec<Row> {
        type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
        let everything = (0i32, -1i32, Vec::<&str>::new());
        // The icon announces itself before its menu can be asked: no menu yet is no rows.
        match self.menu.call::<_, _, (u32, Layout)>("GetLayout", &everything) {
            Ok((_, (_, _, children))) => children.into_iter().map(row).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The row that begins so: of the menu itself, or else of a menu in it.
    fn row(&self, beginning: &str) -> Option<Row> {
        let rows = self.rows();
        let is_it = |row: &&Row| row.label.starts_with(beginning);
        let below = || rows.iter().flat_map(|row| &row.rows).filter(|row| row.rows.is_empty()).find(is_it);
        rows.iter().find(is_it).or_else(below).cloned()
    }

    /// The menu of this port below Details.
    fn details(&self, port: u16) -> Vec<Row> {
        let rows = self.rows();
        let details = rows.iter().find(|row| row.label == "Details");
        let of_port = details.and_then(|details| {
            details.rows.iter().find(|row| row.label.split(' ').next() == Some(&port.to_string()))
        });
        of_port.map(|row| row.rows.clone()).unwrap_or_default()
    }

    /// The clients in it for whom there are settings on this Mac.
    fn clients(&self, port: u16) -> Vec<Row> {
        let details = self.details(port);
        let copy = details.iter().find(|row| row.label == "Copy Settings for This Mac");
        copy.map(|row| row.rows.iter().filter(|row| row.enabled).cloned().collect()).unwrap_or_default()
    }

    /// Clicks the row that begins so, as soon as a person can: a grey row takes no click.
    fn click(&self, beginning: &str) {
        self.until(PATIENCE, &format!("{beginning:?} can be clicked"), |tray| {
            tray.row(beginning).is_some_and(|row| row.enabled)
        });
        self.send_click(&self.row(beginning).unwrap());
    }

    fn send_click(&self, row: &Row) {
        // No answer is waited for: Quit leaves nobody to give one.
        self.menu.call_noreply("Event", &(row.number, "clicked", Value::from(0i32), 0u32)).unwrap();
    }

    /// Which icon the panel draws: the picture in the file that it was told of.
    fn icon(&self) -> Option<Icon> {
        let picture = read_picture(&self.icon_file())?;
        PICTURES.iter().find(|(_, drawn)| *drawn == picture).map(|(icon, _)| *icon)
    }

    fn icon_file(&self) -> PathBuf {
        PathBuf::from(self.item.get_property::<String>("IconName").unwrap())
    }

    /// Waits until this holds, and gives how long that took.
    fn until(&self, patience: Duration, what: &str, holds: impl Fn(&Tray) -> bool) -> Duration {
        let begin = Instant::now();
        while !holds(self) {
            let rows: Vec<String> = self.rows().iter().map(|row| format!("\n  {row:?}")).collect();
            assert!(
                begin.elapsed() < patience,
                "not within {patience:?}: {what}; {:?}{}",
                self.icon(),
                rows.concat()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        begin.elapsed()
    }

    fn until_icon(&self, icon: Icon) {
        self.until(PATIENCE, &format!("the icon is {icon:?}"), |tray| tray.icon() == Some(icon));
    }

    /// Waits until the row that begins so can be clicked and has, or has not, its check mark.
    fn until_checked(&self, beginning: &str, checked: bool) {
        self.until(PATIENCE, &format!("{beginning:?} is checked: {checked}"), |tray| {
            tray.row(beginning).is_some_and(|row| row.enabled && row.checked == Some(checked))
        });
    }

    /// Clicks Quit and gives the exit status.
    fn quit(self) -> Option<i32> {
        self.click("Quit");
        self.exit_status()
    }

    /// Waits for its end.
    fn exit_status(mut self) -> Option<i32> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(begin.elapsed() < PATIENCE, "Quit does not quit");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn row(value: OwnedValue) -> Row {
    let fields = Structure::try_from(value).unwrap().into_fields();
    let [number, properties, below] = <[Value<'_>; 3]>::try_from(fields).unwrap();
    let below: Vec<OwnedValue> = Vec::try_from(below).unwrap();
    let properties = HashMap::<String, OwnedValue>::try_from(properties).unwrap();
    let number_of = |key: &str| properties.get(key).and_then(|value| i32::try_from(value).ok());
    let has_mark =
        properties.get("toggle-type").and_then(|value| <&str>::try_from(value).ok()) == Some("checkmark");
    Row {
        number: number.try_into().unwrap(),
        label: properties
            .get("label")
            .and_then(|value| <&str>::try_from(value).ok())
            .unwrap_or("")
            .to_owned(),
        enabled: properties.get("enabled").and_then(|value| bool::try_from(value).ok()).unwrap_or(true),
        checked: has_mark.then(|| number_of("toggle-state") == Some(1)),
        rows: below.into_iter().map(row).collect(),
    }
}

/// The pixels of a PNG as straight RGBA; `None` while it is being replaced.
fn read_picture(path: &Path) -> Option<Vec<u8>> {
    let file = BufReader::new(std::fs::File::open(path).ok()?);
    let mut reader = png::Decoder::new(file).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    reader.next_frame(&mut pixels).ok()?;
    Some(pixels)
}

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
    tray.until_checked("2345  Delve", true);
    assert_eq!(tray.rows()[0].label, "1 port is open for this network");
    // Somebody may listen there on the machine that runs the test, and is then named behind it.
    assert!(tray.row("2345  Delve — open for this network").is_some(), "{:?}", tray.rows());
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

/// What the clipboard of this display holds; `None` where nobody serves one.
fn clipboard(desktop: &Desktop) -> Option<String> {
    let mut xclip = Command::new("xclip");
    xclip.args(["-selection", "clipboard", "-o"]).env("DISPLAY", &desktop.display);
    let output = xclip.output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_debugger_that_starts_is_seen_and_its_settings_are_copied() {
    let (desktop, lab) = (Desktop::new(), lab("on"));
    let port = open_port(&lab);
    let tray = desktop.tray(&lab);
    let of_port = format!("{port} — ");
    assert_eq!(tray.row(&of_port).unwrap().label, format!("{of_port}open for anyone"));

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
            && tray.row(&of_port).is_some_and(|row| row.label.ends_with("open for anyone"))
    });
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
