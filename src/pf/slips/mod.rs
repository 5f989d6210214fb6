//! The usual slips, and the line that was meant: words of other firewalls, lists without braces, `IP:port`, a port without
//! its protocol.
//!
//! ```
//! use portcullis::pf::parse::parse_text;
//! use portcullis::pf::slips::mended;
//! let slip = mended("block in from any to any port 80,443", &mut |line| {
//!     parse_text("pf.conf", &format!("{line}\n")).problems.is_empty()
//! });
//! assert_eq!(slip.unwrap().line, "block in proto tcp from any to any port { 80, 443 }");
//! ```
//!
//! A line is given only if the caller's parser reads it: each mend is tried, alone and behind those before it.

mod filters;
mod foreign;
mod hosts;
mod line_words;
mod mends;
mod statements;

use line_words::Words;
use mends::MENDS;

/// What is wrong with a line, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// Each mend that was needed, as a clause.
    pub says: String,
    /// The line that was meant; lines, where it needs several.
    pub line: String,
}

/// The line that was meant, if `reads` takes it. `None` where no slip is known in it.
pub fn mended(line: &str, reads: &mut dyn FnMut(&str) -> bool) -> Option<Slip> {
    if let Some((says, line)) = foreign::translated(line.trim()) {
        let slip = Slip { says, line };
        return reads(&slip.line).then_some(slip);
    }
    let mut words = words(line);
    let mut says: Vec<&str> = Vec::new();
    for (what, mend) in MENDS {
        let Some(better) = mend(&words).filter(|better| *better != words) else { continue };
        words = better;
        says.push(what);
        let line = joined(&words);
        if reads(&line) {
            return Some(Slip { says: says.join("; "), line });
        }
    }
    None
}

/// Cuts a line into words. Braces and commas are words of their own, and a comment is one.
fn words(line: &str) -> Words {
    let mut words = Words::new();
    let mut word = String::new();
    let mut rest = line.trim().chars();
    while let Some(character) = rest.next() {
        match character {
            '"' | '\'' => {
                word.push(character);
                for inside in rest.by_ref() {
                    word.push(inside);
                    if inside == character {
                        break;
                    }
                }
            }
            '#' => {
                end(&mut words, &mut word);
                words.push(format!("#{}", rest.as_str()));
                break;
            }
            '{' | '}' | ',' => {
                end(&mut words, &mut word);
                words.push(character.to_string());
            }
            _ if character.is_whitespace() => end(&mut words, &mut word),
            _ => word.push(character),
        }
    }
    end(&mut words, &mut word);
    words
}

fn end(words: &mut Words, word: &mut String) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

