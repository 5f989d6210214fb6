//! Writes rules in pfctl's normal form: as `pfctl -s rules`, `-s nat` and `pfctl -nvf` print them on macOS, defaults
//! made explicit.
//!
//! ```
//! use portcullis::pf::parse::parse_text;
//! let parsed = parse_text("pf.conf", "pass in proto tcp to port { ssh 2345 }\n");
//! assert_eq!(
//!     parsed.ruleset.to_string(),
//!     "pass in proto tcp from any to any port = 22 flags S/SA keep state\n\
//!      pass in proto tcp from any to any port = 2345 flags S/SA keep state\n"
//! );
//! ```
//!
//! Ports are numbers: pfctl elsewhere prints `port = ssh`, macOS's prints `port = 22` (seen in public listings from
//! 10.10 to 26). Both forms are read.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use super::criteria::{
    Address, Compare, Direction, Family, Icmp, Interface, InterfaceAddress, OwnerMatch, Peer, PortMatch,
    TypeOfService,
};
use super::effects::{
    Block, External, Fragments, Pool, PoolMethod, Redirect, Route, RouteKind, Scrub, StateKeeping,
    StateOptions,
};
use super::names::{header, icmp, protocols, settings};
use super::preamble::{BlockPolicy, Load, Preamble, SetOption, StatePolicy, TableDefinition, TableSource};
use super::rule::Ruleset;
use super::rule::{Action, Rule};
use super::words::{TableName, is_keyword, write_quoted, write_word};

/// What `pfctl -nvf` prints: macros, options and tables, then the rules kind by kind.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for placed in &self.preamble {
            writeln!(f, "{}", placed.item)?;
        }
        for placed in self.rules() {
            writeln!(f, "{}", placed.item)?;
        }
        for placed in &self.loads {
            writeln!(f, "{}", placed.item)?;
        }
        Ok(())
    }
}

impl fmt::Display for Preamble {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Preamble::Macro(name, value) => {
                write!(f, "{name} = ")?;
                write_quoted(f, value)
            }
            Preamble::Option(option) => option.fmt(f),
            Preamble::Table(table) => table.fmt(f),
            Preamble::Queue(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for SetOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            SetOption::Skip(names) if names.is_empty() => f.write_str("set skip on none"),
            SetOption::Skip(names) => {
                f.write_str("set skip on {")?;
                for name in names {
                    f.write_str(" ")?;
                    write_word(f, name)?;
                }
                f.write_str(" }")
            }
            SetOption::BlockPolicy(BlockPolicy::Drop) => f.write_str("set block-policy drop"),
            SetOption::BlockPolicy(BlockPolicy::Return) => f.write_str("set block-policy return"),
            SetOption::StatePolicy(StatePolicy::Floating) => f.write_str("set state-policy floating"),
            SetOption::StatePolicy(StatePolicy::IfBound) => f.write_str("set state-policy if-bound"),
            SetOption::RequireOrder(true) => f.write_str("set require-order yes"),
            SetOption::RequireOrder(false) => f.write_str("set require-order no"),
            SetOption::Timeout(name, value) => write!(f, "set timeout {name} {value}"),
            SetOption::Limit(name, value) => write!(f, "set limit {name} {value}"),
            SetOption::Other(name, value) => {
                write!(f, "set {name} ")?;
                match (&**name, &**value) {
                    ("fingerprints", value) => write_quoted(f, value),
                    (_, "all") => f.write_str("all"),
                    (_, value) => write_word(f, value),
                }
            }
        }
    }
}

