//! What a click on a row is to come to, by what the row says alone.

use portcullis::lab::osascript::{DIALOGS_LOG, PROMPTS_LOG};
use portcullis::root::job::{self, JobState};
use portcullis::rules::ends::EndKind;
use portcullis::rules::ledger::{Guard, Ledger, Opening};
use portcullis::rules::source::Source;
use portcullis::system::{LEDGER, PATHS_FILE, STATUS};

use super::cases::preferences;
use super::common::Lab;
use super::desktop::{Desktop, Row, Tray, clipboard};

/// What is to hold of the lab, and of what the tray shows.
type Condition = Box<dyn Fn(&Lab, &Desktop, &Tray) -> bool>;

pub enum Effect {
    Holds(Condition),
    /// The row says that its text was copied.
    Copied,
    /// It fails, and says so.
    Fails,
    /// Nothing is known of such a row: it is wrong.
    Unknown,
}

/// How often a closing asks for the password: not where root's job hears of it.
fn asks_to_close(lab: &Lab) -> usize {
    usize::from(!matches!(job::state(&lab.system()), JobState::Ready(_)))
}

/// Whether a click on it opens ports, for which the preferences have to read.
pub fn opens(row: &Row) -> bool {
    let begins = ["Open ", "Next: Open", "Keep "];
    let is_port = row.checked == Some(false) && row.label.contains(" — ");
    // A tick that goes, such as the guard's, needs none.
    let is_on = row.checked == Some(true) && row.label.starts_with("Keep ");
    is_port || !is_on && row.label.ends_with('…') && begins.iter().any(|begin| row.label.starts_with(begin))
}

/// Of a row in these menus, the outermost first.
pub fn of(lab: &Lab, row: &Row, menus: &[String]) -> Effect {
    by_port(lab, row, menus)
        .or_else(|| by_whole_menu(lab, row))
        .or_else(|| by_preferences(row, menus))
        .or_else(|| by_dialog(lab, row))
        .unwrap_or_else(|| match row.label.as_str() {
            label if label.contains("Copy") => Effect::Copied,
            _ if menus.last().is_some_and(|menu| menu.starts_with("Copy ")) => Effect::Copied,
            // The two rows above the ports, and those that say something in Details.
            label if (menus.is_empty() || menus[0] == "Details") && !label.ends_with('…') => copies(label),
            _ => Effect::Unknown,
        })
}

/// It is on the clipboard, or what the row came to say meanwhile.
fn copies(label: &str) -> Effect {
    let label = label.to_owned();
    holds(move |_, desktop, tray| {
        let all = [tray.rows(), tray.details(2345)].concat();
        let is_said = |text: &String| *text == label || all.iter().any(|row| row.label == *text);
        clipboard(desktop).as_ref().is_some_and(is_said)
    })
}

fn holds(is: impl Fn(&Lab, &Desktop, &Tray) -> bool + 'static) -> Effect {
    Effect::Holds(Box::new(is))
}

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Before the first change there is none, and after the removal.
pub fn ledger(lab: &Lab) -> Ledger {
    std::fs::read(lab.file(LEDGER)).map_or_else(|_| Ledger::default(), |bytes| Ledger::parse(&bytes).unwrap())
}

pub fn opening(lab: &Lab, port: &str) -> Option<Opening> {
    ledger(lab).openings.into_iter().find(|opening| opening.port.to_string() == port)
}

pub fn prompts(lab: &Lab) -> usize {
    lines(lab, PROMPTS_LOG)
}

pub fn dialogs(lab: &Lab) -> usize {
    lines(lab, DIALOGS_LOG)
}

/// As it stands in the log.
pub fn last_dialog(lab: &Lab) -> String {
    last(lab, DIALOGS_LOG)
}

/// As it stands in the log.
pub fn last_prompt(lab: &Lab) -> String {
    last(lab, PROMPTS_LOG)
}

fn last(lab: &Lab, log: &str) -> String {
    let log = std::fs::read_to_string(lab.file(log)).unwrap_or_default();
    log.lines().next_back().unwrap_or_default().to_owned()
}

