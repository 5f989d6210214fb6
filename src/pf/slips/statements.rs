//! Mends of options, tables, macros, anchors and translations.

use crate::pf::words::is_keyword;

use super::line_words::{Words, find, in_braces, is_port, put, replaced};

fn first(words: &[String]) -> &str {
    words.first().map_or("", String::as_str)
}

/// `set skip lo0`, `set block-policy = drop`, `set limit states=1000`
pub(super) fn option(words: &[String]) -> Option<Words> {
    if first(words) != "set" {
        return None;
    }
    let mut better = Words::new();
    for word in words {
        // A value in quotes may hold anything.
        if word.starts_with('"') {
            better.push(word.clone());
        } else {
            better.extend(word.split('=').filter(|part| !part.is_empty()).map(str::to_owned));
        }
    }
    if better.last().is_some_and(|last| last == ",") {
        better.pop();
    }
    let meant = match (better.get(1)?.as_str(), better.get(2)?.as_str()) {
        ("block-policy", "reject" | "deny") => Some(if better.get(2)? == "deny" { "drop" } else { "return" }),
        ("require-order", "false" | "off" | "0") => Some("no"),
        ("require-order", "true" | "on" | "1") => Some("yes"),
        ("state-policy", "ifbound" | "if_bound") => Some("if-bound"),
        _ => None,
    };
    if let Some(meant) = meant {
        return Some(replaced(&better, 2, 3, [meant.to_owned()]));
    }
    if better.get(1)? == "skip" && better.get(2)? != "on" {
        better = put(&better, 2, ["on"]);
    }
    let items: Words = better.get(3..)?.iter().filter(|word| *word != ",").cloned().collect();
    if better.get(1)? == "skip" && items.len() > 1 && better.get(3)? != "{" {
        better = replaced(&better, 3, better.len(), in_braces(&items));
    }
    Some(better)
}

/// `table bad { … }`, `table <bad> = { … }`, `table <bad> 10.0.0.1, 10.0.0.2`
pub(super) fn table(words: &[String]) -> Option<Words> {
    if first(words) != "table" {
        return None;
    }
    let mut better: Words = words.iter().filter(|word| *word != "=").cloned().collect();
    let name = better.get_mut(1)?;
    if !name.starts_with('<') {
        *name = format!("<{}>", name.trim_matches('"'));
    }
    let is_address = |word: &String| {
        let host = word.trim_start_matches('!').split('/').next().unwrap_or_default();
        host.parse::<std::net::IpAddr>().is_ok()
    };
    let items: Words = better.iter().skip(2).filter(|word| is_address(word)).cloned().collect();
    if find(&better, "{").is_none() && !items.is_empty() {
        let at = better.iter().position(is_address)?;
        better = replaced(&better, at, better.len(), in_braces(&items));
    }
    Some(better)
}

/// `x := "v"`, `x "v"`, `$x = "v"`, `set x "v"`, `export x="v"`
pub(super) fn definition(words: &[String]) -> Option<Words> {
    let words = match first(words) {
        "export" | "let" | "var" | "define" | "local" | "set" => words.get(1..)?,
        _ => words,
    };
    let joined = words.join(" ");
    let (name, value) =
        joined.split_once(":=").or_else(|| joined.split_once('=')).or_else(|| joined.split_once(' '))?;
    let (name, value) = (name.trim().trim_start_matches('$'), value.trim().trim_start_matches('=').trim());
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let is_value = inside.is_some_and(|inside| !inside.is_empty() && !inside.contains('"'));
    (is_name && is_value && !is_keyword(name))
        .then(|| vec![name.to_owned(), "=".to_owned(), value.to_owned()])
}

/// `${ext_if}`
pub(super) fn macro_in_braces(words: &[String]) -> Option<Words> {
    let at = words.windows(4).position(
        |four| matches!(four, [dollar, open, _, close] if dollar == "$" && open == "{" && close == "}"),
    )?;
    let name = words.get(at + 2)?;
    Some(replaced(words, at, at + 4, [format!("${name}")]))
}

const ANCHORS: [&str; 6] =
    ["anchor", "nat-anchor", "rdr-anchor", "binat-anchor", "scrub-anchor", "dummynet-anchor"];