impl fmt::Display for TableDefinition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("table ")?;
        TableName(&self.name).fmt(f)?;
        if self.constant {
            f.write_str(" const")?;
        }
        if self.persist {
            f.write_str(" persist")?;
        }
        let Some(contents) = &self.contents else { return Ok(()) };
        if contents.is_empty() {
            return f.write_str(" { }");
        }
        for source in contents {
            match source {
                TableSource::File(path) => {
                    f.write_str(" file ")?;
                    write_quoted(f, path)?;
                }
                TableSource::Unreadable => {}
                TableSource::Addresses(addresses) => {
                    f.write_str(" {")?;
                    for (negated, address) in addresses {
                        f.write_str(if *negated { " !" } else { " " })?;
                        address.fmt(f)?;
                    }
                    f.write_str(" }")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("load anchor ")?;
        write_quoted(f, &self.anchor)?;
        f.write_str(" from ")?;
        write_quoted(f, &self.file)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(line) = &self.unreadable {
            f.write_str(if self.action == Action::Unread { "the rules in " } else { "" })?;
            return f.write_str(line);
        }
        print_action(f, self)?;
        match self.direction {
            Some(Direction::In) => f.write_str(" in")?,
            Some(Direction::Out) => f.write_str(" out")?,
            None => {}
        }
        print_log(f, self)?;
        if self.quick {
            f.write_str(" quick")?;
        }
        if let Some(interface) = &self.interface {
            print_interface(f, interface)?;
        }
        if let Some(route) = &self.route {
            print_route(f, route)?;
        }
        match self.family {
            Some(Family::Inet) => f.write_str(" inet")?,
            Some(Family::Inet6) => f.write_str(" inet6")?,
            None => {}
        }
        print_protocol(f, self)?;
        print_peers(f, self)?;
        print_owner(f, "user", self.user.as_ref())?;
        print_owner(f, "group", self.group.as_ref())?;
        print_flags(f, self)?;
        print_icmp(f, self)?;
        match self.tos {
            None => {}
            Some(TypeOfService::Tos(tos)) => write!(f, " tos {tos:#04x}")?,
            Some(TypeOfService::Dscp(dscp)) => write!(f, " dscp {dscp:#04x}")?,
            Some(TypeOfService::Class(class)) => {
                write!(f, " sc {}", header::service_class_name(class).unwrap_or("be"))?;
            }
        }
        print_state(f, self)?;
        if let Some(probability) = self.probability {
            write!(f, " probability {}%", percent(probability))?;
        }
        if let Some(options) = &self.state_options {
            print_state_options(f, options)?;
        }
        if self.fragment {
            f.write_str(" fragment")?;
        }
        if self.allow_options {
            f.write_str(" allow-opts")?;
        }
        if matches!(self.action, Action::Scrub | Action::NoScrub) {
            print_scrub(f, self.scrub.as_deref().unwrap_or(&Scrub::default()), &self.action)?;
        }
        print_names(f, self)?;
        if let Some(redirect) = &self.redirect {
            print_redirect(f, self, redirect)?;
        }
        if let Some(external) = self.extfilter {
            write!(f, " extfilter {external}")?;
        }
        if let Some(external) = self.redirect.as_ref().and_then(|redirect| redirect.extmap) {
            write!(f, " extmap {external}")?;
        }
        if let Some(ruleset) = self.anchor.as_ref().and_then(|call| call.inline.as_deref()) {
            print_inline(f, ruleset)?;
        }
        Ok(())
    }
}

fn print_action(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    if let Some(call) = &rule.anchor {
        f.write_str(match rule.action {
            Action::Pass | Action::Block(_) | Action::Unreadable | Action::Unread => "anchor",
            Action::Scrub | Action::NoScrub => "scrub-anchor",
            Action::Nat { .. } | Action::NoNat => "nat-anchor",
            Action::Rdr { .. } | Action::NoRdr | Action::Nat64 { .. } | Action::NoNat64 => "rdr-anchor",
            Action::Binat { .. } | Action::NoBinat => "binat-anchor",
            Action::Dummynet | Action::NoDummynet => "dummynet-anchor",
        })?;
        // What begins with `_` is a name that pf gave to rules in braces.
        let filters = matches!(rule.action, Action::Pass | Action::Block(_));
        if let Some(path) = call.path.as_deref().filter(|path| !(filters && path.starts_with('_'))) {
            f.write_str(" ")?;
            write_quoted(f, path)?;
        }
        return Ok(());
    }
    let pass = |pass: bool| if pass { " pass" } else { "" };
    match rule.action {
        Action::Pass => f.write_str("pass"),
        Action::Block(block) => print_block(f, block, rule.family),
        Action::Scrub => f.write_str("scrub"),
        Action::NoScrub => f.write_str("no scrub"),
        Action::Nat { pass: at_once } => write!(f, "nat{}", pass(at_once)),
        Action::NoNat => f.write_str("no nat"),
        Action::Rdr { pass: at_once } => write!(f, "rdr{}", pass(at_once)),
        Action::NoRdr => f.write_str("no rdr"),
        Action::Nat64 { pass: at_once } => write!(f, "nat64{}", pass(at_once)),
        Action::NoNat64 => f.write_str("no nat64"),
        Action::Binat { pass: at_once } => write!(f, "binat{}", pass(at_once)),
        Action::NoBinat => f.write_str("no binat"),
        Action::Dummynet => f.write_str("dummynet"),
        Action::NoDummynet => f.write_str("no dummynet"),
        Action::Unreadable | Action::Unread => f.write_str("unreadable"),
    }
}

fn print_block(f: &mut Formatter<'_>, block: Block, family: Option<Family>) -> fmt::Result {
    struct Code(u8, Family);
    impl fmt::Display for Code {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            match icmp::icmp_code_name(icmp::unreachable(self.1), self.0, self.1) {
                Some(name) => f.write_str(name),
                None => write!(f, "{}", self.0),
            }
        }
    }
    match (block, family) {
        (Block::Drop, _) => f.write_str("block drop"),
        (Block::Return, _) => f.write_str("block return"),
        (Block::ReturnRst(0), _) => f.write_str("block return-rst"),
        (Block::ReturnRst(ttl), _) => write!(f, "block return-rst(ttl {ttl})"),
        (Block::ReturnIcmp(four, _), Some(Family::Inet)) => {
            write!(f, "block return-icmp({})", Code(four, Family::Inet))
        }
        (Block::ReturnIcmp(_, six), Some(Family::Inet6)) => {
            write!(f, "block return-icmp6({})", Code(six, Family::Inet6))
        }
        (Block::ReturnIcmp(four, six), None) => {
            write!(f, "block return-icmp({}, {})", Code(four, Family::Inet), Code(six, Family::Inet6))
        }
    }
}

