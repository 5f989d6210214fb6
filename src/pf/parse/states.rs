//! `keep state (…)`, `modulate state`, `synproxy state`, `no state`: the state that a match opens.

use crate::pf::effects::{StateKeeping, StateOptions};
use crate::pf::names::settings;
use crate::pf::preamble::StatePolicy;
use crate::pf::rule::Rule;
use crate::pf::words::shortened;

use super::advice;
use super::kernel::{Parser, Read};
use super::lexer::LexemeKind;
use super::problem::Fault;

/// The options of a state as they were given.
#[derive(Default)]
struct GivenOptions {
    options: StateOptions,
    /// `if-bound`, not `floating`.
    lock: Option<bool>,
    /// `source-track` with `global`, with `rule`.
    track: Option<(bool, bool)>,
    /// An option counts sources.
    tracked: bool,
    /// An option counts them for the rule alone.
    by_rule: bool,
}

impl Parser<'_, '_, '_> {
    pub(super) fn state(&mut self, rule: &mut Rule) -> Read<()> {
        rule.state = match &*self.bump().text {
            "no" => StateKeeping::No,
            "keep" => StateKeeping::Keep,
            "modulate" => StateKeeping::Modulate,
            _ => StateKeeping::Synproxy,
        };
        self.require("state")?;
        if rule.state == StateKeeping::No || !self.lexeme.is_punctuation(b'(') {
            return Ok(());
        }
        self.state_options(rule)
    }

    pub(super) fn state_options(&mut self, rule: &mut Rule) -> Read<()> {
        self.bump();
        let mut given = GivenOptions::default();
        loop {
            let at = self.lexeme.at;
            let twice = match self.lexeme.kind {
                LexemeKind::Keyword => self.state_option(&mut given)?,
                _ => self.state_timeout(&mut given.options)?,
            };
            if twice {
                return Err(self.wrong(at, "a state option is given twice"));
            }
            if self.eat_punctuation(b')') {
                break;
            }
            self.eat_punctuation(b',');
        }
        let GivenOptions { mut options, lock, track, tracked, by_rule } = given;
        let (global, rule_track) = track.unwrap_or_default();
        if global && by_rule {
            let message = "'max-src-conn', 'max-src-conn-rate' and 'max-src-nodes' are incompatible with 'source-track global'";
            return Err(self.wrong(self.lexeme.at, message));
        }
        if tracked {
            options.source_track = Some(by_rule || rule_track);
        }
        options.interface_bound = lock.unwrap_or(self.shared.state_policy == StatePolicy::IfBound);
        rule.state_options = Some(Box::new(options));
        Ok(())
    }

    /// An option that is a reserved word. Gives whether it was given before.
    fn state_option(&mut self, given: &mut GivenOptions) -> Read<bool> {
        let at = self.lexeme.at;
        let keyword = self.bump().text;
        let options = &mut given.options;
        given.tracked |= matches!(
            &*keyword,
            "max-src-states" | "max-src-conn" | "max-src-nodes" | "max-src-conn-rate" | "source-track"
        );
        given.by_rule |= matches!(&*keyword, "max-src-conn" | "max-src-nodes" | "max-src-conn-rate");
        Ok(match &*keyword {
            "max" => replace(&mut options.max, self.limit_number(0)?),
            "no-sync" => std::mem::replace(&mut options.no_sync, true),
            "max-src-states" => replace(&mut options.max_source_states, self.limit_number(1)?),
            "max-src-conn" => replace(&mut options.max_source_connections, self.limit_number(1)?),
            "max-src-nodes" => replace(&mut options.max_source_nodes, self.limit_number(1)?),
            "max-src-conn-rate" => {
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
                if self.eat("flush") {
                    options.flush = Some(self.eat("global"));
                }
                options.overload.replace(table).is_some()
            }
            "source-track" => {
                let global = self.eat("global");
                let rule = !global && self.eat("rule");
                given.track.replace((global, rule)).is_some()
            }
            "if-bound" => given.lock.replace(true).is_some(),
            "floating" => given.lock.replace(false).is_some(),
            _ => {
                let message = format!("expected a state option, found `{keyword}`");
                return Err(self.note(at, message, Fault::Syntax));
            }
        })
    }

    /// A time-out and its seconds. Gives whether it was given before.
    fn state_timeout(&mut self, options: &mut StateOptions) -> Read<bool> {
        let at = self.lexeme.at;
        let name = self.string("a state option")?;
        let Some(index) = settings::timeout(&name).filter(|_| name.contains('.')) else {
            let advice = advice::instead_of(&name).map(|advice| format!("; {advice}")).unwrap_or_default();
            return Err(self.wrong(at, &format!("illegal state timeout {}{advice}", shortened(&name))));
        };
        let seconds: u32 = self.number_within("a timeout", u32::MAX.into())?;
        let known = options.timeouts.iter().any(|(known, _)| *known == index);
        if seconds != 0 {
            options.timeouts.push((index, seconds));
        }
        Ok(known)
    }

    /// A number of states or seconds that is not below `lowest`, 0 or 1.
    fn limit_number(&mut self, lowest: u32) -> Read<u32> {
        let at = self.lexeme.at;
        let value = self.number_within("a number of states or seconds", u32::MAX.into())?;
        if value < lowest { Err(self.wrong(at, "the value must be > 0")) } else { Ok(value) }
    }

    /// Adds what pfctl derives from a rule's state options.
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
        let index = |name: &str| settings::timeout(name).unwrap_or(u8::MAX);
        let adaptive = [index("adaptive.start"), index("adaptive.end")];
        let is_adaptive = options.timeouts.iter().any(|(known, _)| adaptive.contains(known));
        if options.max != 0 && !is_adaptive {
            // Above 60 % of the limit pf shortens states, down to no time at 120 %.
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

/// Puts a new value in place. Gives whether there was one.
fn replace(place: &mut u32, value: u32) -> bool {
    std::mem::replace(place, value) != 0
}
