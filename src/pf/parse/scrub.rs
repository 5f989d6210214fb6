//! `scrub …`: normalization.

use crate::pf::effects::{Fragments, Scrub};
use crate::pf::rule::{Action, Rule, Ruleset};
use crate::pf::words::shortened;

use super::kernel::{Order, Parser, Read};
use super::lexer::Position;
use super::lists::Lists;

impl Parser<'_, '_, '_> {
    pub(super) fn scrub_rule(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        self.bump();
        let mut rule = Rule::new(if no { Action::NoScrub } else { Action::Scrub });
        let mut lists = Lists::default();
        rule.direction = self.opt_direction();
        self.opt_log_and_quick(&mut rule)?;
        if rule.quick {
            return Err(self.wrong(start, "scrub rules do not support 'quick'"));
        }
        self.opt_scope(&mut rule, &mut lists)?;
        let reassembles = self.opt_scrub_options(&mut rule)?;
        self.end_of_rule()?;
        self.in_order(Order::Scrub, start)?;
        if rule.direction.is_some() && reassembles {
            return Err(self.wrong(start, "reassemble tcp rules can not specify direction"));
        }
        self.expand(rule, lists, start, |ruleset| &mut ruleset.scrub, ruleset)
    }

    /// Gives whether TCP is normalized, which a `no scrub` rule only says.
    pub(super) fn opt_scrub_options(&mut self, rule: &mut Rule) -> Read<bool> {
        let mut scrub = Scrub::default();
        let mut fragments = None;
        loop {
            let at = self.lexeme.at;
            if self.lexeme.is("rtable") {
                rule.rtable = self.opt_rtable()?;
            } else if self.lexeme.is("tagged") || self.lexeme.is_punctuation(b'!') {
                self.doubt("there is no `tagged` for scrub");
                rule.tagged = self.opt_tagged()?;
            } else {
                match self.opt_scrub_option(&mut scrub, &mut fragments)? {
                    None => break,
                    Some(false) => {}
                    Some(true) => return Err(self.wrong(at, "a scrub option cannot be respecified")),
                }
            }
        }
        scrub.fragments = fragments.unwrap_or_default();
        let reassembles = scrub.reassemble_tcp;
        if rule.action == Action::NoScrub {
            // Without scrub nothing is reassembled.
            scrub.reassemble_tcp = false;
            scrub.fragments = Fragments::Reassemble;
        }
        rule.scrub = (scrub != Scrub::default()).then(|| Box::new(scrub));
        Ok(reassembles)
    }

    /// Gives whether the option was given before; `None` where none is next.
    fn opt_scrub_option(
        &mut self,
        scrub: &mut Scrub,
        fragments: &mut Option<Fragments>,
    ) -> Read<Option<bool>> {
        let at = self.lexeme.at;
        Ok(Some(match () {
            () if self.eat("no-df") => std::mem::replace(&mut scrub.no_df, true),
            () if self.eat("random-id") => std::mem::replace(&mut scrub.random_id, true),
            () if self.eat("min-ttl") => {
                let value = self.number_within("a min-ttl", 255)?;
                std::mem::replace(&mut scrub.min_ttl, value) != 0
            }
            () if self.eat("max-mss") => {
                let value = self.number_within("a max-mss", 65535)?;
                std::mem::replace(&mut scrub.max_mss, value) != 0
            }
            () if self.lexeme.is("set-tos") => {
                self.doubt("there is no `set-tos` for scrub");
                self.bump();
                scrub.set_tos.replace(self.tos()?).is_some()
            }
            () if self.eat("fragment") => fragments.replace(self.fragments()?).is_some(),
            () if self.eat("reassemble") => {
                let what = self.string("`tcp`")?;
                if !what.eq_ignore_ascii_case("tcp") {
                    let message = format!("scrub reassemble supports only tcp, not '{}'", shortened(&what));
                    return Err(self.wrong(at, &message));
                }
                std::mem::replace(&mut scrub.reassemble_tcp, true)
            }
            () => return Ok(None),
        }))
    }

    fn fragments(&mut self) -> Read<Fragments> {
        match () {
            () if self.eat("reassemble") => Ok(Fragments::Reassemble),
            () if self.eat("crop") => Ok(Fragments::Crop),
            () if self.eat("drop-ovl") => Ok(Fragments::DropOverlap),
            () => Err(self.expected("`reassemble`, `crop` or `drop-ovl`")),
        }
    }
}
