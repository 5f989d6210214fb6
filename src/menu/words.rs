//! Every word of the menu: another language has one place to go to.
//!
//! The words are those of System Settings, for a reader who knows no packet filter: firewall, protected, open, closed,
//! listens, can be reached. A test holds every row to that. `…` at the end means that a click asks something.

use super::facts::{LastChange, MenuDoubt, OfferedUndo};
use super::row::{MenuAction, MenuFailure, WIDTH};
use super::text::one_line;
use crate::diagnosis::{Answer, Reachability};
use crate::port::PortRange;
use crate::prefs::IconStyle;
use crate::rules::end_choice::EndChoice;
use crate::rules::ends::EndKind;
use crate::rules::named_port::NamedPort;
use crate::rules::source::Source;
use crate::status::{
    Attempts, FirewallState, GuardEffect, Icon, NetworkPlace, PortNetwork, PortState, PortStatus, Status,
};

pub(super) const COPIED: &str = "Copied";
pub(super) const NOTHING: &str = "Nothing has changed yet";
pub(super) const PROTECT: &str = "Protect the Debug Ports…";
pub(super) const REPAIR: &str = "A change was interrupted: Repair…";
pub(super) const MORE_PORTS: &str = "More Ports";
pub(super) const DETAILS: &str = "Details";
pub(super) const CLOSE_ALL: &str = "Close All";
pub(super) const NOTHING_AGAIN: &str = "Nothing to Open Again";
pub(super) const NOTHING_TO_UNDO: &str = "Nothing to Undo";
pub(super) const SETTINGS: &str = "Settings";
pub(super) const NEW_OPENINGS: &str = "New Openings";
pub(super) const END_OF_DAY: &str = "End of Day";
pub(super) const OPEN_PREFERENCES: &str = "Open Preferences";
pub(super) const HELP: &str = "Help";
pub(super) const LOOK_AGAIN: &str = "Look Again…";
pub(super) const SEEN_BESIDE: &str = "What Else Was Seen…";
pub(super) const NOTHING_BESIDE: &str = "Nothing Else Was Seen";
pub(super) const DOCTOR: &str = "Doctor";
pub(super) const EXPLAIN: &str = "Explain";
pub(super) const HISTORY: &str = "History";
pub(super) const COMMAND_LINE: &str = "Install Command Line Tool…";
pub(super) const REMOVE: &str = "Remove Portcullis…";
pub(super) const ABOUT: &str = "About Portcullis";
pub(super) const QUIT: &str = "Quit Portcullis";
pub(super) const OPEN_AN_HOUR: &str = "Open for 1 Hour…";
pub(super) const OPEN_TWO_HOURS: &str = "Open for 2 Hours…";
pub(super) const OPEN_UNTIL_RESTART: &str = "Open Until Restart…";
pub(super) const OPEN_FOR_GOOD: &str = "Open Until I Close It…";
pub(super) const FOR_NETWORK: &str = "Open for This Network…";
pub(super) const FOR_ANYONE: &str = "Open for Anyone (can run code as you)…";
pub(super) const NONE_BLOCKED: &str = "No one was blocked";
pub(super) const COPY_HERE: &str = "Copy Settings for This Mac";
pub(super) const COPY_ELSEWHERE: &str = "Copy Settings for Another Machine";
pub(super) const NOTHING_TO_STOP: &str = "Nothing to Stop";
pub(super) const NO_LISTENER: &str = "No program listens";
pub(super) const NO_STEP: &str = "Nothing needs to be done";
/// A client that there are no settings for any more.
pub(super) const NO_CLIENT: &str = "–";

