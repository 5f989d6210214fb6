//! Where a packet is sent instead, and what its addresses become: `route-to` and its kin, `nat`, `rdr`, `binat`, `nat64`, and
//! the pools of addresses behind them.

use sha2::{Digest as _, Sha256};

use super::super::criteria::{Address, Compare, Family, PortMatch};
use super::super::effects::{External, Pool, PoolMethod, Redirect, Route, RouteKind};
use super::super::rule::Ruleset;
use super::super::rule::{Action, Rule};
use super::super::token::Kind;
use super::expand::{self, Lists};
use super::host::Host;
use super::{Order, Parser, Position, Read};

/// The ports that nat gives out unless told otherwise: Apple's, others have 50001 to 65535.
const NAT_PORTS: (u16, u16) = (32768, 49151);

impl Parser<'_, '_, '_> {
    pub(super) fn route(&mut self) -> Read<Option<Box<Route>>> {
        let kind = match () {
            () if self.take("fastroute") => RouteKind::Fastroute,
            () if self.take("route-to") => RouteKind::RouteTo,
            () if self.take("reply-to") => RouteKind::ReplyTo,
            () if self.take("dup-to") => RouteKind::DupTo,
            () => return Ok(None),
        };
        let mut route = Route { kind, hops: Vec::new(), pool: Pool::default() };
        if kind != RouteKind::Fastroute {
            for hops in self.list(Self::hop)? {
                route.hops.extend(hops);
            }
            self.pool(&mut route.pool, None)?;
        }
        Ok(Some(Box::new(route)))
    }

    /// `en0`, `(en0 10.0.0.1)`
    fn hop(&mut self) -> Read<Vec<(Box<str>, Option<Address>)>> {
        if !self.take_punctuation(b'(') {
            return Ok(vec![(self.interface_name()?, None)]);
        }
        let interface = self.interface_name()?;
        let mut hosts = Vec::new();
        self.host(&mut hosts)?;
        self.require_punctuation(b')')?;
        Ok(hosts.into_iter().map(|host| (interface.clone(), Some(host.address))).collect())
    }

    pub(super) fn finish_route(&mut self, rule: &mut Rule, start: Position) -> Read<()> {
        let Some(route) = &mut rule.route else { return Ok(()) };
        if rule.direction.is_none() {
            return Err(self.wrong(start, "direction must be explicit with rules that specify routing"));
        }
        if route.kind == RouteKind::Fastroute {
            return Ok(());
        }
        let hops: Vec<Host> =
            route.hops.iter().filter_map(|(_, address)| address.clone()).map(Host::of).collect();
        let families: Vec<Family> = hops.iter().filter_map(|host| host.family).collect();
        if rule.family.is_none() {
            rule.family =
                families.first().copied().filter(|first| families.iter().all(|family| family == first));
        }
        if let Some(family) = rule.family {
            route.hops.retain(|(_, address)| {
                address.clone().map(Host::of).and_then(|host| host.family).is_none_or(|known| known == family)
            });
        }
        if route.hops.is_empty() {
            return Err(self.wrong(start, "no routing address with matching address family found."));
        }
        let many = route.hops.len() > 1 || hops.iter().any(Host::is_pool);
        self.finish_pool(rule.route.as_mut().map(|route| &mut route.pool), many, start)
    }

    fn finish_pool(&mut self, pool: Option<&mut Pool>, many: bool, start: Position) -> Read<()> {
        let Some(pool) = pool else { return Ok(()) };
        match pool.method {
            None if many => pool.method = Some(PoolMethod::RoundRobin),
            Some(PoolMethod::RoundRobin) | None => {}
            Some(_) if many => {
                return Err(
                    self.wrong(start, "only round-robin valid for tables, interfaces and several addresses")
                );
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn pool(&mut self, pool: &mut Pool, mut redirect: Option<&mut Redirect>) -> Read<()> {
        loop {
            let at = self.token.at;
            let method = match () {
                () if self.take("bitmask") => PoolMethod::Bitmask,
                () if self.take("random") => PoolMethod::Random,
                () if self.take("round-robin") => PoolMethod::RoundRobin,
                () if self.take("source-hash") => PoolMethod::SourceHash(self.hash_key()?),
                () if self.take("sticky-address") => {
                    pool.sticky = true;
                    continue;
                }
                () => match &mut redirect {
                    Some(redirect) if self.take("static-port") => {
                        if redirect.static_port {
                            return Err(self.wrong(at, "static-port cannot be redefined"));
                        }
                        redirect.static_port = true;
                        continue;
                    }
                    Some(redirect) if self.token.is("extmap") => {
                        redirect.extmap = self.external()?;
                        continue;
                    }
                    _ => return Ok(()),
                },
            };
            if pool.method.replace(method).is_some() {
                return Err(self.wrong(at, "pool type cannot be redefined"));
            }
        }
    }

    /// The key as pfctl keeps it: 128 bits in hexadecimal, or of any other text the first half of its SHA-256.
    fn hash_key(&mut self) -> Read<Option<Box<str>>> {
        if !matches!(self.token.kind, Kind::Word | Kind::Quoted) {
            return Ok(None);
        }
        let at = self.token.at;
        let key = self.strings("a key")?;
        let Some(hex) = key.strip_prefix("0x") else {
            let hash = Sha256::digest(key.as_bytes());
            let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            return Ok(Some(format!("0x{hex}").into_boxed_str()));
        };
        if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.wrong(at, "hex key must be 128 bits (32 hex digits) long"));
        }
        Ok(Some(key.to_ascii_lowercase().into_boxed_str()))
    }

    /// `extfilter ad`, `extmap ei`; `None` for `apd`, which says nothing new.
    pub(super) fn external(&mut self) -> Read<Option<External>> {
        self.advance();
        Ok(match &*self.one_of(&["apd", "ad", "ei"])? {
            "ad" => Some(External::Address),
            "ei" => Some(External::Any),
            _ => None,
        })
    }

    pub(super) fn translation(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        let keyword = self.advance().text;
        self.translation_behind(&keyword, ruleset, start, no)
    }

    /// What follows `nat`, `rdr` or `nat64`.
    pub(super) fn translation_behind(
        &mut self,
        keyword: &str,
        ruleset: &mut Ruleset,
        start: Position,
        no: bool,
    ) -> Read<()> {
        let pass = self.take("pass");
        if no && pass {
            return Err(self.wrong(start, "\"pass\" not valid with \"no\""));
        }
        let mut rule = Rule::new(match (keyword, no) {
            ("nat", true) => Action::NoNat,
            ("nat", false) => Action::Nat { pass },
            ("nat64", true) => Action::NoNat64,
            ("nat64", false) => Action::Nat64 { pass },
            (_, true) => Action::NoRdr,
            (_, false) => Action::Rdr { pass },
        });
        let mut lists = Lists::default();
        rule.log = self.log()?;
        lists.interfaces = self.interfaces()?;
        rule.family = self.family();
        lists.protocols = self.protocols()?;
        self.peers(&mut lists)?;
        if self.take("tag") {
            rule.tag = Some(self.tag()?);
        }
        rule.tagged = self.tagged()?;
        rule.rtable = self.rtable()?;
        let target = self.target(no, start)?;
        self.end_of_rule()?;
        self.in_order(Order::Translation, start)?;
        if rule.family.is_none() {
            let first =
                |hosts: &[Host]| hosts.first().filter(|host| host.scope.is_none()).and_then(|h| h.family);
            rule.family = first(&lists.sources).or(first(&lists.destinations));
        }
        if let Some(target) = target {
            let redirect = self.redirect(&mut rule, &lists, target, start)?;
            rule.redirect = Some(Box::new(redirect));
        }
        // The kernel keeps nat64 among the rdr rules: it looks at what comes in.
        let rules: expand::Rules =
            if keyword == "nat" { |ruleset| &mut ruleset.nat } else { |ruleset| &mut ruleset.rdr };
        self.expand(rule, lists, start, rules, ruleset)
    }

    /// `-> address port n` and what is behind it; only a rule with `no` has none.
    fn target(&mut self, no: bool, start: Position) -> Read<Option<Target>> {
        if self.token.kind != Kind::Arrow {
            if no {
                return Ok(None);
            }
            return Err(self.expected("a criterion or `->`"));
        }
        if no {
            return Err(self.wrong(start, "translation rule with 'no' does not need '->'"));
        }
        self.advance();
        let mut hosts = Vec::new();
        for more in self.list(|parser| {
            let mut hosts = Vec::new();
            parser.host(&mut hosts)?;
            Ok(hosts)
        })? {
            hosts.extend(more);
        }
        let ports = if self.take("port") { Some(self.redirect_ports()?) } else { None };
        let mut redirect = Redirect {
            addresses: Vec::new(),
            ports: (0, 0),
            pool: Pool::default(),
            static_port: false,
            extmap: None,
        };
        let mut pool = Pool::default();
        let mut extfilter = None;
        self.pool(&mut pool, Some(&mut redirect))?;
        while self.token.is("extfilter") {
            extfilter = self.external()?;
            self.pool(&mut pool, Some(&mut redirect))?;
        }
        redirect.pool = pool;
        // A mapping is at least as wide as what it lets back in, and is told only where it is wider.
        redirect.extmap = redirect.extmap.filter(|extmap| extfilter.is_none_or(|filter| *extmap > filter));
        Ok(Some(Target { hosts, ports, extfilter, redirect }))
    }

    fn redirect(
        &mut self,
        rule: &mut Rule,
        lists: &Lists,
        target: Target,
        start: Position,
    ) -> Read<Redirect> {
        let Target { mut hosts, ports, extfilter, mut redirect } = target;
        rule.extfilter = extfilter;
        // What nat64 leads to is of the other family.
        let across = matches!(rule.action, Action::Nat64 { .. });
        if rule.family.is_none() && !across {
            let families: Vec<Family> = hosts.iter().filter_map(|host| host.family).collect();
            // `localhost` is both; with nothing else to go by, IPv4 is what is meant.
            rule.family = families.first().copied();
        }
        hosts.retain(|host| {
            across || host.family.is_none() || rule.family.is_none() || host.family == rule.family
        });
        if hosts.is_empty() {
            return Err(self.wrong(start, "no translation address with matching address family found."));
        }
        let (first, last) = ports.unwrap_or((0, Some(0)));
        let nat = matches!(rule.action, Action::Nat { .. } | Action::Nat64 { .. });
        let last = match (last, lists.destination_ports.first()) {
            (Some(last), _) => last,
            // `port 1000:*`: as many as the rule's own range has.
            (None, Some(PortMatch::Number(Compare::Range(from, to)))) if !nat => {
                first.saturating_add(to.saturating_sub(*from))
            }
            (None, _) => 0,
        };
        redirect.ports = match (nat, first, last) {
            (true, 0, 0) => NAT_PORTS,
            (true, first, 0) => (first, first),
            // A redirection to port 0 leaves the port as it is, whatever its range.
            (false, 0, _) => (0, 0),
            (_, first, last) => (first, if last == first { 0 } else { last }),
        };
        if redirect.static_port {
            if !nat {
                return Err(self.wrong(start, "the 'static-port' option is only valid with nat rules"));
            }
            if redirect.ports.0 != NAT_PORTS.0 && redirect.ports.1 != NAT_PORTS.1 {
                return Err(
                    self.wrong(start, "the 'static-port' option can't be used when specifying a port range")
                );
            }
            redirect.ports = (0, 0);
        } else if redirect.ports == NAT_PORTS {
            redirect.ports = (0, 0);
        }
        let many = hosts.len() > 1 || hosts.iter().any(Host::is_pool);
        self.finish_pool(Some(&mut redirect.pool), many, start)?;
        redirect.addresses = hosts.into_iter().map(|host| host.address).collect();
        Ok(redirect)
    }

    pub(super) fn binat(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        self.advance();
        let pass = self.take("pass");
        if no && pass {
            return Err(self.wrong(start, "\"pass\" not valid with \"no\""));
        }
        let mut rule = Rule::new(if no { Action::NoBinat } else { Action::Binat { pass } });
        rule.log = self.log()?;
        let interfaces = self.interfaces()?;
        rule.interface = interfaces.into_iter().next();
        rule.family = self.family();
        let protocol = self.protocols()?.into_iter().next();
        rule.protocol = protocol.map(|protocol| protocol.number);
        rule.grev1 = protocol.is_some_and(|protocol| protocol.grev1);
        let mut sources = Vec::new();
        let mut destinations = Vec::new();
        if no && self.take("all") {
            // As it is printed.
        } else {
            self.require("from")?;
            if no && self.take("any") {
                // As it is printed.
            } else {
                self.host(&mut sources)?;
            }
            if self.take("to") {
                destinations = self.hosts()?;
            } else {
                self.doubt("a binat rule needs `to`, such as `to any`");
            }
        }
        if self.take("tag") {
            rule.tag = Some(self.tag()?);
        }
        rule.tagged = self.tagged()?;
        rule.rtable = self.rtable()?;
        let mut targets = Vec::new();
        if self.token.kind == Kind::Arrow {
            if no {
                return Err(self.wrong(start, "'no binat' rule does not need '->'"));
            }
            self.advance();
            self.host(&mut targets)?;
            if self.take("port") {
                self.redirect_ports()?;
            }
        } else if !no {
            return Err(self.expected("a criterion or `->`"));
        }
        self.end_of_rule()?;
        self.in_order(Order::Translation, start)?;
        if let Some(problem) = binat_problem(&mut rule, &mut sources, &mut destinations, &mut targets) {
            return Err(self.wrong(start, problem));
        }
        self.shared.rules += 1;
        let placed = self.placed(start, rule);
        ruleset.binat.push(placed);
        Ok(())
    }
}

