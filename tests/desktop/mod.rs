//! A desktop of one's own for a test of the tray: a session bus, a screen (Xvfb), and this process as the panel. The panel holds
//! the name `org.kde.StatusNotifierWatcher`, to which the icon announces itself; it reads the icon from the file that
//! the icon names, and the menu by `com.canonical.dbusmenu`.
#![allow(dead_code, reason = "each test file uses its part")]

/// The pictures as the program draws them.
#[path = "../../src/tray/icon.rs"]
pub mod icon;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use icon::Ink;
use portcullis::status::Icon;
use portcullis::status::emblem::{Emblem, EmblemMark, Risk};
use zbus::blocking::{Connection, Proxy, connection, proxy};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};

use super::common::Lab;

/// What the icons look like that the tests meet.
pub static PICTURES: LazyLock<Vec<(Emblem, Vec<u8>)>> = LazyLock::new(|| {
    let plain = |shape, risk| Emblem { shape, risk, mark: None, count: 0 };
    let open = |count| Emblem { count, ..plain(Icon::Open, Risk::Some) };
    let anyone = |count| Emblem { mark: Some(EmblemMark::Anyone), ..open(count) };
    let (closed, unknown) = (plain(Icon::Closed, Risk::None), plain(Icon::Unknown, Risk::Unknown));
    let blocked = Emblem { mark: Some(EmblemMark::Blocked), ..closed };
    let mut all = vec![closed, unknown, plain(Icon::Off, Risk::Unknown), blocked];
    all.extend([open(1), open(2), anyone(1), anyone(2)]);
    let waiting: Vec<Emblem> = all.iter().map(|emblem| emblem.waiting()).collect();
    all.extend(waiting);
    all.into_iter().map(|emblem| (emblem, icon::rgba(emblem, Ink::Coloured).unwrap())).collect()
});

/// For whatever takes as long as the machine takes.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Within this a change made elsewhere must show.
pub const PROMPTLY: Duration = Duration::from_secs(1);

/// A process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program that prints where it is to be found on its first line.
pub fn start(program: &str, arguments: &[&str]) -> (Running, String) {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line.trim().to_owned())
}

/// The panel's side of the announcement: passes on who announced, and by which path.
pub struct Announcements(Sender<(String, String)>);

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
pub struct Desktop {
    pub bus: String,
    pub display: String,
    pub connection: Connection,
    pub announced: Receiver<(String, String)>,
    pub home: tempfile::TempDir,
    _programs: [Running; 2],
}

