//! /etc/pf.conf as it stands on disk, against the main ruleset that pf holds.

use std::fmt;

use super::criteria::{Address, PortMatch};
use super::load::LoadedConf;
use super::parse::parse_listing;
use super::rule::{Placed, Rule, Ruleset};
use super::rulesets::calls_anchor;

/// How the file is not what pf holds. `Display` says it in a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDisk {
    /// pfctl refuses it: at the next start nothing is loaded.
    Refused { path: String, line: usize, message: String },
    /// A rule of the file that pf does not hold: it was edited, and not loaded.
    NotLoaded { line: usize, rule: String },
    /// What is loaded is another ruleset, which does not call Apple's anchors.
    AppleUncalled {
        /// The first rule that is loaded in their place.
        loaded: Option<String>,
    },
    /// Something has put the file back, and what of it called our rules is gone.
    Reset { anchor: &'static str },
}

impl fmt::Display for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnDisk::Refused { path, line, .. } => {
                write!(
                    f,
                    "{path}:{line} does not read: at the next start pf loads nothing, Apple's anchors neither"
                )
            }
            OnDisk::NotLoaded { line, rule } => {
                write!(f, "/etc/pf.conf is not what is loaded: only in the file, line {line}: {rule}")
            }
            OnDisk::AppleUncalled { .. } => f.write_str(
                "com.apple/* is no longer called: AirDrop, Internet Sharing and our rules below it have no effect",
            ),
            OnDisk::Reset { anchor } => write!(
                f,
                "/etc/pf.conf was put back, as an update of macOS does: it does not call the anchor {anchor} any more, and \
                 from the next start on our rules have no effect"
            ),
        }
    }
}

impl OnDisk {
    /// What is wrong, and what to do about it, where both are said in one place.
    pub fn with_next_step(&self) -> String {
        format!("{self}; {}", self.next_step())
    }

    /// What to do about it.
    pub fn next_step(&self) -> String {
        let step = match self {
            OnDisk::Refused { .. } => "see what to write: `portcullis check /etc/pf.conf`",
            OnDisk::NotLoaded { .. } => {
                "load it, if it is meant, which takes away what others put in since: `sudo pfctl -f /etc/pf.conf`"
            }
            OnDisk::Reset { .. } => "have it call our anchor again: `portcullis repair`",
            OnDisk::AppleUncalled { loaded } => {
                let instead = loaded.as_ref().map(|rule| format!(" (`{rule}`)")).unwrap_or_default();
                return format!(
                    "load this Mac's own rules again, which takes away what is loaded now{instead}: `sudo pfctl -f /etc/pf.conf`"
                );
            }
        };
        step.to_owned()
    }
}

/// The listings of the main ruleset that pf holds.
#[derive(Clone, Copy, Debug)]
pub struct MainListing<'a> {
    /// `pfctl -s rules`.
    pub rules: &'a str,
    /// `pfctl -s nat`.
    pub nat: &'a str,
}

/// How `conf`, read from /etc/pf.conf and what it loads, is not what pf holds, as far as that is known.
pub fn compare(conf: &LoadedConf, loaded: Option<MainListing>) -> Option<OnDisk> {
    let refused = conf.refusals(true).into_iter().next().map(|first| OnDisk::Refused {
        path: first.path.to_string(),
        line: first.line,
        message: first.message,
    });
    refused.or_else(|| not_loaded(conf, loaded?))
}

fn not_loaded(conf: &LoadedConf, listed: MainListing) -> Option<OnDisk> {
    let (rules, nat) = (parse_listing("", listed.rules).ruleset, parse_listing("", listed.nat).ruleset);
    let loaded: Vec<String> =
        decisive(&rules).chain(decisive(&nat)).map(|rule| rule.item.to_string()).collect();
    // pfctl's optimizer puts addresses of several rules into a table of its own.
    if loaded.is_empty() || loaded.iter().any(|rule| rule.contains("<__automatic_")) {
        return None;
    }
    let file = conf.rulesets.anchor("")?;
    let calls_apple = |ruleset: &Ruleset| calls_anchor("", ruleset, "com.apple/0");
    if calls_apple(file) && !calls_apple(&rules) && !calls_apple(&nat) {
        let first = decisive(&nat).chain(decisive(&rules)).next();
        return Some(OnDisk::AppleUncalled { loaded: first.map(|rule| rule.item.to_string()) });
    }
    let is_missing = |rule: &&Placed<Rule>| is_plain(&rule.item) && !loaded.contains(&rule.item.to_string());
    let missing = decisive(file).find(is_missing)?;
    Some(OnDisk::NotLoaded { line: missing.place.line, rule: missing.item.to_string() })
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

    fn found(conf: &str, rules: &str, nat: &str) -> Option<String> {
        let conf = Rulesets::load_conf("/etc/pf.conf", conf, &mut |path| match path {
            "/etc/pf.anchors/com.apple" => Ok(include_str!("../../resources/stock-com.apple").to_owned()),
            _ => Err("no such file".into()),
        });
        compare(&conf, Some(MainListing { rules, nat })).map(|found| found.to_string())
    }

    #[test]
    fn the_file_is_held_against_what_is_loaded() {
        let stock = include_str!("../../resources/stock-pf.conf");
        let rules = "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all\n";
        let nat = "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n";
        assert_eq!(found(stock, rules, nat), None);
        let edited = format!("{stock}block in proto tcp to any port 2345\n");
        let said = found(&edited, rules, nat).unwrap();
        assert!(said.contains("only in the file") && said.contains("2345"), "{said}");
        let loaded = format!("{rules}block drop in proto tcp from any to any port = 2345\n");
        assert_eq!(found(&edited, &loaded, nat), None);
        let broken = found(&format!("{stock}bloc in all\n"), rules, nat).unwrap();
        assert!(broken.contains("does not read: at the next start pf loads nothing"), "{broken}");
        let gone =
            found(stock, "", "rdr pass inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080\n");
        assert!(gone.unwrap().contains("com.apple/* is no longer called: AirDrop"));
        // Nothing is loaded yet.
        assert_eq!(found(&edited, "", ""), None);
    }
}
