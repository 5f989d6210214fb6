//! Lines of other firewalls, and of the shell.

use crate::pf::recipes::{is_command, of_command};

/// The same rule in pf's words, and whose words it was in; `None` for a line that is pf's.
pub(super) fn translated(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let words = words.strip_prefix(&["sudo"]).unwrap_or(&words);
    let (first, rest) = words.split_first()?;
    let (says, line) = match *first {
        "iptables" | "ip6tables" => ("this is iptables, a firewall of Linux", iptables(rest)?.line()),
        "-A" | "-I" => ("this is iptables, a firewall of Linux", iptables(words)?.line()),
        "ufw" => ("this is ufw, a firewall of Linux", ufw(rest)?.line()),
        "firewall-cmd" => ("this is firewalld, a firewall of Linux", firewalld(rest)?.line()),
        "ipfw" => ("this is ipfw, which macOS has no more", ipfw(rest.strip_prefix(&["add"])?)?.line()),
        "add" => ("this is ipfw, which macOS has no more", ipfw(rest)?.line()),
        // As `ipfw list` prints its rules.
        _ if is_number(first) => ("this is ipfw, which macOS has no more", ipfw(words)?.line()),
        "nft" => ("this is nftables, a firewall of Linux", nftables(rest)?.line()),
        _ if is_command(line) => return Some((of_shell(words), format!("# {line}"))),
        _ => return None,
    };
    Some((says.to_owned(), line))
}

/// What a command of the shell is in a pf.conf, and what it would do in a shell.
fn of_shell(words: &[&str]) -> String {
    let says = "this is a command of the shell, which pf.conf does not take";
    match of_command(words).first() {
        Some(recipe) => format!("{says}; {}", recipe.really()),
        None => says.to_owned(),
    }
}

/// What a foreign rule says.
#[derive(Default)]
struct Meaning {
    action: &'static str,
    /// `in`, `out`, or nothing for both.
    direction: &'static str,
    interface: Option<String>,
    protocol: Option<String>,
    from: Option<String>,
    from_port: Option<String>,
    to: Option<String>,
    to_port: Option<String>,
}

impl Meaning {
    fn line(self) -> String {
        let Meaning { action, direction, interface, protocol, from, from_port, to, to_port } = self;
        let head = if direction.is_empty() { action.to_owned() } else { format!("{action} {direction}") };
        let mut line = head.clone();
        if let Some(interface) = interface {
            line += &format!(" on {interface}");
        }
        let has_port = from_port.is_some() || to_port.is_some();
        let protocol = protocol.or_else(|| has_port.then(|| "{ tcp, udp }".to_owned()));
        if let Some(protocol) = &protocol {
            line += &format!(" proto {protocol}");
        }
        for (word, host, port) in [("from", from, from_port), ("to", to, to_port)] {
            if host.is_none() && port.is_none() {
                continue;
            }
            line += &format!(" {word} {}", host.as_deref().unwrap_or("any"));
            if let Some(port) = port {
                line += &format!(" port {}", ports(&port));
            }
        }
        if line == head {
            line += " all";
        }
        line
    }
}

/// `2345`, `{ 80, 443 }` for `80,443`; other firewalls write ranges as `a:b` or `a-b`.
fn ports(text: &str) -> String {
    let text = text.replace('-', ":");
    if text.contains(',') { format!("{{ {} }}", text.replace(',', ", ")) } else { text }
}

fn action(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "accept" | "allow" | "pass" | "permit" => Some("pass"),
        "drop" | "deny" => Some("block drop"),
        "reject" | "reset" | "unreach" => Some("block return"),
        _ => None,
    }
}

fn iptables(words: &[&str]) -> Option<Meaning> {
    let mut meaning = Meaning { direction: "in", ..Meaning::default() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().map(|value| (*value).to_owned());
        match *word {
            "-A" | "-I" | "--append" | "--insert" => match value()?.as_str() {
                "INPUT" => {}
                "OUTPUT" => meaning.direction = "out",
                _ => return None,
            },
            "-p" | "--protocol" => meaning.protocol = value(),
            "-s" | "--source" => meaning.from = value(),
            "-d" | "--destination" => meaning.to = value(),
            "-i" | "-o" => meaning.interface = value(),
            "--dport" | "--dports" | "--destination-port" => meaning.to_port = value(),
            "--sport" | "--sports" | "--source-port" => meaning.from_port = value(),
            "-j" | "--jump" => meaning.action = action(&value()?)?,
            "-m" | "--state" | "--ctstate" | "--comment" => drop(value()),
            _ => return None,
        }
    }
    (!meaning.action.is_empty()).then(|| {
        let to = meaning.to.take().or_else(|| meaning.to_port.is_some().then(|| "any".to_owned()));
        Meaning { to, ..meaning }
    })
}

