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
//! An error never ends the reading: a problem is noted with its place, and reading goes on in the next line. Rules come
//! out expanded, in the order of [`expand`].
//!
//! Bounds: lists nest 10,000 deep, inline anchors and includes 64 deep, a file expands to at most
//! [`MAXIMUM_RULES`] rules, all included text together is at most 64 MiB.
//!
//! # Grammar
//!
//! `{ x }` is x any number of times, `[ x ]` x or nothing, `x*` one x or a list `"{" x { [ "," ] x } "}"`; words in
//! quotes are reserved. A production is read by the method of its name, in the file above it. A method that may consume
//! nothing and produce nothing begins with `opt_`; every other consumes a lexeme and produces a value, or notes a
//! problem.
//!
//! ```text
//! statements.rs
//!   statements       = { [ statement ] newline } .
//!   statement        = define | include | load | option | table | queue_definition | filter_rule | anchor
//!                    | other_anchor | antispoof | other_rule | "@" number statement | counters .    (in listings)
//!   other_rule       = [ "no" ] ( scrub_rule | translation | binat | dummynet ) .
//!   include          = "include" string .
//!   load             = "load" "anchor" strings "from" strings .
//!   anchor           = "anchor" [ string ] [ direction ] [ "quick" ] [ scope ] [ criteria ] [ "{" statements "}" ] .
//!   counters         = "[" { any lexeme of the line } [ "{" statements "}" ] .
//! macros.rs
//!   define           = word "=" macro_value .
//!   macro_value      = ( word | string | number ) { word | string | number } .
//! options.rs
//!   option           = "set" ( "timeout" timeout* | "limit" limit* | "skip" [ interfaces ] | "block-policy" policy
//!                    | "state-policy" policy | "require-order" ( "yes" | "no" ) | "optimization" word
//!                    | "ruleset-optimization" word | "debug" word | "loginterface" ( "all" | string )
//!                    | "hostid" number | "fingerprints" string ) .
//!   timeout, limit   = string number .
//! tables.rs
//!   table            = "table" "<" table_name ">" [ table_contents ] .
//!   table_contents   = { "const" | "persist" | "counters" | "file" string | table_addresses } .
//!   table_addresses  = "{" "}" | hosts .
//! queues.rs
//!   queue_definition = "altq" [ "on" interface* ] [ queue_options ] "queue" string*
//!                    | "queue" string [ "on" interface* ] [ queue_options ] [ string* ] .
//!   queue_options    = { "bandwidth" bandwidth | "priority" number | "qlimit" number | "tbrsize" number
//!                    | "weight" number | scheduler } .
//!   scheduler        = ( "cbq" | "priq" | "hfsc" | "fairq" ) [ "(" item { [ "," ] item } ")" ] .
//! filter.rs
//!   filter_rule      = ( "pass" | "block" [ block_reply ] ) [ direction ] [ log_and_quick ] [ interfaces ] [ route ]
//!                      [ family ] [ protocols ] [ peers ] [ criteria ] .
//!   block_reply      = "drop" | "return" | "return-rst" [ "(" "ttl" number ")" ]
//!                    | ( "return-icmp" | "return-icmp6" ) [ "(" code [ [ "," ] code ] ")" ] .
//!   log_and_quick    = "quick" [ log ] | log [ "quick" ] .
//!   log              = "log" [ "(" log_option { [ "," ] log_option } ")" ] .
//!   log_option       = "all" | "user" | "group" | "to" strings .
//! calls.rs
//!   other_anchor     = ( "scrub-anchor" strings [ direction ] [ log_and_quick ] [ scope ] [ scrub_options ]
//!                    | "dummynet-anchor" strings [ direction ] [ log_and_quick ] [ scope ] [ criteria ]
//!                    | ( "nat-anchor" | "rdr-anchor" | "binat-anchor" ) strings [ scope ] ) [ rtable ] .
//! antispoof.rs
//!   antispoof        = "antispoof" [ log_and_quick ] "for" guarded* [ family ] { label | rtable } .
//!   guarded          = interface_name | "(" interface_name ")" .
//! scrub.rs
//!   scrub_rule       = "scrub" [ direction ] [ log_and_quick ] [ scope ] [ scrub_options ] .
//!   scrub_options    = { "no-df" | "random-id" | "min-ttl" number | "max-mss" number | "set-tos" tos
//!                    | "fragment" fragments | "reassemble" "tcp" | rtable | tagged } .
//! dummynet.rs
//!   dummynet         = "dummynet" [ direction ] [ log_and_quick ] [ scope ] [ criteria ] .
//! translation.rs
//!   translation      = ( "nat" | "rdr" | "nat64" ) [ "pass" ] [ log ] [ scope ] [ "tag" tag ] [ tagged ] [ rtable ]
//!                      [ target ] .
//!   target           = "->" host* [ "port" redirect_ports ] [ pool ] { external [ pool ] } .
//! binat.rs
//!   binat            = "binat" [ "pass" ] [ log ] [ interfaces ] [ family ] [ protocols ]
//!                      ( "all" | "from" ( "any" | host ) [ "to" hosts ] ) [ "tag" tag ] [ tagged ] [ rtable ]
//!                      [ "->" host [ "port" redirect_ports ] ] .
//! routing.rs
//!   route            = "fastroute" | ( "route-to" | "reply-to" | "dup-to" ) hop* [ pool ] .
//!   hop              = interface_name | "(" interface_name host ")" .
//!   pool             = { "bitmask" | "random" | "round-robin" | "source-hash" [ strings ] | "sticky-address"
//!                    | "static-port" | external } .
//!   external         = ( "extfilter" | "extmap" ) ( "apd" | "ad" | "ei" ) .
//! peers.rs
//!   scope            = [ interfaces ] [ family ] [ protocols ] [ peers ] .
//!   direction        = "in" | "out" .
//!   family           = "inet" | "inet6" .
//!   interfaces       = "on" interface* .
//!   interface        = [ "!" ] interface_name .
//!   protocols        = "proto" protocol* .
//!   peers            = "all" | [ "from" peer ] [ "os" string* ] [ "to" peer ] .
//!   peer             = hosts [ "port" ports ] | "port" ports .
//! hosts.rs
//!   hosts            = host_item | "{" hosts { [ "," ] hosts } "}" .
//!   host_item        = "any" | [ "!" ] ( "no-route" | "urpf-failed" | host ) .
//!   host             = "(" dynamic_address | "<" table_name ">" | "route" string | number "/" number | named_host .
//!   dynamic_address  = string ")" [ "/" number ] .
//!   named_host       = string [ "/" number | "-" string ] .
//! ports.rs
//!   ports            = port_item* .
//!   port_item        = [ operator ] port | port ( "><" | "<>" ) port .
//!   operator         = "=" | "!=" | "<" | "<=" | ">" | ">=" .
//!   port, redirect_ports = number | string .                          (the string may be a range, `a:b`)
//! criteria.rs
//!   criteria         = { owner_criterion | flags | icmp_types | type_of_service | state | "fragment" | "allow-opts"
//!                    | external | label | queue | pipe | "tag" tag | tagged | "probability" probability | rtable } .
//!   flags            = "flags" ( "any" | [ string ] "/" string ) .
//!   icmp_types       = ( "icmp-type" | "icmp6-type" ) icmp* .
//!   icmp             = ( number | string ) [ "code" ( number | string ) ] .
//!   type_of_service  = "tos" tos | "dscp" code_point | "sc" service_class .
//!   label            = "label" string .
//!   tag              = strings .
//!   tagged           = [ "!" ] "tagged" tag .
//!   queue            = "queue" ( string | "(" string [ [ "," ] string ] ")" ) .
//!   pipe             = ( "pipe" | "queue" ) ( number | "(" number ")" ) .
//!   rtable           = "rtable" ( number | interface_name ) .
//! owners.rs
//!   owner_criterion  = ( "user" | "group" ) owner* .
//!   owner            = [ operator ] owner_name | owner_name ( "><" | "<>" ) owner_name .
//! states.rs
//!   state            = "no" "state" | ( "keep" | "modulate" | "synproxy" ) "state" [ state_options ] .
//!   state_options    = "(" option { [ "," ] option } ")" .   (state_option or state_timeout)
//! ```