/// The state of all ports, in a row.
pub(super) fn headline(status: &Status) -> String {
    let exposed: Vec<&PortStatus> = status.ports.iter().filter(|port| port.exposed).collect();
    match exposed.as_slice() {
        [] => {}
        [one] => return format!("Anyone can reach {} on port {}", program(one), number(one)),
        many => return format!("Anyone can reach debuggers on {} ports", many.len()),
    }
    let open: Vec<&PortStatus> =
        status.ports.iter().filter(|port| port.state == PortState::Open && !port.is_in_part()).collect();
    let not_seen = status.firewall.not_seen.as_deref();
    match status.icon {
        Icon::Closed if open.is_empty() => {
            match status.ports.iter().all(|port| port.state == PortState::Closed) {
                true => "All debug ports are closed".to_owned(),
                false => "No other machine gets in: another rule keeps them out".to_owned(),
            }
        }
        Icon::Closed => format!("No other machine gets in, although {}", are_open(&open)),
        Icon::Off if open.is_empty() => "Ports are not protected: the firewall is off".to_owned(),
        Icon::Off => format!("{}, and the firewall is off", are_open(&open)),
        Icon::Unknown if status.interrupted => "Not known: a change was interrupted".to_owned(),
        Icon::Unknown if status.firewall.is_stock => "Ports are not protected yet".to_owned(),
        Icon::Unknown => match not_seen.and_then(|not_seen| not_seen.strip_prefix("not ")) {
            Some(not_seen) => format!("Not {not_seen}"),
            None => "Not known: who reaches some ports".to_owned(),
        },
        Icon::Open if !open.is_empty() => {
            let after = not_seen.map(|not_seen| format!(", {not_seen}")).unwrap_or_default();
            let whole = format!("{}{}{after}", are_open(&open), for_whom(&open));
            match whole.chars().count() {
                ..=WIDTH => whole,
                _ => format!("{}{after}", are_open(&open)),
            }
        }
        Icon::Open => let_in(status),
    }
}

/// What is let in, or not protected, while nothing is open.
fn let_in(status: &Status) -> String {
    let of = |state: PortState| {
        let ports =
            status.ports.iter().filter(move |port| port.state == state && port.outside() == Answer::Yes);
        ports.collect::<Vec<_>>()
    };
    match (of(PortState::LetIn).as_slice(), of(PortState::Unmanaged).as_slice()) {
        ([one], _) => format!("Other machines get in to {}, which is to be closed", one.port),
        ([], [one]) => format!("{} is not protected", one.port),
        ([], unprotected) => format!("{} ports are not protected", unprotected.len()),
        (many, _) => format!("Other machines get in to {} ports that are to be closed", many.len()),
    }
}

/// `1 port is open`; the port of a range counts as one of those that the row is for.
fn are_open(ports: &[&PortStatus]) -> String {
    match ports {
        [one] if one.is_paused() => "1 port is paused".to_owned(),
        [_] => "1 port is open".to_owned(),
        many => format!("{} ports are open", many.len()),
    }
}

fn for_whom(ports: &[&PortStatus]) -> String {
    let mut each = ports.iter().map(|port| port.for_whom(1));
    let first = each.next().flatten();
    match first {
        Some(whom) if each.all(|other| other.as_ref() == Some(&whom)) => format!(" for {whom}"),
        _ => String::new(),
    }
}

/// `dlv` of `dlv dap (4711)`.
fn program(port: &PortStatus) -> String {
    const MOST: usize = 14;
    let name = port.program.as_deref().unwrap_or("a program");
    one_line(name.split(" (").next().unwrap_or(name), MOST)
}

fn number(port: &PortStatus) -> u16 {
    port.about.unwrap_or(port.port.first())
}

/// What an action waits for. A closing is heard without a password, or asks for one after a while.
pub(super) fn waiting(action: &MenuAction) -> &'static str {
    match action {
        MenuAction::Close(_) | MenuAction::CloseAll => "closing",
        MenuAction::Stop(_) => "waiting for an answer",
        _ => "waiting for permission",
    }
}

/// The news row while an action waits.
pub(super) fn cancel(action: &MenuAction) -> String {
    let waits = waiting(action);
    let first = waits.chars().take(1).flat_map(char::to_uppercase);
    format!("{}: Cancel Request", first.chain(waits.chars().skip(1)).collect::<String>())
}

