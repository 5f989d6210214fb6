//! The debug ports that have a name: those of the debuggers in [`super::ALL`], and the user's own.

use serde::{Deserialize, Deserializer, Serialize};

use super::debugger::{Debugger, Harm};
use super::{ALL, nameable, named};
use crate::port::PortRange;
use crate::rules::named_port::{NamedPort, PortName};

/// A debug port by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OwnPort")]
pub struct DebugPort {
    /// Short name: part of the rule's label.
    pub name: PortName,
    /// What people call the server, such as `Delve (Go)`.
    pub title: String,
    /// The port or range.
    pub port: PortRange,
    /// The protocol spoken there, such as `dap`.
    pub protocol: String,
    /// The address that the server listens on where none is given.
    pub bind: String,
    /// What a TCP connect and close does to the server.
    pub connect: Harm,
    /// The debugger that the user named for the port; `None` for the usual ports.
    #[serde(skip)]
    pub debugger: Option<&'static Debugger>,
}

impl DebugPort {
    pub fn named_port(&self) -> NamedPort {
        NamedPort { name: self.name.clone(), range: self.port }
    }

    /// A port that no preference and no debugger says anything of.
    pub fn untitled(range: PortRange) -> Self {
        DebugPort {
            name: PortName::of_number(range),
            title: String::new(),
            port: range,
            protocol: String::new(),
            bind: String::new(),
            connect: Harm::Unknown,
            debugger: None,
        }
    }
}

/// A port of the user's own, as the preferences hold it. What they do not say of it is what its debugger says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPort {
    name: PortName,
    title: Option<String>,
    port: PortRange,
    protocol: Option<String>,
    bind: Option<String>,
    connect: Option<Harm>,
    #[serde(default, deserialize_with = "debugger_by_name")]
    debugger: Option<&'static Debugger>,
}

fn debugger_by_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static Debugger>, D::Error> {
    let name = String::deserialize(deserializer)?;
    named(&name).map(Some).ok_or_else(|| {
        let known: Vec<&str> = nameable().map(|debugger| debugger.name).collect();
        let name: String = name.chars().take(40).collect();
        serde::de::Error::custom(format!(
            "\"{}\" is not a debugger that is known here: use one of {}",
            name.escape_debug(),
            known.join(", ")
        ))
    })
}

impl From<OwnPort> for DebugPort {
    fn from(own: OwnPort) -> Self {
        let OwnPort { name, title, port, protocol, bind, connect, debugger } = own;
        let said = |own: Option<String>, of: fn(&Debugger) -> &'static str| {
            own.unwrap_or_else(|| debugger.map_or("", of).to_owned())
        };
        DebugPort {
            name,
            title: said(title, |debugger| debugger.title),
            port,
            protocol: said(protocol, |debugger| debugger.protocol),
            bind: said(bind, |debugger| debugger.bind),
            connect: connect.or(debugger.map(|debugger| debugger.connect)).unwrap_or(Harm::Unknown),
            debugger,
        }
    }
}

/// The ports that the debuggers usually have, in their order.
pub fn usual_ports() -> Vec<DebugPort> {
    ALL.into_iter().filter_map(usual_port).collect()
}

/// The names of the usual ports that are shown until the preferences say otherwise.
pub fn shown_by_default() -> Vec<PortName> {
    let shown = ALL.into_iter().filter_map(|debugger| debugger.usual_port.as_ref());
    shown.filter(|port| port.is_shown).filter_map(|port| port.name.parse().ok()).collect()
}

/// `None`: it has none. (A test holds the table to names and ports that parse.)
fn usual_port(debugger: &Debugger) -> Option<DebugPort> {
    let usual = debugger.usual_port.as_ref()?;
    Some(DebugPort {
        name: usual.name.parse().ok()?,
        title: debugger.title.to_owned(),
        port: PortRange::single(usual.number)?,
        protocol: debugger.protocol.to_owned(),
        bind: debugger.bind.to_owned(),
        connect: debugger.connect,
        debugger: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_port_of_the_table_is_there_once() {
        let ports = usual_ports();
        let in_table = ALL.iter().filter(|debugger| debugger.usual_port.is_some()).count();
        assert_eq!(ports.len(), in_table);
        for (index, port) in ports.iter().enumerate() {
            let clash = ports[index + 1..]
                .iter()
                .find(|other| other.port.overlaps(port.port) || other.name == port.name);
            assert_eq!(clash, None, "{}", port.name);
        }
    }

    #[test]
    fn an_own_port_takes_from_its_debugger_what_it_does_not_say() {
        let read = |text: &str| toml_edit::de::from_str::<DebugPort>(text).unwrap();
        let api = read("name = \"api\"\nport = 40000\ndebugger = \"delve\"");
        assert_eq!((api.title.as_str(), api.protocol.as_str()), ("Delve (Go)", "dap or json-rpc"));
        assert_eq!((api.bind.as_str(), api.connect), ("127.0.0.1", Harm::Harms));
        let api = read(
            "name = \"api\"\nport = 40000\ndebugger = \"node\"\ntitle = \"The API\"\nconnect = \"unknown\"",
        );
        assert_eq!((api.title.as_str(), api.connect), ("The API", Harm::Unknown));
        let plain = read("name = \"api\"\nport = 40000");
        assert_eq!((plain.title.as_str(), plain.connect, plain.debugger), ("", Harm::Unknown, None));
    }
}
