//! What is said of one port, and all that can be done with it: the same rows for every port, used or not.

use super::facts::MenuFacts;
use super::layout::{MenuLayout, PlacedPort};
use super::make::{action_row, menu_row, separator};
use super::ports::{can_let_in, is_open, of_placed};
use super::row::{MenuAction, MenuRow, MenuState, OpenFor, OpenTerms, RowKind};
use super::words::{self, step};
use crate::diagnosis::Reachability;
use crate::rules::end_choice::EndChoice;
use crate::rules::source::Source;
use crate::status::{FirewallState, GuardEffect, PortState, PortStatus, Status};

pub(super) fn details(facts: &MenuFacts, state: &MenuState, layout: &MenuLayout) -> MenuRow {
    let of_port = |placed: &PlacedPort| {
        let rows = PortDetails { facts, state, placed }.rows();
        let named = words::named(&placed.port, &placed.title);
        menu_row(&format!("details:{}", placed.port.range), named, rows)
    };
    menu_row("details", words::DETAILS, layout.ports.iter().map(of_port).collect())
}

struct PortDetails<'a> {
    facts: &'a MenuFacts,
    state: &'a MenuState,
    placed: &'a PlacedPort,
}

impl PortDetails<'_> {
    fn rows(&self) -> Vec<MenuRow> {
        let port = of_placed(&self.facts.status, self.placed);
        let says = port.map(|port| words::sentence(&self.facts.status, port));
        let mut rows = vec![self.sentence_row("says", says, ""), self.next_row(port)];
        rows.push(self.sentence_row("listens", port.and_then(words::listener), words::NO_LISTENER));
        rows.push(separator(&self.id("above-ends")));
        rows.extend(self.end_rows());
        rows.push(separator(&self.id("above-sources")));
        rows.extend(self.source_rows(port));
        rows.push(separator(&self.id("above-copy")));
        rows.push(self.copy_menu(port, "here", words::COPY_HERE));
        rows.push(self.copy_menu(port, "elsewhere", words::COPY_ELSEWHERE));
        rows.push(self.stop_row());
        rows
    }

    fn id(&self, row: &str) -> String {
        format!("{row}:{}", self.placed.port.range)
    }

    fn button(&self, row: &str, text: impl Into<String>, action: Option<MenuAction>) -> MenuRow {
        action_row(self.state, &self.id(row), RowKind::Button, text, action)
    }

    /// A sentence is not grey, so that it is read; a click copies it. `none` stands where there is none.
    fn sentence_row(&self, row: &str, text: Option<String>, none: &str) -> MenuRow {
        let copy = text.clone().map(MenuAction::CopyText);
        self.button(row, text.unwrap_or_else(|| none.to_owned()), copy)
    }

    fn open(&self, terms: OpenTerms) -> MenuAction {
        MenuAction::Open(self.placed.port.clone(), terms)
    }

    /// The next step, as a row that does it.
    fn next_row(&self, port: Option<&PortStatus>) -> MenuRow {
        let (text, action) = match port {
            Some(port) => next_step(&self.facts.status, port, || self.open(OpenTerms::default())),
            None => (words::NO_STEP, None),
        };
        self.button("next", text, action)
    }

    fn end_rows(&self) -> [MenuRow; 4] {
        let ends = |end| Some(self.open(OpenTerms { end: Some(end), from: None }));
        [
            self.button("hour", words::OPEN_AN_HOUR, ends(EndChoice::For(3600))),
            self.button("two-hours", words::OPEN_TWO_HOURS, ends(EndChoice::For(7200))),
            self.button("restart", words::OPEN_UNTIL_RESTART, ends(EndChoice::Restart)),
            self.button("keep", words::OPEN_FOR_GOOD, ends(EndChoice::Keep)),
        ]
    }

    fn source_rows(&self, port: Option<&PortStatus>) -> [MenuRow; 3] {
        let from = port.filter(|port| is_open(port)).and_then(|port| port.from.as_ref());
        let check = |row, text, checked, from| {
            let action = Some(self.open(OpenTerms { from: Some(from), end: None }));
            action_row(self.state, &self.id(row), RowKind::Check { checked }, text, action)
        };
        let let_in = port.and_then(can_let_in).map(|attempts| {
            let terms = OpenTerms { from: Some(OpenFor::Also(attempts.last_from)), end: None };
            (words::let_in_one(attempts), self.open(terms))
        });
        let (text, action) = let_in.unzip();
        [
            check("network", words::FOR_NETWORK, matches!(from, Some(Source::Lan { .. })), OpenFor::Network),
            self.button("let-in", text.unwrap_or_else(|| words::NONE_BLOCKED.to_owned()), action),
            check("anyone", words::FOR_ANYONE, from == Some(&Source::Any), OpenFor::Anyone),
        ]
    }

    /// The clients that there are settings for; as many rows as there ever were.
    fn copy_menu(&self, port: Option<&PortStatus>, place: &str, text: &str) -> MenuRow {
        let clients = port.map_or(&[][..], |port| port.connect.as_slice());
        let row = |number: usize| {
            let client = port.and_then(|port| port.about).zip(clients.get(number));
            let action = client.map(|(port, client)| MenuAction::Copy {
                port,
                client: client.clone(),
                elsewhere: place == "elsewhere",
            });
            let text = clients.get(number).map_or(words::NO_CLIENT, String::as_str);
            self.button(&format!("copy-{place}-{number}"), text, action)
        };
        let most = self.placed.clients.min(super::row::MOST_ROWS);
        menu_row(&self.id(&format!("copy-{place}")), text, (0..most).map(row).collect())
    }

    fn stop_row(&self) -> MenuRow {
        let mut all = self.facts.offers.stoppable.iter();
        match all.find(|process| self.placed.port.range.contains(process.port)) {
            Some(process) => {
                let text = words::stop(&process.name, process.pid);
                self.button("stop", text, Some(MenuAction::Stop(process.clone())))
            }
            None => self.button("stop", words::NOTHING_TO_STOP, None),
        }
    }
}