fn lines(lab: &Lab, path: &str) -> usize {
    std::fs::read_to_string(lab.file(path)).unwrap_or_default().lines().count()
}

/// Rows of one port: it opens, closes, is open otherwise.
fn by_port(lab: &Lab, row: &Row, menus: &[String]) -> Option<Effect> {
    let port = menus.last().map(|menu| first_word(menu)).unwrap_or_default();
    let is = |is: fn(&Opening) -> bool| {
        let port = port.clone();
        holds(move |lab, _, _| opening(lab, &port).is_some_and(|opening| is(&opening)))
    };
    let ends_in = |seconds: i64| {
        let port = port.clone();
        holds(move |lab, _, _| {
            let until = opening(lab, &port).and_then(|opening| opening.until);
            until.is_some_and(|until| (seconds - 60..=seconds).contains(&(until - portcullis::os::now())))
        })
    };
    // Whoever it is for, an opening ends as before.
    let for_whom = |is: fn(&Source) -> bool| {
        let port = port.clone();
        let ends = opening(lab, &port).map(|before| (before.kind(), before.until));
        holds(move |lab, _, _| {
            opening(lab, &port).is_some_and(|now| {
                is(&now.from)
                    && ends.is_none_or(|(kind, until)| {
                        let moved = now.until.zip(until).map_or(0, |(now, until)| (now - until).abs());
                        now.kind() == kind && now.until.is_some() == until.is_some() && moved < 60
                    })
            })
        })
    };
    Some(match row.label.as_str() {
        label if label.contains(" — ") && row.checked.is_some() => {
            let (port, was_open) = (first_word(label), row.checked == Some(true));
            let asked = prompts(lab) + if was_open { asks_to_close(lab) } else { 1 };
            holds(move |lab, _, tray| {
                let row = tray.row(&port);
                let shows = row.is_some_and(|row| row.checked == Some(!was_open));
                // What this user opened closes without a password; what opens asks for one.
                shows && opening(lab, &port).is_some() != was_open && prompts(lab) == asked
            })
        }
        "Open for 1 Hour…" => ends_in(3600),
        "Open for 2 Hours…" => ends_in(7200),
        "Open Until Restart…" => is(|opening| opening.kind() == EndKind::Restart),
        "Open Until I Close It…" => is(|opening| opening.until.is_none() && !opening.restart),
        "Open for This Network…" => for_whom(|from| matches!(from, Source::Lan { .. })),
        "Open for Anyone (can run code as you)…" => for_whom(|from| *from == Source::Any),
        "Next: Open for Other Machines…" => is(|_| true),
        label if label.contains("Let In") => holds(|lab, _, _| {
            let client: ipnet::IpNet = "192.168.1.20/32".parse().unwrap();
            let is_in = |opening: &Opening| opening.from.networks().is_some_and(|all| all.contains(&client));
            ledger(lab).openings.iter().any(is_in)
        }),
        label if label.starts_with("Stop ") => {
            let pid: u32 = label.split(['(', ')']).nth(1)?.parse().ok()?;
            holds(move |_, _, _| {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                !status.contains("State:") || status.contains("(zombie)")
            })
        }
        _ => return None,
    })
}

