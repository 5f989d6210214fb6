//! /etc/pf.conf as it stands on disk, against what pf holds.

use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding, shortened};
use crate::pf::criteria::{Address, PortMatch};
use crate::pf::load::LoadedConf;
use crate::pf::parse::parse_listing;
use crate::pf::rule::{Placed, Rule, Ruleset};

/// Whether the next start loads the file, and whether it is loaded now.
pub fn conf(facts: &DoctorFacts) -> Vec<Finding> {
    let Some(conf) = &facts.conf else { return vec![] };
    unreadable(conf).or_else(|| not_loaded(facts, conf)).into_iter().collect()
}

fn unreadable(conf: &LoadedConf) -> Option<Finding> {
    let refusals = conf.refusals(true);
    let first = refusals.first()?;
    let what = format!(
        "{}:{} does not read: at the next start pf loads nothing, Apple's anchors neither",
        first.path, first.line
    );
    let next = "see what to write: `portcullis check /etc/pf.conf`";
    Some(finding(Level::Problem, "pf", what, &first.message, next))
}

/// A rule of the file that pf does not hold.
fn not_loaded(facts: &DoctorFacts, conf: &LoadedConf) -> Option<Finding> {
    let listed = facts.rulesets.as_ref()?.rulesets.get("")?;
    let (rules, nat) = (parse_listing("", &listed.rules).ruleset, parse_listing("", &listed.nat).ruleset);
    let loaded: Vec<String> =
        decisive(&rules).chain(decisive(&nat)).map(|rule| rule.item.to_string()).collect();
    // pfctl's optimizer puts addresses of several rules into a table of its own.
    if loaded.is_empty() || loaded.iter().any(|rule| rule.contains("<__automatic_")) {
        return None;
    }
    let file = conf.rulesets.anchor("")?;
    let is_missing = |rule: &&Placed<Rule>| is_plain(&rule.item) && !loaded.contains(&rule.item.to_string());
    let missing = decisive(file).find(is_missing)?;
    let what = format!(
        "/etc/pf.conf is not what is loaded: only in the file, line {}: {}",
        missing.place.line,
        shortened(&missing.item.to_string())
    );
    let next =
        "load it, if it is meant, which takes away what others put in since: `sudo pfctl -f /etc/pf.conf`";
    Some(finding(Level::Advice, "pf", what, "/etc/pf.conf and what root saw of pf", next))
}

fn decisive(ruleset: &Ruleset) -> impl Iterator<Item = &Placed<Rule>> {
    ruleset.nat.iter().chain(&ruleset.rdr).chain(&ruleset.filter)
}

/// Whether pfctl prints the rule as the file has it: nothing in it is looked up.
fn is_plain(rule: &Rule) -> bool {
    let plain = |address: &Address| matches!(address, Address::Any | Address::Net(_) | Address::Table(_));
    let number = |port: &Option<PortMatch>| !matches!(port, Some(PortMatch::Service(_)));
    [&rule.source, &rule.destination].iter().all(|peer| plain(&peer.address) && number(&peer.port))
        && rule.user.is_none()
        && rule.group.is_none()
        && rule.anchor.as_ref().is_none_or(|call| call.inline.is_none() && call.path.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::rulesets::Rulesets;
    use crate::report::{LoadedRules, RulesetsReport};

    fn found(conf: &str, rules: &str, nat: &str) -> Vec<(Level, String)> {
        let read = &mut |path: &str| match path {
            "/etc/pf.anchors/com.apple" => Ok(include_str!("../../resources/stock-com.apple").to_owned()),
            _ => Err("no such file".into()),
        };
        let listed = LoadedRules { rules: rules.into(), nat: nat.into(), ..LoadedRules::default() };
        let rulesets = RulesetsReport {
            version: RulesetsReport::VERSION,
            seen: 0,
            boot: String::new(),
            rulesets: std::collections::BTreeMap::from([(String::new(), listed)]),
            skip: Vec::new(),
        };
        let facts = DoctorFacts {
            conf: Some(Rulesets::load_conf("/etc/pf.conf", conf, read)),
            rulesets: Some(rulesets),
            ..DoctorFacts::default()
        };
        super::conf(&facts).into_iter().map(|finding| (finding.level, finding.what)).collect()
    }

    #[test]
    fn the_file_is_held_against_what_is_loaded() {
        let stock = include_str!("../../resources/stock-pf.conf");
        let rules = "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all\n";
        let nat = "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n";
        assert_eq!(found(stock, rules, nat), []);
        let edited = format!("{stock}block in proto tcp to any port 2345\n");
        let said = found(&edited, rules, nat);
        assert!(
            matches!(&said[..], [(Level::Advice, what)] if what.contains("only in the file") && what.contains("2345"))
        );
        assert_eq!(
            found(&edited, &format!("{rules}block drop in proto tcp from any to any port = 2345\n"), nat),
            []
        );
        let broken = found(&format!("{stock}bloc in all\n"), rules, nat);
        assert!(
            matches!(&broken[..], [(Level::Problem, what)] if what.contains("does not read: at the next start pf loads nothing"))
        );
        // Nothing is loaded yet, or what is loaded is not known.
        assert_eq!(found(&edited, "", ""), []);
    }
}
