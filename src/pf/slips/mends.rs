//! The mends, in the order in which they are tried. Each gives the line with one kind of slip taken out.

use std::net::Ipv4Addr;

use crate::pf::words::is_keyword;

use super::line_words::{Words, find, in_braces, is_port, is_rule, put, replaced};
use super::{filters, hosts, statements};

type Mend = fn(&[String]) -> Option<Words>;

/// Each with what it says of the line.
pub(super) const MENDS: &[(&str, Mend)] = &[
    ("comments begin with #", comment),
    ("comments begin with #", filters::remark),
    ("a line has no `;` at its end", semicolon),
    ("the words of pf are in lower case", lower_case),
    ("a macro is set as `name = \"value\"`", statements::definition),
    ("a macro's name stands behind `$` alone", statements::macro_in_braces),
    ("it is `set NAME VALUE`, in pf's words", statements::option),
    ("a table's name stands in angle brackets, and its addresses in braces", statements::table),
    ("a file's path and an anchor's name stand in quotes", names_in_quotes),
    ("`load anchor` needs `from` and the file", load_without_file),
    ("it is `load anchor \"name\" from \"file\"`, and other names stand in quotes too", statements::anchor),
    ("`in` or `out` stands before `quick`", statements::anchor_order),
    ("a list needs braces, and in a macro quotes around them", macro_value),
    ("a macro's value that is more than letters, digits and dots stands in quotes", macro_in_quotes),
    ("pf's words are `pass` and `block`", action),
    ("a redirection is an `rdr` with `->`", statements::redirection),
    (
        "a translation has no direction and no `quick`: the first that matches counts",
        statements::translation_without_direction,
    ),
    ("behind `->` stand the address, and the port behind `port`", statements::target),
    ("scrub's options have their value behind them", statements::scrub),
    ("the direction is `in` or `out`", direction),
    ("the ends are `from` and `to`", ends),
    ("the families are `inet` and `inet6`", filters::family),
    ("it is `antispoof for` the interface", statements::antispoof),
    ("this Mac is `self`", hosts::own_address),
    ("an exception is written with `!`", hosts::negation),
    ("a table is named by `<name>` alone", hosts::table_in_rule),
    ("every packet is `all`", filters::all),
    ("it is written `keep state`", keep_state),
    ("it is written `keep state`", filters::state),
    ("TCP's flags are capital letters", flags),
    ("the first packet of a connection is `flags S/SA`", filters::named_flags),
    ("a type of ICMP is `inet proto icmp icmp-type …`", filters::icmp),
    ("a reset is TCP's", filters::reset),
    ("OpenBSD has it since 4.7: on macOS it is a rule of its own, before the filter rules", translation),
    ("the brace is not closed", brace),
    ("a list stands in braces", hosts::other_brackets),
    ("a list needs braces", hosts::plain_list),
    ("protocols of a list need braces", protocol_list),
    ("a protocol stands behind `proto`", protocol),
    ("an interface stands behind `on`", hosts::interface_without_on),
    ("an operator is =, !=, <, <=, > or >=", operator),
    ("without `port` it is every port", every_port),
    ("a list of ports needs braces", hosts::quoted_ports),
    ("a range of ports is written with a colon", port_range),
    ("ports from or up to one are written with >= or <=", hosts::open_range),
    ("a list of ports needs braces", port_list),
    ("a port stands behind `port`", port_behind_address),
    ("a port stands behind `port`", hosts::host_with_port),
    ("a network is written with its bits", wildcard),
    ("a netmask is written as bits", netmask),
    (
        "a range of addresses is a list of networks: macOS compares the ends of a range otherwise than they read",
        hosts::address_range,
    ),
    (
        "a list of addresses needs braces, and exceptions a table, since a list is a rule for each of its items",
        hosts::host_list,
    ),
    ("`from` is missing", missing_from),
    ("`to` is missing", missing_to),
    ("`all` is `from any to any`", all_with_ends),
    ("a port stands behind `from …` or `to …`", port_without_end),
    ("a port needs `proto tcp` (or `{ tcp, udp }`)", port_without_protocol),
    ("the order is: in or out, log, quick, on, inet, proto, from, to, then the rest", order),
    ("a rule in braces stands in a line of its own", rules_in_braces),
];

