//! Translation: of each kind the first rule that matches (XNU, net/pf.c: `pf_get_translation_aux`).

use crate::pf::criteria::Direction;
use crate::pf::matching::{Matches, has_tag};
use crate::pf::packet::Packet;
use crate::pf::rule::{Action, Ruleset};
use crate::pf::rulesets::call_target;
use crate::pf::trail::{Role, RuleRef};
use crate::pf::translate::{translated, translation_matches};
use crate::pf::unknown::UnknownFact;

use super::state::{
    MAXIMUM_ANCHORS, MAXIMUM_TRANSLATIONS, RulesOfKind, Search, SearchEnd, TaggedBranch, TranslatedBranch,
};

/// What the rules of one kind made of the packet.
#[derive(Default)]
struct Translations<'a> {
    translated: Vec<TranslatedBranch<'a>>,
    /// A `no` rule matched: the next kind is searched.
    exempt: Vec<TaggedBranch<'a>>,
}

impl<'a> Search<'a> {
    /// The packet as the filter rules may see it; a translation with `pass` ends at once.
    pub(super) fn translate(
        &mut self,
        packet: &Packet,
        mut branches: Vec<TaggedBranch<'a>>,
    ) -> Vec<TranslatedBranch<'a>> {
        let kinds: &[RulesOfKind] = match packet.direction {
            Direction::In => &[|ruleset| &ruleset.rdr, |ruleset| &ruleset.binat],
            // A packet from where a redirection leads is translated back, whether it is a reply or not.
            Direction::Out => &[|ruleset| &ruleset.binat, |ruleset| &ruleset.rdr, |ruleset| &ruleset.nat],
        };
        let mut found = Translations::default();
        for kind in kinds {
            let Some(main) = self.main() else { break };
            branches = self.translations("", main, *kind, packet, branches, &mut found, 0);
            branches.append(&mut found.exempt);
            branches = merged(branches);
        }
        let untranslated = |TaggedBranch { tag, doubt }| TranslatedBranch {
            packet: packet.clone(),
            translation: None,
            tag,
            doubt,
        };
        found.translated.extend(branches.into_iter().map(untranslated));
        found.translated
    }

    /// Searches the rules of one kind in one ruleset. Gives the branches that none of them matched.
    #[expect(clippy::too_many_arguments)]
    fn translations(
        &mut self,
        path: &'a str,
        ruleset: &'a Ruleset,
        kind: RulesOfKind,
        packet: &Packet,
        mut branches: Vec<TaggedBranch<'a>>,
        found: &mut Translations<'a>,
        depth: usize,
    ) -> Vec<TaggedBranch<'a>> {
        for (number, placed) in kind(ruleset).iter().enumerate() {
            if branches.is_empty() || !self.pay(branches.len()) {
                return branches;
            }
            let item = &placed.item;
            let matched = translation_matches(self.loaded, path, item, packet);
            if matched == Matches::No {
                continue;
            }
            let (mut rest, mut hits) = (Vec::new(), Vec::new());
            for branch in branches {
                if !has_tag(item, branch.tag) {
                    rest.push(branch);
                    continue;
                }
                let tag = item.tag.as_deref().or(branch.tag);
                match &matched {
                    Matches::Maybe(why) => {
                        let doubt = branch.doubt.clone().or_else(|| Some(why.clone()));
                        hits.push(TaggedBranch { tag, doubt });
                        rest.push(branch);
                    }
                    _ => hits.push(TaggedBranch { tag, ..branch }),
                }
            }
            let rule = RuleRef { anchor: path, number, rule: placed };
            if item.anchor.is_some() && item.unreadable.is_none() {
                rest.extend(self.translation_call(rule, kind, packet, hits, found, depth));
            } else {
                self.take(rule, packet, hits, found);
            }
            branches = merged(rest);
        }
        branches
    }

    fn translation_call(
        &mut self,
        rule: RuleRef<'a>,
        kind: RulesOfKind,
        packet: &Packet,
        mut branches: Vec<TaggedBranch<'a>>,
        found: &mut Translations<'a>,
        depth: usize,
    ) -> Vec<TaggedBranch<'a>> {
        let path = rule.rule.item.anchor.as_ref().and_then(|call| call.path.as_deref());
        let Some(path) = path.filter(|_| depth < MAXIMUM_ANCHORS) else { return branches };
        let loaded = self.loaded;
        for child in loaded.targets(&call_target(rule.anchor, path)) {
            let Some(ruleset) = loaded.anchor(child) else { continue };
            if branches.is_empty() || !self.enter(child) {
                break;
            }
            branches = self.translations(child, ruleset, kind, packet, branches, found, depth + 1);
            self.leave();
        }
        branches
    }

    /// Takes a translation for the branches that it matches.
    fn take(
        &mut self,
        rule: RuleRef<'a>,
        packet: &Packet,
        branches: Vec<TaggedBranch<'a>>,
        found: &mut Translations<'a>,
    ) {
        let Some(first) = branches.first() else { return };
        let certain = branches.iter().any(|branch| branch.doubt.is_none());
        let doubt = first.doubt.clone().filter(|_| !certain);
        self.record(rule, doubt.map_or(Role::Translates, Role::MayTranslate));
        let item = &rule.rule.item;
        for TaggedBranch { tag, doubt } in branches {
            if found.translated.len() >= MAXIMUM_TRANSLATIONS {
                return self.give_up();
            }
            if item.unreadable.is_some() {
                let doubt = doubt.or(Some(UnknownFact::Unreadable));
                self.finish(SearchEnd::translation(rule, doubt.clone()), tag);
                let packet = anywhere(packet);
                found.translated.push(TranslatedBranch { packet, translation: Some(rule), tag, doubt });
            } else if matches!(item.action, Action::Nat64 { .. }) && packet.direction == Direction::Out {
                // nat64 on the way out ends the search and translates nothing.
                let packet = packet.clone();
                found.translated.push(TranslatedBranch { packet, translation: None, tag, doubt });
            } else if item.redirect.is_none() {
                found.exempt.push(TaggedBranch { tag, doubt });
            } else if item.action.lets_through() {
                self.finish(SearchEnd::translation(rule, doubt), tag);
            } else {
                let packet = translated(self.loaded, item, packet);
                found.translated.push(TranslatedBranch { packet, translation: Some(rule), tag, doubt });
            }
        }
    }
}

/// The packet after a translation that could not be read, which may send it anywhere.
fn anywhere(packet: &Packet) -> Packet {
    let mut packet = packet.clone();
    match packet.direction {
        Direction::In => (packet.destination, packet.destination_port) = (None, None),
        Direction::Out => (packet.source, packet.source_port) = (None, None),
    }
    packet
}

/// One branch for each tag, without doubt if one of them has none.
fn merged(branches: Vec<TaggedBranch<'_>>) -> Vec<TaggedBranch<'_>> {
    let mut kept: Vec<TaggedBranch<'_>> = Vec::with_capacity(branches.len());
    for branch in branches {
        match kept.iter_mut().find(|known| known.tag == branch.tag) {
            Some(known) if known.doubt.is_some() && branch.doubt.is_none() => *known = branch,
            Some(_) => {}
            None => kept.push(branch),
        }
    }
    kept
}
