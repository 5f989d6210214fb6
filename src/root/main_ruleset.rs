//! Whether loading /etc/pf.conf would leave the main ruleset as it is. Pure.
//!
//! Both sides are as pfctl itself prints them on this Mac: what is loaded (`-s nat`, `-s rules`), and what the file would
//! load (`-nvf`), with names looked up, lists expanded and the optimizer's work done. `-nv` prints `anchor "/*"` for
//! `anchor "com.apple/*"`, and a table that the optimizer makes of addresses has another name each time.

use std::collections::BTreeMap;

use crate::report::LoadedRules;
use crate::root::plan::MainDiffers;
use crate::rules::ledger::Attachment;
use crate::rules::order;

/// What of a pf.conf loads the main ruleset alone: our block apart, and what fills anchors.
pub fn without_loads(conf: &str) -> String {
    conf.split_inclusive('\n').filter(|line| line.split_whitespace().next() != Some("load")).collect()
}

/// Compares what is loaded with what `pfctl -nvf` prints, our own call apart. Errors: the difference.
pub fn compare(loaded: &LoadedRules, printed: &str) -> Result<(), MainDiffers> {
    let call = format!("anchor \"{}\" all", Attachment::Classic.anchor());
    let loaded_text = format!("{}\n{}", loaded.nat, loaded.rules);
    let printed_tables = automatic_tables(printed);
    let loaded = lines(&loaded_text, &loaded.tables, &call);
    let file = lines(printed, &printed_tables, &call);
    let only = |these: &[String], those: &[String]| these.iter().find(|line| !those.contains(line)).cloned();
    match (only(&loaded, &file), only(&file, &loaded)) {
        (Some(line), _) => Err(MainDiffers::OnlyLoaded(line)),
        (None, Some(line)) => Err(MainDiffers::OnlyInFile(line)),
        (None, None) if loaded != file => Err(MainDiffers::Order),
        (None, None) => Ok(()),
    }
}

/// The rules, in the order in which the kernel keeps them: each kind of translation by itself, then scrub, then filter.
fn lines(text: &str, tables: &BTreeMap<String, Vec<String>>, call: &str) -> Vec<String> {
    let kind = |line: &str| {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        let word = if first == "no" { words.next()? } else { first };
        let kinds = ["nat", "rdr", "binat", "scrub"];
        match kinds.iter().position(|kind| word == *kind || word.strip_suffix("-anchor") == Some(kind)) {
            Some(kind) => Some(kind),
            None => matches!(word, "pass" | "block" | "anchor" | "antispoof").then_some(kinds.len()),
        }
    };
    let lines = text.lines().map(str::trim_end).filter(|line| *line != call);
    let mut rules: Vec<(usize, String)> =
        lines.filter_map(|line| Some((kind(line)?, alike(line, tables)))).collect();
    order::by_key(&mut rules, |(kind, _)| *kind);
    rules.into_iter().map(|(_, line)| line).collect()
}

/// A rule without what differs between two readings of it.
fn alike(line: &str, tables: &BTreeMap<String, Vec<String>>) -> String {
    let mut alike = String::new();
    for (index, part) in line.split('"').enumerate() {
        let quoted = index % 2 == 1;
        alike.push_str(if index > 0 { "\"" } else { "" });
        match quoted && part.ends_with("/*") {
            true => alike.push_str("/*"),
            false => alike.push_str(part),
        }
    }
    for (name, addresses) in tables.iter().filter(|(name, _)| name.starts_with(AUTOMATIC)) {
        let mut addresses: Vec<&str> = addresses.iter().map(|address| address.trim()).collect();
        order::sort(&mut addresses);
        alike = alike.replace(&format!("<{name}>"), &format!("{{{}}}", addresses.join(" ")));
    }
    alike
}

const AUTOMATIC: &str = "__automatic_";

/// `table <__automatic_0> const { 10.0.0.1 10.0.0.2 }`
fn automatic_tables(printed: &str) -> BTreeMap<String, Vec<String>> {
    let table = |line: &str| {
        let (name, rest) = line.strip_prefix("table <")?.split_once('>')?;
        let (_, addresses) = rest.split_once('{')?;
        let addresses = addresses.trim_end().strip_suffix('}')?.split([' ', ',']);
        let addresses = addresses.filter(|address| !address.is_empty()).map(str::to_owned).collect();
        name.starts_with(AUTOMATIC).then(|| (name.to_owned(), addresses))
    };
    printed.lines().filter_map(table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(rules: &str, nat: &str) -> LoadedRules {
        let tables = [("__automatic_3f_0".to_owned(), vec!["10.0.0.2".to_owned(), "10.0.0.1".to_owned()])];
        LoadedRules { rules: rules.into(), nat: nat.into(), tables: tables.into() }
    }

    const RULES: &str = "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all\n\
        anchor \"dev.portcullis\" all\npass in proto tcp from <__automatic_3f_0> to any port = 22 flags S/SA keep state\n";
    const NAT: &str = "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n";
    const PRINTED: &str = "ext = \"en0\"\nset skip on { lo0 }\ntable <__automatic_0> const { 10.0.0.1 10.0.0.2 }\n\
        scrub-anchor \"/*\" all fragment reassemble\nrdr-anchor \"/*\" all\nnat-anchor \"/*\" all\n\
        dummynet-anchor \"/*\" all\nanchor \"/*\" all\n\
        pass in proto tcp from <__automatic_0> to any port = 22 flags S/SA keep state\n";

    #[test]
    fn what_pfctl_prints_of_the_file_is_what_it_has_loaded() {
        assert_eq!(compare(&loaded(RULES, NAT), PRINTED), Ok(()));
    }

    #[test]
    fn a_rule_more_or_less_is_told() {
        let vpn = loaded(&format!("{RULES}anchor \"com.vpn\" all\n"), NAT);
        assert_eq!(compare(&vpn, PRINTED), Err(MainDiffers::OnlyLoaded("anchor \"com.vpn\" all".into())));
        let more = format!("{PRINTED}block drop all\n");
        assert_eq!(
            compare(&loaded(RULES, NAT), &more),
            Err(MainDiffers::OnlyInFile("block drop all".into()))
        );
        let other = PRINTED.replace("{ 10.0.0.1 10.0.0.2 }", "{ 10.0.0.1 10.0.0.3 }");
        assert!(matches!(compare(&loaded(RULES, NAT), &other), Err(MainDiffers::OnlyLoaded(_))));
        let (one, two) = ("pass in all\n", "block drop out all\n");
        assert_eq!(
            compare(&loaded(&format!("{one}{two}"), ""), &format!("{two}{one}")),
            Err(MainDiffers::Order)
        );
    }

    #[test]
    fn only_what_is_of_the_main_ruleset_is_asked_about() {
        let conf =
            "anchor \"com.apple/*\"\nload anchor \"com.apple\" from \"/etc/pf.anchors/com.apple\"\npass\n";
        assert_eq!(without_loads(conf), "anchor \"com.apple/*\"\npass\n");
    }
}