use crate::pf::interfaces::InterfaceFacts;
use crate::pf::rule::{Ruleset, TextKind};

pub use expand::MAXIMUM_RULES;
pub use kernel::ReadFile;
pub use problem::{Fault, Problem};

use kernel::{Parser, Shared};

mod accept;
mod advice;
mod antispoof;
mod binat;
mod calls;
mod characters;
mod criteria;
mod dummynet;
mod expand;
mod filter;
mod hosts;
mod kernel;
mod lexer;
mod lists;
mod macros;
mod options;
mod owners;
mod peers;
mod ports;
mod problem;
mod queues;
mod recovery;
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
    /// In the order of the text, odd characters first. pfctl loads nothing of a text with a problem.
    pub problems: Vec<Problem>,
    /// What is read here, since other pfctls take it or since its meaning is clear, and macOS's pfctl refuses by all
    /// that is known of it; each kind once, at its first place.
    pub doubts: Vec<Problem>,
    /// The bytes read, those read again included, and the combinations of lists tried: how long reading takes, by a
    /// measure that is the same on every machine.
    pub work: usize,
}

/// Reads the text of the file `path`, and with `include` those of the files that it includes.
pub fn parse(path: &str, text: &str, include: &mut ReadFile<'_>) -> Parsed {
    run(path, text, Shared::new(include, &[], TextKind::File))
}

/// Reads a text that includes nothing.
pub fn parse_text(path: &str, text: &str) -> Parsed {
    run(path, text, Shared::new(&mut |_| Err("this text may not include files".into()), &[], TextKind::File))
}

/// Reads a text that may not be UTF-8: invalid bytes are replaced. pfctl takes them in comments and names alone.
pub fn parse_bytes(path: &str, bytes: &[u8], include: &mut ReadFile<'_>) -> Parsed {
    run(path, &String::from_utf8_lossy(bytes), Shared::new(include, &[], TextKind::File))
}

/// Reads a text as pfctl does on a machine with these `interfaces`: `from en0` and `antispoof for en0` become rules for
/// the addresses that en0 has. Other names stay names.
pub fn parse_on(
    path: &str,
    bytes: &[u8],
    include: &mut ReadFile<'_>,
    interfaces: &[InterfaceFacts],
) -> Parsed {
    run(path, &String::from_utf8_lossy(bytes), Shared::new(include, interfaces, TextKind::File))
}

/// Reads what pfctl prints: as a file, but rule numbers (`@0`), counters (`[ Evaluations: …`) and the counts in
/// `<table:3>` and `(en0:1)` are passed over, and sections may come in any order.
pub fn parse_listing(name: &str, text: &str) -> Parsed {
    run(name, text, Shared::new(&mut |_| Err("a listing includes nothing".into()), &[], TextKind::Listing))
}

fn run(path: &str, text: &str, mut shared: Shared<'_>) -> Parsed {
    let mut ruleset = Ruleset::default();
    shared.read = text.len();
    Parser::text_of(path, text, &mut shared, &mut ruleset);
    Parsed { ruleset, problems: shared.problems, doubts: shared.doubts, work: shared.work }
}