fn joined(words: &Words) -> String {
    let mut line = String::new();
    for word in words {
        let close = word == "," || line.is_empty() || line.ends_with('\n') || word == "\n";
        if !close {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::parse::parse_text;

    #[test]
    fn each_slip_becomes_the_line_that_was_meant() {
        for (line, meant, says) in CASES {
            let mut reads = |line: &str| {
                let parsed = parse_text("pf.conf", &format!("{line}\n"));
                parsed.problems.is_empty() && parsed.doubts.is_empty()
            };
            assert!(!reads(line), "{line} reads");
            let slip = mended(line, &mut reads);
            let slip = slip.unwrap_or_else(|| panic!("no mend for {line}"));
            assert_eq!(slip.line, *meant, "{line}");
            assert!(slip.says.contains(says), "{line}: {}", slip.says);
        }
    }

    const CASES: &[(&str, &str, &str)] = &[
        (
            "block in proto tcp from any to any port 80,443",
            "block in proto tcp from any to any port { 80, 443 }",
            "needs braces",
        ),
        (
            "pass in proto tcp to any port 80, 443, 8080",
            "pass in proto tcp to any port { 80, 443, 8080 }",
            "needs braces",
        ),
        ("pass in proto tcp to any port 80 443", "pass in proto tcp to any port { 80, 443 }", "needs braces"),
        (
            "pass in on en0 proto tcp from any to any port 2345-2350",
            "pass in on en0 proto tcp from any to any port 2345:2350",
            "colon",
        ),
        (
            "pass in proto tcp to any port { 80-90, 443 }",
            "pass in proto tcp to any port { 80:90, 443 }",
            "colon",
        ),
        ("pass in proto tcp to any port 2345 - 2350", "pass in proto tcp to any port 2345:2350", "colon"),
        (
            "rdr on en0 proto tcp from any to any port 80 -> 127.0.0.1:8080",
            "rdr on en0 proto tcp from any to any port 80 -> 127.0.0.1 port 8080",
            "`port`",
        ),
        (
            "pass out proto tcp from any to 10.0.0.5:2345",
            "pass out proto tcp from any to 10.0.0.5 port 2345",
            "`port`",
        ),
        ("pass out proto tcp to [fd00::5]:2345", "pass out proto tcp to fd00::5 port 2345", "`port`"),
        ("block in from any to any port 22", "block in proto tcp from any to any port 22", "proto tcp"),
        ("pass in on en0 to any port { 80 443 }", "pass in on en0 proto tcp to any port { 80 443 }", "proto"),
        (
            "block in on en0 tcp from any to any port 2345",
            "block in on en0 proto tcp from any to any port 2345",
            "`proto`",
        ),
        (
            "pass in proto tcp/udp from any to any port 53",
            "pass in proto { tcp, udp } from any to any port 53",
            "braces",
        ),
        ("pass in proto tcp,udp to any port 53", "pass in proto { tcp, udp } to any port 53", "braces"),
        (
            "pass in proto tcp from 192.168.1.* to any port 2345",
            "pass in proto tcp from 192.168.1.0/24 to any port 2345",
            "network",
        ),
        ("pass in from 10.1.*.* to any", "pass in from 10.1.0.0/16 to any", "network"),
        ("pass in from 192.168.1.0/255.255.255.0 to any", "pass in from 192.168.1.0/24 to any", "bits"),
        ("iptables -A INPUT -p tcp --dport 2345 -j ACCEPT", "pass in proto tcp to any port 2345", "iptables"),
        (
            "-A OUTPUT -p tcp -d 10.0.0.5 --dport 2345 -j DROP",
            "block drop out proto tcp to 10.0.0.5 port 2345",
            "iptables",
        ),
        (
            "sudo iptables -A INPUT -i en0 -s 10.0.0.0/8 -p udp --dport 53 -j REJECT",
            "block return in on en0 proto udp from 10.0.0.0/8 to any port 53",
            "iptables",
        ),
        ("ufw allow 2345/tcp", "pass in proto tcp to any port 2345", "ufw"),
        ("sudo ufw deny 22", "block drop in proto { tcp, udp } to any port 22", "ufw"),
        ("firewall-cmd --permanent --add-port=2345/tcp", "pass in proto tcp to any port 2345", "firewalld"),
        (
            "ipfw add 100 allow tcp from any to any dst-port 2345 in",
            "pass in proto tcp from any to any port 2345",
            "ipfw",
        ),
        ("00100 deny ip from any to me", "block drop from any to self", "ipfw"),
        ("net = 10.0.0.0/8", "net = \"10.0.0.0/8\"", "quotes"),
        ("table <dev> file /etc/dev.txt", "table <dev> file \"/etc/dev.txt\"", "quotes"),
        ("table <dev> persist file dev/a.txt", "table <dev> persist file \"dev/a.txt\"", "quotes"),
        ("sudo pfctl -e", "# sudo pfctl -e", "no token"),
        ("sysctl -w net.inet.ip.fw.enable=1", "# sysctl -w net.inet.ip.fw.enable=1", "of ipfw"),
        ("pfctl -f /etc/pf.conf", "# pfctl -f /etc/pf.conf", "command of the shell"),
        ("allow in proto tcp to any port 2345", "pass in proto tcp to any port 2345", "`pass`"),
        ("deny in all", "block drop in all", "`block`"),
        ("reject in proto tcp to any port 22", "block return in proto tcp to any port 22", "`block`"),
        ("pass inbound proto tcp to any port 22", "pass in proto tcp to any port 22", "`in`"),
        ("PASS IN all", "pass in all", "lower case"),
        ("pass in proto TCP to any port 22", "pass in proto tcp to any port 22", "lower case"),
        (
            "load anchor mine from /etc/pf.anchors/mine",
            "load anchor \"mine\" from \"/etc/pf.anchors/mine\"",
            "quotes",
        ),
        ("load anchor \"mine\"", "load anchor \"mine\" from \"/etc/pf.anchors/mine\"", "from"),
        ("block in all // comment", "block in all # comment", "#"),
        ("block in all ; comment", "block in all # comment", "#"),
        ("block in all;", "block in all", "`;`"),
        ("pass in proto tcp port 2345", "pass in proto tcp to any port 2345", "behind"),
        ("pass in tcp port 2345", "pass in proto tcp to any port 2345", "behind"),
        ("pass in proto tcp all port 2345", "pass in proto tcp from any to any port 2345", "all"),
        ("pass quick in on en0 all", "pass in quick on en0 all", "order"),
        (
            "pass in on en0 quick proto tcp to any port 22",
            "pass in quick on en0 proto tcp to any port 22",
            "order",
        ),
        (
            "pass in proto tcp on en0 from any to any port 22",
            "pass in on en0 proto tcp from any to any port 22",
            "order",
        ),
        (
            "pass in proto tcp src 10.0.0.1 dst any port 22",
            "pass in proto tcp from 10.0.0.1 to any port 22",
            "from",
        ),
        ("pass in proto tcp from any any port 22", "pass in proto tcp from any to any port 22", "`to`"),
        ("pass in proto tcp any to any port 22", "pass in proto tcp from any to any port 22", "`from`"),
        (
            "pass in proto tcp to any port 2345 keep-state",
            "pass in proto tcp to any port 2345 keep state",
            "keep state",
        ),
        (
            "pass in proto tcp to any port 22 flags s/sa",
            "pass in proto tcp to any port 22 flags S/SA",
            "capital",
        ),
        ("pass in proto tcp to any port eq 22", "pass in proto tcp to any port = 22", "operator"),
        ("pass in proto tcp to any port any", "pass in proto tcp to any", "every port"),
        (
            "pass in on en0 proto tcp from any to any port 80 rdr-to 127.0.0.1 port 8080",
            "rdr pass on en0 proto tcp from any to any port 80 -> 127.0.0.1 port 8080",
            "OpenBSD",
        ),
        (
            "match out on en0 from 10.0.0.0/24 to any nat-to (en0)",
            "nat on en0 from 10.0.0.0/24 to any -> (en0)",
            "OpenBSD",
        ),
        ("anchor \"x\" { pass in }", "anchor \"x\" {\npass in\n}", "line of its own"),
        ("ports = 80, 443", "ports = \"{ 80, 443 }\"", "quotes"),
        (
            "pass in proto tcp to any port { 80, 443",
            "pass in proto tcp to any port { 80, 443 }",
            "not closed",
        ),
        ("pass in proto tcp to any port {80;443}", "pass in proto tcp to any port { 80, 443 }", "braces"),
        ("pass in proto tcp to any port [80, 443]", "pass in proto tcp to any port { 80, 443 }", "braces"),
        ("pass in proto tcp to any port (80 443)", "pass in proto tcp to any port { 80 443 }", "braces"),
        ("pass in proto tcp to any port 80 and 443", "pass in proto tcp to any port { 80, 443 }", "braces"),
        ("pass in proto tcp to any port \"80,443\"", "pass in proto tcp to any port { 80, 443 }", "braces"),
        ("pass in proto tcp to any port 1024:", "pass in proto tcp to any port >= 1024", ">="),
        (
            "pass in on en0,en1 proto tcp to any port 22",
            "pass in on { en0, en1 } proto tcp to any port 22",
            "braces",
        ),
        ("pass out proto tcp user root, admin", "pass out proto tcp user { root, admin }", "braces"),
        ("pass in ipv4 proto tcp to any port 22", "pass in inet proto tcp to any port 22", "inet6"),
        ("pass in proto tcp to 192.168.1.5/32:22", "pass in proto tcp to 192.168.1.5/32 port 22", "port"),
        (
            "pass in proto tcp to 192.168.1.2-192.168.1.8 port 22",
            "pass in proto tcp to { 192.168.1.2/31, 192.168.1.4/30, 192.168.1.8 } port 22",
            "networks",
        ),
        ("pass in from 192.168.1.0-255 to any", "pass in from 192.168.1.0/24 to any", "networks"),
        (
            "pass in from 192.168.1.1, 10.0.0.1 to any",
            "pass in from { 192.168.1.1, 10.0.0.1 } to any",
            "braces",
        ),
        (
            "pass in from ! 10.0.0.1, ! 10.0.0.2 to any",
            "table <excepted> { 10.0.0.1, 10.0.0.2 }\npass in from ! <excepted> to any",
            "table",
        ),
        ("pass in from not 10.0.0.0/8 to any", "pass in from ! 10.0.0.0/8 to any", "`!`"),
        ("pass in from any to me port 22", "pass in proto tcp from any to self port 22", "self"),
        ("block in from table <bad> to any", "block in from <bad> to any", "<name>"),
        ("table bad { 10.0.0.1 }", "table <bad> { 10.0.0.1 }", "brackets"),
        ("table <bad> = 10.0.0.1, 10.0.0.2", "table <bad> { 10.0.0.1, 10.0.0.2 }", "braces"),
        (
            "pass in proto tcp to any port 22 keep",
            "pass in proto tcp to any port 22 keep state",
            "keep state",
        ),
        ("pass in proto icmp icmp-type 8", "pass in inet proto icmp icmp-type 8", "inet"),
        ("pass in proto ping", "pass in inet proto icmp icmp-type echoreq", "icmp-type"),
        ("pass in proto tcp to any port 22 flags SYN", "pass in proto tcp to any port 22 flags S/SA", "S/SA"),
        ("pass in proto tcp to any port 22 comment \"ssh\"", "pass in proto tcp to any port 22 # ssh", "#"),
        ("block return-rst in all", "block return-rst in proto tcp all", "TCP"),
        (
            "block in quick proto tcp flags S/SA to any port 22",
            "block in quick proto tcp to any port 22 flags S/SA",
            "order",
        ),
        ("block everything", "block all", "all"),
        ("block in all out", "block all", "all"),
        ("pass in en0 all", "pass in on en0 all", "`on`"),
        ("set skip lo0, en1", "set skip on { lo0, en1 }", "set"),
        ("set block-policy = reject", "set block-policy return", "set"),
        ("set limit states=1000", "set limit states 1000", "set"),
        ("scrub in all max-mss=1440", "scrub in all max-mss 1440", "scrub"),
        ("ext_if := \"en0\"", "ext_if = \"en0\"", "macro"),
        ("export ext_if=\"en0\"", "ext_if = \"en0\"", "macro"),
        ("anchor com.apple/*", "anchor \"com.apple/*\"", "quotes"),
        ("anchor \"x\" quick in", "anchor \"x\" in quick", "before"),
        ("load anchor \"x\" \"/etc/pf.anchors/x\"", "load anchor \"x\" from \"/etc/pf.anchors/x\"", "from"),
        (
            "load \"x\" from \"/etc/pf.anchors/x\"",
            "load anchor \"x\" from \"/etc/pf.anchors/x\"",
            "load anchor",
        ),
        (
            "rdr pass in on lo0 proto tcp to port 80 -> 127.0.0.1 port 8080",
            "rdr pass on lo0 proto tcp to port 80 -> 127.0.0.1 port 8080",
            "direction",
        ),
        (
            "rdr pass proto tcp to port 80 -> :8080",
            "rdr pass proto tcp to port 80 -> 127.0.0.1 port 8080",
            "->",
        ),
        ("pass out proto tcp to https://example.com", "pass out proto tcp to example.com port 443", "port"),
        ("antispoof quick en0", "antispoof quick for en0", "antispoof"),
        (
            "rdr pass on lo0 proto tcp to port 80 => 127.0.0.1 8080",
            "rdr pass on lo0 proto tcp to port 80 -> 127.0.0.1 port 8080",
            "->",
        ),
    ];
}
