//! `portcullis probe PORT`

use serde::Serialize;

use super::connect::one_port;
use super::context::Context;
use super::output::{CommandOutput, Run, pretty};
use super::typed;
use portcullis::debuggers::probe;
use portcullis::debuggers::wire::ServerIdentity;

#[derive(Debug, clap::Args)]
pub struct ProbeCommand {
    /// The port, or its name
    port: String,
}

impl ProbeCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let port = one_port("probe", app.ports_named(&typed::ports(&self.port), &app.preferences())?)?;
        Ok(Box::new(ProbeOutput { version: 1, ok: true, identity: probe::probe(port)? }))
    }
}

#[derive(Serialize)]
struct ProbeOutput {
    version: u32,
    ok: bool,
    #[serde(flatten)]
    identity: ServerIdentity,
}

impl CommandOutput for ProbeOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let ServerIdentity { address, product, protocol } = &self.identity;
        format!("{address} answers: {product}, {protocol}\n")
    }
}
