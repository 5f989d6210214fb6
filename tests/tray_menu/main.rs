//! The whole menu by hand, over D-Bus: in each situation every row is clicked and does what it says, and no row moves. What
//! is grey is clicked too, as a panel may, and does nothing. At last the menu stays open while what it shows changes.
//!
//! The last line counts: `rows N, clicked N, wrong 0, moved 0, ids changed 0`. `PORTCULLIS_MENU_EACH=N` clicks each Nth row
//! alone; `make menu` clicks all. `PORTCULLIS_MENU=TEXT` names situations.
#![cfg(target_os = "linux")]

mod cases;
#[path = "../common/mod.rs"]
mod common;
#[path = "../desktop/mod.rs"]
mod desktop;
mod effects;
mod kept;
mod table;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cases::{CASES, Case, Clicks};
use common::Lab;
use desktop::{Desktop, PATIENCE, PROMPTLY, Row, Tray};
use effects::{Effect, dialogs, prompts};
use kept::Kept;
use zbus::zvariant::Value;

/// How often a situation is brought back, until the tray shows it again.
const AGAIN: usize = 30;
/// For what root is asked, on a machine that does much else.
const LONG: Duration = Duration::from_secs(60);
/// How many situations are clicked through at once.
const AT_ONCE: usize = 2;

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    rows: usize,
    clicked: usize,
    wrong: Vec<String>,
    moved: usize,
    ids_changed: usize,
}

impl Counts {
    fn is_wrong(&mut self, what: String) {
        println!("wrong: {what}");
        self.wrong.push(what);
    }

    fn add(&mut self, other: Counts) {
        self.rows += other.rows;
        self.clicked += other.clicked;
        self.wrong.extend(other.wrong);
        self.moved += other.moved;
        self.ids_changed += other.ids_changed;
    }
}

/// Where a row is: its place in each menu from the outermost on.
type Place = Vec<usize>;

fn leaves(rows: &[Row]) -> Vec<(Place, Row)> {
    let below = |(place, row): (usize, &Row)| -> Vec<(Place, Row)> {
        let inner = leaves(&row.rows).into_iter().map(|(rest, row)| ([vec![place], rest].concat(), row));
        let inner: Vec<_> = inner.collect();
        if inner.is_empty() { vec![(vec![place], row.clone())] } else { inner }
    };
    let all = rows.iter().enumerate().flat_map(below);
    all.filter(|(_, row)| !row.label.is_empty()).collect()
}

fn at<'a>(rows: &'a [Row], place: &[usize]) -> Option<&'a Row> {
    let (first, rest) = place.split_first()?;
    let row = rows.get(*first)?;
    if rest.is_empty() { Some(row) } else { at(&row.rows, rest) }
}

/// The labels of the menus that a row is in, the outermost first.
fn menus(rows: &[Row], place: &[usize]) -> Vec<String> {
    (1..place.len()).filter_map(|depth| Some(at(rows, &place[..depth])?.label.clone())).collect()
}

/// The number of every row, top to bottom, with the menus in it.
fn numbers(rows: &[Row]) -> Vec<i32> {
    rows.iter().flat_map(|row| [vec![row.number], numbers(&row.rows)].concat()).collect()
}

/// What a row says, whether it can be clicked, and whether it is ticked.
type Reading = (String, bool, Option<bool>);

/// How a menu reads: what a row says that was copied is left out.
fn reads(rows: &[Row]) -> Vec<Reading> {
    let all = rows.iter().flat_map(|row| {
        let own = (row.label.clone(), row.enabled, row.checked);
        [vec![own], reads(&row.rows)].concat()
    });
    all.collect()
}

fn is_same(one: &[Row], other: &[Row]) -> bool {
    let (one, other) = (reads(one), reads(other));
    let is_same_row = |(one, other): (&Reading, &Reading)| {
        one == other || [&one.0, &other.0].iter().any(|label| *label == "Copied")
    };
    one.len() == other.len() && one.iter().zip(&other).all(is_same_row)
}

/// A situation on a desktop of its own.
struct Stage<'a> {
    case: &'a Case,
    desktop: Desktop,
    lab: Lab,
    tray: Tray,
    kept: Kept,
    /// The menu as it was first.
    rows: Vec<Row>,
    listener: Option<desktop::Running>,
    counts: Counts,
}

