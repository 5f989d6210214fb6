//! Advice behind a problem: what to write instead of words of other versions of pf, and of common mistakes.

use super::lexer::{Lexeme, LexemeKind};

/// The message, with what to write instead where that is known.
pub(super) fn advised(message: String, found: &Lexeme<'_>) -> String {
    let advice = match found.kind {
        LexemeKind::Word => instead_of(&found.text),
        LexemeKind::Punctuation(b'$') => {
            Some("macros are not put in place inside of quotes: end the quote before it, `\"…\" $name \"…\"`")
        }
        _ => None,
    };
    match advice {
        Some(advice) => format!("{message}; {advice}"),
        None => message,
    }
}

/// Where a rule has the word that was found in the wrong place.
pub(super) fn misplaced(found: &Lexeme<'_>) -> Option<&'static str> {
    if found.kind != LexemeKind::Keyword {
        return None;
    }
    match &*found.text {
        "port" => Some("`port` stands behind `from …` or `to …`"),
        "in" | "out" | "log" | "quick" | "on" | "route-to" | "reply-to" | "dup-to" | "inet" | "inet6"
        | "proto" | "from" | "to" => Some(
            "the order is: in or out, log, quick, on, route-to, inet or inet6, proto, from, to, then the rest",
        ),
        _ => None,
    }
}

/// What to write instead of a word that pf has on other systems and not on macOS; articles about pf are full of them.
pub(super) fn instead_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "match" => {
            "OpenBSD has `match` since 4.7, macOS has not: use `scrub`, `nat`, `rdr`, or `pass` without `quick`"
        }
        "rdr-to" => {
            "OpenBSD has it since 4.7, macOS has not: write `rdr … -> ADDRESS port PORT` before the filter rules"
        }
        "nat-to" => {
            "OpenBSD has it since 4.7, macOS has not: write `nat on IF … -> ADDRESS` before the filter rules"
        }
        "binat-to" => {
            "OpenBSD has it since 4.7, macOS has not: write `binat … -> ADDRESS` before the filter rules"
        }
        "af-to" => "OpenBSD has it since 5.1, macOS has not",
        "divert-to" | "divert-reply" | "divert-packet" => "macOS's pf has no divert sockets: use `rdr`",
        "sloppy" | "pflow" | "state-defaults" | "prio" | "received-on" | "once" | "rdomain" | "set-delay"
        | "least-states" | "max-pkt-rate" | "delay" => "later versions of OpenBSD have it, macOS has not",
        "ether"
        | "dnpipe"
        | "dnqueue"
        | "bridge-to"
        | "fail-policy"
        | "ridentifier"
        | "keepcounters"
        | "syncookies"
        | "allow-related"
        | "endpoint-independent"
        | "map-e-portset"
        | "codel" => "FreeBSD has it, macOS has not",
        _ => return None,
    })
}
