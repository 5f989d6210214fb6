//! Which port has which row. A port keeps its row for as long as the menu lives: a menu whose rows move is clicked wrongly.

use super::words::TITLE;
use crate::port::PortRange;
use crate::rules::named_port::NamedPort;
use crate::status::{PortState, PortStatus, Status};

/// How many ports stand in the menu itself; the others are in a menu of their own.
pub const PORTS_IN_SIGHT: usize = 6;
/// How many ports have a row in all: as many as there is room for in Details.
pub const MOST_PORTS: usize = super::row::MOST_ROWS;

/// The ports in the order of their rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuLayout {
    pub(super) ports: Vec<PlacedPort>,
    /// How many ports found no row.
    pub(super) left_out: usize,
    /// The ports that the preferences list, as they were when the rows were given out.
    listed: Vec<PortRange>,
}

/// A port that has a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlacedPort {
    pub port: NamedPort,
    /// What a person calls the server, such as `Delve`.
    pub title: String,
    /// The most clients that there were settings for.
    pub clients: usize,
}

impl MenuLayout {
    /// The rows of a menu that is new. Where there are too many, what is open or in use has one before what is not.
    pub fn of(status: &Status) -> Self {
        let mut ports: Vec<(usize, &PortStatus)> = status.ports.iter().enumerate().collect();
        ports.sort_by_key(|(_, port)| !is_urgent(port));
        ports.truncate(MOST_PORTS);
        ports.sort_by_key(|(place, _)| *place);
        let listed = listed(status).unwrap_or_default().iter().map(|port| port.port).collect();
        let mut layout = MenuLayout { listed, ..MenuLayout::default() };
        ports.into_iter().for_each(|(_, port)| layout.place(port, status));
        layout.count_left_out(status);
        layout
    }

    /// Gives a row to each port that has none. Only another list in the preferences moves what is there.
    pub fn follow(&mut self, status: &Status) {
        let is_same =
            |listed: &[PortStatus]| listed.iter().map(|port| port.port).eq(self.listed.iter().copied());
        if !listed(status).is_none_or(is_same) {
            *self = MenuLayout::of(status);
            return;
        }
        status.ports.iter().for_each(|port| self.place(port, status));
        self.count_left_out(status);
    }

    fn count_left_out(&mut self, status: &Status) {
        let has_row = |port: &PortStatus| self.ports.iter().any(|placed| placed.port.range == port.port);
        self.left_out = status.ports.iter().filter(|port| !has_row(port)).count();
    }

    fn place(&mut self, port: &PortStatus, status: &Status) {
        let clients = port.connect.len();
        if let Some(placed) = self.ports.iter_mut().find(|placed| placed.port.range == port.port) {
            placed.clients = placed.clients.max(clients);
            return;
        }
        let new = PlacedPort { port: port.named_port(), title: title(port), clients };
        if self.ports.len() < MOST_PORTS {
            self.ports.push(new);
        } else if is_urgent(port)
            && let Some(idle) = self.ports.iter_mut().rev().find(|placed| !placed.is_urgent(status))
        {
            // What is open is never left out. The row that it takes closes when it is clicked, whatever it was before.
            *idle = new;
        }
    }
}

impl PlacedPort {
    fn is_urgent(&self, status: &Status) -> bool {
        status.ports.iter().any(|port| port.port == self.port.range && is_urgent(port))
    }
}

/// The ports that the preferences list; `None` where they do not read.
fn listed(status: &Status) -> Option<&[PortStatus]> {
    status.ports.get(..status.listed?)
}

fn is_urgent(port: &PortStatus) -> bool {
    matches!(port.state, PortState::Open | PortState::MayBeOpen) || port.in_use
}

/// `Delve` of `Delve (Go)`; of a port without title its name, where it has one.
fn title(port: &PortStatus) -> String {
    match port.title.split(" (").next().filter(|title| !title.is_empty()) {
        Some(title) => whole_words(title),
        None if port.named_port().has_name() => port.name.to_string(),
        None => String::new(),
    }
}

/// The first words of a title that is long: `Node.js` of `Node.js inspector`.
fn whole_words(title: &str) -> String {
    let fits = |text: &&str| text.chars().count() <= TITLE;
    let ends = title.char_indices().filter(|(_, c)| *c == ' ').map(|(at, _)| at).chain([title.len()]);
    let starts: Vec<&str> = ends.filter_map(|end| title.get(..end)).filter(fits).collect();
    starts.last().map_or(title, |text| *text).to_owned()
}
