//! Mends of addresses, interfaces, and lists of them.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Subnets};

use crate::pf::words::is_keyword;

use super::line_words::{Words, find, in_braces, is_port, is_rule, put, replaced};

/// `from not 10.0.0.0/8`
pub(super) fn negation(words: &[String]) -> Option<Words> {
    let at = words.iter().position(|word| word == "not")?;
    let behind = words.get(at.checked_sub(1)?)?;
    let is_end = matches!(behind.as_str(), "from" | "to" | "on" | "{" | ",");
    is_end.then(|| replaced(words, at, at + 1, ["!".to_owned()]))
}

/// `me` is ipfw's.
pub(super) fn own_address(words: &[String]) -> Option<Words> {
    let at = words.iter().position(|word| matches!(word.as_str(), "me" | "localmachine"))?;
    let behind = words.get(at.checked_sub(1)?)?;
    matches!(behind.as_str(), "from" | "to").then(|| replaced(words, at, at + 1, ["self".to_owned()]))
}

/// `from table <x>`
pub(super) fn table_in_rule(words: &[String]) -> Option<Words> {
    let at = find(words, "table").filter(|at| *at > 0)?;
    let name = words.get(at + 1)?;
    name.starts_with('<').then(|| replaced(words, at, at + 1, []))
}

/// `[80, 443]`, `(80 443)`, `{80;443}`, `80 and 443`
pub(super) fn other_brackets(words: &[String]) -> Option<Words> {
    if !is_rule(words) {
        return None;
    }
    let mut better = Words::new();
    let mut open = None;
    for word in words {
        let behind = better.last().map_or("", String::as_str);
        let begins_list = matches!(behind, "port" | "proto" | "from" | "to" | "on");
        let mut word = word.as_str();
        if begins_list && let Some(rest) = word.strip_prefix(['[', '(']) {
            let is_list = !rest.ends_with([')', ']']) || rest.contains([',', ';']);
            if is_list && !rest.contains(':') {
                better.push("{".to_owned());
                (open, word) = (Some(()), rest);
            }
        }
        let closes = open.is_some() && word.ends_with([']', ')']);
        word = if closes { word.trim_end_matches([']', ')']) } else { word };
        let is_numbers = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b';');
        match word {
            "" => {}
            "and" | "or" | "&" | "|" => better.push(",".to_owned()),
            items if items.contains(';') && is_numbers => {
                let items: Vec<&str> = items.split(';').filter(|item| !item.is_empty()).collect();
                for (index, item) in items.iter().enumerate() {
                    better.extend((index > 0).then(|| ",".to_owned()));
                    better.push((*item).to_owned());
                }
            }
            other => better.push(other.to_owned()),
        }
        if closes {
            better.push("}".to_owned());
            open = None;
        }
    }
    Some(better)
}

/// `on en0, en1`, `user root, admin`
pub(super) fn plain_list(words: &[String]) -> Option<Words> {
    let lists = |word: &String| matches!(word.as_str(), "on" | "user" | "group");
    let at =
        words.iter().enumerate().position(|(index, word)| {
            lists(word) && words.get(index + 2).is_some_and(|comma| comma == ",")
        })? + 1;
    list_from(words, at)
}

/// The items from `at` to the next word of pf's, in braces.
fn list_from(words: &[String], at: usize) -> Option<Words> {
    let rest = words.get(at..)?;
    let is_item = |word: &&String| *word == "," || !is_end(word);
    let end = at + rest.iter().take_while(is_item).count();
    let items: Words = words.get(at..end)?.iter().filter(|word| *word != ",").cloned().collect();
    (items.len() > 1).then(|| replaced(words, at, end, in_braces(&items)))
}

fn is_end(word: &str) -> bool {
    is_keyword(word) || word.starts_with('#') || matches!(word, "->" | "{" | "}" | "port")
}

/// `from a, b to any`; exceptions need a table, since a list is a rule for each of its items.
pub(super) fn host_list(words: &[String]) -> Option<Words> {
    for end in ["from", "to"] {
        let Some(at) = find(words, end).map(|at| at + 1) else { continue };
        let rest = words.get(at..)?;
        let is_item = |word: &&String| *word == "," || !is_end(word);
        let length = rest.iter().take_while(is_item).count();
        let mut items: Vec<(bool, String)> = Vec::new();
        let mut negated = false;
        for word in rest.iter().take(length).filter(|word| *word != ",") {
            match word.strip_prefix('!') {
                Some("") => negated = true,
                Some(host) => items.push((true, host.to_owned())),
                None => items.push((std::mem::take(&mut negated), word.clone())),
            }
        }
        if items.len() < 2 {
            continue;
        }
        let hosts: Words = items.iter().map(|(_, host)| host.clone()).collect();
        if items.iter().all(|(negated, _)| !negated) {
            return Some(replaced(words, at, at + length, in_braces(&hosts)));
        }
        if items.iter().all(|(negated, _)| *negated) {
            let table =
                [vec!["table".to_owned(), "<excepted>".to_owned()], in_braces(&hosts), vec!["\n".to_owned()]];
            let rule = replaced(words, at, at + length, ["!".to_owned(), "<excepted>".to_owned()]);
            return Some([table.concat(), rule].concat());
        }
    }
    None
}