fn ufw(words: &[&str]) -> Option<Meaning> {
    let (first, mut rest) = words.split_first()?;
    let mut meaning = Meaning { action: action(first)?, direction: "in", ..Meaning::default() };
    if let Some((way @ ("in" | "out"), behind)) = rest.split_first().map(|(first, rest)| (*first, rest)) {
        meaning.direction = if way == "in" { "in" } else { "out" };
        rest = behind;
    }
    if let [port] = rest {
        set_port(&mut meaning, port);
        return Some(meaning);
    }
    let mut words = rest.iter();
    let mut behind_to = false;
    while let Some(word) = words.next() {
        let value = words.next()?;
        match *word {
            "from" => meaning.from = Some((*value).to_owned()),
            "to" => (meaning.to, behind_to) = (Some((*value).to_owned()), true),
            "port" if behind_to => meaning.to_port = Some((*value).to_owned()),
            "port" => meaning.from_port = Some((*value).to_owned()),
            "proto" => meaning.protocol = Some((*value).to_owned()),
            "on" => meaning.interface = Some((*value).to_owned()),
            _ => return None,
        }
    }
    Some(meaning)
}

/// `2345/tcp`
fn set_port(meaning: &mut Meaning, text: &str) {
    let (port, protocol) = text.split_once('/').map_or((text, None), |(port, name)| (port, Some(name)));
    meaning.protocol = protocol.map(str::to_owned);
    meaning.to_port = Some(port.to_owned());
}

fn firewalld(words: &[&str]) -> Option<Meaning> {
    let port = words.iter().find_map(|word| word.strip_prefix("--add-port="))?;
    let mut meaning = Meaning { action: "pass", direction: "in", ..Meaning::default() };
    set_port(&mut meaning, port);
    Some(meaning)
}

/// ipfw's `me` is `self`.
fn this_mac(host: String) -> String {
    if host == "me" { "self".to_owned() } else { host }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `100 allow tcp from any to any dst-port 2345 in`, the number left out or not. Without `in` or `out` it is for both.
fn ipfw(words: &[&str]) -> Option<Meaning> {
    let number = words.first().is_some_and(|word| is_number(word));
    let mut words = words.iter().skip(usize::from(number));
    let mut meaning = Meaning { action: action(words.next()?)?, ..Meaning::default() };
    meaning.protocol =
        words.next().map(|name| (*name).to_owned()).filter(|name| !matches!(name.as_str(), "ip" | "all"));
    let mut behind_to = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().map(|value| (*value).to_owned());
        match *word {
            "from" => meaning.from = value().map(this_mac),
            "to" => (meaning.to, behind_to) = (value().map(this_mac), true),
            "dst-port" => meaning.to_port = value(),
            "src-port" => meaning.from_port = value(),
            "in" => meaning.direction = "in",
            "out" => meaning.direction = "out",
            "via" | "recv" | "xmit" => meaning.interface = value(),
            "keep-state" | "setup" | "established" => {}
            port if behind_to && port.starts_with(|first: char| first.is_ascii_digit()) => {
                meaning.to_port = Some(port.to_owned());
            }
            _ => return None,
        }
    }
    Some(meaning)
}

/// `add rule inet filter input tcp dport 2345 accept`
fn nftables(words: &[&str]) -> Option<Meaning> {
    let words = words.strip_prefix(&["add", "rule"])?;
    let chain = words.iter().position(|word| matches!(*word, "input" | "INPUT" | "output" | "OUTPUT"))?;
    let out = words.get(chain)?.eq_ignore_ascii_case("output");
    let mut meaning = Meaning {
        direction: if out { "out" } else { "in" },
        to: Some("any".to_owned()),
        ..Meaning::default()
    };
    let mut words = words.iter().skip(chain + 1);
    while let Some(word) = words.next() {
        match *word {
            "tcp" | "udp" => meaning.protocol = Some((*word).to_owned()),
            "dport" => meaning.to_port = words.next().map(|port| (*port).to_owned()),
            "sport" => meaning.from_port = words.next().map(|port| (*port).to_owned()),
            other => meaning.action = action(other)?,
        }
    }
    (!meaning.action.is_empty()).then_some(meaning)
}