/// The news row after a failure.
pub(super) fn failure(failure: &MenuFailure) -> String {
    let what = match &failure.action {
        Some(MenuAction::Open(port, _)) => format!("{} was not opened", port.range),
        Some(MenuAction::Close(port)) => format!("{} was not closed", port.range),
        Some(MenuAction::CloseAll) => "the ports were not closed".to_owned(),
        Some(MenuAction::Reopen(_)) => "the ports were not opened".to_owned(),
        Some(MenuAction::Undo(_)) => "nothing was undone".to_owned(),
        Some(MenuAction::Guard(true)) => "the ports are not protected".to_owned(),
        Some(MenuAction::Guard(false)) => "the protection was not switched off".to_owned(),
        Some(MenuAction::Check) => "no look was taken".to_owned(),
        Some(MenuAction::Copy { .. } | MenuAction::CopyText(_)) => "nothing was copied".to_owned(),
        Some(MenuAction::Stop(process)) => format!("{} was not stopped", one_line(&process.name, 16)),
        Some(MenuAction::OpenPreferences) => "the preferences do not open".to_owned(),
        Some(MenuAction::Show(_)) => "there is nothing to show".to_owned(),
        Some(MenuAction::Uninstall) => "Portcullis was not removed".to_owned(),
        Some(_) => "nothing was changed".to_owned(),
        None => "changes made elsewhere do not show".to_owned(),
    };
    format!("Failed: {what}. See Why…")
}

/// The title of the dialog that says a failure in full.
pub const FAILED: &str = "That did not work";

pub(super) fn doubt(doubt: &MenuDoubt) -> String {
    match doubt {
        MenuDoubt::Preferences(place) => format!("The preferences do not read: {place}"),
        MenuDoubt::Ledger => "What is open does not read: Close All".to_owned(),
        MenuDoubt::NothingClosesByItself => "Nothing closes by itself: Mend It…".to_owned(),
    }
}

pub(super) fn blocked(port: &PortStatus, attempts: &Attempts) -> String {
    format!("{} was blocked on {}: Let In…", attempts.last_from, port.port)
}

/// `Opened 2345 at 14:02`
pub(super) fn last_change(change: &LastChange) -> String {
    format!("{} at {}", changed(change), change.clock)
}

pub(super) fn undo(undo: &OfferedUndo) -> String {
    format!("Undo {}{}", changed(&undo.change), if undo.is_closing { "" } else { "…" })
}

fn changed(change: &LastChange) -> String {
    match (change.opened.as_slice(), change.closed.as_slice(), change.guard) {
        ([], [], Some(true)) => "Ports Protected".to_owned(),
        ([], [], Some(false)) => "Protection Off".to_owned(),
        ([], [], None) => "Changed Something".to_owned(),
        (opened, [], _) => format!("Opened {}", ranges(opened)),
        ([], closed, _) => format!("Closed {}", ranges(closed)),
        (opened, _, _) => format!("Changed {}", ranges(opened)),
    }
}

/// `2345, 9229 and 3 more`
fn ranges(ports: &[PortRange]) -> String {
    const MOST: usize = 3;
    let named: Vec<String> = ports.iter().take(MOST).map(PortRange::to_string).collect();
    match ports.len().saturating_sub(MOST) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

pub(super) fn again(ports: &[NamedPort]) -> String {
    let ports: Vec<PortRange> = ports.iter().map(|port| port.range).collect();
    format!("Open as Last Time: {}…", ranges(&ports))
}

/// `None`: it does not read, or it was not looked at.
pub(super) fn guard(effect: GuardEffect) -> &'static str {
    match effect {
        GuardEffect::Holds | GuardEffect::Off => "Keep Debug Ports Closed…",
        GuardEffect::Unseen | GuardEffect::Doubtful => "Keep Debug Ports Closed (not known)…",
        GuardEffect::PfOff | GuardEffect::Uncalled | GuardEffect::Gone => {
            "Keep Debug Ports Closed (without effect)…"
        }
        GuardEffect::Overruled => "Keep Debug Ports Closed (without effect: other rules decide)…",
    }
}

pub(super) fn more(count: usize) -> String {
    format!("{count} more: \u{201c}portcullis status\u{201d} lists them")
}