const PROTOCOLS: &[&str] = &["tcp", "udp", "icmp", "icmp6"];

fn comment(words: &[String]) -> Option<Words> {
    let at = words
        .iter()
        .position(|word| word.starts_with("//") || word.starts_with("/*") || word == ";" || word == "--")?;
    let rest = words.get(at..)?.join(" ");
    let text = rest.trim_start_matches(['/', '*', ';', '-']).trim_end_matches(['/', '*']).trim();
    Some(replaced(words, at, words.len(), [format!("# {text}").trim_end().to_owned()]))
}

fn semicolon(words: &[String]) -> Option<Words> {
    let (last, rest) = words.split_last()?;
    let stripped = last.strip_suffix(';')?;
    let mut better = rest.to_vec();
    better.extend(Some(stripped.to_owned()).filter(|word| !word.is_empty()));
    Some(better)
}

fn lower_case(words: &[String]) -> Option<Words> {
    let lower = |word: &String| {
        let lower = word.to_ascii_lowercase();
        let known = is_keyword(&lower) || PROTOCOLS.contains(&lower.as_str());
        if known && !word.starts_with('"') { lower } else { word.clone() }
    };
    Some(words.iter().map(lower).collect())
}

fn names_in_quotes(words: &[String]) -> Option<Words> {
    let is_name = |index: usize| match words.first().map(String::as_str) {
        Some("load") => index >= 2 && words.get(1).is_some_and(|word| word == "anchor"),
        Some("table") => words.get(index.wrapping_sub(1)).is_some_and(|before| before == "file"),
        Some("include") => index == 1,
        _ => false,
    };
    let quoted = |(index, word): (usize, &String)| {
        let plain = !is_name(index) || word == "from" || word.starts_with(['"', '\'', '#', '{']);
        if plain { word.clone() } else { format!("\"{word}\"") }
    };
    Some(words.iter().enumerate().map(quoted).collect())
}

fn load_without_file(words: &[String]) -> Option<Words> {
    let [load, anchor, name] = words else { return None };
    let plain = name.trim_matches(['"', '\'']);
    let is_load = load == "load" && anchor == "anchor" && !plain.is_empty();
    is_load.then(|| put(words, 3, ["from", &format!("\"/etc/pf.anchors/{plain}\"")]))
}

fn macro_value(words: &[String]) -> Option<Words> {
    if words.get(1)? != "=" {
        return None;
    }
    let value = words.get(2..)?;
    let plain = value.join(" ");
    let plain = plain.trim_matches('"').replace(['{', '}'], " ");
    let items: Vec<&str> = plain.split([',', ' ']).filter(|item| !item.is_empty()).collect();
    let is_list =
        plain.contains(',') || items.iter().all(|item| item.bytes().any(|byte| byte.is_ascii_digit()));
    if items.len() < 2 || !is_list || plain.contains('$') || items.iter().any(|item| is_keyword(item)) {
        return None;
    }
    Some(replaced(words, 2, words.len(), [format!("\"{{ {} }}\"", items.join(", "))]))
}

/// `net = 10.0.0.0/8`
fn macro_in_quotes(words: &[String]) -> Option<Words> {
    let [name, equals, value] = words else { return None };
    let is_bare = !value.starts_with(['"', '\'', '{', '$']);
    (equals == "=" && is_bare).then(|| vec![name.clone(), equals.clone(), format!("\"{value}\"")])
}

fn action(words: &[String]) -> Option<Words> {
    let new: &[&str] = match words.first()?.to_ascii_lowercase().as_str() {
        "allow" | "accept" | "permit" => &["pass"],
        "deny" | "drop" => &["block", "drop"],
        "reject" => &["block", "return"],
        _ => return None,
    };
    Some(replaced(words, 0, 1, new.iter().map(|word| (*word).to_owned())))
}

