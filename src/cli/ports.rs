//! `portcullis ports`

use serde::Serialize;

use super::context::Context;
use super::output::{CommandOutput, Run, pretty};
use portcullis::debuggers::debugger::Harm;
use portcullis::debuggers::ports::DebugPort;

#[derive(Debug, clap::Args)]
pub struct PortsCommand {}

impl PortsCommand {
    pub fn run(self, context: &Context) -> Run {
        let ports = context.app()?.preferences()?.known();
        Ok(Box::new(PortsOutput { version: 1, ports }))
    }
}

#[derive(Serialize)]
struct PortsOutput {
    version: u32,
    ports: Vec<DebugPort>,
}

impl CommandOutput for PortsOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let header = format!(
            "{:<11} {:<10} {:<32} {:<16} {}\n",
            "PORT", "NAME", "SERVER", "PROTOCOL", "A PLAIN CONNECT"
        );
        header + &self.ports.iter().map(port_line).collect::<String>()
    }
}

fn port_line(port: &DebugPort) -> String {
    let connect = match port.connect {
        Harm::Harmless => "is harmless",
        Harm::Noise => "makes noise",
        Harm::Harms => "breaks it",
        Harm::Unknown => "was not measured",
    };
    let (name, title) = (port.name.as_str(), &port.title);
    format!("{:<11} {name:<10} {title:<32} {:<16} {connect}\n", port.port.to_string(), port.protocol)
}
