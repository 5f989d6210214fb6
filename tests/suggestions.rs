//! Every line that is suggested is read by our own parser, and does to packets what is promised.
//!
//! A slip stands beside packets, each as a word: `t2345` is TCP to port 2345 of this Mac from the network, on en0; `u` is UDP,
//! `o` before it goes out. Behind it `<` has the source, `>` the destination, `@` the interface, `=` where it is led to. What
//! the suggested line is not to touch has a `!`. A `pass` is tried behind `block all`, everything else alone.

use std::net::IpAddr;

use portcullis::pf::criteria::{Direction, Family};
use portcullis::pf::interfaces::InterfaceFacts;
use portcullis::pf::packet::{Packet, PacketSocket, SYN, TCP};
use portcullis::pf::parse::parse_text;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::slips::mended;
use portcullis::pf::verdict::verdict;

/// The slip, what stands behind the mended line, and the packets.
const SLIPS: &[(&str, &str, &str)] = &[
    ("block in proto tcp from any to any port 80,443", "", "t80 t443 !t81 !u80 !ot80"),
    ("pass in proto tcp to any port 80, 443, 8080", "", "t80 t443 t8080 !t81"),
    ("pass in proto tcp to any port 80 443", "", "t80 t443 !t81"),
    (
        "pass in on en0 proto tcp from any to any port 2345-2350",
        "",
        "t2345 t2347 t2350 !t2344 !t2351 !t2345@en1",
    ),
    ("pass in proto tcp to any port { 80-90, 443 }", "", "t80 t90 t443 !t91"),
    ("pass in proto tcp to any port 2345 - 2350", "", "t2345 t2350 !t2351"),
    (
        "rdr on en0 proto tcp from any to any port 80 -> 127.0.0.1:8080",
        "",
        "t80=127.0.0.1:8080 !t81 !t80@en1",
    ),
    ("pass out proto tcp from any to 10.0.0.5:2345", "", "ot2345>10.0.0.5 !ot2345>10.0.0.6 !ot80>10.0.0.5"),
    ("pass out proto tcp to [fd00::5]:2345", "", "ot2345<fd00::1>fd00::5 !ot80<fd00::1>fd00::5"),
    ("block in from any to any port 22", "", "t22 !t23"),
    ("pass in on en0 to any port { 80 443 }", "", "t80 t443 !t81"),
    ("block in on en0 tcp from any to any port 2345", "", "t2345 !u2345 !t2345@en1"),
    ("pass in proto tcp/udp from any to any port 53", "", "t53 u53 !t54"),
    ("pass in proto tcp,udp to any port 53", "", "t53 u53 !t54"),
    ("pass in proto tcp from 192.168.1.* to any port 2345", "", "t2345<192.168.1.77 !t2345<192.168.2.1"),
    ("pass in from 10.1.*.* to any", "", "t1<10.1.2.3 !t1<10.2.2.3"),
    ("pass in from 192.168.1.0/255.255.255.0 to any", "", "t1<192.168.1.255 !t1<192.168.2.1"),
    ("iptables -A INPUT -p tcp --dport 2345 -j ACCEPT", "", "t2345 !t80 !u2345 !ot2345"),
    ("-A OUTPUT -p tcp -d 10.0.0.5 --dport 2345 -j DROP", "", "ot2345>10.0.0.5 !ot2345>10.0.0.6 !t2345"),
    (
        "sudo iptables -A INPUT -i en0 -s 10.0.0.0/8 -p udp --dport 53 -j REJECT",
        "",
        "u53<10.1.1.1 !u53<11.1.1.1 !u53<10.1.1.1@en1 !t53<10.1.1.1",
    ),
    ("iptables -I INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT", "", "t80 t443 !t81"),
    ("iptables -A INPUT -p udp --dport 1000:2000 -j DROP", "", "u1000 u2000 !u2001"),
    ("ufw allow 2345/tcp", "", "t2345 !u2345"),
    ("sudo ufw deny 22", "", "t22 u22 !t23"),
    ("ufw allow from 10.0.0.0/8 to any port 22 proto tcp", "", "t22<10.1.1.1 !t22"),
    ("firewall-cmd --permanent --add-port=2345/tcp", "", "t2345 !u2345"),
    ("ipfw add 100 allow tcp from any to any dst-port 2345 in", "", "t2345 !u2345 !t80 !ot2345"),
    ("add allow tcp from any to any 2345 in", "", "t2345 !u2345 !ot2345"),
    ("00100 deny tcp from any to any dst-port 2345", "", "t2345 ot2345 !u2345"),
    ("add 65000 deny ip from any to any", "", "t1 u1 ot1"),
    ("ipfw add allow tcp from me to any 443 out via en0", "", "ot443 !t443"),
    ("nft add rule inet filter input tcp dport 2345 accept", "", "t2345 !u2345 !ot2345"),
    ("sudo pfctl -e", "block in proto tcp to port 7", "t7 !t2345"),
    ("sysctl -w net.inet.ip.fw.enable=1", "block in proto tcp to port 7", "t7 !t2345"),
    ("allow in proto tcp to any port 2345", "", "t2345 !t80 !ot2345"),
    ("deny in all", "", "t1 u1 !ot1"),
    ("reject in proto tcp to any port 22", "", "t22 !t23"),
    ("pass inbound proto tcp to any port 22", "", "t22 !ot22"),
    ("pass outgoing proto tcp to any port 22", "", "ot22 !t22"),
    ("PASS IN all", "", "t1 u1 !ot1"),
    ("pass in proto TCP to any port 22", "", "t22 !u22"),
    ("block in all // comment", "", "t1 !ot1"),
    ("block in all;", "", "t1 !ot1"),
    ("pass in proto tcp port 2345", "", "t2345 !t80"),
    ("pass in tcp port 2345", "", "t2345 !t80 !u2345"),
    ("pass in proto tcp all port 2345", "", "t2345 !t80"),
    ("block in on en0 proto tcp quick to any port 22", "pass in all", "t22 !t23"),
    ("pass quick in on en0 all", "block all", "t1 !t1@en1 !ot1"),
    ("pass in on en0 quick proto tcp to any port 22", "block all", "t22 !t23"),
    ("pass in proto tcp on en0 from any to any port 22", "", "t22 !t22@en1"),
    ("pass in proto tcp src 10.0.0.1 dst any port 22", "", "t22<10.0.0.1 !t22"),
    ("pass in proto tcp from any any port 22", "", "t22 !t23"),
    ("pass in proto tcp any to any port 22", "", "t22 !t23"),
    ("pass in proto tcp to any port 2345 keep-state", "", "t2345 !t80"),
    ("pass in proto tcp to any port 2345 stateful", "", "t2345 !t80"),
    ("pass in proto tcp to any port 22 flags s/sa", "", "t22 !t23"),
    ("pass in proto tcp to any port 22 flags SYN", "", "t22 !t23"),
    ("pass in proto tcp to any port eq 22", "", "t22 !t23"),
    ("pass in proto tcp to any port gt 1023", "", "t1024 !t1023"),
    ("pass in proto tcp to any port any", "", "t1 t65535 !u1"),
    (
        "pass in on en0 proto tcp from any to any port 80 rdr-to 127.0.0.1 port 8080",
        "",
        "t80=127.0.0.1:8080 !t81 !t80@en1",
    ),
    ("ports = 80, 443", "block in proto tcp to any port $ports", "t80 t443 !t81"),
    ("ext_if := \"en0\"", "block in on $ext_if all", "t1 !t1@en1"),
    ("export ext_if=\"en0\"", "block in on $ext_if all", "t1 !t1@en1"),
    ("anchor \"x\" { block in }", "", "t1 !ot1"),
    ("pass in proto tcp to any port { 80, 443", "", "t80 t443 !t81"),
    ("pass in proto tcp to any port {80;443}", "", "t80 t443 !t81"),
    ("pass in proto tcp to any port [80, 443]", "", "t80 t443 !t81"),
    ("pass in proto tcp to any port (80 443)", "", "t80 t443 !t81"),
    ("pass in proto tcp to any port 80 and 443", "", "t80 t443 !t81"),
    ("pass in proto tcp to any port \"80,443\"", "", "t80 t443 !t81"),
    ("pass in proto tcp to any port \"80-90\"", "", "t80 t90 !t91"),
    ("pass in proto tcp to any port 1024:", "", "t1024 t65535 !t1023"),
    ("pass in proto tcp to any port :1023", "", "t1 t1023 !t1024"),
    ("pass in on en0,en1 proto tcp to any port 22", "", "t22 t22@en1 !t22@en2"),
    ("pass in ipv4 proto tcp to any port 22", "", "t22 !t22<fd00::1>fd00::2"),
    ("pass in ipv6 proto tcp to any port 22", "", "t22<fd00::1>fd00::2 !t22"),
    ("pass in proto tcp to 192.168.1.10/32:22", "", "t22 !t22>192.168.1.11 !t23"),
    (
        "pass in proto tcp from 192.168.1.2-192.168.1.8 to any port 22",
        "",
        "t22<192.168.1.2 t22<192.168.1.5 t22<192.168.1.8 !t22<192.168.1.9 !t22<192.168.1.1",
    ),
    ("pass in from 192.168.1.0-255 to any", "", "t1<192.168.1.0 t1<192.168.1.255 !t1<192.168.2.0"),
    ("block in from 192.168.1.1, 10.0.0.1 to any", "", "t1<192.168.1.1 t1<10.0.0.1 !t1"),
    ("block in from ! 10.0.0.1, ! 10.0.0.2 to any", "", "t1 !t1<10.0.0.1 !t1<10.0.0.2"),
    ("pass in from not 10.0.0.0/8 to any", "", "t1 !t1<10.1.1.1"),
    ("pass in from any to me port 22", "", "t22 !t22>10.9.9.9"),
    ("table bad { 10.0.0.1 }", "block in from <bad>", "t1<10.0.0.1 !t1"),
    ("table <bad> = 10.0.0.1, 10.0.0.2", "block in from <bad>", "t1<10.0.0.1 t1<10.0.0.2 !t1"),
    ("pass in proto tcp to any port 22 keep", "", "t22 !t23"),
    ("pass in proto tcp to any port 22 comment \"ssh\"", "", "t22 !t23"),
    ("block return-rst in all", "", "t1 !u1"),
    ("block in quick proto tcp flags S/SA to any port 22", "pass in all", "t22 !t23"),
    ("block everything", "", "t1 ot1 u1"),
    ("block in all out", "", "t1 ot1"),
    ("block any", "", "t1 ot1"),
    ("pass in en0 all", "", "t1 !t1@en1"),
    ("set skip lo0, en1", "block all", "!t1@lo0 !t1@en1 t1"),
    ("set block-policy = reject", "block in proto tcp to port 7", "t7 !t8"),
    ("anchor com.example/*", "block in proto tcp to port 7", "t7 !t8"),
    ("rdr pass in on lo0 proto tcp to port 80 -> 127.0.0.1 port 8080", "", "t80@lo0=127.0.0.1:8080 !t80"),
    ("rdr pass proto tcp to port 80 -> :8080", "", "t80=127.0.0.1:8080 !t81"),
    ("rdr pass proto tcp to port 80 -> 8080", "", "t80=127.0.0.1:8080 !t81"),
    ("rdr pass proto tcp to port 80 -> port 8080", "", "t80=127.0.0.1:8080 !t81"),
    ("rdr pass proto tcp to any port 80 to 127.0.0.1 port 8080", "", "t80=127.0.0.1:8080 !t81"),
    ("redirect pass proto tcp to port 80 -> 127.0.0.1 port 8080", "", "t80=127.0.0.1:8080 !t81"),
    ("rdr pass on lo0 proto tcp to port 80 => 127.0.0.1 8080", "", "t80@lo0=127.0.0.1:8080 !t80"),
    // Odd characters, which stand for what was meant.
    ("block in proto tcp to any port { 80，443 }", "", "t80 t443 !t81"),
    ("block in proto tcp to any port ２３４５", "", "t2345 !t80"),
    ("if = “en0”", "block in on $if all", "t1 !t1@en1"),
];