/// `2345  Delve`; the number alone of a port without a name.
pub(super) fn named(port: &NamedPort, title: &str) -> String {
    if title.is_empty() {
        port.range.to_string()
    } else {
        format!("{}  {}", port.range, one_line(title, TITLE))
    }
}

/// The most characters of a port's title.
pub(super) const TITLE: usize = 15;

/// The most characters of a port's row.
pub const PORT_WIDTH: usize = 52;

/// A port's row: the most of what a person wants to know now that finds room.
pub(super) fn port(status: &Status, port: &PortStatus, named: &str) -> String {
    let [whole, short, least] = states(status, port);
    let blocked = port.blocked.as_ref().map(|attempts| format!("{} was blocked", attempts.last_from));
    let (found, found_short) = on_port(port).unzip();
    let both: Vec<String> = found.iter().chain(&blocked).cloned().collect();
    let found: Vec<String> = found.or(blocked).into_iter().collect();
    let found_short: Vec<String> = found_short.map(str::to_owned).into_iter().collect();
    let nothing = Vec::new();
    let mut choices = vec![
        (&whole, &both),
        (&short, &both),
        (&whole, &found),
        (&short, &found),
        (&whole, &found_short),
        (&short, &found_short),
    ];
    choices.extend((!found_short.is_empty()).then_some((&least, &found_short)));
    choices.push((&short, &nothing));
    let mut texts = choices.into_iter().map(|(state, found)| {
        let rest: String = found.iter().map(|found| format!(" · {found}")).collect();
        format!("{named} — {state}{rest}")
    });
    let fits = |text: &String| text.chars().count() <= PORT_WIDTH;
    texts.find(fits).unwrap_or_else(|| format!("{named} — {least}").chars().take(PORT_WIDTH).collect())
}

/// A port that was shown and is not known any more.
pub(super) fn gone(named: &str) -> String {
    format!("{named} — not known")
}

pub(super) fn waits(named: &str, action: &MenuAction) -> String {
    format!("{named} — {}", waiting(action))
}

/// Who is there, and what becomes of its clients, in full and in short; nothing where no debugger is there.
fn on_port(port: &PortStatus) -> Option<(String, &'static str)> {
    let program = program(port);
    Some(match port.situation {
        _ if !port.in_use => return None,
        _ if port.is_exposed_unasked() => (format!("anyone reaches {program}"), "anyone gets in"),
        Reachability::NoListener => return None,
        Reachability::Bricked => (format!("{program} lost its listener"), "no listener"),
        Reachability::InSession => (format!("{program} in session"), "in session"),
        Reachability::Wedged => (format!("{program} is stuck"), "stuck"),
        Reachability::Forwarded => (format!("{program} forwards it"), "forwarded"),
        Reachability::BlockedEverywhere => {
            (format!("{program} blocked for this Mac too"), "blocked here too")
        }
        Reachability::WrongFamily => (format!("{program} on IPv6 only"), "IPv6 only"),
        Reachability::LoopbackOnly => (format!("{program} on this Mac only"), "this Mac only"),
        // That a closed port is closed was said.
        Reachability::BlockedByPf if port.state == PortState::Closed => {
            (format!("{program} listens"), "listens")
        }
        Reachability::BlockedByPf => (format!("{program} is blocked"), "blocked"),
        Reachability::BlockedByAppFirewall => (format!("macOS blocks {program}"), "macOS blocks it"),
        Reachability::Unknown => (format!("{program} listens"), "listens"),
        Reachability::Reachable => (format!("{program} waits"), "waits"),
    })
}

/// The most characters of what has room in every row of a port.
const BRIEF: usize = 22;

