//! Ports as pfctl reads them, and the operators in front of a number.

use crate::pf::criteria::{Compare, PortMatch};
use crate::pf::names::services;
use crate::pf::words::{c_number, shortened};

use super::kernel::{Parser, Read};
use super::lexer::{LexemeKind, Position};

impl Parser<'_, '_, '_> {
    /// The ports of one end.
    pub(super) fn ports(&mut self) -> Read<Vec<PortMatch>> {
        self.list(Self::port_item)
    }

    fn port_item(&mut self) -> Read<PortMatch> {
        let at = self.lexeme.at;
        if let Some(operator) = self.opt_operator() {
            let (port, last) = self.port(at)?;
            if last.is_some() {
                return Err(self.wrong(at, "':' cannot be used with an other port operator"));
            }
            return Ok(match port {
                PortSpec::Number(number) => PortMatch::Number(compare(operator, number)),
                PortSpec::Service(name) => {
                    PortMatch::Service(compare(operator, name).to_string().into_boxed_str())
                }
            });
        }
        let (first, last) = self.port(at)?;
        let outside = match self.lexeme.kind {
            LexemeKind::Inside => false,
            LexemeKind::Outside => true,
            _ => {
                return Ok(match (first, last) {
                    (PortSpec::Number(port), None) => PortMatch::Number(Compare::Equal(port)),
                    (PortSpec::Number(first), Some(PortSpec::Number(last))) => {
                        PortMatch::Number(Compare::Range(first, last))
                    }
                    (PortSpec::Service(name), None) => {
                        PortMatch::Service(format!("= {name}").into_boxed_str())
                    }
                    (first, Some(last)) => PortMatch::Service(format!("{first}:{last}").into_boxed_str()),
                });
            }
        };
        self.bump();
        let (second, further) = self.port(at)?;
        if last.is_some() || further.is_some() {
            return Err(self.wrong(at, "':' cannot be used with an other port operator"));
        }
        Ok(match (first, second, outside) {
            (PortSpec::Number(a), PortSpec::Number(b), true) => PortMatch::Number(Compare::Outside(a, b)),
            (PortSpec::Number(a), PortSpec::Number(b), false) => PortMatch::Number(Compare::Inside(a, b)),
            (a, b, true) => PortMatch::Service(format!("{a} <> {b}").into_boxed_str()),
            (a, b, false) => PortMatch::Service(format!("{a} >< {b}").into_boxed_str()),
        })
    }

    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, where one is next.
    pub(super) fn opt_operator(&mut self) -> Option<Operator> {
        let LexemeKind::Punctuation(first @ (b'=' | b'!' | b'<' | b'>')) = self.lexeme.kind else {
            return None;
        };
        self.bump();
        let equal = first != b'=' && self.eat_punctuation(b'=');
        match (first, equal) {
            (b'=', _) => Some(Operator::Equal),
            (b'<', false) => Some(Operator::Less),
            (b'<', true) => Some(Operator::LessOrEqual),
            (b'>', false) => Some(Operator::Greater),
            (b'>', true) => Some(Operator::GreaterOrEqual),
            // After a `!` without `=` the number is missing, which is noted there.
            _ => Some(Operator::NotEqual),
        }
    }

    fn port(&mut self, at: Position) -> Read<(PortSpec, Option<PortSpec>)> {
        if let LexemeKind::Number(value) = self.lexeme.kind {
            self.bump();
            return Ok((PortSpec::Number(self.port_number(value, at)?), None));
        }
        let text = self.string("a port")?;
        match text.split_once(':') {
            None => Ok((self.service(&text, at)?, None)),
            Some((first, last)) => Ok((self.service(first, at)?, Some(self.service(last, at)?))),
        }
    }

    /// The port or ports behind `->`.
    pub(super) fn redirect_ports(&mut self) -> Read<RedirectPorts> {
        let at = self.lexeme.at;
        let numbers = |first, last| RedirectPorts { first, last, service: None };
        if let LexemeKind::Number(value) = self.lexeme.kind {
            self.bump();
            return Ok(numbers(self.port_number(value, at)?, Some(0)));
        }
        let text = self.string("a port")?;
        let (first, last) = text.split_once(':').map_or((&*text, None), |(first, last)| (first, Some(last)));
        let last = match last {
            Some("*") => None,
            Some(last) => Some(self.service(last, at)?),
            None => Some(PortSpec::Number(0)),
        };
        Ok(match (self.service(first, at)?, last) {
            (PortSpec::Number(first), None) => numbers(first, None),
            (PortSpec::Number(first), Some(PortSpec::Number(last))) => {
                numbers(first, Some(if last == first { 0 } else { last }))
            }
            _ => RedirectPorts { service: Some(text), ..numbers(0, Some(0)) },
        })
    }

    fn port_number(&mut self, value: i64, at: Position) -> Read<u16> {
        u16::try_from(value).map_err(|_| self.wrong(at, &format!("illegal port value {value}")))
    }

    fn service(&mut self, name: &str, at: Position) -> Read<PortSpec> {
        if let Some(value) = c_number(name) {
            return Ok(PortSpec::Number(self.port_number(value, at)?));
        }
        if let Some(port) = services::service(name) {
            return Ok(PortSpec::Number(port));
        }
        // macOS knows thousands of services by name: a text that may be one is kept.
        let proper = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.'))
            && name.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !name.starts_with(|first: char| !first.is_ascii_alphanumeric());
        if !proper {
            return Err(self.wrong(at, &format!("unknown port {}", shortened(name))));
        }
        Ok(PortSpec::Service(Box::from(name)))
    }
}

/// Where a translation leads, by its ports.
#[derive(Default)]
pub(super) struct RedirectPorts {
    pub first: u16,
    /// `None`: as many as the rule's own range has.
    pub last: Option<u16>,
    /// The text, where a service in it is not known by its number.
    pub service: Option<Box<str>>,
}

/// An operator in front of a number.
#[derive(Clone, Copy)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

pub(super) fn compare<T>(operator: Operator, value: T) -> Compare<T> {
    match operator {
        Operator::Equal => Compare::Equal(value),
        Operator::NotEqual => Compare::NotEqual(value),
        Operator::Less => Compare::Less(value),
        Operator::LessOrEqual => Compare::LessOrEqual(value),
        Operator::Greater => Compare::Greater(value),
        Operator::GreaterOrEqual => Compare::GreaterOrEqual(value),
    }
}

enum PortSpec {
    Number(u16),
    Service(Box<str>),
}

impl std::fmt::Display for PortSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PortSpec::Number(port) => port.fmt(f),
            PortSpec::Service(name) => f.write_str(name),
        }
    }
}