/// Rows about all ports.
fn by_whole_menu(lab: &Lab, row: &Row) -> Option<Effect> {
    let (before, asked) = (ledger(lab), prompts(lab));
    Some(match row.label.as_str() {
        "Close All" | "What is open does not read: Close All" => {
            let asked = asked + asks_to_close(lab);
            holds(move |lab, _, _| ledger(lab).openings.is_empty() && prompts(lab) == asked)
        }
        label if label.starts_with("Undo Opened ") => {
            let asks = usize::from(label.ends_with('…'));
            holds(move |lab, _, _| {
                ledger(lab).openings.len() < before.openings.len() && prompts(lab) == asked + asks
            })
        }
        label if label.starts_with("Undo Closed ") => {
            holds(move |lab, _, _| ledger(lab).openings.len() > before.openings.len())
        }
        "Undo Ports Protected…" => holds(|lab, _, _| ledger(lab).guard != Guard::On),
        "Undo Protection Off…" | "Protect the Debug Ports…" | "Next: Protect the Debug Ports…" => {
            holds(|lab, _, _| ledger(lab).guard == Guard::On)
        }
        label if label.starts_with("Keep Debug Ports Closed") => {
            // It mends what is without effect.
            let is_lost = label.contains("(without effect)");
            let guard = if row.checked == Some(true) && !is_lost { Guard::Off } else { Guard::On };
            holds(move |lab, _, tray| {
                let is_told = |row: Row| !row.label.contains("(without effect)");
                ledger(lab).guard == guard && tray.row("Keep Debug Ports Closed").is_some_and(is_told)
            })
        }
        label if label.starts_with("Open as Last Time: ") => {
            holds(|lab, _, _| ["2345", "9229"].iter().all(|port| opening(lab, port).is_some()))
        }
        "Look Again…" | "Next: Look Again…" => {
            let look = |lab: &Lab| lab.file(STATUS).metadata().and_then(|status| status.modified()).ok();
            let seen = look(lab);
            holds(move |lab, _, _| look(lab).is_some() && look(lab) != seen)
        }
        "Nothing closes by itself: Mend It…" => {
            holds(|lab, _, _| matches!(job::state(&lab.system()), JobState::Ready(_)))
        }
        "Install Command Line Tool…" => holds(|lab, _, _| lab.file(PATHS_FILE).exists()),
        "Remove Portcullis…" => holds(|lab, _, _| !lab.file(LEDGER).exists()),
        "Waiting for permission: Cancel Request" => {
            holds(|_, _, tray| tray.row("Waiting for permission").is_none())
        }
        _ => return None,
    })
}

/// Rows of the settings.
fn by_preferences(row: &Row, menus: &[String]) -> Option<Effect> {
    let prefers = |key: &'static str, value: &'static str| {
        holds(move |lab, _, _| {
            let text = std::fs::read_to_string(preferences(lab)).unwrap_or_default();
            text.lines().any(|line| line == format!("{key} = \"{value}\""))
        })
    };
    let copies_their_place = || {
        holds(|lab, desktop, _| {
            clipboard(desktop).is_some_and(|text| text == preferences(lab).display().to_string())
        })
    };
    if row.label.starts_with("The preferences do not read") {
        return Some(copies_their_place());
    }
    if menus.first().map(String::as_str) != Some("Settings") {
        return None;
    }
    Some(match row.label.as_str() {
        label @ ("17:30…" | "18:30…" | "20:00…" | "21:30…") => {
            let at = label.trim_end_matches('…').to_owned();
            holds(move |lab, _, _| ledger(lab).end_of_day.unwrap_or_default().to_string() == at)
        }
        "For This Network" => prefers("from", "lan"),
        "For Anyone (can run code as you)" => prefers("from", "any"),
        label if label.starts_with("Until the End of the Day") => prefers("for", "evening"),
        "For 2 Hours" => prefers("for", "2h"),
        "Until Restart" => prefers("for", "restart"),
        "Until I Close It" => prefers("for", "keep"),
        "Coloured" => prefers("icon", "coloured"),
        "In One Colour" => prefers("icon", "plain"),
        "Open Preferences" => copies_their_place(),
        _ => return None,
    })
}

/// Rows that say something in a dialog.
fn by_dialog(lab: &Lab, row: &Row) -> Option<Effect> {
    let told = dialogs(lab);
    Some(match row.label.as_str() {
        // No program opens files here: the clipboard takes where they lie.
        "Doctor" | "Explain" | "History" => {
            let name = format!("{}.txt", row.label.to_lowercase());
            holds(move |lab, desktop, _| {
                let file = preferences(lab).with_file_name(&name);
                clipboard(desktop).is_some_and(|text| text == file.display().to_string())
                    && std::fs::metadata(file).is_ok_and(|file| file.len() > 0)
            })
        }
        "About Portcullis" | "What Else Was Seen…" => holds(move |lab, _, _| dialogs(lab) > told),
        label if label.starts_with("Failed: ") => {
            holds(move |lab, _, tray| dialogs(lab) > told && !tray.rows()[1].label.starts_with("Failed: "))
        }
        _ => return None,
    })
}
