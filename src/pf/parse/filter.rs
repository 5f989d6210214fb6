//! `pass …`, `block …`: filter rules.

use crate::pf::criteria::{Family, Flags};
use crate::pf::effects::{Block, Log, StateKeeping};
use crate::pf::names::icmp;
use crate::pf::preamble::BlockPolicy;
use crate::pf::rule::{Action, Rule, Ruleset};
use crate::pf::words::{c_number, shortened};

use super::advice::misplaced;
use super::expand::PORT_UNREACHABLE;
use super::kernel::{Order, Parser, Read};
use super::lexer::{LexemeKind, Position};
use super::lists::Lists;

impl Parser<'_, '_, '_> {
    /// `pass …`, `block …`
    pub(super) fn filter_rule(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        let action =
            if self.bump().text == "pass" { Action::Pass } else { Action::Block(self.opt_block_reply()?) };
        let mut rule = Rule::new(action);
        let mut lists = Lists::default();
        rule.direction = self.opt_direction();
        self.opt_log_and_quick(&mut rule)?;
        lists.interfaces = self.opt_interfaces()?;
        rule.route = self.opt_route()?;
        rule.family = self.opt_family();
        lists.protocols = self.opt_protocols()?;
        self.opt_peers(&mut lists)?;
        let given = self.opt_criteria(&mut rule, &mut lists)?;
        self.end_of_rule()?;
        self.in_order(Order::Filter, start)?;
        self.check_flags(&rule, &lists, start)?;
        if rule.action == Action::Pass {
            if !given.state {
                rule.state = StateKeeping::Keep;
            }
            if !given.flags && !rule.fragment && rule.state != StateKeeping::No {
                rule.flags = Some(Flags { set: 0x02, of: 0x12 });
            }
        }
        if rule.extfilter.is_some() && rule.state == StateKeeping::No {
            return Err(self.wrong(start, "extfilter needs a rule that keeps state"));
        }
        self.finish_state(&mut rule);
        lists.decide_family(&mut rule);
        self.finish_route(&mut rule, start)?;
        self.expand(rule, lists, start, |ruleset| &mut ruleset.filter, ruleset)
    }

    fn opt_block_reply(&mut self) -> Read<Block> {
        if self.eat("drop") {
            return Ok(Block::Drop);
        }
        if self.eat("return") {
            return Ok(Block::Return);
        }
        if self.eat("return-rst") {
            if !self.eat_punctuation(b'(') {
                return Ok(Block::ReturnRst(0));
            }
            self.require("ttl")?;
            let ttl = self.number_within("a time to live", 255)?;
            self.require_punctuation(b')')?;
            return Ok(Block::ReturnRst(ttl));
        }
        let six_only = self.lexeme.is("return-icmp6");
        if !self.eat("return-icmp") && !self.eat("return-icmp6") {
            return Ok(self.bare_block());
        }
        let mut codes = PORT_UNREACHABLE;
        if self.eat_punctuation(b'(') {
            if six_only {
                codes.1 = self.return_code(Family::Inet6)?;
            } else {
                codes.0 = self.return_code(Family::Inet)?;
                if !self.lexeme.is_punctuation(b')') {
                    self.eat_punctuation(b',');
                    codes.1 = self.return_code(Family::Inet6)?;
                }
            }
            self.require_punctuation(b')')?;
        }
        Ok(Block::ReturnIcmp(codes.0, codes.1))
    }

    /// A code of "destination unreachable".
    fn return_code(&mut self, family: Family) -> Read<u8> {
        let at = self.lexeme.at;
        if let LexemeKind::Number(_) = self.lexeme.kind {
            return self.number_within("an icmp code", 255);
        }
        let name = self.string("an icmp code")?;
        let known = icmp::icmp_code(icmp::unreachable(family), &name, family);
        let number = c_number(&name).and_then(|number| u8::try_from(number).ok());
        known.or(number).ok_or_else(|| self.wrong(at, &format!("unknown icmp code {}", shortened(&name))))
    }

    pub(super) fn bare_block(&self) -> Block {
        match self.shared.block_policy {
            BlockPolicy::Drop => Block::Drop,
            BlockPolicy::Return => Block::Return,
        }
    }

    /// `log`, `log (all, to pflog1)`, `quick`, in either order.
    pub(super) fn opt_log_and_quick(&mut self, rule: &mut Rule) -> Read<()> {
        rule.quick = self.eat("quick");
        rule.log = self.opt_log()?;
        rule.quick |= rule.log.is_some() && !rule.quick && self.eat("quick");
        Ok(())
    }

    pub(super) fn opt_log(&mut self) -> Read<Option<Log>> {
        if !self.eat("log") {
            return Ok(None);
        }
        let mut log = Log::default();
        if !self.eat_punctuation(b'(') {
            return Ok(Some(log));
        }
        loop {
            let at = self.lexeme.at;
            if self.eat("all") {
                log.all = true;
            } else if self.eat("user") || self.eat("group") {
                log.user = true;
            } else if self.eat("to") {
                let name = self.strings("a pflog interface")?;
                let number = name.strip_prefix("pflog").and_then(c_number).and_then(|n| u8::try_from(n).ok());
                match number {
                    Some(number) => log.to = number,
                    None => {
                        let message = format!("{}: should be a pflog interface", shortened(&name));
                        return Err(self.wrong(at, &message));
                    }
                }
            } else {
                return Err(self.expected("`all`, `user` or `to`"));
            }
            if self.eat_punctuation(b')') {
                return Ok(Some(log));
            }
            self.eat_punctuation(b',');
        }
    }

    pub(super) fn end_of_rule(&mut self) -> Read<()> {
        match self.lexeme.kind {
            LexemeKind::Newline | LexemeKind::End | LexemeKind::Punctuation(b'}') => Ok(()),
            _ => {
                let misplaced = misplaced(&self.lexeme);
                let rejected = self.expected("a criterion or the end of the line");
                if let (Some(advice), Some(problem)) = (misplaced, self.shared.problems.last_mut()) {
                    problem.message = format!("{}; {advice}", problem.message);
                }
                Err(rejected)
            }
        }
    }
}