fn direction(words: &[String]) -> Option<Words> {
    let meant = |word: &String| match word.as_str() {
        "incoming" | "inbound" | "input" | "INPUT" => "in".to_owned(),
        "outgoing" | "outbound" | "output" | "OUTPUT" => "out".to_owned(),
        _ => word.clone(),
    };
    is_rule(words).then(|| words.iter().map(meant).collect())
}

fn ends(words: &[String]) -> Option<Words> {
    let meant = |word: &String| match word.as_str() {
        "src" | "source" | "src-ip" => "from".to_owned(),
        "dst" | "dest" | "destination" | "dst-ip" => "to".to_owned(),
        "ports" | "dport" | "dst-port" => "port".to_owned(),
        _ => word.clone(),
    };
    is_rule(words).then(|| words.iter().map(meant).collect())
}

fn keep_state(words: &[String]) -> Option<Words> {
    let at =
        words.iter().position(|word| matches!(word.as_str(), "keep-state" | "keepstate" | "keep_state"))?;
    Some(replaced(words, at, at + 1, ["keep".to_owned(), "state".to_owned()]))
}

fn flags(words: &[String]) -> Option<Words> {
    let at = find(words, "flags")? + 1;
    let upper = words.get(at).filter(|word| word.contains('/'))?.to_ascii_uppercase();
    Some(replaced(words, at, at + 1, [upper]))
}

/// `pass in on en0 … rdr-to A port P` as `rdr pass on en0 … -> A port P`.
fn translation(words: &[String]) -> Option<Words> {
    let at = words.iter().position(|word| matches!(word.as_str(), "rdr-to" | "nat-to" | "binat-to"))?;
    let kind = words.get(at)?.strip_suffix("-to")?;
    let (criteria, target) = (words.get(1..at)?, words.get(at + 1..)?);
    let mut rule = vec![kind.to_owned()];
    if words.first()? == "pass" && kind != "nat" {
        rule.push("pass".to_owned());
    }
    let drops = |word: &&String| !matches!(word.as_str(), "in" | "out" | "quick" | "log" | "keep" | "state");
    rule.extend(criteria.iter().filter(drops).cloned());
    rule.push("->".to_owned());
    rule.extend(target.iter().filter(drops).cloned());
    Some(rule)
}

fn brace(words: &[String]) -> Option<Words> {
    let count = |wanted: &str| words.iter().filter(|word| *word == wanted).count();
    let open = count("{")
        .checked_sub(count("}"))
        .filter(|open| *open > 0 && words.last().is_some_and(|last| last != "{"))?;
    Some(put(words, words.len(), std::iter::repeat_n("}", open)))
}

fn protocol_list(words: &[String]) -> Option<Words> {
    let at = find(words, "proto")? + 1;
    let is_protocol = |word: &str| PROTOCOLS.contains(&word);
    let mut end = at;
    let mut items: Words = Vec::new();
    while let Some(word) = words.get(end) {
        if word != "," && !word.split('/').all(is_protocol) {
            break;
        }
        items.extend(word.split('/').filter(|part| is_protocol(part)).map(str::to_owned));
        end += 1;
    }
    if matches!(words.get(at)?.as_str(), "any" | "all" | "ip") {
        return Some(replaced(words, at - 1, at + 1, []));
    }
    (items.len() > 1).then(|| replaced(words, at, end, in_braces(&items)))
}

fn protocol(words: &[String]) -> Option<Words> {
    let at = words.iter().position(|word| word.split('/').all(|part| PROTOCOLS.contains(&part)))?;
    if !is_rule(words) || find(words, "proto").is_some() {
        return None;
    }
    protocol_list(&put(words, at, ["proto"])).or_else(|| Some(put(words, at, ["proto"])))
}