fn print_log(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    let Some(log) = rule.log else { return Ok(()) };
    f.write_str(" log")?;
    let mut separator = " (";
    let mut item = |f: &mut Formatter<'_>, text: fmt::Arguments<'_>| {
        write!(f, "{separator}{text}")?;
        separator = ", ";
        fmt::Result::Ok(())
    };
    if log.all {
        item(f, format_args!("all"))?;
    }
    if log.user {
        item(f, format_args!("user"))?;
    }
    if log.to != 0 {
        item(f, format_args!("to pflog{}", log.to))?;
    }
    if separator == ", " { f.write_str(")") } else { Ok(()) }
}

fn print_interface(f: &mut Formatter<'_>, interface: &Interface) -> fmt::Result {
    f.write_str(if interface.negated { " on ! " } else { " on " })?;
    write_word(f, &interface.name)
}

fn print_route(f: &mut Formatter<'_>, route: &Route) -> fmt::Result {
    f.write_str(match route.kind {
        RouteKind::RouteTo => " route-to ",
        RouteKind::ReplyTo => " reply-to ",
        RouteKind::DupTo => " dup-to ",
        RouteKind::Fastroute => return f.write_str(" fastroute"),
    })?;
    let many = route.hops.len() > 1;
    if many {
        f.write_str("{ ")?;
    }
    for (index, (interface, address)) in route.hops.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        match address {
            None => write_word(f, interface)?,
            Some(address) => {
                f.write_str("(")?;
                write_word(f, interface)?;
                write!(f, " {address})")?;
            }
        }
    }
    if many {
        f.write_str(" }")?;
    }
    print_pool(f, &route.pool)
}