impl<'a> Stage<'a> {
    fn new(case: &'a Case) -> Self {
        let (desktop, lab) = (Desktop::new(), Lab::new());
        let listener = (case.prepare)(&lab);
        let kept = Kept::of(&lab);
        let tray = desktop.tray(&lab);
        let rows = Vec::new();
        let mut stage = Stage { case, desktop, lab, tray, kept, rows, listener, counts: Counts::default() };
        stage.arrange();
        // A tray looks anew soon after its start.
        stage.tray.until(PATIENCE, "it comes to rest", |tray| {
            let rows = tray.rows();
            std::thread::sleep(Duration::from_millis(300));
            is_same(&rows, &tray.rows())
        });
        stage.rows = stage.tray.rows();
        stage
    }

    fn arrange(&self) {
        let (case, stands) = (self.case, |tray: &Tray| says(tray, self.case.says));
        if !stands(&self.tray) || case.name == "waiting for permission" {
            (case.arrange)(&self.lab, &self.tray);
        }
        self.tray.until(PATIENCE, &format!("{}: {}", case.name, case.says), stands);
    }

    /// Brings everything back; false where it does not come back. Root's job may change things once more, by itself.
    fn again(&mut self) -> bool {
        if let Some(listener) = &mut self.listener
            && listener.0.try_wait().unwrap().is_some()
        {
            self.listener = (self.case.prepare)(&self.lab);
            self.kept = Kept::of(&self.lab);
        }
        (0..AGAIN).any(|_| {
            self.kept.restore(&self.lab);
            if self.tray.comes_to(PROMPTLY, |tray| self.is_back(tray)) {
                return true;
            }
            let is_news = self.case.says.starts_with("Waiting") || self.case.says.starts_with("Failed");
            // The click that arranges it is to open a port: the tray has to show first that it is closed again.
            if is_news && self.has_marks(&self.tray) && self.tray.row("2345  Delve — closed").is_some() {
                (self.case.arrange)(&self.lab, &self.tray);
            }
            false
        })
    }

    fn is_back(&self, tray: &Tray) -> bool {
        // A row of the two may say still that it was copied.
        self.has_marks(tray) && (says(tray, self.case.says) || says(tray, "Copied"))
    }

    /// Whether each check mark is where it was: what else a row says is of programs of this machine, too.
    fn has_marks(&self, tray: &Tray) -> bool {
        let marks = |rows: &[Row]| reads(rows).into_iter().map(|(_, _, mark)| mark).collect::<Vec<_>>();
        marks(&tray.rows()) == marks(&self.rows)
    }

    /// Clicks what is grey, which does nothing.
    fn click_grey(&mut self, each: usize) {
        let before = prompts(&self.lab);
        let grey = leaves(&self.tray.rows()).into_iter().filter(|(_, row)| !row.enabled);
        let grey: Vec<(Place, Row)> = grey.collect();
        for (_, row) in grey.iter().step_by(each) {
            self.tray.send_click(row);
            self.counts.clicked += 1;
        }
        let is_back = (0..AGAIN).any(|_| {
            self.kept.restore(&self.lab);
            self.tray.comes_to(PROMPTLY, |tray| self.is_back(tray))
        });
        if !is_back || prompts(&self.lab) != before {
            self.counts.is_wrong(format!("{}: a grey row did something", self.case.name));
        }
    }

    /// Clicks are handled in their order: this one comes last, and waits for no prompt.
    fn await_earlier_clicks(&self) {
        let told = dialogs(&self.lab);
        self.tray.click("About Portcullis");
        self.tray.until(LONG, "About is said", |_| dialogs(&self.lab) > told);
    }

