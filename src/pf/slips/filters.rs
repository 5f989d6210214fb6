//! Mends of the words of filter rules.

use super::line_words::{Words, find, is_rule, put, replaced};

/// `ipv4`, `inet4`, `ipv6`
pub(super) fn family(words: &[String]) -> Option<Words> {
    let meant = |word: &String| match word.as_str() {
        "inet4" | "ipv4" | "ip4" | "IPv4" => "inet".to_owned(),
        "ipv6" | "ip6" | "IPv6" => "inet6".to_owned(),
        _ => word.clone(),
    };
    is_rule(words).then(|| words.iter().map(meant).collect())
}

/// `block everything`, `pass in any`, `pass in all out`
pub(super) fn all(words: &[String]) -> Option<Words> {
    let is_filter = matches!(words.first()?.as_str(), "pass" | "block");
    let has_ends = ["from", "to", "proto", "port"].iter().any(|word| find(words, word).is_some());
    if !is_filter || has_ends {
        return None;
    }
    let meant = |word: &String| match word.as_str() {
        "everything" | "any" | "everyone" | "*" => "all".to_owned(),
        _ => word.clone(),
    };
    let mut better: Words = words.iter().map(meant).collect();
    if find(&better, "in").is_some() && find(&better, "out").is_some() {
        better.retain(|word| word != "in" && word != "out");
    }
    Some(better)
}

/// `keep`, `state keep`, `stateful`
pub(super) fn state(words: &[String]) -> Option<Words> {
    let keep = || ["keep", "state"].map(str::to_owned);
    if let Some(at) = find(words, "stateful") {
        return Some(replaced(words, at, at + 1, keep()));
    }
    if let Some(at) = words.windows(2).position(|two| matches!(two, [a, b] if a == "state" && b == "keep")) {
        return Some(replaced(words, at, at + 2, keep()));
    }
    let at = find(words, "keep").filter(|at| words.get(at + 1).is_none_or(|next| next != "state"))?;
    Some(put(words, at + 1, ["state"]))
}

/// `proto icmp icmp-type 8`, `proto icmp type echoreq`, `proto ping`
pub(super) fn icmp(words: &[String]) -> Option<Words> {
    let mut better = words.to_vec();
    if let Some(at) = find(&better, "ping").filter(|at| *at > 0) {
        let ping = ["icmp", "icmp-type", "echoreq"].map(str::to_owned);
        better = replaced(&better, at, at + 1, ping);
    }
    let kind = find(&better, "icmp")? + 1;
    if better.get(kind).is_some_and(|word| word == "type") {
        better = replaced(&better, kind, kind + 1, ["icmp-type".to_owned()]);
    }
    let has_family = find(&better, "inet").is_some() || find(&better, "inet6").is_some();
    if find(&better, "icmp-type").is_some() && !has_family {
        let at = find(&better, "proto").or_else(|| find(&better, "icmp"))?;
        better = put(&better, at, ["inet"]);
    }
    Some(better)
}

/// `flags SYN`
pub(super) fn named_flags(words: &[String]) -> Option<Words> {
    let at = find(words, "flags")? + 1;
    let is_syn = matches!(words.get(at)?.to_ascii_uppercase().as_str(), "SYN" | "S");
    is_syn.then(|| replaced(words, at, at + 1, ["S/SA".to_owned()]))
}

/// `block return-rst in all`
pub(super) fn reset(words: &[String]) -> Option<Words> {
    find(words, "return-rst")?;
    if find(words, "proto").is_some() {
        return None;
    }
    let is_end = |word: &String| matches!(word.as_str(), "all" | "from" | "to") || word.starts_with('#');
    let at = words.iter().position(is_end).unwrap_or(words.len());
    Some(put(words, at, ["proto", "tcp"]))
}

/// `comment "ssh"`, `REM ssh`
pub(super) fn remark(words: &[String]) -> Option<Words> {
    let at = words.iter().enumerate().position(|(index, word)| {
        matches!(word.as_str(), "comment" | "description")
            || index == 0 && matches!(word.as_str(), "REM" | "rem")
    })?;
    let text = words.get(at + 1..)?.join(" ");
    Some(replaced(words, at, words.len(), [format!("# {}", text.trim_matches(['"', '\'']))]))
}