fn print_pool(f: &mut Formatter<'_>, pool: &Pool) -> fmt::Result {
    match &pool.method {
        None => {}
        Some(PoolMethod::Bitmask) => f.write_str(" bitmask")?,
        Some(PoolMethod::Random) => f.write_str(" random")?,
        Some(PoolMethod::RoundRobin) => f.write_str(" round-robin")?,
        Some(PoolMethod::SourceHash(None)) => f.write_str(" source-hash")?,
        Some(PoolMethod::SourceHash(Some(key))) => {
            f.write_str(" source-hash ")?;
            write_word(f, key)?;
        }
    }
    if pool.sticky { f.write_str(" sticky-address") } else { Ok(()) }
}

fn print_protocol(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    match rule.protocol {
        None => Ok(()),
        Some(_) if rule.grev1 => f.write_str(" proto grev1"),
        Some(number) => match protocols::protocol_name(number) {
            // A name that is a reserved word too is read back only as a number.
            Some(name) if !is_keyword(name) => write!(f, " proto {name}"),
            _ => write!(f, " proto {number}"),
        },
    }
}

fn print_peers(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    let plain = Peer::default();
    if rule.source == plain && rule.destination == plain && rule.os.is_none() {
        return f.write_str(" all");
    }
    f.write_str(" from ")?;
    print_peer(f, &rule.source)?;
    if let Some(os) = &rule.os {
        f.write_str(" os ")?;
        write_quoted(f, os)?;
    }
    f.write_str(" to ")?;
    print_peer(f, &rule.destination)
}

fn print_peer(f: &mut Formatter<'_>, peer: &Peer) -> fmt::Result {
    if peer.negated {
        f.write_str("! ")?;
    }
    peer.address.fmt(f)?;
    match &peer.port {
        None => Ok(()),
        Some(port) => write!(f, " port {port}"),
    }
}

/// `= 22`, `1000:2000`, `= nosuchservice`
impl fmt::Display for PortMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            PortMatch::Number(compare) => compare.fmt(f),
            PortMatch::Service(text) => f.write_str(text),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Compare<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Compare::Equal(a) => write!(f, "= {a}"),
            Compare::NotEqual(a) => write!(f, "!= {a}"),
            Compare::Less(a) => write!(f, "< {a}"),
            Compare::LessOrEqual(a) => write!(f, "<= {a}"),
            Compare::Greater(a) => write!(f, "> {a}"),
            Compare::GreaterOrEqual(a) => write!(f, ">= {a}"),
            Compare::Inside(a, b) => write!(f, "{a} >< {b}"),
            Compare::Outside(a, b) => write!(f, "{a} <> {b}"),
            Compare::Range(a, b) => write!(f, "{a}:{b}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Address::Any => f.write_str("any"),
            Address::Net(net) if net.prefix_len() == net.max_prefix_len() => print_ip(f, net.addr()),
            Address::Net(net) => {
                print_ip(f, net.addr())?;
                write!(f, "/{}", net.prefix_len())
            }
            Address::Range(range) => {
                print_ip(f, range.0)?;
                f.write_str(" - ")?;
                print_ip(f, range.1)
            }
            Address::Table(name) => TableName(name).fmt(f),
            Address::Dynamic(interface) => {
                f.write_str("(")?;
                print_interface_address(f, interface)?;
                f.write_str(")")?;
                interface.bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
            }
            Address::Static(interface) => {
                print_interface_address(f, interface)?;
                interface.bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
            }
            Address::Name(name, bits) => {
                write_word(f, name)?;
                bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
            }
            Address::NoRoute => f.write_str("no-route"),
            Address::UrpfFailed => f.write_str("urpf-failed"),
            Address::RouteLabel(label) => {
                f.write_str("route ")?;
                write_quoted(f, label)
            }
        }
    }
}

/// As inet_ntop does.
fn print_ip(f: &mut Formatter<'_>, address: IpAddr) -> fmt::Result {
    write!(f, "{address}")
}