fn operator(words: &[String]) -> Option<Words> {
    let meant = |word: &String| match word.as_str() {
        "eq" | "==" => "=".to_owned(),
        "ne" | "neq" => "!=".to_owned(),
        "gt" => ">".to_owned(),
        "lt" => "<".to_owned(),
        "ge" => ">=".to_owned(),
        "le" => "<=".to_owned(),
        _ => word.clone(),
    };
    find(words, "port")?;
    Some(words.iter().map(meant).collect())
}

fn every_port(words: &[String]) -> Option<Words> {
    let at = find(words, "port")?;
    let every = matches!(words.get(at + 1)?.as_str(), "any" | "all" | "*");
    every.then(|| replaced(words, at, at + 2, []))
}

fn port_range(words: &[String]) -> Option<Words> {
    find(words, "port")?;
    if let Some(at) = words
        .windows(3)
        .position(|three| matches!(three, [a, dash, b] if is_port(a) && dash == "-" && is_port(b)))
        && let [first, _, last, ..] = words.get(at..)?
    {
        return Some(replaced(words, at, at + 3, [format!("{first}:{last}")]));
    }
    let meant = |word: &String| match word.split_once('-').or_else(|| word.split_once("..")) {
        Some((first, last)) if is_port(first) && is_port(last) => format!("{first}:{last}"),
        _ => word.clone(),
    };
    Some(words.iter().map(meant).collect())
}

fn port_list(words: &[String]) -> Option<Words> {
    let at = words.iter().enumerate().position(|(index, word)| {
        let list = words.get(index + 2).is_some_and(|next| next == "," || is_port(next));
        word == "port" && list && words.get(index + 1).is_some_and(|first| first != "{")
    })? + 1;
    let rest = words.get(at..)?;
    let is_item =
        |word: &&String| *word == "," || (!is_keyword(word) && !word.starts_with('#') && *word != "->");
    let end = at + rest.iter().take_while(is_item).count();
    let items: Words = words.get(at..end)?.iter().filter(|word| *word != ",").cloned().collect();
    (items.len() > 1).then(|| replaced(words, at, end, in_braces(&items)))
}

fn port_behind_address(words: &[String]) -> Option<Words> {
    let split = |word: &String| -> Option<(String, String)> {
        let (address, port) = word.rsplit_once(':')?;
        let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let is_address = bare.is_some()
            || address.parse::<Ipv4Addr>().is_ok()
            || address == "any"
            || address == "localhost";
        (is_address && is_port(port)).then(|| (bare.unwrap_or(address).to_owned(), port.to_owned()))
    };
    let at = words.iter().position(|word| split(word).is_some())?;
    let (address, port) = split(words.get(at)?)?;
    Some(replaced(words, at, at + 1, [address, "port".to_owned(), port]))
}

fn wildcard(words: &[String]) -> Option<Words> {
    let meant = |word: &String| -> Option<String> {
        let parts: Vec<&str> = word.split('.').collect();
        let known = parts.iter().take_while(|part| part.parse::<u8>().is_ok()).count();
        let rest = parts.get(known..)?;
        let wild = !rest.is_empty() && rest.iter().all(|part| matches!(*part, "*" | "x"));
        if !wild || !(1..=3).contains(&known) || parts.len() > 4 {
            return None;
        }
        let mut octets: Vec<&str> = parts.get(..known)?.to_vec();
        octets.resize(4, "0");
        Some(format!("{}/{}", octets.join("."), known * 8))
    };
    Some(words.iter().map(|word| meant(word).unwrap_or_else(|| word.clone())).collect())
}

fn netmask(words: &[String]) -> Option<Words> {
    let meant = |word: &String| -> Option<String> {
        let (address, mask) = word.split_once('/')?;
        let mask = mask.parse::<Ipv4Addr>().ok()?.to_bits();
        let bits = mask.leading_ones();
        (mask.count_ones() == bits).then(|| format!("{address}/{bits}"))
    };
    Some(words.iter().map(|word| meant(word).unwrap_or_else(|| word.clone())).collect())
}

