//! What pfctl refuses in a rule that is expanded.

use crate::pf::criteria::{Address, Compare, Family, Icmp, PortMatch};
use crate::pf::effects::{Block, StateKeeping, StateOptions};
use crate::pf::rule::{Action, Rule};

/// Why pfctl refuses the rule. `icmp` is the ICMP type that it was expanded for, with its protocol.
pub(super) fn problem(rule: &Rule, icmp: Option<&(Icmp, u8)>) -> Option<&'static str> {
    let names =
        [rule.label.as_deref(), rule.tag.as_deref(), rule.tagged.as_ref().map(|tagged| &*tagged.name)];
    if names.into_iter().flatten().any(|name| name.len() > 63) {
        return Some("a label or tag is too long (max 63 chars)");
    }
    if dynamic_bits_too_many(rule) {
        return Some("netmask invalid for IPv4 address");
    }
    if icmp.is_some_and(|(_, protocol)| rule.protocol != Some(*protocol)) {
        return Some("icmp-type mismatch");
    }
    match rule.action {
        Action::Pass
        | Action::Block(_)
        | Action::Scrub
        | Action::NoScrub
        | Action::Dummynet
        | Action::NoDummynet => filter_problem(rule),
        Action::Rdr { .. } | Action::NoRdr => rdr_problem(rule),
        _ => None,
    }
}

fn dynamic_bits_too_many(rule: &Rule) -> bool {
    rule.family == Some(Family::Inet)
        && [&rule.source.address, &rule.destination.address].into_iter().any(|address| match address {
            Address::Static(interface) => interface.bits.is_some_and(|bits| bits > 32),
            Address::Name(_, bits) => bits.is_some_and(|bits| bits > 32),
            _ => false,
        })
}

fn filter_problem(rule: &Rule) -> Option<&'static str> {
    let ports = rule.source.port.is_some() || rule.destination.port.is_some();
    let with_ports = matches!(rule.protocol, Some(6 | 17));
    let options = rule.state_options.as_deref();
    if ports && !with_ports {
        return Some("port only applies to tcp/udp");
    }
    if rule.icmp.is_some() && !matches!(rule.protocol, Some(1 | 58)) {
        return Some("icmp-type/code only applies to icmp");
    }
    if rule.icmp.is_some() && rule.family.is_none() {
        return Some("must indicate address family with icmp-type/code");
    }
    if options.is_some_and(StateOptions::overloads_without_limit) {
        return Some("'overload' requires 'max-src-conn' or 'max-src-conn-rate'");
    }
    match (rule.protocol, rule.family) {
        (Some(1), Some(Family::Inet6)) => return Some("proto icmp doesn't match address family inet6"),
        (Some(58), Some(Family::Inet)) => return Some("proto icmp6 doesn't match address family inet"),
        _ => {}
    }
    let may_have_options = matches!(rule.action, Action::Pass | Action::Dummynet | Action::NoDummynet);
    if rule.allow_options && !may_have_options {
        return Some("allow-opts can only be specified for pass rules");
    }
    if rule.fragment && (ports || rule.flags.is_some_and(|flags| flags.of != 0) || rule.icmp.is_some()) {
        return Some("fragments can be filtered only on IP header fields");
    }
    if matches!(rule.action, Action::Block(Block::ReturnRst(_))) && rule.protocol != Some(6) {
        return Some("return-rst can only be applied to TCP rules");
    }
    if options.is_some_and(|options| options.max_source_nodes != 0 && options.source_track != Some(true)) {
        return Some("max-src-nodes requires 'source-track rule'");
    }
    if matches!(rule.action, Action::Block(_)) && rule.state != StateKeeping::No {
        return Some("keep state on block rules doesn't make sense");
    }
    None
}

fn rdr_problem(rule: &Rule) -> Option<&'static str> {
    let with_ports = matches!(rule.protocol, Some(6 | 17));
    if !with_ports {
        if rule.source.port.is_some() {
            return Some("src port only applies to tcp/udp");
        }
        if rule.destination.port.is_some() {
            return Some("dst port only applies to tcp/udp");
        }
        if rule.redirect.as_ref().is_some_and(|redirect| redirect.ports.0 != 0 || redirect.service.is_some())
        {
            return Some("rpool port only applies to tcp/udp");
        }
    }
    match &rule.destination.port {
        None | Some(PortMatch::Number(Compare::Equal(_) | Compare::Range(..)) | PortMatch::Service(_)) => {
            None
        }
        Some(_) => Some("invalid port operator for rdr destination port"),
    }
}