fn print_interface_address(f: &mut Formatter<'_>, interface: &InterfaceAddress) -> fmt::Result {
    let mut text = interface.name.to_string();
    for (given, suffix) in [
        (interface.network, ":network"),
        (interface.broadcast, ":broadcast"),
        (interface.peer, ":peer"),
        (interface.no_alias, ":0"),
    ] {
        if given {
            text.push_str(suffix);
        }
    }
    write_word(f, &text)
}

fn print_owner(f: &mut Formatter<'_>, what: &str, owner: Option<&OwnerMatch>) -> fmt::Result {
    match owner {
        None => Ok(()),
        Some(OwnerMatch::Number(compare)) => write!(f, " {what} {compare}"),
        Some(OwnerMatch::Unknown { negated: false }) => write!(f, " {what} = unknown"),
        Some(OwnerMatch::Unknown { negated: true }) => write!(f, " {what} != unknown"),
        Some(OwnerMatch::Name(text)) => write!(f, " {what} {text}"),
    }
}

fn print_flags(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    if let Some(flags) = rule.flags {
        f.write_str(" flags ")?;
        write_flags(f, flags.set)?;
        f.write_str("/")?;
        return write_flags(f, flags.of);
    }
    let tcp = rule.protocol.is_none_or(|number| number == 6);
    let stateful = rule.action == Action::Pass && rule.anchor.is_none() && rule.state != StateKeeping::No;
    if stateful && tcp && !rule.fragment { f.write_str(" flags any") } else { Ok(()) }
}

fn write_flags(f: &mut Formatter<'_>, flags: u8) -> fmt::Result {
    for (bit, letter) in header::TCP_FLAGS.chars().enumerate() {
        if flags & (1 << bit) != 0 {
            write!(f, "{letter}")?;
        }
    }
    Ok(())
}

fn print_icmp(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    let Some(Icmp { kind, code }) = rule.icmp else { return Ok(()) };
    let family = rule.family.unwrap_or(Family::Inet);
    f.write_str(match family {
        Family::Inet => " icmp-type ",
        Family::Inet6 => " icmp6-type ",
    })?;
    match icmp::icmp_type_name(kind, family) {
        Some(name) => f.write_str(name)?,
        None => write!(f, "{kind}")?,
    }
    match code {
        None => Ok(()),
        Some(code) => match icmp::icmp_code_name(kind, code, family) {
            Some(name) => write!(f, " code {name}"),
            None => write!(f, " code {code}"),
        },
    }
}

fn print_state(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    match rule.state {
        StateKeeping::No if rule.action == Action::Pass && rule.anchor.is_none() => f.write_str(" no state"),
        StateKeeping::No => Ok(()),
        StateKeeping::Keep => f.write_str(" keep state"),
        StateKeeping::Modulate => f.write_str(" modulate state"),
        StateKeeping::Synproxy => f.write_str(" synproxy state"),
    }
}

