//! `scrub …`: normalization.

use crate::pf::effects::{Fragments, Scrub};
use crate::pf::rule::{Action, Rule, Ruleset};
use crate::pf::words::shortened;

use super::expand::Lists;
use super::kernel::{Order, Parser, Read};
use super::lexer::Position;

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
        lists.interfaces = self.opt_interfaces()?;
        rule.family = self.opt_family();
        lists.protocols = self.opt_protocols()?;
        self.opt_peers(&mut lists)?;
        self.opt_scrub_options(&mut rule)?;
        self.end_of_rule()?;
        self.in_order(Order::Scrub, start)?;
        if rule.direction.is_some() && rule.scrub.as_ref().is_some_and(|scrub| scrub.reassemble_tcp) {
            return Err(self.wrong(start, "reassemble tcp rules can not specify direction"));
        }
        self.expand(rule, lists, start, |ruleset| &mut ruleset.scrub, ruleset)
    }

    pub(super) fn opt_scrub_options(&mut self, rule: &mut Rule) -> Read<()> {
        let mut scrub = Scrub::default();
        let mut fragments = false;
        loop {
            let at = self.token.at;
            let twice = match () {
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
                () if self.token.is("set-tos") => {
                    self.doubt("there is no `set-tos` for scrub");
                    self.bump();
                    scrub.set_tos.replace(self.tos()?).is_some()
                }
                () if self.eat("fragment") => {
                    scrub.fragments = match () {
                        () if self.eat("reassemble") => Fragments::Reassemble,
                        () if self.eat("crop") => Fragments::Crop,
                        () if self.eat("drop-ovl") => Fragments::DropOverlap,
                        () => return Err(self.expected("`reassemble`, `crop` or `drop-ovl`")),
                    };
                    std::mem::replace(&mut fragments, true)
                }
                () if self.eat("reassemble") => {
                    let what = self.string("`tcp`")?;
                    if !what.eq_ignore_ascii_case("tcp") {
                        let message =
                            format!("scrub reassemble supports only tcp, not '{}'", shortened(&what));
                        return Err(self.wrong(at, &message));
                    }
                    std::mem::replace(&mut scrub.reassemble_tcp, true)
                }
                () if self.token.is("rtable") => {
                    rule.rtable = self.opt_rtable()?;
                    false
                }
                () if self.token.is("tagged") || self.token.is_punctuation(b'!') => {
                    self.doubt("there is no `tagged` for scrub");
                    rule.tagged = self.opt_tagged()?;
                    false
                }
                () => break,
            };
            if twice {
                return Err(self.wrong(at, "a scrub option cannot be respecified"));
            }
        }
        if rule.action == Action::NoScrub {
            // Without scrub there is nothing to put together.
            scrub.reassemble_tcp = false;
            scrub.fragments = Fragments::Reassemble;
        }
        rule.scrub = (scrub != Scrub::default()).then(|| Box::new(scrub));
        Ok(())
    }
}
