//! The state that a match opens: `keep state (…)` and its kin.

use super::super::effects::{StateKeeping, StateOptions};
use super::super::names;
use super::super::preamble::StatePolicy;
use super::super::rule::Rule;
use super::super::token::{Kind, shortened};
use super::{Fault, Parser, Read};

impl Parser<'_, '_, '_> {
    pub(super) fn state(&mut self, rule: &mut Rule) -> Read<()> {
        rule.state = match &*self.advance().text {
            "no" => StateKeeping::No,
            "keep" => StateKeeping::Keep,
            "modulate" => StateKeeping::Modulate,
            _ => StateKeeping::Synproxy,
        };
        self.require("state")?;
        if rule.state == StateKeeping::No || !self.token.is_punctuation(b'(') {
            return Ok(());
        }
        self.state_options(rule)
    }

    pub(super) fn state_options(&mut self, rule: &mut Rule) -> Read<()> {
        self.advance();
        let mut options = StateOptions::default();
        let mut lock = None;
        let mut track = None;
        let mut tracked = false;
        let mut by_rule = false;
        loop {
            let at = self.token.at;
            let twice = if self.token.kind == Kind::Keyword {
                let keyword = self.advance().text;
                match &*keyword {
                    "max" => replace(&mut options.max, self.limit_number(0)?),
                    "no-sync" => std::mem::replace(&mut options.no_sync, true),
                    "max-src-states" => {
                        tracked = true;
                        replace(&mut options.max_source_states, self.limit_number(1)?)
                    }
                    "max-src-conn" => {
                        (tracked, by_rule) = (true, true);
                        replace(&mut options.max_source_connections, self.limit_number(1)?)
                    }
                    "max-src-nodes" => {
                        (tracked, by_rule) = (true, true);
                        replace(&mut options.max_source_nodes, self.limit_number(1)?)
                    }
                    "max-src-conn-rate" => {
                        (tracked, by_rule) = (true, true);
                        let limit = self.limit_number(1)?;
                        self.require_punctuation(b'/')?;
                        let seconds = self.limit_number(1)?;
                        // The kernel counts in thousandths.
                        if limit > u32::MAX / 1000 {
                            return Err(self.wrong(at, "'max-src-conn-rate' maximum rate is too high"));
                        }
                        std::mem::replace(&mut options.max_source_rate, (limit, seconds)) != (0, 0)
                    }
                    "overload" => {
                        self.require_punctuation(b'<')?;
                        let table = self.table_name()?;
                        self.require_punctuation(b'>')?;
                        if self.take("flush") {
                            options.flush = Some(self.take("global"));
                        }
                        options.overload.replace(table).is_some()
                    }
                    "source-track" => {
                        tracked = true;
                        let global = self.take("global");
                        let rule = !global && self.take("rule");
                        track.replace((global, rule)).is_some()
                    }
                    "if-bound" => lock.replace(true).is_some(),
                    "floating" => lock.replace(false).is_some(),
                    _ => {
                        let message = format!("expected a state option, found `{keyword}`");
                        return Err(self.note(at, message, Fault::Syntax));
                    }
                }
            } else {
                let name = self.string("a state option")?;
                let known = names::TIMEOUTS.iter().position(|known| *known == &*name && known.contains('.'));
                let Some(index) = known.and_then(|index| u8::try_from(index).ok()) else {
                    let advice =
                        names::instead_of(&name).map(|advice| format!("; {advice}")).unwrap_or_default();
                    return Err(
                        self.wrong(at, &format!("illegal state timeout {}{advice}", shortened(&name)))
                    );
                };
                let seconds: u32 = self.number_within("a timeout", u32::MAX.into())?;
                let known = options.timeouts.iter().any(|(known, _)| *known == index);
                if seconds != 0 {
                    options.timeouts.push((index, seconds));
                }
                known
            };
            if twice {
                return Err(self.wrong(at, "a state option is given twice"));
            }
            if self.take_punctuation(b')') {
                break;
            }
            self.take_punctuation(b',');
        }
        let (global, rule_track) = track.unwrap_or_default();
        if global && by_rule {
            let message = "'max-src-conn', 'max-src-conn-rate' and 'max-src-nodes' are incompatible with 'source-track global'";
            return Err(self.wrong(self.token.at, message));
        }
        if tracked {
            options.source_track = Some(by_rule || rule_track);
        }
        options.interface_bound = lock.unwrap_or(self.shared.state_policy == StatePolicy::IfBound);
        rule.state_options = Some(Box::new(options));
        Ok(())
    }

    /// A number of states; where it may not be 0, that is said.
    fn limit_number(&mut self, lowest: u32) -> Read<u32> {
        let at = self.token.at;
        let value = self.number_within("a number of states or seconds", u32::MAX.into())?;
        if value < lowest { Err(self.wrong(at, "the value must be > 0")) } else { Ok(value) }
    }

    /// What follows from the state options of a rule.
    pub(super) fn finish_state(&self, rule: &mut Rule) {
        if rule.state == StateKeeping::No {
            return;
        }
        let if_bound = self.shared.state_policy == StatePolicy::IfBound;
        if rule.state_options.is_none() && if_bound {
            rule.state_options =
                Some(Box::new(StateOptions { interface_bound: true, ..StateOptions::default() }));
        }
        let Some(options) = &mut rule.state_options else { return };
        let index = |name: &str| {
            let position = names::TIMEOUTS.iter().position(|known| *known == name);
            position.and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX)
        };
        let adaptive = [index("adaptive.start"), index("adaptive.end")];
        let is_adaptive = options.timeouts.iter().any(|(known, _)| adaptive.contains(known));
        if options.max != 0 && !is_adaptive {
            // Above 60 % of the limit pf makes states shorter, and at 120 % they would last for no time at all.
            for (index, tenths) in adaptive.into_iter().zip([6, 12]) {
                let value = (options.max / 10).saturating_mul(tenths);
                if value != 0 {
                    options.timeouts.push((index, value));
                }
            }
        }
        let track = index("src.track");
        let seconds = options.max_source_rate.1;
        match options.timeouts.iter_mut().find(|(known, _)| *known == track) {
            Some((_, value)) => *value = (*value).max(seconds),
            None if seconds != 0 => options.timeouts.push((track, seconds)),
            None => {}
        }
        options.timeouts.sort_unstable();
        if **options == StateOptions::default() {
            rule.state_options = None;
        }
    }
}

/// Puts a new value in place. Whether there was one.
fn replace(place: &mut u32, value: u32) -> bool {
    std::mem::replace(place, value) != 0
}