/// The percentage that pfctl prints for a probability out of 2³².
pub(crate) fn percent(probability: u32) -> String {
    let text = format!("{:.6}", f64::from(probability) * 100.0 / 4_294_967_296.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn print_state_options(f: &mut Formatter<'_>, options: &StateOptions) -> fmt::Result {
    let mut items: Vec<String> = Vec::new();
    let number = |name: &str, value: u32, items: &mut Vec<String>| {
        if value != 0 {
            items.push(format!("{name} {value}"));
        }
    };
    number("max", options.max, &mut items);
    if options.no_sync {
        items.push("no-sync".to_owned());
    }
    match options.source_track {
        None => {}
        Some(true) => items.push("source-track rule".to_owned()),
        Some(false) => items.push("source-track global".to_owned()),
    }
    number("max-src-states", options.max_source_states, &mut items);
    number("max-src-conn", options.max_source_connections, &mut items);
    if options.max_source_rate.0 != 0 {
        items.push(format!("max-src-conn-rate {}/{}", options.max_source_rate.0, options.max_source_rate.1));
    }
    number("max-src-nodes", options.max_source_nodes, &mut items);
    if let Some(table) = &options.overload {
        let flush = match options.flush {
            None => "",
            Some(false) => " flush",
            Some(true) => " flush global",
        };
        items.push(format!("overload {}{flush}", TableName(table)));
    }
    if options.interface_bound {
        items.push("if-bound".to_owned());
    }
    for (index, seconds) in &options.timeouts {
        let name = settings::TIMEOUTS.get(usize::from(*index)).copied().unwrap_or_default();
        items.push(format!("{name} {seconds}"));
    }
    if items.is_empty() { Ok(()) } else { write!(f, " ({})", items.join(", ")) }
}

fn print_scrub(f: &mut Formatter<'_>, scrub: &Scrub, action: &Action) -> fmt::Result {
    if scrub.no_df {
        f.write_str(" no-df")?;
    }
    if scrub.random_id {
        f.write_str(" random-id")?;
    }
    if scrub.min_ttl != 0 {
        write!(f, " min-ttl {}", scrub.min_ttl)?;
    }
    if scrub.max_mss != 0 {
        write!(f, " max-mss {}", scrub.max_mss)?;
    }
    if let Some(tos) = scrub.set_tos {
        write!(f, " set-tos {tos:#04x}")?;
    }
    if *action == Action::NoScrub {
        return Ok(());
    }
    if scrub.reassemble_tcp {
        f.write_str(" reassemble tcp")?;
    }
    f.write_str(match scrub.fragments {
        Fragments::Reassemble => " fragment reassemble",
        Fragments::Crop => " fragment crop",
        Fragments::DropOverlap => " fragment drop-ovl",
    })
}

fn print_names(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    if let Some(label) = &rule.label {
        f.write_str(" label ")?;
        write_quoted(f, label)?;
    }
    if let Some(pipe) = rule.pipe {
        write!(f, " {} {}", if pipe.queue { "queue" } else { "pipe" }, pipe.number)?;
    }
    match &rule.queue {
        None => {}
        Some((queue, None)) => {
            f.write_str(" queue ")?;
            write_word(f, queue)?;
        }
        Some((queue, Some(acknowledgements))) => {
            f.write_str(" queue(")?;
            write_word(f, queue)?;
            f.write_str(", ")?;
            write_word(f, acknowledgements)?;
            f.write_str(")")?;
        }
    }
    if let Some(tag) = &rule.tag {
        f.write_str(" tag ")?;
        write_word(f, tag)?;
    }
    if let Some(tagged) = &rule.tagged {
        f.write_str(if tagged.negated { " ! tagged " } else { " tagged " })?;
        write_word(f, &tagged.name)?;
    }
    match &rule.rtable {
        None => Ok(()),
        Some(table) if table.bytes().all(|byte| byte.is_ascii_digit()) => write!(f, " rtable {table}"),
        Some(table) => {
            f.write_str(" rtable ")?;
            write_word(f, table)
        }
    }
}

/// `ad`, `ei`
impl fmt::Display for External {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            External::Address => "ad",
            External::Any => "ei",
        })
    }
}

fn print_redirect(f: &mut Formatter<'_>, rule: &Rule, redirect: &Redirect) -> fmt::Result {
    f.write_str(" -> ")?;
    let many = redirect.addresses.len() > 1;
    if many {
        f.write_str("{ ")?;
    }
    for (index, address) in redirect.addresses.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        address.fmt(f)?;
    }
    if many {
        f.write_str(" }")?;
    }
    let (first, last) = redirect.ports;
    let nat = matches!(rule.action, Action::Nat { .. } | Action::Nat64 { .. });
    if first != 0 || (nat && last != 0) {
        if last == first || (last == 0 && !nat) {
            write!(f, " port {first}")?;
        } else {
            write!(f, " port {first}:{last}")?;
        }
    }
    print_pool(f, &redirect.pool)?;
    if redirect.static_port {
        f.write_str(" static-port")?;
    }
    Ok(())
}

fn print_inline(f: &mut Formatter<'_>, ruleset: &Ruleset) -> fmt::Result {
    f.write_str(" {\n")?;
    let text = ruleset.to_string();
    for line in text.lines() {
        writeln!(f, "  {line}")?;
    }
    f.write_str("}")
}
