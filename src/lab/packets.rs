//! What the pretended Mac's pf does with one packet: passed, refused or dropped, by its rules and its states.
//!
//! ```
//! use portcullis::lab::packets::{PacketFate, send};
//! let lab = tempfile::tempdir()?;
//! let packet = "in en0 S 192.168.1.9:50000 192.168.1.1:2345".parse()?;
//! assert_eq!(send(lab.path(), &packet)?.fate, PacketFate::Passed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `pfctl-lab packet in en0 S 192.168.1.9:50000 192.168.1.1:2345` asks the same. What goes over lo0 is two packets: one
//! out, one in.
//!
//! As in XNU's `pf_test`: an interface that is skipped, then the states, then the rules; `keep state` makes a state of
//! whatever it passes. A state follows no sequence numbers: it only counts what went by while pf did not look
//! ([`StateEntry::missed`]).

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

use super::config::LabConfig;
use super::error::LabError;
use super::kernel::{Kernel, KernelRuleset, LoadedRule, is_nameless};
use super::states::StateEntry;
use super::store::Store;
use crate::os::TrackedConnection;
use crate::pf::criteria::{Direction, Family};
use crate::pf::effects::Block;
use crate::pf::interfaces::InterfaceFacts;
use crate::pf::load::Listing;
use crate::pf::packet::{Packet, PacketSocket, TCP};
use crate::pf::rulesets::Rulesets;
use crate::pf::verdict::{Because, Decision, Verdict, verdict};

/// One TCP packet at an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpPacket {
    /// The way it goes.
    pub direction: Direction,
    /// The interface.
    pub interface: String,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// TCP's flags, FIN lowest.
    pub flags: u8,
    /// How many bytes it stands for: a state that pf cannot follow misses them.
    pub bytes: u64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketFate {
    /// It went through.
    Passed,
    /// It was stopped, and its sender was told.
    Refused,
    /// It was stopped silently.
    Dropped,
}

/// `passed`, `refused`, `dropped`
impl fmt::Display for PacketFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PacketFate::Passed => "passed",
            PacketFate::Refused => "refused",
            PacketFate::Dropped => "dropped",
        })
    }
}

/// What became of a packet, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    pub fate: PacketFate,
    /// A clause, such as `its state`.
    pub because: String,
}

/// `passed: its state`
impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fate, self.because)
    }
}

/// Why a lab does not say what becomes of a packet.
#[derive(Debug, Error)]
pub enum PacketError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("{0}\n{USAGE}")]
    Usage(&'static str),
    /// The rules ask for what a lab does not have, such as the owner of a socket.
    #[error("what becomes of the packet cannot be told: {0}")]
    Undecided(String),
}

/// Sends a packet through the pf of the lab in `directory`; states come and go as they do in a kernel.
pub fn send(directory: &Path, packet: &TcpPacket) -> Result<Passage, PacketError> {
    let store = Store::open(directory)?;
    let interfaces = LabConfig::read(directory)?.interfaces().into_iter();
    let interfaces = interfaces
        .map(|interface| InterfaceFacts { name: interface.name, addresses: interface.addresses })
        .collect();
    let kernel = store.kernel()?;
    let before = store.states()?;
    let mut states = before.clone();
    let passage = meet(&kernel, interfaces, &mut states, packet)?;
    if states != before {
        store.keep_states(&states)?;
    }
    Ok(passage)
}