/// How the port stands: in full, in short, and in a word or two.
fn states(status: &Status, port: &PortStatus) -> [String; 3] {
    let one = |text: &str| [text, text, text].map(str::to_owned);
    let two = |whole: String, short: &str| [whole, short.to_owned(), short.to_owned()];
    let word = if port.is_in_part() { "open in part" } else { "open" };
    let open = |rest: &str| {
        let [end, short_end] = ends(port);
        let (others, short_others) = match port.lets_others_in() {
            true => (", others not kept out", ", others get in"),
            false => ("", ""),
        };
        let whom = match source(port).as_str() {
            "this network" => String::new(),
            whom => format!(" for {whom}"),
        };
        // That anyone gets in is never left out, nor who was chosen where that is short.
        let is_named = match &port.from {
            Some(Source::Any) => true,
            Some(Source::Hosts { .. }) => whom.chars().count() <= BRIEF,
            _ => false,
        };
        let least = if is_named { whom.as_str() } else { "" };
        [
            format!("{word} for {}{end}{others}{rest}", source(port)),
            format!("{word}{whom}{short_end}{short_others}{rest}"),
            format!("{word}{least}{short_others}{rest}"),
        ]
    };
    let not_seen = status.firewall.not_seen.as_ref();
    match (port.state, status.firewall.state) {
        (PortState::MayBeOpen, _) => two("may be open: a change was interrupted".to_owned(), "may be open"),
        (PortState::Open, _) if port.is_paused() => {
            let word = if port.is_in_part() { "paused in part" } else { "paused" };
            match (not_seen, port.doubt()) {
                (Some(not_seen), _) => two(format!("{word}, {not_seen}"), word),
                (None, Some(doubt)) => {
                    two(format!("{word}, {doubt}"), &format!("{word}, not known for whom"))
                }
                (None, None) => two(format!("{word}: not on {}", its_network(port)), word),
            }
        }
        (PortState::Open, _) if is_about_to_pause(port) => {
            let part = if port.is_in_part() { " in part" } else { "" };
            two(
                format!("about to pause{part}: not on {}", its_network(port)),
                &format!("about to pause{part}"),
            )
        }
        (PortState::Open, FirewallState::Enabled) => match port.outside() {
            Answer::No => two(format!("{word}, yet another rule blocks it"), &format!("{word}, yet blocked")),
            _ if port.keeps_its_own_out() => {
                let (whole, least) = match port.from {
                    Some(Source::Any) => {
                        (format!("{word} for anyone, yet another rule blocks some"), " for anyone")
                    }
                    _ => (format!("{word}, yet another rule blocks {}", source(port)), ""),
                };
                two(whole, &format!("{word}{least}, yet blocked in part"))
            }
            _ if port.is_open_although_paused() => two(format!("{word} although it pauses"), word),
            _ => match port.doubt() {
                Some(doubt) => two(format!("{word}, {doubt}"), &format!("{word}, not known for whom")),
                None => open(""),
            },
        },
        (PortState::Open, FirewallState::Disabled) => open(", firewall off"),
        (PortState::Open, FirewallState::Unknown) => {
            let [whole, short, _] = open(&format!(", {}", not_seen.map_or("not known", String::as_str)));
            let is_brief = |not_seen: &&String| not_seen.chars().count() <= BRIEF;
            let brief = not_seen.filter(is_brief).map_or("not seen now", String::as_str);
            let [.., least] = open(&format!(", {brief}"));
            [whole, short, least]
        }
        (PortState::Closed, _) => one("closed"),
        (PortState::LetIn, FirewallState::Disabled) => {
            two("let in: the firewall is off".to_owned(), "let in, firewall off")
        }
        (PortState::LetIn, _) => match status.firewall.guard_effect {
            GuardEffect::Uncalled | GuardEffect::Gone => one("let in: not protected now"),
            _ => one("let in by another rule"),
        },
        (PortState::Unmanaged, FirewallState::Disabled) => one("not protected"),
        (PortState::Unmanaged, _) => match port.outside() {
            Answer::No => {
                two("not protected, another rule blocks it".to_owned(), "not protected, yet blocked")
            }
            _ => one("not protected"),
        },
        // What was never looked at is as it is on a stock Mac.
        (PortState::Unknown, _) if status.firewall.is_stock => one("not protected yet"),
        (PortState::Unknown, _) => one("not known"),
    }
}

