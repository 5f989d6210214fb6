//! `user …`, `group …`: the owner of the socket.

use crate::pf::criteria::{Compare, OwnerMatch};
use crate::pf::words::write_word;

use super::kernel::{Parser, Read};
use super::lexer::LexemeKind;
use super::lists::Lists;
use super::ports::{Operator, compare};

impl Parser<'_, '_, '_> {
    pub(super) fn owner_criterion(&mut self, lists: &mut Lists) -> Read<()> {
        let group = self.bump().text == "group";
        let items = self.list(if group { Self::group } else { Self::user })?;
        // pfctl puts a criterion that is given again in front: the lists are gathered backwards.
        let known = if group { &mut lists.groups } else { &mut lists.users };
        known.extend(items.into_iter().rev());
        Ok(())
    }

    fn user(&mut self) -> Read<OwnerMatch> {
        self.owner(&[("root", 0), ("daemon", 1), ("nobody", u32::MAX - 1)])
    }

    fn group(&mut self) -> Read<OwnerMatch> {
        self.owner(&[("wheel", 0), ("daemon", 1), ("staff", 20), ("admin", 80), ("nobody", u32::MAX - 1)])
    }

    fn owner(&mut self, known: &[(&str, u32)]) -> Read<OwnerMatch> {
        let at = self.lexeme.at;
        let operator = self.opt_operator();
        let first = self.owner_name(known)?;
        let inside = self.lexeme.kind == LexemeKind::Inside;
        if operator.is_none() && (inside || self.lexeme.kind == LexemeKind::Outside) {
            self.bump();
            let second = self.owner_name(known)?;
            return match (first, second) {
                (OwnerName::Unknown, _) | (_, OwnerName::Unknown) => {
                    Err(self.wrong(at, "user unknown requires operator = or !="))
                }
                (OwnerName::Number(a), OwnerName::Number(b)) => Ok(OwnerMatch::Number(if inside {
                    Compare::Inside(a, b)
                } else {
                    Compare::Outside(a, b)
                })),
                (a, b) => {
                    let operator = if inside { "><" } else { "<>" };
                    Ok(OwnerMatch::Name(format!("{a} {operator} {b}").into_boxed_str()))
                }
            };
        }
        let operator = operator.unwrap_or(Operator::Equal);
        match (first, operator) {
            (OwnerName::Unknown, Operator::Equal) => Ok(OwnerMatch::Unknown { negated: false }),
            (OwnerName::Unknown, Operator::NotEqual) => Ok(OwnerMatch::Unknown { negated: true }),
            (OwnerName::Unknown, _) => Err(self.wrong(at, "user unknown requires operator = or !=")),
            (OwnerName::Number(number), operator) => Ok(OwnerMatch::Number(compare(operator, number))),
            (OwnerName::Name(name), operator) => {
                Ok(OwnerMatch::Name(compare(operator, OwnerName::Name(name)).to_string().into_boxed_str()))
            }
        }
    }

    fn owner_name(&mut self, known: &[(&str, u32)]) -> Read<OwnerName> {
        let at = self.lexeme.at;
        if let LexemeKind::Number(value) = self.lexeme.kind {
            self.bump();
            return match u32::try_from(value) {
                Ok(number) if number < u32::MAX => Ok(OwnerName::Number(number)),
                _ => Err(self.wrong(at, &format!("illegal uid or gid value {value}"))),
            };
        }
        let name = self.string("a user or group")?;
        if &*name == "unknown" {
            return Ok(OwnerName::Unknown);
        }
        match known.iter().find(|(known, _)| *known == &*name) {
            Some((_, number)) => Ok(OwnerName::Number(*number)),
            None => Ok(OwnerName::Name(name)),
        }
    }
}

enum OwnerName {
    Number(u32),
    Unknown,
    Name(Box<str>),
}

impl std::fmt::Display for OwnerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OwnerName::Number(number) => number.fmt(f),
            OwnerName::Unknown => f.write_str("unknown"),
            OwnerName::Name(name) => write_word(f, name),
        }
    }
}