/// What pf does with a packet, and with its states.
fn meet(
    kernel: &Kernel,
    interfaces: Vec<InterfaceFacts>,
    states: &mut Vec<StateEntry>,
    packet: &TcpPacket,
) -> Result<Passage, PacketError> {
    let passed = |because: &str| Passage { fate: PacketFate::Passed, because: because.to_owned() };
    let rulesets = rulesets(kernel).with_interfaces(interfaces);
    let seen = seen(packet);
    let verdict = verdict(&rulesets, &seen);
    let state = states.iter_mut().find(|state| is_of(state, packet));
    if !kernel.runs() || verdict.because == Because::Skipped {
        if let Some(state) = state {
            state.missed = state.missed.saturating_add(packet.bytes);
        }
        return Ok(passed(if kernel.runs() { "pf skips the interface" } else { "pf is off" }));
    }
    if let Some(state) = state {
        let fate = if state.is_stale() { PacketFate::Dropped } else { PacketFate::Passed };
        let because = if state.is_stale() { "its state is stale" } else { "its state" };
        return Ok(Passage { fate, because: because.to_owned() });
    }
    if verdict.translated.iter().any(|translated| *translated != seen) {
        return Err(PacketError::Undecided("a translation changes it".to_owned()));
    }
    let fate = fate(&verdict, packet.flags)?;
    if fate == PacketFate::Passed && keeps_state(&verdict)? {
        states.push(StateEntry::tcp(&connection(packet, &verdict)));
    }
    let because = match &verdict.rule {
        Some(rule) => rule.to_string(),
        None => "no rule matches".to_owned(),
    };
    Ok(Passage { fate, because })
}

/// `block return` tells the sender of anything but a reset (XNU: pf_test_rule).
fn fate(verdict: &Verdict, flags: u8) -> Result<PacketFate, PacketError> {
    match (verdict.outcome, verdict.block) {
        (Decision::Pass, _) => Ok(PacketFate::Passed),
        (Decision::Block, Some(Block::Drop)) => Ok(PacketFate::Dropped),
        (Decision::Block, Some(_)) if flags & RST != 0 => Ok(PacketFate::Dropped),
        (Decision::Block, Some(_)) => Ok(PacketFate::Refused),
        _ => Err(PacketError::Undecided(format!("{:?}", verdict.because))),
    }
}

fn keeps_state(verdict: &Verdict) -> Result<bool, PacketError> {
    let undecided = || PacketError::Undecided("whether it opens a state depends on more".to_owned());
    verdict.stateful.ok_or_else(undecided)
}

/// The state that a packet opens: bound to its interface where the rule says so.
fn connection(packet: &TcpPacket, verdict: &Verdict) -> TrackedConnection {
    let options = verdict.rule.and_then(|rule| rule.rule.item.state_options.as_deref());
    let is_bound = options.is_some_and(|options| options.interface_bound);
    let (local, remote) = packet.ends();
    TrackedConnection {
        interface: is_bound.then(|| packet.interface.clone()),
        is_inbound: packet.direction == Direction::In,
        local,
        remote,
    }
}

/// Whether a state is that of the packet's connection, as XNU looks it up: by the near and the far end, whichever way
/// it was opened.
fn is_of(state: &StateEntry, packet: &TcpPacket) -> bool {
    state.connection().is_some_and(|kept| {
        let on_it = kept.interface.is_none_or(|interface| interface == packet.interface);
        on_it && (kept.local, kept.remote) == packet.ends()
    })
}

impl TcpPacket {
    /// The near and the far end.
    fn ends(&self) -> (SocketAddr, SocketAddr) {
        match self.direction {
            Direction::In => (self.destination, self.source),
            Direction::Out => (self.source, self.destination),
        }
    }
}

/// The packet as rules see it.
fn seen(packet: &TcpPacket) -> Packet {
    Packet {
        direction: packet.direction,
        interface: packet.interface.clone(),
        family: if packet.destination.is_ipv4() { Family::Inet } else { Family::Inet6 },
        protocol: TCP,
        source: Some(packet.source.ip()),
        source_port: Some(packet.source.port()),
        destination: Some(packet.destination.ip()),
        destination_port: Some(packet.destination.port()),
        flags: packet.flags,
        established: false,
        socket: PacketSocket::Present,
    }
}