/// By what it ends, in full and in short. How long is left is left out: a row is not to change each minute. Without a set time
/// it is the leaving of its network, too.
fn ends(port: &PortStatus) -> [String; 2] {
    let both = |text: String| [text.clone(), text];
    let Some(end) = &port.end else { return both(String::new()) };
    let network = port.network.as_ref().filter(|network| !network.stay).and_then(first_prefix);
    match (&end.clock, end.kind, network) {
        (Some(clock), ..) if end.lengthened => both(format!(" until {clock} (+30 min)")),
        (Some(clock), ..) => both(format!(" until {clock}")),
        (None, EndKind::Restart, None) => both(" until the restart".to_owned()),
        (None, EndKind::Restart, Some(network)) => {
            [format!(" until restart or leaving {network}"), " until restart or leave".to_owned()]
        }
        (None, _, Some(network)) => [format!(" until leaving {network}"), " until you leave".to_owned()],
        (None, _, None) => both(String::new()),
    }
}

fn is_about_to_pause(port: &PortStatus) -> bool {
    let is_left =
        |network: &PortNetwork| !network.paused && !network.stay && network.place == NetworkPlace::Another;
    port.network.as_ref().is_some_and(is_left)
}

/// Whether no network is known that this Mac is on.
pub(super) fn is_nowhere(port: &PortStatus) -> bool {
    port.network.as_ref().is_some_and(|network| network.place == NetworkPlace::Unknown)
}

fn its_network(port: &PortStatus) -> &str {
    port.network.as_ref().and_then(first_prefix).unwrap_or("its network")
}

/// A row is short.
fn first_prefix(network: &PortNetwork) -> Option<&str> {
    network.name.as_deref()?.split(',').next()
}

fn source(port: &PortStatus) -> String {
    port.for_whom(1).unwrap_or_else(|| "this network".to_owned())
}

/// What is to be said of one port, as a sentence of at most [`WIDTH`] characters or a few more.
pub(super) fn sentence(status: &Status, port: &PortStatus) -> String {
    let name = program(port);
    let whom = match source(port).as_str() {
        "this network" => "machines of this network".to_owned(),
        whom => whom.to_owned(),
    };
    match port.situation {
        _ if port.exposed => format!("Anyone can reach {name}, and run code as you"),
        Reachability::NoListener => without_listener(status, port),
        Reachability::Unknown if !port.in_use => without_listener(status, port),
        Reachability::Bricked => format!("Something connected to {name} and left: it listens no longer"),
        Reachability::InSession => format!("In session: {name} serves a client"),
        Reachability::Wedged => format!("Stuck: {name} listens, but lets no client in any more"),
        Reachability::Forwarded => format!("Forwarded by {name}: what is behind it was not looked at"),
        Reachability::BlockedEverywhere => format!("The firewall blocks {name} for this Mac too"),
        Reachability::WrongFamily => format!("IPv6 only: clients that use IPv4 do not find {name}"),
        Reachability::LoopbackOnly => {
            format!("Only this Mac reaches {name}: it listens for no other machine")
        }
        Reachability::BlockedByPf if port.is_paused() && is_nowhere(port) => {
            format!("Paused: this Mac is on no network that is known, so none reaches {name}")
        }
        Reachability::BlockedByPf if port.is_paused() => {
            format!("Paused: this Mac is on another network, so none reaches {name}")
        }
        Reachability::BlockedByPf if port.state == PortState::Open => {
            format!("Another rule of the firewall keeps other machines from {name}")
        }
        Reachability::BlockedByPf => format!("Closed: other machines are kept from {name}"),
        Reachability::BlockedByAppFirewall => {
            format!("The firewall in System Settings, Network, blocks {name}")
        }
        Reachability::Unknown if status.firewall.is_stock => {
            format!("Not protected yet: other machines may reach {name}")
        }
        Reachability::Unknown => format!("Whether other machines reach {name} is not known"),
        Reachability::Reachable => format!("{name} waits, and can be reached by {whom}"),
    }
}

