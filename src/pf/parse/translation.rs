//! `nat`, `rdr`, `nat64`: what a packet's addresses become.

use crate::pf::criteria::{Compare, Family, PortMatch};
use crate::pf::effects::{External, Pool, Redirect};
use crate::pf::rule::{Action, Rule, Ruleset};

use super::hosts::Host;
use super::kernel::{Order, Parser, Read};
use super::lexer::{LexemeKind, Position};
use super::lists::{Lists, RuleList};
use super::ports::RedirectPorts;

/// The ports that nat gives out by default; other systems have 50001 to 65535.
const NAT_PORTS: (u16, u16) = (32768, 49151);

impl Parser<'_, '_, '_> {
    pub(super) fn translation(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        let keyword = self.bump().text;
        self.translation_behind(&keyword, ruleset, start, no)
    }

    /// The rest of a rule, after `nat`, `rdr` or `nat64`.
    pub(super) fn translation_behind(
        &mut self,
        keyword: &str,
        ruleset: &mut Ruleset,
        start: Position,
        no: bool,
    ) -> Read<()> {
        let pass = self.eat("pass");
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
        rule.log = self.opt_log()?;
        self.opt_scope(&mut rule, &mut lists)?;
        if self.eat("tag") {
            rule.tag = Some(self.tag()?);
        }
        rule.tagged = self.opt_tagged()?;
        rule.rtable = self.opt_rtable()?;
        let target = self.opt_target(no, start)?;
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
        let rules: RuleList =
            if keyword == "nat" { |ruleset| &mut ruleset.nat } else { |ruleset| &mut ruleset.rdr };
        self.expand(rule, lists, start, rules, ruleset)
    }

    /// `-> address port n` and the options behind it; only a rule with `no` has none.
    fn opt_target(&mut self, no: bool, start: Position) -> Read<Option<TranslationTarget>> {
        if self.lexeme.kind != LexemeKind::Arrow {
            if no {
                return Ok(None);
            }
            return Err(self.expected("a criterion or `->`"));
        }
        if no {
            return Err(self.wrong(start, "translation rule with 'no' does not need '->'"));
        }
        self.bump();
        let mut hosts = Vec::new();
        for more in self.list(|parser| {
            let mut hosts = Vec::new();
            parser.host(&mut hosts)?;
            Ok(hosts)
        })? {
            hosts.extend(more);
        }
        let ports = if self.eat("port") { Some(self.redirect_ports()?) } else { None };
        let mut redirect = Redirect {
            addresses: Vec::new(),
            ports: (0, 0),
            service: None,
            pool: Pool::default(),
            static_port: false,
            extmap: None,
        };
        let mut pool = Pool::default();
        let mut extfilter = None;
        self.opt_pool(&mut pool, Some(&mut redirect))?;
        while self.lexeme.is("extfilter") {
            extfilter = self.external()?;
            self.opt_pool(&mut pool, Some(&mut redirect))?;
        }
        redirect.pool = pool;
        // A mapping is at least as wide as its filter, and is kept only where it is wider.
        redirect.extmap = redirect.extmap.filter(|extmap| extfilter.is_none_or(|filter| *extmap > filter));
        Ok(Some(TranslationTarget { hosts, ports, extfilter, redirect }))
    }

    fn redirect(
        &mut self,
        rule: &mut Rule,
        lists: &Lists,
        target: TranslationTarget,
        start: Position,
    ) -> Read<Redirect> {
        let TranslationTarget { mut hosts, ports, extfilter, mut redirect } = target;
        rule.extfilter = extfilter;
        // nat64 leads to an address of the other family.
        let across = matches!(rule.action, Action::Nat64 { .. });
        if rule.family.is_none() && !across {
            let families: Vec<Family> = hosts.iter().filter_map(|host| host.family).collect();
            // `localhost` is of both families; without another criterion IPv4 is meant.
            rule.family = families.first().copied();
        }
        hosts.retain(|host| {
            across || host.family.is_none() || rule.family.is_none() || host.family == rule.family
        });
        if hosts.is_empty() {
            return Err(self.wrong(start, "no translation address with matching address family found."));
        }
        let none = RedirectPorts { last: Some(0), ..RedirectPorts::default() };
        let RedirectPorts { first, last, service } = ports.unwrap_or(none);
        redirect.service = service;
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
}

/// The part behind `->`.
struct TranslationTarget {
    hosts: Vec<Host>,
    ports: Option<RedirectPorts>,
    extfilter: Option<External>,
    redirect: Redirect,
}