/// What the kernel holds, ready to be asked.
fn rulesets(kernel: &Kernel) -> Rulesets {
    let anchors: Vec<&str> =
        kernel.anchors().into_iter().filter(|path| !is_nameless(path)).chain([""]).collect();
    let texts: Vec<_> = anchors
        .iter()
        .map(|path| {
            let kinds: [fn(&KernelRuleset) -> &Vec<LoadedRule>; 3] =
                [|ruleset| &ruleset.nat, |ruleset| &ruleset.rdr, |ruleset| &ruleset.binat];
            let nat: String = kinds.into_iter().map(|kind| listed(kernel, path, kind)).collect();
            let tables = kernel.ruleset(path).tables.into_iter().map(|(name, table)| {
                let address =
                    |(network, left_out): (_, bool)| format!("{}{network}", if left_out { "!" } else { "" });
                (name, table.addresses.into_iter().map(address).collect())
            });
            (listed(kernel, path, |ruleset| &ruleset.filter), nat, tables.collect())
        })
        .collect();
    let listings = anchors.iter().zip(&texts).map(|(path, (rules, nat, tables))| {
        (*path, Listing { rules: rules.as_str(), nat: nat.as_str(), tables })
    });
    Rulesets::from_listings(listings, kernel.skip.iter().map(String::as_str)).0
}

/// The rules of one kind as pfctl prints them: those of an anchor without a name in braces behind its call.
fn listed(kernel: &Kernel, path: &str, kind: fn(&KernelRuleset) -> &Vec<LoadedRule>) -> String {
    let ruleset = kernel.ruleset(path);
    let line = |line: &LoadedRule| match line.calls.as_deref().filter(|path| is_nameless(path)) {
        Some(inside) => format!("{} {{\n{}}}\n", line.text, listed(kernel, inside, kind)),
        None => format!("{}\n", line.text),
    };
    kind(&ruleset).iter().map(line).collect()
}

/// FIN, as in [`TcpPacket::flags`].
pub const FIN: u8 = 0x01;
/// RST, as in [`TcpPacket::flags`].
pub const RST: u8 = 0x04;
/// pf's letters for flags, FIN first.
const LETTERS: &str = "FSRPAUEW";

/// `pfctl-lab packet`, by its arguments behind that word.
pub(super) fn command(directory: &Path, words: &[String]) -> Result<Passage, PacketError> {
    send(directory, &words.join(" ").parse()?)
}

const USAGE: &str = "\
usage: pfctl-lab [--lab DIR] packet [--bytes N] in|out INTERFACE FLAGS SOURCE DESTINATION
such as: pfctl-lab packet in en0 S 192.168.1.9:50000 192.168.1.2:2345";

/// `[--bytes N] in|out INTERFACE FLAGS SOURCE DESTINATION`, flags in pf's letters.
impl FromStr for TcpPacket {
    type Err = PacketError;

