//! Reads pf.conf as macOS's pfctl takes it (the language of OpenBSD 4.x with Apple's additions), and what `pfctl -s
//! rules`, `-s nat` and `-vs rules` print.
//!
//! ```
//! use portcullis::pf::parse::parse_text;
//! let parsed = parse_text("pf.conf", "block in all\npas in all\nport = x");
//! assert_eq!(parsed.problems[0].to_string(),
//!     "pf.conf:2:1: expected a rule, an option, a table or a macro, found `pas`\n  pas in all\n  ^");
//! ```
//!
//! Nothing stops the reading: what is wrong is told with its place, and reading goes on in the next line. Rules come
//! out expanded, in pfctl's order: by interface, then protocol, ICMP type, source, source port, operating system,
//! destination, destination port, user, group.
//!
//! Bounds: lists nest 10,000 deep, inline anchors and includes 64 deep, a file expands to at most
//! [`MAXIMUM_RULES`] rules, all included text together is at most 64 MiB.

use std::collections::{HashMap, HashSet};

use crate::pf::interfaces::InterfaceFacts;
use crate::pf::preamble::{BlockPolicy, StatePolicy};
use crate::pf::rule::Ruleset;

pub use expand::MAXIMUM_RULES;
pub use problem::{Fault, Problem};

use kernel::{Order, Parser, Shared};

mod advice;
mod antispoof;
mod binat;
mod calls;
mod criteria;
mod dummynet;
mod expand;
mod filter;
mod hosts;
mod kernel;
mod lexer;
mod options;
mod owners;
mod peers;
mod ports;
mod problem;
mod queues;
mod routing;
mod scrub;
mod statements;
mod states;
mod tables;
mod translation;

/// What a text holds, and all that is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What could be read.
    pub ruleset: Ruleset,
    /// What could not; in the order of the text. pfctl loads nothing of a text with a problem.
    pub problems: Vec<Problem>,
    /// What is read here, since other pfctls take it or since it is clear, and macOS's refuses by all that is known of
    /// it; each kind once, where it is met first.
    pub doubts: Vec<Problem>,
}

/// Reads the text of the file `path`. `include` gives the text of a file that it includes, or why it cannot.
pub fn parse(path: &str, text: &str, include: &mut dyn FnMut(&str) -> Result<String, String>) -> Parsed {
    run(path, text, include, &[], false)
}

/// Reads a text that includes nothing.
pub fn parse_text(path: &str, text: &str) -> Parsed {
    run(path, text, &mut |_| Err("this text may not include files".to_owned()), &[], false)
}

/// Reads a text that may not be UTF-8: what is not is replaced, and stands in comments and names at most.
pub fn parse_bytes(
    path: &str,
    bytes: &[u8],
    include: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Parsed {
    run(path, &String::from_utf8_lossy(bytes), include, &[], false)
}

/// Reads a text as pfctl does on a machine with these `interfaces`: `from en0` and `antispoof for en0` become rules for
/// the addresses that en0 has now. Other names stay names.
pub fn parse_on(
    path: &str,
    bytes: &[u8],
    include: &mut dyn FnMut(&str) -> Result<String, String>,
    interfaces: &[InterfaceFacts],
) -> Parsed {
    run(path, &String::from_utf8_lossy(bytes), include, interfaces, false)
}

/// Reads what pfctl prints: as a file, but rule numbers (`@0`), counters (`[ Evaluations: …`) and the counts in
/// `<table:3>` and `(en0:1)` are passed over, and sections may come in any order.
pub fn parse_listing(name: &str, text: &str) -> Parsed {
    run(name, text, &mut |_| Err("a listing includes nothing".to_owned()), &[], true)
}

fn run(
    path: &str,
    text: &str,
    include: &mut dyn FnMut(&str) -> Result<String, String>,
    interfaces: &[InterfaceFacts],
    listing: bool,
) -> Parsed {
    let mut shared = Shared {
        include,
        interfaces,
        macros: HashMap::new(),
        queues: HashSet::new(),
        queues_are_known: true,
        problems: Vec::new(),
        doubts: Vec::new(),
        order: Order::Start,
        require_order: !listing,
        block_policy: BlockPolicy::Drop,
        state_policy: StatePolicy::Floating,
        listing,
        rules: 0,
        combinations: 0,
        looked_ahead: 0,
        inline_parent: 0,
        inline_count: 0,
        inline_names: HashSet::new(),
        read: text.len(),
        depth: 0,
    };
    let mut ruleset = Ruleset::default();
    Parser::new(path, text, &mut shared).statements(&mut ruleset, false);
    let Shared { problems, doubts, .. } = shared;
    Parsed { ruleset, problems, doubts }
}