/// `192.168.1.10-192.168.1.20`, `192.168.1.0-255`: macOS compares ranges otherwise than they read.
pub(super) fn address_range(words: &[String]) -> Option<Words> {
    let networks = |word: &String| -> Option<Words> {
        let (first, last) = word.split_once('-')?;
        let first: Ipv4Addr = first.parse().ok()?;
        let last = match last.parse::<u8>() {
            Ok(octet) => Ipv4Addr::from((first.to_bits() & !0xff) | u32::from(octet)),
            Err(_) => last.parse().ok()?,
        };
        let networks = Ipv4Subnets::new(first, last, 0).take(65);
        let networks: Words = networks
            .map(|net| if net.prefix_len() == 32 { net.addr().to_string() } else { net.to_string() })
            .collect();
        (first <= last && networks.len() <= 64).then_some(networks)
    };
    let at = words.iter().position(|word| networks(word).is_some())?;
    let list = networks(words.get(at)?)?;
    let list = if list.len() > 1 { in_braces(&list) } else { list };
    Some(replaced(words, at, at + 1, list))
}

/// `https://example.com/`, `example.com:443`, `10.0.0.5/32:22`
pub(super) fn host_with_port(words: &[String]) -> Option<Words> {
    let split = |word: &String| -> Option<(String, String)> {
        let (host, scheme) = match word.split_once("://") {
            Some((scheme, rest)) => (rest.split('/').next()?, Some(scheme)),
            None => (word.as_str(), None),
        };
        let by_scheme = match scheme {
            Some("http" | "ws") => Some("80"),
            Some("https" | "wss") => Some("443"),
            _ => None,
        };
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if is_port(port) => (host, port),
            _ => (host, by_scheme?),
        };
        let is_host = host.parse::<IpNet>().is_ok()
            || host.contains('.')
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        is_host.then(|| (host.to_owned(), port.to_owned()))
    };
    let at = words.iter().position(|word| split(word).is_some())?;
    let (host, port) = split(words.get(at)?)?;
    Some(replaced(words, at, at + 1, [host, "port".to_owned(), port]))
}

/// `pass in en0 proto tcp`, `nat en0 from …`
pub(super) fn interface_without_on(words: &[String]) -> Option<Words> {
    if !is_rule(words) || find(words, "on").is_some() {
        return None;
    }
    let is_interface = |word: &String| {
        let driver = word.trim_end_matches(|last: char| last.is_ascii_digit());
        let known = matches!(driver, "en" | "lo" | "utun" | "bridge" | "awdl" | "ppp" | "ipsec" | "vmenet");
        known && driver.len() < word.len()
    };
    let at = words.iter().position(is_interface)?;
    let behind = words.get(at.checked_sub(1)?)?;
    let begins =
        ["pass", "block", "drop", "return", "in", "out", "log", "quick", "nat", "rdr", "binat", "scrub"];
    begins.contains(&behind.as_str()).then(|| put(words, at, ["on"]))
}

/// `port "80,443"`
pub(super) fn quoted_ports(words: &[String]) -> Option<Words> {
    let at = find(words, "port")? + 1;
    let text = words.get(at)?.strip_prefix(['"', '\''])?.trim_end_matches(['"', '\'']);
    let items: Words = text
        .split([',', ' '])
        .filter(|item| !item.is_empty())
        .map(|item| item.trim_matches(['{', '}']).replace('-', ":"))
        .filter(|item| !item.is_empty())
        .collect();
    let list = if items.len() > 1 { in_braces(&items) } else { items };
    Some(replaced(words, at, at + 1, list))
}

/// `port 1024:`, `port :1023`
pub(super) fn open_range(words: &[String]) -> Option<Words> {
    find(words, "port")?;
    let meant = |word: &String| -> Option<[String; 2]> {
        let (first, last) = word.split_once([':', '-'])?;
        match (is_port(first), is_port(last) && word.contains(':')) {
            (true, false) if last.is_empty() => Some([">=".to_owned(), first.to_owned()]),
            (false, true) if first.is_empty() => Some(["<=".to_owned(), last.to_owned()]),
            _ => None,
        }
    };
    let at = words.iter().position(|word| meant(word).is_some())?;
    Some(replaced(words, at, at + 1, meant(words.get(at)?)?))
}