    fn from_str(text: &str) -> Result<Self, PacketError> {
        let usage = PacketError::Usage;
        let words: Vec<&str> = text.split_whitespace().collect();
        let (bytes, words) = match words.as_slice() {
            ["--bytes", bytes, rest @ ..] => {
                (bytes.parse().map_err(|_| usage("--bytes needs a number"))?, rest)
            }
            words => (0, words),
        };
        let [direction, interface, flags, source, destination] = words else {
            return Err(usage("a packet has a direction, an interface, flags and two ends"));
        };
        let direction = match *direction {
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => return Err(usage("a packet goes in or out")),
        };
        let bit = |letter: char| LETTERS.find(letter).map(|place| 1u8 << place);
        let flags = flags.chars().map(bit).try_fold(0, |all, bit| Some(all | bit?));
        let flags = flags.ok_or_else(|| usage("flags are letters of FSRPAUEW"))?;
        let end = |text: &str| text.parse().map_err(|_| usage("an end is an address with a port"));
        let (source, destination): (SocketAddr, SocketAddr) = (end(source)?, end(destination)?);
        if source.is_ipv4() != destination.is_ipv4() {
            return Err(usage("both ends are of one family"));
        }
        let interface = (*interface).to_owned();
        Ok(TcpPacket { direction, interface, source, destination, flags, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_packet_is_read() {
        let packet: TcpPacket = "--bytes 70000 out lo0 SA [::1]:2345 [::1]:50000".parse().unwrap();
        assert_eq!((packet.flags, packet.bytes, packet.direction), (0x12, 70_000, Direction::Out));
        for wrong in [
            "",
            "in en0 S 10.0.0.1:1",
            "up en0 S 10.0.0.1:1 10.0.0.2:2",
            "in en0 X 10.0.0.1:1 10.0.0.2:2",
            "in en0 S 10.0.0.1:1 [::1]:2",
            "in en0 S 10.0.0.1 10.0.0.2:2",
            "--bytes x in en0 S 10.0.0.1:1 10.0.0.2:2",
        ] {
            assert!(wrong.parse::<TcpPacket>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn rules_states_and_what_is_missed() {
        let lab = tempfile::tempdir().unwrap();
        let run = |line: &str| {
            let invocation = super::super::arguments::Invocation::parse(words(line)).unwrap();
            let reply = super::super::pfctl::run(lab.path(), &invocation);
            assert_eq!(reply.code, 0, "{}", reply.stderr);
        };
        let packet = |line: &str| command(lab.path(), &words(line)).unwrap().to_string();
        std::fs::create_dir_all(lab.path().join("etc")).unwrap();
        std::fs::write(
            lab.path().join("etc/rules"),
            "block return in proto tcp to port 2345\nanchor in on en0 {\npass proto tcp from 10.0.0.0/8\n}\nblock drop in proto tcp to port 99\n",
        )
        .unwrap();
        run("-f /etc/rules");
        let syn = "in en0 S 10.0.0.9:50000 10.0.0.2:2345";
        assert_eq!(packet(syn), "passed: pf is off");
        run("-e");
        assert_eq!(
            packet("in en0 A 10.0.0.9:50000 10.0.0.2:2345"),
            "refused: rule 0 `block return in proto tcp from any to any port = 2345`"
        );
        assert_eq!(packet("in en0 R 10.0.0.9:50000 10.0.0.2:2345").split(':').next(), Some("dropped"));
        assert_eq!(packet("in en0 S 10.0.0.9:50000 10.0.0.2:99").split(':').next(), Some("dropped"));
        assert!(packet(syn).starts_with("passed: rule 0 of anchor _1"), "{}", packet(syn));
        assert_eq!(packet("out en0 SA 10.0.0.2:2345 10.0.0.9:50000"), "passed: its state");
        assert_eq!(packet("in en1 A 10.0.0.9:50000 10.0.0.2:2345"), "passed: its state", "it floats");
        run("-d");
        packet("--bytes 67035 in en0 A 10.0.0.9:50000 10.0.0.2:2345");
        run("-e");
        assert_eq!(packet("in en0 A 10.0.0.9:50000 10.0.0.2:2345"), "passed: its state");
        run("-d");
        packet("--bytes 1 out en0 A 10.0.0.2:2345 10.0.0.9:50000");
        run("-e");
        assert_eq!(packet("in en0 A 10.0.0.9:50000 10.0.0.2:2345"), "dropped: its state is stale");
        std::fs::write(lab.path().join("etc/rules"), "set skip on en0\nblock return all user root\n")
            .unwrap();
        run("-f /etc/rules");
        assert_eq!(packet("in en0 S 10.0.0.9:1 10.0.0.2:2"), "passed: pf skips the interface");
        let error = command(lab.path(), &words("in en1 S 10.0.0.9:1 10.0.0.2:2")).unwrap_err();
        assert!(error.to_string().contains("cannot be told"), "{error}");
    }
}