    /// Clicks one row, and waits for what it says.
    fn click(&mut self, place: &[usize]) {
        let rows = self.tray.rows();
        let Some(row) = at(&rows, place).cloned() else { return };
        let menus = menus(&rows, place);
        let what = format!("{}: {} {:?}", self.case.name, menus.join(" > "), row.label);
        let takes_preferences = self.case.clicks == Clicks::WithoutPreferences && effects::opens(&row);
        let effect = if takes_preferences { Effect::Fails } else { effects::of(&self.lab, &row, &menus) };
        // Then it is over when the tray has come to it, and not sooner.
        let held = matches!(&effect, Effect::Holds(is) if is(&self.lab, &self.desktop, &self.tray));
        let asked = prompts(&self.lab);
        self.tray.send_click(&row);
        self.counts.clicked += 1;
        if held {
            self.await_earlier_clicks();
        }
        let done = |tray: &Tray| match &effect {
            Effect::Holds(is) => is(&self.lab, &self.desktop, tray),
            Effect::Copied => at(&tray.rows(), place).is_some_and(|row| row.label == "Copied"),
            Effect::Fails => says(tray, "Failed: "),
            Effect::Unknown => true,
        };
        if matches!(effect, Effect::Unknown) || !self.tray.comes_to(LONG, done) {
            let news = self.tray.rows()[1].label.clone();
            let open: Vec<_> =
                effects::ledger(&self.lab).openings.into_iter().map(|open| open.port).collect();
            let (asked, log) = (prompts(&self.lab) - asked, effects::last_prompt(&self.lab));
            self.counts.is_wrong(format!("{what} ({news}): open {open:?}, prompts {asked}: {log}"));
        }
        if self.case.name != "waiting for permission" {
            let is_idle = |tray: &Tray| !tray.rows()[1].label.contains("Cancel Request");
            self.tray.until(LONG, &format!("{what}: no prompt waits"), is_idle);
        }
        let failed = self.tray.rows()[1].label.clone();
        if failed.starts_with("Failed: ") && !self.case.says.starts_with("Failed: ") {
            self.tray.send_click(&self.tray.rows()[1]);
            self.tray.until(LONG, "the failure was read", |tray| !says(tray, "Failed: "));
            if !matches!(effect, Effect::Fails) {
                self.counts.is_wrong(format!("{what}: {failed}: {}", effects::last_dialog(&self.lab)));
            }
        }
    }

    fn click_all(mut self, each: usize, offset: usize) -> Counts {
        let all = leaves(&self.rows);
        let first = numbers(&self.rows);
        self.counts.rows = all.len();
        self.click_grey(each);
        let mut places: Vec<(Place, Row)> = all.into_iter().filter(|(_, row)| row.enabled).collect();
        places.retain(|(_, row)| row.label != "Quit Portcullis");
        // Removing takes all of it away: it comes last.
        places.sort_by_key(|(_, row)| row.label == "Remove Portcullis…");
        for (place, _) in places.into_iter().skip(offset % each).step_by(each) {
            if !self.again() {
                let now = self.tray.rows();
                let (was, is) = (reads(&self.rows), reads(&now));
                let other = was.iter().zip(&is).find(|(was, is)| was != is);
                self.counts.is_wrong(format!("{}: it did not come back: {other:?}", self.case.name));
                self.rows = now;
            }
            self.click(&place);
            let now = numbers(&self.tray.rows());
            let kept: Vec<i32> = now.iter().copied().filter(|number| first.contains(number)).collect();
            let gone = first.iter().filter(|number| !now.contains(number)).count();
            if kept != first {
                let row =
                    leaves(&self.rows).into_iter().find(|(at, _)| *at == place).map(|(_, row)| row.label);
                println!("moved: {}: {row:?}: {gone} rows are gone", self.case.name);
            }
            self.counts.moved += usize::from(kept != first);
            self.counts.ids_changed += gone;
        }
        let Stage { tray, mut counts, desktop, case, .. } = self;
        counts.clicked += 1;
        if tray.quit() != Some(0) || desktop.left_over() != Vec::<PathBuf>::new() {
            counts.is_wrong(format!("{}: Quit", case.name));
        }
        counts
    }
}

fn says(tray: &Tray, text: &str) -> bool {
    tray.rows().iter().take(2).any(|row| row.label.starts_with(text))
}

fn each() -> usize {
    let given = std::env::var("PORTCULLIS_MENU_EACH").ok();
    given.map_or(60, |text| text.parse().expect("PORTCULLIS_MENU_EACH is a number"))
}

fn has_clipboard() -> bool {
    let has = std::process::Command::new("xclip").arg("-version").output().is_ok();
    if !has {
        println!("skipped: there is no xclip here");
    }
    has
}

