//! The criteria in the last part of a rule, behind the addresses, in any order.

use crate::pf::criteria::{Family, Flags, Icmp, Tagged, TypeOfService};
use crate::pf::effects::Pipe;
use crate::pf::names::{header, icmp};
use crate::pf::print;
use crate::pf::rule::{Action, Rule};
use crate::pf::words::{c_number, shortened};

use super::kernel::{Parser, Read};
use super::lexer::{LexemeKind, Position};
use super::lists::Lists;
use super::problem::Fault;

/// Which criteria a rule gave.
#[derive(Default)]
pub(super) struct GivenCriteria {
    pub(super) state: bool,
    pub(super) flags: bool,
}

impl Parser<'_, '_, '_> {
    pub(super) fn opt_criteria(&mut self, rule: &mut Rule, lists: &mut Lists) -> Read<GivenCriteria> {
        let mut given = GivenCriteria::default();
        while self.opt_criterion(rule, lists, &mut given)? {}
        Ok(given)
    }

    /// Gives whether a criterion was next.
    fn opt_criterion(&mut self, rule: &mut Rule, lists: &mut Lists, given: &mut GivenCriteria) -> Read<bool> {
        if self.lexeme.is_punctuation(b'!') {
            rule.tagged = self.opt_tagged()?;
            return Ok(true);
        }
        // pfctl prints the probability between `keep state` and the state's options, where it would not read it.
        let printed = self.is_listing() && given.state && rule.probability.is_some();
        if printed && rule.state_options.is_none() && self.lexeme.is_punctuation(b'(') {
            self.state_options(rule)?;
            return Ok(true);
        }
        if self.lexeme.kind != LexemeKind::Keyword {
            return Ok(false);
        }
        match &*self.lexeme.text {
            "user" | "group" => self.owner_criterion(lists)?,
            "flags" => {
                self.once(std::mem::replace(&mut given.flags, true), "flags cannot be redefined")?;
                rule.flags = self.flags()?;
            }
            "icmp-type" | "icmp6-type" => {
                self.once(!lists.icmp.is_empty(), "icmp-type cannot be redefined")?;
                lists.icmp = self.icmp_types()?;
            }
            "tos" | "dscp" | "sc" => {
                self.once(rule.tos.is_some(), "tos, dscp and sc cannot be redefined or used together")?;
                rule.tos = Some(self.type_of_service()?);
            }
            "no" | "keep" | "modulate" | "synproxy" => {
                self.once(std::mem::replace(&mut given.state, true), "modulate or keep cannot be redefined")?;
                self.state(rule)?;
            }
            "fragment" => rule.fragment = self.eat("fragment"),
            "allow-opts" => rule.allow_options = self.eat("allow-opts"),
            "extfilter" => rule.extfilter = self.external()?,
            "label" => {
                self.once(rule.label.is_some(), "label cannot be redefined")?;
                rule.label = self.label()?;
            }
            "queue" if rule.action == Action::Dummynet => self.pipe(rule)?,
            "pipe" => self.pipe(rule)?,
            "queue" => {
                self.once(rule.queue.is_some(), "queue cannot be redefined")?;
                rule.queue = Some(self.queue()?);
            }
            "tag" => {
                self.bump();
                rule.tag = Some(self.tag()?);
            }
            "tagged" => rule.tagged = self.opt_tagged()?,
            "probability" => {
                self.bump();
                rule.probability = Some(self.probability()?);
            }
            "rtable" => rule.rtable = self.opt_rtable()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Refuses the lexeme that is next, where the rule has what it stands for already.
    pub(super) fn once(&mut self, given: bool, message: &str) -> Read<()> {
        if given { Err(self.wrong(self.lexeme.at, message)) } else { Ok(()) }
    }

    /// `flags S/SA`, `flags /SA`; `None` for `flags any`.
    fn flags(&mut self) -> Read<Option<Flags>> {
        self.bump();
        if self.eat("any") {
            return Ok(None);
        }
        let set = if self.lexeme.is_punctuation(b'/') { 0 } else { self.flag_letters()? };
        self.require_punctuation(b'/')?;
        let of = self.flag_letters()?;
        Ok(Some(Flags { set, of }))
    }

    fn flag_letters(&mut self) -> Read<u8> {
        let at = self.lexeme.at;
        let text = self.string("TCP flags, such as `S/SA`")?;
        let mut flags = 0;
        for letter in text.chars() {
            match header::TCP_FLAGS.find(letter) {
                Some(bit) => flags |= 1 << bit,
                None => return Err(self.wrong(at, &format!("bad flags {}", shortened(&text)))),
            }
        }
        Ok(if flags == 0 { u8::MAX } else { flags })
    }

    pub(super) fn check_flags(&mut self, rule: &Rule, lists: &Lists, start: Position) -> Read<()> {
        if rule.flags.is_some_and(|flags| flags.set & flags.of != flags.set) {
            return Err(self.wrong(start, "flags always false"));
        }
        // pfctl expands such a rule to one for each protocol, and prints rules that it would not read.
        if self.is_listing() {
            return Ok(());
        }
        let tcp = lists.protocols.is_empty() || lists.protocols.iter().any(|protocol| protocol.number == 6);
        if !tcp && rule.flags.is_some() {
            return Err(self.wrong(start, "flags only apply to tcp"));
        }
        if !tcp && !lists.systems.is_empty() {
            return Err(self.wrong(start, "OS fingerprinting only applies to tcp"));
        }
        Ok(())
    }

    /// The types, each with the protocol that it belongs to.
    fn icmp_types(&mut self) -> Read<Vec<(Icmp, u8)>> {
        match &*self.bump().text {
            "icmp6-type" => self.list(Self::icmp6),
            _ => self.list(Self::icmp4),
        }
    }

    fn icmp4(&mut self) -> Read<(Icmp, u8)> {
        Ok((self.icmp(Family::Inet)?, 1))
    }

    fn icmp6(&mut self) -> Read<(Icmp, u8)> {
        Ok((self.icmp(Family::Inet6)?, 58))
    }

    fn icmp(&mut self, family: Family) -> Read<Icmp> {
        let at = self.lexeme.at;
        let kind = match self.lexeme.kind {
            LexemeKind::Number(_) => self.number_within("an icmp type", 255)?,
            // `skip` is a reserved word and an ICMP type: pfctl prints it by name, and takes it by number only.
            _ if self.is_listing() && self.lexeme.is("skip") => {
                self.bump();
                39
            }
            _ => {
                let name = self.string("an icmp type")?;
                match icmp::icmp_type(&name, family) {
                    Some(kind) => kind,
                    None => return Err(self.wrong(at, &format!("unknown icmp-type {}", shortened(&name)))),
                }
            }
        };
        if !self.eat("code") {
            return Ok(Icmp { kind, code: None });
        }
        let at = self.lexeme.at;
        let code = match self.lexeme.kind {
            LexemeKind::Number(_) => self.number_within("an icmp code", 255)?,
            _ => {
                let name = self.string("an icmp code")?;
                match icmp::icmp_code(kind, &name, family) {
                    Some(code) => code,
                    None => return Err(self.wrong(at, &format!("unknown icmp-code {}", shortened(&name)))),
                }
            }
        };
        Ok(Icmp { kind, code: Some(code) })
    }

    fn type_of_service(&mut self) -> Read<TypeOfService> {
        Ok(match &*self.bump().text {
            "tos" => TypeOfService::Tos(self.tos()?),
            "dscp" => TypeOfService::Dscp(self.code_point()?),
            _ => TypeOfService::Class(self.service_class()?),
        })
    }

    pub(super) fn tos(&mut self) -> Read<u8> {
        let at = self.lexeme.at;
        let value = match self.lexeme.kind {
            LexemeKind::Number(value) => {
                self.bump();
                Some(value)
            }
            _ => match &*self.string("a type of service")? {
                "lowdelay" => Some(0x10),
                "throughput" => Some(0x08),
                "reliability" => Some(0x04),
                text if text.starts_with("0x") => c_number(text),
                _ => None,
            },
        };
        let value = value.and_then(|value| u8::try_from(value).ok()).filter(|value| *value > 0);
        value.ok_or_else(|| {
            self.wrong(at, "illegal tos value: give 1 to 255, lowdelay, throughput or reliability")
        })
    }

    /// `ef`, `af11`, a number: the upper six bits of the byte.
    fn code_point(&mut self) -> Read<u8> {
        let at = self.lexeme.at;
        let value = match self.lexeme.kind {
            LexemeKind::Number(value) => {
                self.bump();
                Some(value)
            }
            _ => {
                let name = self.string("a code point, such as `ef` or `af11`")?;
                header::code_point(&name).map(i64::from).or_else(|| c_number(&name))
            }
        };
        let value = value.and_then(|value| u8::try_from(value).ok()).map(|value| value & 0xfc);
        value.filter(|value| *value > 0).ok_or_else(|| self.wrong(at, "illegal dscp value"))
    }

    fn service_class(&mut self) -> Read<u8> {
        let at = self.lexeme.at;
        let name = self.string("a service class, such as `be` or `vi`")?;
        header::service_class(&name)
            .ok_or_else(|| self.wrong(at, &format!("illegal sc value {}", shortened(&name))))
    }

    pub(super) fn label(&mut self) -> Read<Option<Box<str>>> {
        self.bump();
        let at = self.lexeme.at;
        let label = self.string("the label")?;
        if label.len() > 63 {
            return Err(self.wrong(at, "rule label too long (max 63 chars)"));
        }
        Ok(Some(label).filter(|label| !label.is_empty()))
    }

    pub(super) fn tag(&mut self) -> Read<Box<str>> {
        let at = self.lexeme.at;
        let tag = self.strings("a tag")?;
        if tag.len() > 63 {
            return Err(self.wrong(at, "tag too long, max 63 chars"));
        }
        Ok(tag)
    }

    /// `tagged x`, `! tagged x`
    pub(super) fn opt_tagged(&mut self) -> Read<Option<Tagged>> {
        let negated = self.eat_punctuation(b'!');
        if negated || self.lexeme.is("tagged") {
            self.require("tagged")?;
            return Ok(Some(Tagged { name: self.tag()?, negated }));
        }
        Ok(None)
    }

    fn queue(&mut self) -> Read<(Box<str>, Option<Box<str>>)> {
        self.bump();
        if !self.eat_punctuation(b'(') {
            return Ok((self.string("a queue")?, None));
        }
        let queue = self.string("a queue")?;
        if self.eat_punctuation(b')') {
            return Ok((queue, None));
        }
        self.eat_punctuation(b',');
        let acknowledgements = self.string("a queue")?;
        self.require_punctuation(b')')?;
        Ok((queue, Some(acknowledgements)))
    }

    fn pipe(&mut self, rule: &mut Rule) -> Read<()> {
        let at = self.lexeme.at;
        let queue = self.bump().text == "queue";
        if rule.action != Action::Dummynet {
            return Err(self.note(at, "`pipe` belongs to dummynet rules only".to_owned(), Fault::Syntax));
        }
        let bracketed = self.eat_punctuation(b'(');
        let number = self.number_within("a pipe's number", u16::MAX.into())?;
        if bracketed {
            self.require_punctuation(b')')?;
        }
        if number == 0 {
            return Err(self.wrong(at, "a pipe's number must be from 1 to 65535"));
        }
        rule.pipe = Some(Pipe { number, queue });
        Ok(())
    }

    /// As pf keeps it, out of 2³².
    fn probability(&mut self) -> Read<u32> {
        let at = self.lexeme.at;
        let fraction = match self.lexeme.kind {
            LexemeKind::Number(value) => {
                self.bump();
                // Lossless for all that is in range.
                Some(value as f64)
            }
            _ => {
                let text = self.string("a probability")?;
                let (digits, scale) = text.strip_suffix('%').map_or((&*text, 1.0), |digits| (digits, 0.01));
                c_float(digits).map(|value| value * scale)
            }
        };
        match fraction.and_then(scaled) {
            // pfctl prints six places; no more are kept, so that the rule reads back the same.
            Some(value) => {
                let printed = print::percent(value).parse().unwrap_or(0.0) * 0.01;
                Ok(scaled(printed).unwrap_or(value).max(1))
            }
            None => Err(self.wrong(at, "invalid probability: give 0% to 100%")),
        }
    }

    /// The number of a routing table, or the interface that it belongs to; `None` for 0, which is the default.
    pub(super) fn opt_rtable(&mut self) -> Read<Option<Box<str>>> {
        if !self.eat("rtable") {
            return Ok(None);
        }
        if !matches!(self.lexeme.kind, LexemeKind::Number(_)) {
            return Ok(Some(self.interface_name()?));
        }
        if self.lexeme.kind == LexemeKind::Number(0) {
            self.doubt("there is no routing table 0: leave `rtable` out");
        }
        let number: u32 = self.number_within("a routing table", i32::MAX.into())?;
        Ok((number != 0).then(|| number.to_string().into_boxed_str()))
    }
}

/// A number as strtod(3) reads it, which pfctl asks: nothing is zero, and a hexadecimal one has a power of two behind its `p`.
fn c_float(text: &str) -> Option<f64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => hexadecimal(digits)?,
        None if text.is_empty() => 0.0,
        None if unsigned.starts_with(['+', '-']) => return None,
        // A number that is none is kept by pfctl as the least chance.
        None if unsigned.eq_ignore_ascii_case("nan") => 0.0,
        None => unsigned.parse().ok()?,
    };
    Some(if text.starts_with('-') { -value } else { value })
}