fn is_end(word: &str) -> bool {
    word == "any"
        || word == "self"
        || word.starts_with(['<', '$', '('])
        || word.contains('.') && !word.starts_with('"')
}

fn missing_from(words: &[String]) -> Option<Words> {
    let to = find(words, "to")?;
    let host = to.checked_sub(1)?;
    let lacks = find(words, "from").is_none() && is_end(words.get(host)?);
    lacks.then(|| put(words, host, ["from"]))
}

fn missing_to(words: &[String]) -> Option<Words> {
    let from = find(words, "from")?;
    let lacks = find(words, "to").is_none() && is_end(words.get(from + 2)?);
    lacks.then(|| put(words, from + 2, ["to"]))
}

fn all_with_ends(words: &[String]) -> Option<Words> {
    let all = find(words, "all")?;
    let next = words.get(all + 1)?;
    let ends = ["from", "any", "to", "any"].map(str::to_owned);
    match next.as_str() {
        "port" => Some(replaced(words, all, all + 1, ends)),
        "from" | "to" => Some(replaced(words, all, all + 1, [])),
        _ => None,
    }
}

fn port_without_end(words: &[String]) -> Option<Words> {
    let at = find(words, "port")?;
    let lacks = is_rule(words) && find(words, "from").is_none() && find(words, "to").is_none();
    let at = words.get(..at)?.iter().rposition(|word| word == "all").map_or(at, |all| all);
    lacks.then(|| put(words, at, ["to", "any"]))
}

fn port_without_protocol(words: &[String]) -> Option<Words> {
    find(words, "port")?;
    if !is_rule(words) || find(words, "proto").is_some() {
        return None;
    }
    let at = words.iter().position(|word| matches!(word.as_str(), "from" | "to" | "port"))?;
    Some(put(words, at, ["proto", "tcp"]))
}

/// The parts of a filter rule in pf's order.
fn order(words: &[String]) -> Option<Words> {
    if !matches!(words.first()?.as_str(), "pass" | "block") {
        return None;
    }
    let mut parts: [Words; 8] = Default::default();
    let mut rest = Words::new();
    let mut head = vec![words.first()?.clone()];
    let mut index = 1;
    while let Some(word) = words.get(index) {
        let length = match word.as_str() {
            "on" | "proto" | "from" | "to" => 1 + group(words.get(index + 1..)?),
            _ => 1,
        };
        let mut part = words.get(index..index + length)?.to_vec();
        index += length;
        match word.as_str() {
            "drop" | "return" if head.len() == 1 => head.append(&mut part),
            "in" | "out" => parts[0].append(&mut part),
            "log" => parts[1].append(&mut part),
            "quick" => parts[2].append(&mut part),
            "on" => parts[3].append(&mut part),
            "inet" | "inet6" => parts[4].append(&mut part),
            "proto" => parts[5].append(&mut part),
            "from" => parts[6].append(&mut part),
            "to" => parts[7].append(&mut part),
            _ => rest.append(&mut part),
        }
    }
    head.extend(parts.into_iter().flatten());
    head.append(&mut rest);
    Some(head)
}

/// The words of an item: one, a negated one, or a list in braces; with the port behind an address.
fn group(words: &[String]) -> usize {
    let mut length = match words.first().map(String::as_str) {
        Some("!") => 1 + group(words.get(1..).unwrap_or_default()),
        Some("{") => words.iter().position(|word| word == "}").map_or(words.len(), |end| end + 1),
        Some(_) => 1,
        None => 0,
    };
    if words.get(length).is_some_and(|word| word == "port") {
        length += 1 + group(words.get(length + 1..).unwrap_or_default());
    }
    length.min(words.len())
}

fn rules_in_braces(words: &[String]) -> Option<Words> {
    let open = find(words, "{")?;
    if words.first()? != "anchor" || words.last()? != "}" || words.len() < open + 3 {
        return None;
    }
    let mut better = words.to_vec();
    better.insert(words.len() - 1, "\n".to_owned());
    better.insert(open + 1, "\n".to_owned());
    Some(better)
}