fn without_listener(status: &Status, port: &PortStatus) -> String {
    match (port.state, port.outside()) {
        (PortState::Open, _) => {
            let [_, state, _] = states(status, port);
            let first = state.chars().take(1).flat_map(char::to_uppercase);
            format!("{}: nothing listens yet", first.chain(state.chars().skip(1)).collect::<String>())
        }
        (PortState::MayBeOpen, _) => "A change was interrupted: the port may be open".to_owned(),
        (PortState::Closed, _) => "Closed: other machines are kept out".to_owned(),
        (PortState::LetIn, _) => "Other machines get in, although the port is to be closed".to_owned(),
        (PortState::Unmanaged, Answer::No) => "Not protected, but another rule keeps others out".to_owned(),
        (PortState::Unmanaged, _) => "Not protected: other machines reach what starts here".to_owned(),
        (PortState::Unknown, _) if status.firewall.is_stock => {
            "Not protected yet: other machines reach what starts here".to_owned()
        }
        (PortState::Unknown, _) => "Whether other machines get in is not known".to_owned(),
    }
}

pub(super) fn listener(port: &PortStatus) -> Option<String> {
    port.listener.as_ref().map(|listener| one_line(&format!("Listens: {listener}"), WIDTH))
}

/// The next step: it is done, or its command is copied.
pub(super) mod step {
    pub const OPEN: &str = "Next: Open for Other Machines…";
    pub const OPEN_HERE: &str = "Next: Open for the Network That This Mac Is On…";
    pub const WAIT: &str = "Next: wait until this Mac is on a network";
    pub const REPAIR: &str = "Next: Repair…";
    pub const PROTECT: &str = "Next: Protect the Debug Ports…";
    pub const LOOK: &str = "Next: Look Again…";
    pub const START: &str = "Next: Copy the Command That Starts It";
    pub const TUNNEL: &str = "Next: Copy the Tunnel for Another Machine";
    pub const ALLOW: &str = "Next: Copy the Command That Allows It";
    pub const WHY: &str = "Next: Copy the Command That Says Why";
    pub const CONNECT: &str = "Next: Copy the Settings to Connect";
    pub const OPTION: &str = "Next: Copy the Option to Start It With";
    pub const OTHER: &str = "Next: Copy the Command That Helps";
    pub const RESTART: &str = "Next: stop it, and start it again";
    pub const START_BY_HAND: &str = "Next: start the debugger";
    pub const DOCTOR: &str = "Next: Copy the Command That Looks at Everything";
}

pub(super) fn let_in_one(attempts: &Attempts) -> String {
    let times =
        if attempts.attempts == 1 { "once".to_owned() } else { format!("{} times", attempts.attempts) };
    format!("Let In {} (blocked {times})…", attempts.last_from)
}

pub(super) fn stop(name: &str, pid: u32) -> String {
    format!("Stop {} ({pid})…", one_line(name, 24))
}

/// `Until 18:30`, and what else a click on a port may open it until.
pub(super) fn until(end: EndChoice, end_of_day: &str) -> String {
    match end {
        EndChoice::Evening => format!("Until the End of the Day ({end_of_day})"),
        EndChoice::Restart => "Until Restart".to_owned(),
        EndChoice::Keep => "Until I Close It".to_owned(),
        EndChoice::For(3600) => "For 1 Hour".to_owned(),
        EndChoice::For(seconds) => format!("For {} Hours", seconds / 3600),
        EndChoice::At(..) => "Until a Time of Day".to_owned(),
    }
}

pub(super) const ICON: &str = "Icon";

pub(super) fn icon(style: IconStyle) -> &'static str {
    match style {
        IconStyle::Coloured => "Coloured",
        IconStyle::Plain => "In One Colour",
    }
}

pub(super) const PREFER_NETWORK: &str = "For This Network";
pub(super) const PREFER_ANYONE: &str = "For Anyone (can run code as you)";

pub(super) fn about(version: &str) -> String {
    format!(
        "Portcullis {version} opens debug ports for other machines, and closes them at the end of the day. To do that it adds \
         rules of its own to this Mac's firewall, and changes none of others; Remove Portcullis takes everything away again."
    )
}

/// The title of the dialog of notes.
pub(super) const SEEN_TITLE: &str = "What else was seen";
pub(super) const LAB: &str = "in a lab: nothing on this machine is changed";