/// `1p-1`, `.8`, `8.` behind `0x`
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, power) = text.split_once(['p', 'P']).unwrap_or((text, "0"));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let value = |sum: f64, digit: char| Some(sum * 16.0 + f64::from(digit.to_digit(16)?));
    let value = whole.chars().chain(part.chars()).try_fold(0.0, value)?;
    let power: i32 = power.parse().ok()?;
    let places = i32::try_from(part.len()).ok()?;
    // More places or powers than a number has end in zero or in no number of a chance.
    Some(value * 2.0_f64.powi(power.saturating_sub(places.saturating_mul(4))))
}

/// A fraction of one as pf keeps it.
fn scaled(fraction: f64) -> Option<u32> {
    let value = (fraction * f64::from(u32::MAX) + 0.5).floor();
    // In range, so the conversion is exact.
    (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value as u32).map(|value| value.max(1))
}

#[cfg(test)]
mod tests {
    use super::c_float;

    #[test]
    fn numbers_are_read_as_strtod_reads_them() {
        for (text, wanted) in [
            ("0.5", 0.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("5e-1", 0.5),
            (" +0.5", 0.5),
            ("0x1p-1", 0.5),
            ("0x.8", 0.5),
            ("0X8P-4", 0.5),
            ("-0x0", 0.0),
            ("", 0.0),
            ("nan", 0.0),
        ] {
            assert_eq!(c_float(text), Some(wanted), "{text}");
        }
        for text in [".", "e1", "1e", "0x", "0x1p", "0x.p1", "0xg", "--1", "+-1", "1_0", "half"] {
            assert_eq!(c_float(text), None, "{text}");
        }
        assert_eq!(c_float("inf"), Some(f64::INFINITY));
        let _ = c_float(&format!("0x{}p-99999", "f".repeat(400)));
    }
}