impl Desktop {
    pub fn new() -> Self {
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

    pub fn command(&self, lab: &Lab) -> Command {
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
    pub fn tray(&self, lab: &Lab) -> Tray {
        let child = Running(self.command(lab).spawn().unwrap());
        let (sender, path) = self.announced.recv_timeout(PATIENCE).expect("no icon announced itself");
        let item = self.proxy(&sender, path, "org.kde.StatusNotifierItem");
        let menu: OwnedObjectPath = item.get_property("Menu").unwrap();
        let menu = self.proxy(&sender, menu.to_string(), "com.canonical.dbusmenu");
        let tray = Tray { child, item, menu };
        tray.until(PATIENCE, "the menu is there", |tray| tray.row("Quit Portcullis").is_some());
        tray
    }

    pub fn proxy(&self, owner: &str, path: String, interface: &'static str) -> Proxy<'static> {
        proxy::Builder::new(&self.connection)
            .destination(owner.to_owned())
            .and_then(|builder| builder.path(path))
            .and_then(|builder| builder.interface(interface))
            // Icons announce changes by signals of their own, so that cached properties would stay for ever.
            .and_then(|builder| builder.cache_properties(zbus::proxy::CacheProperties::No).build())
            .unwrap()
    }

    /// What the tray left in the places for files that pass.
    pub fn left_over(&self) -> Vec<PathBuf> {
        let inside = |directory: &str| std::fs::read_dir(self.home.path().join(directory)).unwrap();
        inside("runtime").chain(inside("temporary")).map(|entry| entry.unwrap().path()).collect()
    }
}

/// A row as the panel draws it.
#[derive(Clone, Debug)]
pub struct Row {
    pub number: i32,
    pub label: String,
    pub enabled: bool,
    pub checked: Option<bool>,
    /// The menu behind it.
    pub rows: Vec<Row>,
}

/// The icon in the panel.
pub struct Tray {
    pub child: Running,
    pub item: Proxy<'static>,
    pub menu: Proxy<'static>,
}

impl Tray {
    pub fn rows(&self) -> Vec<Row> {
        type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
        let everything = (0i32, -1i32, Vec::<&str>::new());
        // The icon announces itself before its menu can be asked: no menu yet is no rows.
        match self.menu.call::<_, _, (u32, Layout)>("GetLayout", &everything) {
            Ok((_, (_, _, children))) => children.into_iter().map(row).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The row that begins so: of the menu itself, or else of a menu in it.
    pub fn row(&self, beginning: &str) -> Option<Row> {
        let rows = self.rows();
        let is_it = |row: &&Row| row.label.starts_with(beginning);
        let below = || rows.iter().flat_map(|row| &row.rows).filter(|row| row.rows.is_empty()).find(is_it);
        rows.iter().find(is_it).or_else(below).cloned()
    }

    /// The menu of this port below Details.
    pub fn details(&self, port: u16) -> Vec<Row> {
        let rows = self.rows();
        let details = rows.iter().find(|row| row.label == "Details");
        let of_port = details.and_then(|details| {
            details.rows.iter().find(|row| row.label.split(' ').next() == Some(&port.to_string()))
        });
        of_port.map(|row| row.rows.clone()).unwrap_or_default()
    }

    /// The clients in it for whom there are settings on this Mac.
    pub fn clients(&self, port: u16) -> Vec<Row> {
        let details = self.details(port);
        let copy = details.iter().find(|row| row.label == "Copy Settings for This Mac");
        copy.map(|row| row.rows.iter().filter(|row| row.enabled).cloned().collect()).unwrap_or_default()
    }

    /// Clicks the row that begins so, as soon as a person can: a grey row takes no click.
    pub fn click(&self, beginning: &str) {
        self.until(PATIENCE, &format!("{beginning:?} can be clicked"), |tray| {
            tray.row(beginning).is_some_and(|row| row.enabled)
        });
        self.send_click(&self.row(beginning).unwrap());
    }

    pub fn send_click(&self, row: &Row) {
        // No answer is waited for: Quit leaves nobody to give one.
        self.menu.call_noreply("Event", &(row.number, "clicked", Value::from(0i32), 0u32)).unwrap();
    }

    /// Which icon the panel draws: the picture in the file that it was told of.
    pub fn icon(&self) -> Option<Icon> {
        self.emblem().map(|emblem| emblem.shape)
    }

    pub fn emblem(&self) -> Option<Emblem> {
        let picture = read_picture(&self.icon_file())?;
        PICTURES.iter().find(|(_, drawn)| *drawn == picture).map(|(emblem, _)| *emblem)
    }

    pub fn icon_file(&self) -> PathBuf {
        PathBuf::from(self.item.get_property::<String>("IconName").unwrap())
    }

    /// Waits until this holds, and gives how long that took.
    pub fn until(&self, patience: Duration, what: &str, holds: impl Fn(&Tray) -> bool) -> Duration {
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

    /// Whether it comes to this in time.
    pub fn comes_to(&self, patience: Duration, holds: impl Fn(&Tray) -> bool) -> bool {
        let begin = Instant::now();
        while !holds(self) {
            if begin.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    pub fn until_icon(&self, icon: Icon) {
        self.until(PATIENCE, &format!("the icon is {icon:?}"), |tray| tray.icon() == Some(icon));
    }

    /// Waits until the row that begins so can be clicked and has, or has not, its check mark.
    pub fn until_checked(&self, beginning: &str, checked: bool) {
        self.until(PATIENCE, &format!("{beginning:?} is checked: {checked}"), |tray| {
            tray.row(beginning).is_some_and(|row| row.enabled && row.checked == Some(checked))
        });
    }

    /// Clicks Quit and gives the exit status.
    pub fn quit(self) -> Option<i32> {
        self.click("Quit");
        self.exit_status()
    }

    /// Waits for its end.
    pub fn exit_status(mut self) -> Option<i32> {
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

pub fn row(value: OwnedValue) -> Row {
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
pub fn read_picture(path: &Path) -> Option<Vec<u8>> {
    let file = BufReader::new(std::fs::File::open(path).ok()?);
    let mut reader = png::Decoder::new(file).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    reader.next_frame(&mut pixels).ok()?;
    Some(pixels)
}

/// What the clipboard of this display holds; `None` where nobody serves one.
pub fn clipboard(desktop: &Desktop) -> Option<String> {
    let mut xclip = Command::new("xclip");
    xclip.args(["-selection", "clipboard", "-o"]).env("DISPLAY", &desktop.display);
    let output = xclip.output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}
