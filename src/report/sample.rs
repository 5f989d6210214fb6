//! Reports for tests.

use super::{OriginVerdict, PfState, PfVerdict, Reason, Report};
use crate::diagnosis::Answer;
use crate::pf::grounds::Grounds;
use crate::pf::origin::PerOrigin;
use crate::port::PortRange;
use crate::rules::ledger::{Attachment, Guard, Opening};
use crate::rules::named_port::NamedPort;
use crate::rules::source::Source;

/// pf and the guard are on, and every port is closed. It was seen at 1000 in the boot "boot".
pub fn all_closed(managed: Vec<NamedPort>) -> Report {
    Report {
        version: Report::VERSION,
        seen: 1000,
        boot: "boot".into(),
        pf: PfState::Enabled,
        references: Some(1),
        is_held: Some(true),
        links: vec![],
        guard: Guard::On,
        way: Some(Attachment::Apple),
        openings: vec![],
        verdicts: managed.iter().map(|port| verdict(port.range, Answer::No, Answer::No)).collect(),
        managed,
        notes: vec![],
    }
}

/// This Mac gets in, and others as they are given.
pub fn verdict(port: PortRange, network: Answer, anyone: Answer) -> PfVerdict {
    let of_origin = |answer| {
        let reason = match answer {
            Answer::Yes => Reason::OurRule,
            Answer::No => Reason::OurGuard,
            Answer::Unknown => Reason::Rules { grounds: Grounds::Endless },
        };
        OriginVerdict::new(answer, reason)
    };
    PfVerdict { port, origins: PerOrigin { loopback: Answer::Yes, network, anyone }.map(of_origin) }
}

impl Report {
    /// Opens the port, and lets its network in, and no other but where it is open for anyone: set the verdict anew where that
    /// is not meant.
    pub fn open(&mut self, port: &NamedPort, from: Source) {
        let anyone = if from == Source::Any { Answer::Yes } else { Answer::No };
        self.openings.push(Opening::new(port, from, None, 900, "ada"));
        self.set(verdict(port.range, Answer::Yes, anyone));
    }

    /// Takes the place of the verdict on the same range.
    pub fn set(&mut self, verdict: PfVerdict) {
        self.verdicts.retain(|old| old.port != verdict.port);
        self.verdicts.push(verdict);
    }
}
