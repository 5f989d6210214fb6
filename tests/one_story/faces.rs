//! What each face prints of one world, by the functions that the commands call.

use std::collections::BTreeMap;

use clap::Parser as _;
use portcullis::app::Evidence;
use portcullis::menu::{MenuFacts, MenuLayout, MenuOffers, MenuRow, MenuState, RowKind, rows};
use portcullis::port::PortRange;
use portcullis::status::{PortStatus, Status};
use serde_json::Value;

use super::super::output::{CommandOutput, Run};
use super::super::{CliArguments, CliCommand, connect, doctor, explain, status};
use super::world::{NEAR_HOST, Prepared, World};

/// One command's output.
#[derive(Debug)]
pub struct Said {
    pub text: String,
    pub json: Value,
}

/// Everything that is printed of one world.
#[derive(Debug)]
pub struct Faces {
    pub status: Said,
    pub menu: Vec<MenuRow>,
    pub doctor: Option<Said>,
    /// By port, and the client as it is typed.
    pub explain: BTreeMap<(u16, String), Said>,
    /// By port, and where the client is; or why there is none.
    pub connect: BTreeMap<(u16, &'static str), Result<Said, String>>,
}

impl Faces {
    pub fn of(prepared: &Prepared) -> Self {
        let world = prepared.world;
        let (shown, evidence) = (prepared.observe().status, prepared.evidence());
        let menu_facts = MenuFacts { status: shown.clone(), offers: MenuOffers::default() };
        let menu = rows(&menu_facts, &MenuState::default(), &MenuLayout::of(&shown));
        let asked: Vec<(PortRange, u16)> = shown.ports.iter().map(|port| (port.port, asked(port))).collect();
        let (mut explain, mut connect) = (BTreeMap::new(), BTreeMap::new());
        if world.has_preferences {
            for (range, port) in &asked {
                let from =
                    world.opening(*range).and_then(|opening| opening.from.networks()?.first().copied());
                let chosen = from.filter(|net| !net.addr().is_ipv6()).map(|net| net.addr().to_string());
                for client in ["loopback", "network", "anyone"].map(str::to_owned).into_iter().chain(chosen) {
                    explain.insert((*port, client.clone()), explained(world, &evidence, *port, &client));
                }
            }
            for port in world.listeners.iter().map(|found| found.port).chain([2345]) {
                for client in ["here", NEAR_HOST] {
                    connect.insert((port, client), connected(prepared, port, client));
                }
            }
        }
        let doctor = world.has_preferences.then(|| {
            let facts = doctor::facts(prepared.observe());
            said(&doctor::DoctorOutput::of(facts))
        });
        Faces { status: said(&status_output(shown)), menu, doctor, explain, connect }
    }

    /// The port rows of the menu, by the range that they are for.
    pub fn menu_row(&self, range: &str) -> Option<&MenuRow> {
        let rows = self.menu.iter().flat_map(|row| std::iter::once(row).chain(&row.rows));
        rows.into_iter().find(|row| row.id == format!("port:{range}"))
    }

    /// Every text of the menu.
    pub fn drawn(&self) -> String {
        drawn(&self.menu)
    }
}

fn status_output(status: Status) -> status::StatusOutput {
    status::StatusOutput { changed: None, status }
}

/// The port of a row that is asked about: the one that is spoken of.
pub fn asked(port: &PortStatus) -> u16 {
    port.about.unwrap_or(port.port.first())
}

fn said(output: &dyn CommandOutput) -> Said {
    Said { text: output.text(), json: serde_json::from_str(&output.json()).unwrap() }
}

fn said_of(run: Run) -> Said {
    match run {
        Ok(output) => said(output.as_ref()),
        Err(error) => panic!("{error}"),
    }
}

fn typed(words: &[&str]) -> CliCommand {
    let words = std::iter::once("portcullis").chain(words.iter().copied());
    CliArguments::try_parse_from(words).unwrap().command.unwrap()
}

pub fn explained(world: &World, evidence: &Evidence, port: u16, client: &str) -> Said {
    let CliCommand::Explain(arguments) = typed(&["explain", &port.to_string(), "--from", client]) else {
        unreachable!()
    };
    let command = explain::ExplainCommand::try_from(arguments).unwrap();
    said_of(command.explain_seen(evidence, world.preferences()))
}

fn connected(prepared: &Prepared, port: u16, client: &str) -> Result<Said, String> {
    let CliCommand::Connect(command) = typed(&["connect", &port.to_string(), "--client", client]) else {
        unreachable!()
    };
    let run: Result<connect::ConnectOutput, _> =
        command.by_observation(prepared.observe(), PortRange::single(port).unwrap());
    run.map(|output| said(&output)).map_err(|error| error.to_string())
}

/// The menu as a person reads it.
pub fn drawn(rows: &[MenuRow]) -> String {
    let draw = |row: &MenuRow| {
        let mark = match row.kind {
            RowKind::Check { checked: true } => "[x] ",
            RowKind::Check { checked: false } => "[ ] ",
            RowKind::Menu => "  > ",
            RowKind::Button | RowKind::Text => "    ",
            RowKind::Separator => "---",
        };
        let below: String = drawn(&row.rows).lines().map(|line| format!("      | {line}\n")).collect();
        format!("{mark}{}\n{below}", row.text)
    };
    rows.iter().map(draw).collect()
}
