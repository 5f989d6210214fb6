//! What we believe of pfctl, held to a pfctl through the code that asks it: to the lab's everywhere, and on a Mac, as root
//! and where it is wanted, to the real one: `sudo PORTCULLIS_REAL_PF=1 cargo test --test real_pfctl -- --nocapture`.
//!
//! Of the real pf it reads, and it loads rules for an unused port into an anchor of its own, which is emptied again.
//! It neither enables nor disables pf, loads no main ruleset, and drops no connection.

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::Lab;
use portcullis::firewall::{Pfctl, PfctlError, Rules};
use portcullis::pf::parse::{Parsed, parse_listing, parse_text};
use portcullis::port::PortRange;
use portcullis::report::PfState;
use portcullis::rules::anchor;
use portcullis::rules::ledger::{Guard, Ledger, Opening};
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{Mac, PF_CONF};

/// Below Apple's `anchor "com.apple/*"`, as our own anchor is, but not it.
const ANCHOR: &str = "com.apple/100.dev.portcullis.test";

#[test]
fn what_pfctl_shows_is_understood() {
    everywhere("what_pfctl_shows_is_understood", |pf, _| {
        let state = pf.info().unwrap();
        assert!(!matches!(state, PfState::Unknown(_)), "{state:?}");
        pf.references().unwrap();
        pf.skipped().unwrap();
        pf.states().unwrap();
        assert!(!understood(parse_listing("main", &pf.rules(None).unwrap())).is_empty());
        for anchor in pf.anchors().unwrap() {
            understood(parse_listing(&anchor, &pf.rules(Some(&anchor)).unwrap()));
            for table in pf.tables(Some(&anchor)).unwrap() {
                pf.table_addresses(Some(&anchor), &table).unwrap();
            }
        }
    });
}

#[test]
fn pf_conf_is_accepted_and_calls_the_anchors_of_apple() {
    everywhere("pf_conf_is_accepted_and_calls_the_anchors_of_apple", |pf, conf| {
        pf.check(None, Rules::File(conf)).unwrap();
        let text = std::fs::read_to_string(conf).unwrap();
        assert!(
            understood(parse_text(PF_CONF, &text)).contains(&"anchor \"com.apple/*\" all".to_owned()),
            "{text}"
        );
    });
}

#[test]
fn a_bad_rule_is_refused_and_nothing_is_loaded() {
    everywhere("a_bad_rule_is_refused_and_nothing_is_loaded", |pf, _| {
        let before = pf.rules(Some(ANCHOR)).unwrap();
        for bad in ["pass in prto tcp\n", "pass in quick on ! lo0 proto tcp from any to any port = 70000\n"] {
            let refused = pf.check(Some(ANCHOR), Rules::Text(bad));
            assert!(matches!(refused, Err(PfctlError::Failed { code: 1, .. })), "{bad}: {refused:?}");
        }
        assert_eq!(pf.rules(Some(ANCHOR)).unwrap(), before);
    });
}

#[test]
fn our_rules_are_loaded_read_back_as_they_are_written_and_emptied() {
    everywhere("our_rules_are_loaded_read_back_as_they_are_written_and_emptied", |pf, _| {
        let emptied = Emptied(pf);
        let wanted = anchor::rules(&ledger());
        pf.check(Some(ANCHOR), Rules::Text(&wanted)).unwrap();
        assert_eq!(pf.rules(Some(ANCHOR)).unwrap(), "", "checking loaded something");
        pf.load_anchor(ANCHOR, Rules::Text(&wanted)).unwrap();

        let read = pf.rules(Some(ANCHOR)).unwrap();
        assert_eq!(
            understood(parse_listing(ANCHOR, &read)),
            understood(parse_text("ours", &wanted)),
            "{read}"
        );
        assert_eq!(pf.tables(Some(ANCHOR)).unwrap(), ["portcullis_49151"]);
        let mut addresses = pf.table_addresses(Some(ANCHOR), "portcullis_49151").unwrap();
        addresses.sort();
        assert_eq!(addresses, ["192.0.2.7", "198.51.100.0/24", "2001:db8::/32"]);
        assert!(pf.anchors().unwrap().contains(&ANCHOR.to_owned()));

        drop(emptied);
        assert_eq!(pf.rules(Some(ANCHOR)).unwrap(), "");
        assert_eq!(pf.tables(Some(ANCHOR)).unwrap(), [""; 0]);
    });
}

/// Ports that no service is registered for, for documentation networks: harmless even if it stayed loaded.
fn ledger() -> Ledger {
    let name = "test".parse::<portcullis::rules::named_port::PortName>().unwrap();
    let port = PortRange::single(49151).unwrap();
    let hosts =
        ["192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"].map(|text| text.parse().unwrap()).to_vec();
    let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
    for port in [port, PortRange::new(49140, 49150).unwrap()] {
        ledger.manage(&NamedPort { name: name.clone(), range: port });
    }
    let (from, by) = (Source::Hosts { hosts }, "ada".to_owned());
    ledger.open(Opening { name, port, from, until: None, since: 0, by });
    ledger
}

/// The rules of a text that must read without a problem, in pfctl's normal form.
fn understood(parsed: Parsed) -> Vec<String> {
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    parsed.ruleset.listed_rules().map(|rule| rule.item.to_string()).collect()
}

/// Runs `check`, with pf and the real path of pf.conf, in a lab, and on a Mac where it is wanted.
fn everywhere(test: &str, check: impl Fn(&Pfctl, &Path)) {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    check(&Pfctl::new(&lab.system()), &lab.file(PF_CONF));
    match real() {
        Ok(()) => check(&Pfctl::new(&Mac), &PathBuf::from(PF_CONF)),
        // Past the test runner's capture, so that what is skipped is seen.
        Err(why) => drop(writeln!(std::io::stderr(), "skipped: {test} with the real pfctl: {why}")),
    }
}

/// Whether this is a Mac where the real pf is to be asked; otherwise why it is not.
fn real() -> Result<(), &'static str> {
    if !cfg!(target_os = "macos") {
        Err("there is one on a Mac only")
    } else if std::env::var_os("PORTCULLIS_REAL_PF").is_none_or(|value| value != "1") {
        Err("PORTCULLIS_REAL_PF is not 1")
    } else if !rustix::process::geteuid().is_root() {
        Err("only root may ask it: run it with sudo")
    } else {
        Ok(())
    }
}

/// Empties the test's anchor, also when a test fails.
struct Emptied<'a>(&'a Pfctl);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.flush_anchor(ANCHOR) {
            eprintln!("cannot empty {ANCHOR}: {error}");
        }
    }
}