#[test]
fn each_mended_line_does_what_was_meant() {
    let mut wrong = Vec::new();
    for (slip, behind, packets) in SLIPS {
        let Some(line) = suggested(slip) else {
            wrong.push(format!("{slip}: nothing is suggested"));
            continue;
        };
        let before =
            if line.starts_with("pass") && !behind.contains("block all") { "block all\n" } else { "" };
        let conf = format!("{before}{line}\n{behind}\n");
        for word in packets.split_whitespace() {
            if let Err(said) = judge(&conf, line.starts_with("pass"), word) {
                wrong.push(format!("{slip}: `{line}`: {word}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The line that `check` says to write. One with odd characters is read as it was meant.
fn suggested(slip: &str) -> Option<String> {
    if !slip.is_ascii() {
        return Some((*slip).to_owned());
    }
    let mut reads = |line: &str| {
        let parsed = parse_text("pf.conf", &format!("{line}\n"));
        parsed.problems.is_empty() && parsed.doubts.is_empty()
    };
    mended(slip, &mut reads).map(|slip| slip.line)
}

/// What `check` says to write where it mends no line, each with what stands around it: `LINE` is that line.
const LINES: &[(&str, &str, &str)] = &[
    // A load that nothing calls.
    ("anchor \"mine\"", "LINE\nload anchor \"mine\" from \"block7\"\n", "t7 !t8"),
    ("rdr-anchor \"mine\"", "LINE\nload anchor \"mine\" from \"rdr80\"\n", "t80=127.0.0.1:8080 !t81"),
    // `pfctl -a com.apple/NAME -f FILE`, below what the pf.conf of macOS calls.
    ("load anchor \"com.apple/NAME\" from \"block7\"", "anchor \"com.apple/*\"\nLINE\n", "t7 !t8"),
    (
        "load anchor \"com.apple/NAME\" from \"rdr80\"",
        "rdr-anchor \"com.apple/*\"\nLINE\n",
        "t80=127.0.0.1:8080 !t81",
    ),
    // Words of other versions of pf.
    (
        "rdr on en0 proto tcp to port 80 -> 127.0.0.1 port 8080",
        "LINE\npass in all\n",
        "t80=127.0.0.1:8080 !t81",
    ),
    ("nat on en0 from 192.168.1.10 to any -> 10.0.0.1", "LINE\npass out all\n", "ot80=192.168.1.20:80"),
    ("binat on en0 from 10.0.0.5 to any -> 192.168.1.10", "LINE\npass in all\n", "t80=10.0.0.5:80"),
    // Exceptions in a list are a rule each.
    ("table <name> { 10.0.0.1, 10.0.0.2 }\nblock in from ! <name>", "LINE\n", "t1 !t1<10.0.0.1 !t1<10.0.0.2"),
    // What macOS does otherwise than the text says.
    ("set skip on lo0", "LINE\nblock all\n", "!t1@lo0 t1"),
    ("block in to self", "LINE\n", "t1 !t1>10.9.9.9"),
    ("block in on en0", "LINE\n", "t1 !t1@en1"),
    ("block in from { 192.168.1.16/29, 192.168.1.24 }", "LINE\n", "t1 t1<192.168.1.24 !t1<192.168.1.25"),
    (
        "block in quick proto tcp to port 7",
        "anchor \"x\" quick {\nanchor \"y\" {\nLINE\n}\n}\npass in all\n",
        "t7 !t8",
    ),
];

#[test]
fn each_line_that_is_suggested_besides_does_what_was_meant() {
    let mut wrong = Vec::new();
    for (line, around, packets) in LINES {
        let conf = around.replace("LINE", line);
        for word in packets.split_whitespace() {
            if let Err(said) = judge(&conf, false, word) {
                wrong.push(format!("{conf}{word}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the packet of a word fares as the word says; a line that passes, or else one that blocks or translates.
fn judge(conf: &str, passes: bool, word: &str) -> Result<(), String> {
    // Of what a translation passes itself no packet goes on to the filter rules.
    let conf = conf.replace("rdr pass", "rdr");
    let (loaded, problems) = Rulesets::from_conf("pf.conf", &conf, &mut |path| match path {
        "block7" => Ok("block in proto tcp to port 7\n".to_owned()),
        "rdr80" => Ok("rdr proto tcp to port 80 -> 127.0.0.1 port 8080\n".to_owned()),
        _ => Err("no such file".into()),
    });
    if conf.is_ascii() && !problems.is_empty() {
        return Err(format!("{problems:?}"));
    }
    let interface = |name: &str, addresses: &[&str]| InterfaceFacts {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let loaded = loaded.with_interfaces(vec![
        interface("en0", &["192.168.1.10/24", "fe80::1/64"]),
        interface("lo0", &["127.0.0.1/8", "::1/128"]),
    ]);
    let (is_touched, word) = word.strip_prefix('!').map_or((true, word), |word| (false, word));
    let (word, led_to) = word.split_once('=').map_or((word, None), |(word, to)| (word, Some(to)));
    let packet = packet(word);
    let found = verdict(&loaded, &packet);
    let last = found.translated.last().unwrap_or(&packet);
    if let Some(wanted) = led_to {
        let to = format!(
            "{}:{}",
            last.destination.map(|address| address.to_string()).unwrap_or_default(),
            last.destination_port.unwrap_or_default()
        );
        return if to == wanted && *last != packet { Ok(()) } else { Err(to) };
    }
    let wanted = if is_touched == passes { "pass" } else { "block" };
    let is_right = found.outcome.to_string() == wanted && *last == packet;
    if is_right { Ok(()) } else { Err(found.outcome.to_string()) }
}

fn packet(word: &str) -> Packet {
    let cut = |word: &str, mark: char| -> Option<String> {
        let rest = word.split_once(mark)?.1;
        Some(rest.split(['<', '>', '@']).next().unwrap().to_owned())
    };
    let (direction, rest) =
        word.strip_prefix('o').map_or((Direction::In, word), |rest| (Direction::Out, rest));
    let (own, other) = ("192.168.1.10".to_owned(), "192.168.1.20".to_owned());
    let (from, to) = if direction == Direction::In { (other, own) } else { (own, other) };
    let address = |text: String| text.parse::<IpAddr>().unwrap();
    let destination = address(cut(word, '>').unwrap_or(to));
    let port = rest[1..].split(['<', '>', '@']).next().unwrap();
    let is_tcp = rest.starts_with('t');
    Packet {
        direction,
        interface: cut(word, '@').unwrap_or("en0".to_owned()),
        family: if destination.is_ipv4() { Family::Inet } else { Family::Inet6 },
        protocol: if is_tcp { TCP } else { 17 },
        source: Some(address(cut(word, '<').unwrap_or(from))),
        source_port: Some(50000),
        destination: Some(destination),
        destination_port: Some(port.parse().unwrap()),
        flags: if is_tcp { SYN } else { 0 },
        socket: PacketSocket::Owned(501),
        established: false,
    }
}
