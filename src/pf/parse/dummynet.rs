//! `dummynet …`: pipes (Apple).

use crate::pf::rule::{Action, Rule, Ruleset};

use super::kernel::{Parser, Read};
use super::lexer::Position;
use super::lists::Lists;

impl Parser<'_, '_, '_> {
    pub(super) fn dummynet(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        self.bump();
        let mut rule = Rule::new(Action::Dummynet);
        let mut lists = Lists::default();
        rule.direction = self.opt_direction();
        self.opt_log_and_quick(&mut rule)?;
        self.opt_scope(&mut rule, &mut lists)?;
        if self.opt_criteria(&mut rule, &mut lists)?.state {
            self.doubt("a dummynet rule keeps no state");
        }
        self.end_of_rule()?;
        match (no, rule.pipe) {
            (true, Some(_)) => return Err(self.wrong(start, "dummynet rule with 'no' does not need a pipe")),
            // pfctl shows the label of a rule in the place of its pipe.
            (false, None) if !self.is_listing() => return Err(self.expected("`pipe` and its number")),
            _ => {}
        }
        if no {
            rule.action = Action::NoDummynet;
        } else if rule.direction.is_none() {
            self.doubt("a dummynet rule needs `in` or `out`");
        }
        lists.decide_family(&mut rule);
        self.expand(rule, lists, start, |ruleset| &mut ruleset.dummynet, ruleset)
    }
}
