//! How many clicks each of the tasks takes: the icon counts, and so does a hover that opens a menu within the menu.

use super::cases::{self, Case};
use super::common::Lab;
use super::desktop::{Desktop, Row, Tray};
use super::effects::{ledger, opening, prompts};
use super::{LONG, says};

/// A task that people have.
pub struct Task {
    pub name: &'static str,
    /// The situation that it starts in.
    case: &'static str,
    /// The beginnings of the rows that lead there, the outermost first.
    way: &'static [&'static str],
    /// The most clicks that it may take.
    most: usize,
    password: Password,
    /// What it comes to; `None`: something is read.
    done: Option<fn(&Lab) -> bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Password {
    Asked,
    NotAsked,
}
use Password::{Asked, NotAsked};

/// What was measured of a task.
pub struct Measured {
    pub clicks: usize,
    pub prompts: usize,
    pub is_right: bool,
}

fn is_open(lab: &Lab, port: &str) -> bool {
    opening(lab, port).is_some()
}

pub const TASKS: [Task; 11] = [
    task("open 2345", "closed", &["2345"], 2, Asked, Some(|lab| is_open(lab, "2345"))),
    task("close 2345", "one open", &["2345"], 2, NotAsked, Some(|lab| !is_open(lab, "2345"))),
    task(
        "open 2345 for two hours",
        "closed",
        &["Details", "2345", "Open for 2 Hours…"],
        4,
        Asked,
        Some(|lab| is_open(lab, "2345")),
    ),
    task("close all", "one open", &["Close All"], 2, NotAsked, Some(|lab| ledger(lab).openings.is_empty())),
    task("why is 9229 not reachable, in short", "closed", &[], 1, NotAsked, None),
    task(
        "why is 9229 not reachable, whole, with the next step",
        "closed",
        &["Details", "9229"],
        3,
        NotAsked,
        None,
    ),
    task(
        "who may connect",
        "one open",
        &["Details", "2345", "Open for Anyone"],
        4,
        Asked,
        Some(|lab| opening(lab, "2345").is_some_and(|opening| opening.from.to_string() == "any")),
    ),
    task(
        "undo an opening",
        "one open",
        &["Undo Opened 2345"],
        2,
        NotAsked,
        Some(|lab| !is_open(lab, "2345")),
    ),
    task("undo, of the guard", "closed", &["Undo Ports Protected…"], 2, Asked, Some(is_unguarded)),
    task(
        "let in who was blocked",
        "another machine was blocked",
        &["192.168.1.20 was blocked on 2345: Let In…"],
        2,
        Asked,
        Some(|lab| is_open(lab, "2345")),
    ),
    task(
        "the ports of last time",
        "days later",
        &["Open as Last Time: "],
        2,
        Asked,
        Some(|lab| is_open(lab, "2345") && is_open(lab, "9229")),
    ),
];

const fn task(
    name: &'static str,
    case: &'static str,
    way: &'static [&'static str],
    most: usize,
    password: Password,
    done: Option<fn(&Lab) -> bool>,
) -> Task {
    Task { name, case, way, most, password, done }
}

fn is_unguarded(lab: &Lab) -> bool {
    ledger(lab).guard != portcullis::rules::ledger::Guard::On
}

impl Task {
    /// Does it, on a desktop and in a lab of its own.
    pub fn measure(&self) -> Measured {
        let case: &Case = cases::CASES.iter().find(|case| case.name == self.case).unwrap();
        let (desktop, lab) = (Desktop::new(), Lab::new());
        let _listener = (case.prepare)(&lab);
        let tray = desktop.tray(&lab);
        tray.until(LONG, case.says, |tray| says(tray, case.says));
        let clicks = 1 + self.way.len();
        let asked = prompts(&lab);
        let is_done = match self.done {
            Some(done) => {
                tray.until(LONG, self.name, |tray| at(&tray.rows(), self.way).is_some_and(|row| row.enabled));
                tray.send_click(&at(&tray.rows(), self.way).unwrap());
                tray.comes_to(LONG, |_| done(&lab))
            }
            None => self.is_read(&tray),
        };
        let prompts = prompts(&lab) - asked;
        let is_asked = prompts == usize::from(self.password == Asked);
        Measured { clicks, prompts, is_right: is_done && is_asked && clicks <= self.most }
    }

    /// Whether it stands there, where its menus are open.
    fn is_read(&self, tray: &Tray) -> bool {
        let rows = tray.rows();
        match at(&rows, self.way) {
            Some(port) => {
                let next = port.rows.iter().find(|row| row.label.starts_with("Next: "));
                port.rows[0].label.starts_with("Closed: ") && next.is_some()
            }
            None => rows.iter().any(|row| row.label == "9229  Node.js — closed"),
        }
    }
}

fn at(rows: &[Row], way: &[&str]) -> Option<Row> {
    let (first, rest) = way.split_first()?;
    let row = rows.iter().find(|row| row.label.starts_with(first))?;
    if rest.is_empty() { Some(row.clone()) } else { at(&row.rows, rest) }
}
