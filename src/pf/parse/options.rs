//! `set …`: options.

use crate::pf::names::settings;
use crate::pf::preamble::{BlockPolicy, Preamble, SetOption, StatePolicy};
use crate::pf::rule::Ruleset;
use crate::pf::words::{c_number, shortened};

use super::kernel::{Order, Parser, Read};
use super::lexer::{Lexeme, LexemeKind, Position};
use super::problem::Fault;

impl<'a> Parser<'a, '_, '_> {
    pub(super) fn option(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.bump();
        let name = match self.lexeme.kind {
            LexemeKind::Keyword => self.bump(),
            _ => return Err(self.expected("an option")),
        };
        let ordered = !matches!(
            &*name.text,
            "skip" | "require-order" | "state-policy" | "ruleset-optimization" | "hostid"
        );
        let options = self.option_values(&name)?;
        if ordered {
            self.in_order(Order::Option, start)?;
        }
        for option in options {
            match option {
                SetOption::BlockPolicy(policy) => self.shared.block_policy = policy,
                SetOption::StatePolicy(policy) => self.shared.state_policy = policy,
                SetOption::RequireOrder(order) => self.shared.require_order = order && !self.is_listing(),
                _ => {}
            }
            ruleset.preamble.push(self.placed(start, Preamble::Option(option)));
        }
        Ok(())
    }

    fn option_values(&mut self, name: &Lexeme<'a>) -> Read<Vec<SetOption>> {
        let other = |value: Box<str>| vec![SetOption::Other(Box::from(&*name.text), value)];
        Ok(match &*name.text {
            "timeout" => self.list(Self::timeout)?,
            "limit" => self.list(Self::limit)?,
            "optimization" if self.lexeme.text.eq_ignore_ascii_case("default") => {
                self.doubt("there is no `default` optimization, but `normal`");
                other(self.one_of(&["default"])?)
            }
            "ruleset-optimization" if self.lexeme.text == "yes" || self.lexeme.is("no") => {
                self.doubt("ruleset-optimization is `none`, `basic` or `profile`");
                other(self.one_of(&["yes", "no"])?)
            }
            "optimization" => {
                other(self.one_of(&["normal", "satellite", "high-latency", "aggressive", "conservative"])?)
            }
            "ruleset-optimization" => other(self.one_of(&["none", "basic", "profile"])?),
            "debug" => other(self.one_of(&["none", "urgent", "misc", "loud"])?),
            "loginterface" => {
                let value =
                    if self.eat("all") { Box::from("all") } else { self.string("an interface or `none`")? };
                other(value)
            }
            "hostid" => {
                let at = self.lexeme.at;
                let value = match self.lexeme.kind {
                    LexemeKind::Number(value) => value,
                    LexemeKind::Word | LexemeKind::Quoted => c_number(&self.lexeme.text).unwrap_or_default(),
                    _ => return Err(self.expected("a number")),
                };
                self.bump();
                if value <= 0 || value > i64::from(u32::MAX) {
                    return Err(self.wrong(at, "hostid must be non-zero"));
                }
                other(format!("{value:#010x}").into_boxed_str())
            }
            "block-policy" if self.eat("drop") => vec![SetOption::BlockPolicy(BlockPolicy::Drop)],
            "block-policy" if self.eat("return") => vec![SetOption::BlockPolicy(BlockPolicy::Return)],
            "block-policy" => return Err(self.expected("`drop` or `return`")),
            "state-policy" if self.eat("if-bound") => vec![SetOption::StatePolicy(StatePolicy::IfBound)],
            "state-policy" if self.eat("floating") => vec![SetOption::StatePolicy(StatePolicy::Floating)],
            "state-policy" => return Err(self.expected("`if-bound` or `floating`")),
            "require-order" if self.eat("no") => vec![SetOption::RequireOrder(false)],
            "require-order" => {
                self.one_of(&["yes"])?;
                vec![SetOption::RequireOrder(true)]
            }
            "fingerprints" => other(self.string("the file of fingerprints")?),
            "skip" => vec![self.skip()?],
            _ => {
                return Err(self.note(
                    name.at,
                    format!("expected an option, found {}", name.describe()),
                    Fault::Syntax,
                ));
            }
        })
    }

    fn timeout(&mut self) -> Read<SetOption> {
        let at = self.lexeme.at;
        let name = self.string("the name of a timeout")?;
        if !settings::TIMEOUTS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(self.wrong(at, &format!("unknown timeout {}", shortened(&name))));
        }
        let value = self.number_within("a timeout", u32::MAX.into())?;
        Ok(SetOption::Timeout(name.to_ascii_lowercase().into_boxed_str(), value))
    }

    fn limit(&mut self) -> Read<SetOption> {
        let at = self.lexeme.at;
        let name = self.string("the name of a limit")?;
        if !settings::LIMITS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(self.wrong(at, &format!("unable to set limit {}", shortened(&name))));
        }
        let value = self.number_within("a limit", u32::MAX.into())?;
        Ok(SetOption::Limit(name.to_ascii_lowercase().into_boxed_str(), value))
    }

    fn skip(&mut self) -> Read<SetOption> {
        let at = self.lexeme.at;
        let interfaces = self.opt_interfaces()?;
        if interfaces.iter().any(|interface| interface.negated) {
            return Err(self.wrong(at, "skip on ! <interface> is not supported"));
        }
        Ok(SetOption::Skip(match &*interfaces {
            [only] if &*only.name == "none" => Vec::new(),
            _ => interfaces.into_iter().map(|interface| interface.name).collect(),
        }))
    }
}