/// What stands behind `->`.
struct Target {
    hosts: Vec<Host>,
    /// The first port, and the last; see [`Parser::redirect_ports`].
    ports: Option<(u16, Option<u16>)>,
    extfilter: Option<External>,
    redirect: Redirect,
}

/// Fills the rule from its addresses, or says what pfctl has against them.
fn binat_problem(
    rule: &mut Rule,
    sources: &mut Vec<Host>,
    destinations: &mut Vec<Host>,
    targets: &mut Vec<Host>,
) -> Option<&'static str> {
    let no = rule.action == Action::NoBinat;
    let family = |hosts: &[Host]| hosts.first().and_then(|host| host.family);
    rule.family = rule.family.or(family(sources)).or(family(destinations)).or(family(targets));
    if destinations.iter().any(|host| host.address == Address::UrpfFailed) {
        return Some("\"urpf-failed\" is not permitted as a binat destination");
    }
    let named = sources
        .iter()
        .chain(&*targets)
        .any(|host| matches!(host.address, Address::Static(_) | Address::Name(..)));
    if rule.family.is_none() && !no && !named {
        return Some("address family (inet/inet6) undefined");
    }
    if sources.iter().chain(&*targets).any(|host| matches!(host.address, Address::Table(_))) {
        return Some("invalid use of a table as an address of a binat rule");
    }
    let fits = |host: &Host| host.family.is_none() || rule.family.is_none() || host.family == rule.family;
    for hosts in [&mut *sources, &mut *targets] {
        hosts.retain(fits);
    }
    if !destinations.iter().all(fits) {
        return Some("binat ip versions must match");
    }
    if sources.len() > 1 || destinations.len() > 1 {
        return Some("multiple binat ip addresses");
    }
    if !no && sources.is_empty() {
        return Some("binat ip versions must match");
    }
    if !no && targets.len() != 1 {
        return Some("binat rule must redirect to a single address");
    }
    let bits = |hosts: &[Host]| match hosts {
        [Host { address: Address::Net(net), .. }] => Some(net.prefix_len()),
        _ => None,
    };
    if let (Some(source), Some(target)) = (bits(sources), bits(targets))
        && source != target
        && source != 0
    {
        return Some("'binat' source mask and redirect mask must be the same");
    }
    if let Some(source) = sources.pop() {
        rule.source.address = source.address;
    }
    if let Some(destination) = destinations.pop() {
        rule.destination.address = destination.address;
        rule.destination.negated = destination.negated;
    }
    if let Some(target) = targets.pop() {
        rule.redirect = Some(Box::new(Redirect {
            addresses: vec![target.address],
            ports: (0, 0),
            pool: Pool::default(),
            static_port: false,
            extmap: None,
        }));
    }
    None
}