#[test]
fn menu_rows_do_what_they_say_and_none_moves() {
    if !has_clipboard() {
        return;
    }
    let only = std::env::var("PORTCULLIS_MENU").unwrap_or_default();
    let chosen: Vec<&Case> = CASES.iter().filter(|case| case.name.contains(&only)).collect();
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Counts::default()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let offset = chosen.iter().position(|other| other.name == case.name).unwrap_or(0);
                    let counts = Stage::new(case).click_all(each(), offset * 7);
                    println!("{}: {} rows, {} clicked", case.name, counts.rows, counts.clicked);
                    all.lock().unwrap().add(counts);
                }
            });
        }
    });
    let counts = all.into_inner().unwrap();
    println!(
        "rows {}, clicked {}, wrong {}, moved {}, ids changed {}",
        counts.rows,
        counts.clicked,
        counts.wrong.len(),
        counts.moved,
        counts.ids_changed
    );
    assert_eq!((counts.wrong.len(), counts.moved, counts.ids_changed), (0, 0, 0));
    assert!(each() > 1 || counts.clicked == counts.rows);
}

/// How much memory the process holds, in bytes.
fn resident(tray: &Tray) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", tray.child.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<i64>().unwrap() * 1024
}

#[test]
fn menu_that_is_open_keeps_its_rows_while_what_they_say_changes() {
    let (desktop, lab) = (Desktop::new(), Lab::new());
    (CASES[1].prepare)(&lab);
    let mut kept = vec![(Kept::of(&lab), "All debug ports are closed")];
    for (words, headline) in [
        (&["open", "9229", "--from", "any"][..], "1 port is open for anyone"),
        (&["open", "2345", "--from", "lan"], "2 ports are open"),
        (&["close", "9229"], "1 port is open for this network"),
        (&["guard", "off"], "1 port is open for this network"),
    ] {
        cases::run(&lab, words);
        kept.push((Kept::of(&lab), headline));
    }
    let tray = desktop.tray(&lab);
    // As a panel does that opens it.
    let _: bool = tray.menu.call("AboutToShow", &0i32).unwrap();
    tray.menu.call_noreply("Event", &(0i32, "opened", Value::from(0i32), 0u32)).unwrap();
    let first = numbers(&tray.rows());
    let changes = if each() == 1 { 2000 } else { 40 };
    let (mut before, warm) = (0, 4 * kept.len());
    for change in 0..changes + warm {
        if change == warm {
            before = resident(&tray);
        }
        let length = kept.len();
        let (kept, headline) = &mut kept[change % length];
        kept.restore(&lab);
        tray.until(PATIENCE, headline, |tray| says(tray, headline));
        assert_eq!(numbers(&tray.rows()), first, "{headline}");
    }
    let grown = resident(&tray) - before;
    println!("{changes} changes with the menu open, {} kB more", grown / 1024);
    assert!(grown <= 2 << 20, "{grown} bytes more");
}

#[test]
fn menu_needs_few_clicks() {
    let mut wrong = Vec::new();
    for task in &table::TASKS {
        let measured = task.measure();
        let password = if measured.prompts > 0 { "+" } else { "" };
        println!("clicks: {:2}{password:1} {}", measured.clicks, task.name);
        wrong.extend((!measured.is_right).then_some(task.name));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn menu_takes_any_preferences_and_any_click() {
    let (desktop, lab) = (Desktop::new(), Lab::new());
    cases::closed(&lab);
    cases::run(&lab, &["prefs", "show", "dlv,node,debugpy"]);
    let tray = desktop.tray(&lab);
    let (asked, before) = (prompts(&lab), effects::ledger(&lab));
    let gone = tray.row("5678").unwrap();
    cases::run(&lab, &["prefs", "show", "dlv"]);
    tray.until(LONG, "5678 is gone", |tray| tray.row("5678").is_none());
    let mut numbers = vec![gone.number, i32::MIN, -1, i32::MAX];
    numbers.extend(10_000..10_010);
    for number in numbers {
        tray.send_click(&Row { number, ..gone.clone() });
    }
    let mut random = fastrand::Rng::with_seed(14);
    for _ in 0..20 {
        let bytes: Vec<u8> =
            std::iter::once(b'=').chain((0..random.usize(0..300)).map(|_| random.u8(..))).collect();
        let file = cases::preferences(&lab);
        let new = file.with_extension("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(&new, &file).unwrap();
        tray.until(LONG, "it says so", |tray| says(tray, "The preferences do not read"));
        // Nothing is opened by them.
        tray.click("2345");
        tray.until(LONG, "it fails", |tray| says(tray, "Failed: 2345 was not opened"));
        tray.send_click(&tray.rows()[1]);
        tray.until(LONG, "the failure was read", |tray| !says(tray, "Failed: "));
    }
    assert_eq!((prompts(&lab), effects::ledger(&lab)), (asked, before));
    assert_eq!(tray.quit(), Some(0));
}
