//! Pools of addresses, and `route-to`, `reply-to`, `dup-to`, `fastroute`, which send packets to them.

use sha2::{Digest as _, Sha256};

use crate::pf::criteria::{Address, Family};
use crate::pf::effects::{External, Pool, PoolMethod, Redirect, Route, RouteKind};
use crate::pf::rule::Rule;

use super::hosts::Host;
use super::kernel::{Parser, Read};
use super::lexer::{LexemeKind, Position};

impl Parser<'_, '_, '_> {
    pub(super) fn opt_route(&mut self) -> Read<Option<Box<Route>>> {
        let kind = match () {
            () if self.eat("fastroute") => RouteKind::Fastroute,
            () if self.eat("route-to") => RouteKind::RouteTo,
            () if self.eat("reply-to") => RouteKind::ReplyTo,
            () if self.eat("dup-to") => RouteKind::DupTo,
            () => return Ok(None),
        };
        let mut route = Route { kind, hops: Vec::new(), pool: Pool::default() };
        if kind != RouteKind::Fastroute {
            for hops in self.list(Self::hop)? {
                route.hops.extend(hops);
            }
            self.opt_pool(&mut route.pool, None)?;
        }
        Ok(Some(Box::new(route)))
    }

    /// `en0`, `(en0 10.0.0.1)`
    fn hop(&mut self) -> Read<Vec<(Box<str>, Option<Address>)>> {
        if !self.eat_punctuation(b'(') {
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

    pub(super) fn finish_pool(&mut self, pool: Option<&mut Pool>, many: bool, start: Position) -> Read<()> {
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

    pub(super) fn opt_pool(&mut self, pool: &mut Pool, mut redirect: Option<&mut Redirect>) -> Read<()> {
        loop {
            let at = self.lexeme.at;
            let method = match () {
                () if self.eat("bitmask") => PoolMethod::Bitmask,
                () if self.eat("random") => PoolMethod::Random,
                () if self.eat("round-robin") => PoolMethod::RoundRobin,
                () if self.eat("source-hash") => PoolMethod::SourceHash(self.opt_hash_key()?),
                () if self.eat("sticky-address") => {
                    pool.sticky = true;
                    continue;
                }
                () => match &mut redirect {
                    Some(redirect) if self.eat("static-port") => {
                        if redirect.static_port {
                            return Err(self.wrong(at, "static-port cannot be redefined"));
                        }
                        redirect.static_port = true;
                        continue;
                    }
                    Some(redirect) if self.lexeme.is("extmap") => {
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
    fn opt_hash_key(&mut self) -> Read<Option<Box<str>>> {
        if !matches!(self.lexeme.kind, LexemeKind::Word | LexemeKind::Quoted) {
            return Ok(None);
        }
        let at = self.lexeme.at;
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

    /// `extfilter ad`, `extmap ei`; `None` for `apd`, the default.
    pub(super) fn external(&mut self) -> Read<Option<External>> {
        self.bump();
        Ok(match &*self.one_of(&["apd", "ad", "ei"])? {
            "ad" => Some(External::Address),
            "ei" => Some(External::Any),
            _ => None,
        })
    }
}