/// `anchor com.apple/*`, `load "x" from "f"`, `load anchor "x" "f"`, `include f`
pub(super) fn anchor(words: &[String]) -> Option<Words> {
    let quoted = |word: &String| format!("\"{}\"", word.trim_matches(['"', '\'']));
    match (first(words), words) {
        (kind, [_, name, ..]) if ANCHORS.contains(&kind) && !name.starts_with(['"', '{']) => {
            Some(replaced(words, 1, 2, [quoted(name)]))
        }
        ("load", [_, name, ..]) if name != "anchor" => Some(put(words, 1, ["anchor"])),
        ("load", [_, _, name, file]) if name != "from" && file != "from" => Some(put(words, 3, ["from"])),
        ("include", [_, file]) => Some(replaced(words, 1, 2, [quoted(file)])),
        _ => None,
    }
}

/// `anchor "x" quick in`
pub(super) fn anchor_order(words: &[String]) -> Option<Words> {
    if first(words) != "anchor" {
        return None;
    }
    let way = words.iter().position(|word| matches!(word.as_str(), "in" | "out"))?;
    let quick = find(words, "quick").filter(|quick| *quick < way)?;
    let mut better = words.to_vec();
    let way = better.remove(way);
    better.insert(quick, way);
    Some(better)
}

/// `redirect …`, `… => …`
pub(super) fn redirection(words: &[String]) -> Option<Words> {
    let meant = |(index, word): (usize, &String)| match word.as_str() {
        "redirect" | "forward" if index == 0 => "rdr".to_owned(),
        "masquerade" if index == 0 => "nat".to_owned(),
        "=>" | "-->" => "->".to_owned(),
        _ => word.clone(),
    };
    Some(words.iter().enumerate().map(meant).collect())
}

fn is_translation(words: &[String]) -> bool {
    matches!(first(words), "rdr" | "nat" | "binat" | "nat-anchor" | "rdr-anchor" | "binat-anchor")
}

/// `rdr pass in on en0 …`, `rdr quick …`, `rdr-anchor "x" in`
pub(super) fn translation_without_direction(words: &[String]) -> Option<Words> {
    let drops = |word: &&String| matches!(word.as_str(), "in" | "out" | "quick");
    is_translation(words).then(|| words.iter().filter(|word| !drops(word)).cloned().collect())
}

/// `-> 127.0.0.1 8080`, `-> port 8080`, `-> :8080`, `… to any port 80 to 127.0.0.1 port 8080`
pub(super) fn target(words: &[String]) -> Option<Words> {
    if !is_translation(words) {
        return None;
    }
    let Some(arrow) = find(words, "->") else {
        let last = words.iter().rposition(|word| word == "to")?;
        let is_second = find(words, "to") < Some(last);
        return is_second.then(|| replaced(words, last, last + 1, ["->".to_owned()]));
    };
    let host = words.get(arrow + 1)?;
    let own = |port: &str| ["127.0.0.1".to_owned(), "port".to_owned(), port.to_owned()];
    if host == "port" {
        return Some(put(words, arrow + 1, ["127.0.0.1"]));
    }
    if let Some(port) = host.strip_prefix(':').filter(|port| is_port(port)) {
        return Some(replaced(words, arrow + 1, arrow + 2, own(port)));
    }
    if is_port(host) && words.len() == arrow + 2 {
        return Some(replaced(words, arrow + 1, arrow + 2, own(host)));
    }
    let port = words.get(arrow + 2).filter(|port| is_port(port))?;
    Some(replaced(words, arrow + 2, arrow + 3, ["port".to_owned(), port.clone()]))
}

/// `scrub in all fragment`, `max-mss=1440`
pub(super) fn scrub(words: &[String]) -> Option<Words> {
    if first(words) != "scrub" {
        return None;
    }
    let mut better: Words = words
        .iter()
        .flat_map(|word| word.split('=').filter(|part| !part.is_empty()).map(str::to_owned))
        .collect();
    if better.last().is_some_and(|last| last == "fragment") {
        better.push("reassemble".to_owned());
    }
    Some(better)
}

/// `antispoof en0`, `antispoof quick on en0`
pub(super) fn antispoof(words: &[String]) -> Option<Words> {
    if first(words) != "antispoof" || find(words, "for").is_some() {
        return None;
    }
    if let Some(on) = find(words, "on") {
        return Some(replaced(words, on, on + 1, ["for".to_owned()]));
    }
    let at = words.iter().skip(1).position(|word| word != "quick" && word != "log")? + 1;
    Some(put(words, at, ["for"]))
}