/// The next step, by the one judgement of the port: what mends our own rules first, then what the debugger needs.
fn next_step(
    status: &Status,
    port: &PortStatus,
    open: impl Fn() -> MenuAction,
) -> (&'static str, Option<MenuAction>) {
    // Where the step is a command, it is the one that the command line gives.
    let copy = |text: &'static str| match command_in(&port.next) {
        Some(command) => (text, Some(MenuAction::CopyText(command.to_owned()))),
        None if text == step::START => (step::START_BY_HAND, None),
        None => (step::DOCTOR, Some(MenuAction::CopyText("portcullis doctor".to_owned()))),
    };
    let is_told = matches!(port.state, PortState::Open | PortState::LetIn);
    match (port.state, status.firewall.guard_effect) {
        (PortState::MayBeOpen, _) => return (step::REPAIR, Some(MenuAction::Repair)),
        (_, GuardEffect::PfOff | GuardEffect::Gone) if is_told => {
            return (step::PROTECT, Some(MenuAction::Guard(true)));
        }
        (_, GuardEffect::Uncalled) if is_told => return copy(step::OTHER),
        (PortState::LetIn, _) => return copy(step::WHY),
        _ => {}
    }
    match port.situation {
        Reachability::NoListener if port.state == PortState::Unknown => (step::LOOK, Some(MenuAction::Check)),
        Reachability::NoListener => copy(step::START),
        Reachability::LoopbackOnly => copy(step::TUNNEL),
        // To open it anew would be for no network.
        Reachability::BlockedByPf if port.is_paused() && words::is_nowhere(port) => (step::WAIT, None),
        Reachability::BlockedByPf if port.is_paused() => (step::OPEN_HERE, Some(open())),
        Reachability::BlockedByPf if port.state != PortState::Open => (step::OPEN, Some(open())),
        Reachability::BlockedByPf | Reachability::BlockedEverywhere => copy(step::WHY),
        Reachability::BlockedByAppFirewall => copy(step::ALLOW),
        Reachability::InSession | Reachability::WrongFamily => copy(step::OPTION),
        Reachability::Bricked | Reachability::Wedged => (step::RESTART, None),
        Reachability::Unknown if words::is_nowhere(port) => (step::WAIT, None),
        Reachability::Unknown
            if status.firewall.state == FirewallState::Unknown
                || command_in(&port.next) == Some("portcullis status --check") =>
        {
            (step::LOOK, Some(MenuAction::Check))
        }
        Reachability::Forwarded | Reachability::Unknown => copy(step::OTHER),
        Reachability::Reachable => {
            let settings = port.about.zip(port.connect.first());
            let action = settings.map(|(port, client)| MenuAction::Copy {
                port,
                client: client.clone(),
                elsewhere: true,
            });
            match action {
                Some(action) => (step::CONNECT, Some(action)),
                None => copy(step::OTHER),
            }
        }
    }
}

/// The last command of a step, which stands between backticks there.
fn command_in(step: &str) -> Option<&str> {
    let before = step.rfind('`')?;
    let text = step.get(..before)?;
    text.get(text.rfind('`')? + 1..)
}
