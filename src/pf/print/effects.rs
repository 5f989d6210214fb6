//! Effects in pfctl's form.

use std::fmt::{self, Display, Formatter};

use crate::pf::criteria::Family;
use crate::pf::effects::{
    Block, External, Fragments, Pool, PoolMethod, Redirect, Route, RouteKind, Scrub, StateKeeping,
    StateOptions,
};
use crate::pf::names::{icmp, settings};
use crate::pf::rule::{Action, Rule};
use crate::pf::words::{TableName, write_word};

pub(super) fn print_block(f: &mut Formatter<'_>, block: Block, family: Option<Family>) -> fmt::Result {
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

pub(super) fn print_log(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
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

pub(super) fn print_route(f: &mut Formatter<'_>, route: &Route) -> fmt::Result {
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

pub(super) fn print_state(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    match rule.state {
        StateKeeping::No if rule.action == Action::Pass && rule.anchor.is_none() => f.write_str(" no state"),
        StateKeeping::No => Ok(()),
        StateKeeping::Keep => f.write_str(" keep state"),
        StateKeeping::Modulate => f.write_str(" modulate state"),
        StateKeeping::Synproxy => f.write_str(" synproxy state"),
    }
}

pub(super) fn print_state_options(f: &mut Formatter<'_>, options: &StateOptions) -> fmt::Result {
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

pub(super) fn print_scrub(f: &mut Formatter<'_>, scrub: &Scrub, action: &Action) -> fmt::Result {
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

/// `ad`, `ei`
impl fmt::Display for External {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            External::Address => "ad",
            External::Any => "ei",
        })
    }
}

pub(super) fn print_redirect(f: &mut Formatter<'_>, rule: &Rule, redirect: &Redirect) -> fmt::Result {
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
    if let Some(service) = &redirect.service {
        write!(f, " port {service}")?;
    }
    print_pool(f, &redirect.pool)?;
    if redirect.static_port {
        f.write_str(" static-port")?;
    }
    Ok(())
}
