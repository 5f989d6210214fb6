//! What pfctl prints, read. Pure: text in, values out.
//!
//! ```
//! use portcullis::firewall::read;
//! use portcullis::report::PfState;
//! assert_eq!(read::info("Status: Disabled          Debug: Urgent\n"), PfState::Disabled);
//! assert_eq!(read::info("hello\n"), PfState::Unknown("hello\n".into()));
//! ```
//!
//! pfctl(8) documents none of these forms; they are as macOS 26 was seen to print them, so each reader takes
//! exactly the form it knows.

use crate::report::PfState;

/// A text that is not of the form that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read what pfctl printed for {what}: {text:?}")]
pub struct Unreadable {
    /// What was asked for.
    pub what: &'static str,
    /// The line that is not understood, or the whole text.
    pub text: String,
}

fn unreadable(what: &'static str, text: &str) -> Unreadable {
    Unreadable { what, text: text.to_owned() }
}

/// Lines that pfctl prints on standard error without anything being wrong: macOS has no ALTQ, and every `-f`
/// warns of the main ruleset.
const NOISE: [&str; 5] = [
    "No ALTQ support in kernel",
    "ALTQ related functions disabled",
    "pfctl: Use of -f option, could result in flushing of rules",
    "present in the main ruleset added by the system at startup.",
    "See /etc/pf.conf for further details.",
];

/// What is left of standard error when the noise is taken out: one line each, joined by newlines.
pub fn without_noise(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim_end);
    lines.filter(|line| !line.is_empty() && !NOISE.contains(line)).collect::<Vec<_>>().join("\n")
}

/// `pfctl -s info`: whether pf is enabled.
pub fn info(text: &str) -> PfState {
    let mut states = text.lines().filter_map(|line| line.strip_prefix("Status: "));
    let state = states.next().map(|rest| rest.split_whitespace().next().unwrap_or_default());
    match (state, states.next()) {
        (Some("Enabled"), None) => PfState::Enabled,
        (Some("Disabled"), None) => PfState::Disabled,
        _ => PfState::Unknown(text.to_owned()),
    }
}

/// A process that holds pf enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The process that took it; it may have ended long ago.
    pub pid: u32,
    /// That process's name.
    pub process: String,
    /// What `pfctl -X` gives back.
    pub token: u64,
    /// How many seconds ago it was taken; `None` where that does not read.
    pub age: Option<u64>,
}

/// `pfctl -s References`: who holds pf enabled.
pub fn references(text: &str) -> Result<Vec<Reference>, Unreadable> {
    const WHAT: &str = "References";
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.as_slice() {
        ["No pf starter references held"] => Ok(Vec::new()),
        ["TOKENS:", header, rows @ ..] if header.starts_with("PID") => {
            rows.iter().map(|row| reference(row).ok_or_else(|| unreadable(WHAT, row))).collect()
        }
        _ => Err(unreadable(WHAT, text)),
    }
}

/// `4063     pfctl                        15053025338191571182     0 days 00:00:00`, from its end: a name may
/// hold spaces.
fn reference(row: &str) -> Option<Reference> {
    let fields: Vec<&str> = row.split_whitespace().collect();
    let [pid, process @ .., token, days, "days", clock] = fields.as_slice() else {
        return None;
    };
    let days = days.parse::<u64>().ok()?;
    let clock =
        clock.split(':').try_fold(0u64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?));
    let age = clock.and_then(|clock| days.checked_mul(86_400)?.checked_add(clock));
    Some(Reference { pid: pid.parse().ok()?, process: process.join(" "), token: token.parse().ok()?, age })
}

/// `pfctl -E`, on standard error: the token.
pub fn token(stderr: &str) -> Result<u64, Unreadable> {
    let mut tokens = stderr.lines().filter_map(|line| line.strip_prefix("Token : "));
    match (tokens.next().map(|number| number.trim().parse()), tokens.next()) {
        (Some(Ok(token)), None) => Ok(token),
        _ => Err(unreadable("-E", stderr)),
    }
}

/// `pfctl -s Anchors`: their paths.
pub fn anchors(text: &str) -> Result<Vec<String>, Unreadable> {
    indented("Anchors", "  ", text)
}

/// `pfctl -t T -T show`: its addresses, such as `10.0.0.0/8`, or `!10.1.0.0/16` for what is left out.
pub fn addresses(text: &str) -> Result<Vec<String>, Unreadable> {
    const WHAT: &str = "-T show";
    let address = |line: &str| {
        let rest = line.strip_prefix("  ")?;
        let (sign, address) = match rest.split_at_checked(1)? {
            (" ", address) => ("", address),
            ("!", address) => ("!", address),
            _ => return None,
        };
        let valid = address.parse::<std::net::IpAddr>().is_ok() || address.parse::<ipnet::IpNet>().is_ok();
        valid.then(|| format!("{sign}{address}"))
    };
    text.lines().map(|line| address(line).ok_or_else(|| unreadable(WHAT, line))).collect()
}

/// `pfctl -v -s Interfaces`: those that `set skip on` names.
pub fn skipped(text: &str) -> Result<Vec<String>, Unreadable> {
    const SKIPPED: &str = " (skip)";
    let names: String =
        text.lines().map(|line| format!("{}\n", line.strip_suffix(SKIPPED).unwrap_or(line))).collect();
    indented("Interfaces", "", &names)?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(SKIPPED)).map(str::to_owned).collect())
}

/// Names, one on a line, each after the same indent and without a space in it.
fn indented(what: &'static str, indent: &str, text: &str) -> Result<Vec<String>, Unreadable> {
    let name = |line: &str| {
        let name = line.strip_prefix(indent)?;
        (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| name.to_owned())
    };
    text.lines().map(|line| name(line).ok_or_else(|| unreadable(what, line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENABLED: &str = "Status: Enabled for 0 days 00:01:12           Debug: Urgent\n\n\
        State Table                          Total             Rate\n  \
        current entries                        0               \n";

    #[test]
    fn noise_is_told_from_errors() {
        let noise = "No ALTQ support in kernel\nALTQ related functions disabled\n";
        assert_eq!(without_noise(noise), "");
        let warned = "pfctl: Use of -f option, could result in flushing of rules\n\
            present in the main ruleset added by the system at startup.\n\
            See /etc/pf.conf for further details.\n\n";
        assert_eq!(
            without_noise(&format!("{warned}{noise}x.conf:3: syntax error\n")),
            "x.conf:3: syntax error"
        );
    }

    #[test]
    fn info_is_enabled_disabled_or_unknown() {
        assert_eq!(info(ENABLED), PfState::Enabled);
        assert_eq!(info("Status: Disabled                              Debug: Urgent\n"), PfState::Disabled);
        for junk in
            ["", "Status:\n", "Status: Enabledish\n", "status: Enabled\n", " Status: Enabled\n", "\u{0}\n"]
        {
            assert_eq!(info(junk), PfState::Unknown(junk.to_owned()));
        }
        let both = "Status: Disabled\nStatus: Enabled\n";
        assert_eq!(info(both), PfState::Unknown(both.to_owned()));
    }

    #[test]
    fn references_are_read_from_the_end_of_the_row() {
        assert_eq!(references("No pf starter references held\n").unwrap(), []);
        let text = "TOKENS:\n\
            PID      Process Name                 TOKEN                    TIMESTAMP\n\
            4077     pfctl                        9084387343160548126      0 days 00:00:00\n\
            63       Internet Sharing             15053025338191571182     3 days 02:10:00\n";
        let read = references(text).unwrap();
        assert_eq!(
            read[0],
            Reference { pid: 4077, process: "pfctl".into(), token: 9084387343160548126, age: Some(0) }
        );
        assert_eq!((read[1].process.as_str(), read[1].token), ("Internet Sharing", 15053025338191571182));
        assert_eq!(read[1].age, Some(3 * 86_400 + 2 * 3600 + 600));
        for junk in
            ["", "TOKENS:\n", "TOKENS:\nPID x\n1 pfctl abc 0 days 00:00:00\n", "PID\n1 pfctl 2 0 days 0\n"]
        {
            assert!(references(junk).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn the_token_is_on_standard_error() {
        assert_eq!(token("pf enabled\nToken : 11012949885072952621\n"), Ok(11012949885072952621));
        for junk in ["", "pf enabled\n", "Token : \n", "Token : -1\n", "Token : 1\nToken : 2\n"] {
            assert!(token(junk).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn lists_of_names() {
        let text = "  com.apple\n  com.apple/200.AirDrop\n";
        assert_eq!(anchors(text).unwrap(), ["com.apple", "com.apple/200.AirDrop"]);
        assert!(anchors("com.apple\n").is_err());
        assert!(anchors("  two words\n").is_err());
        assert!(anchors("--a-r--\tname\n").is_err());
    }

    #[test]
    fn interfaces_that_are_skipped() {
        assert_eq!(skipped("ALL\nen0\nlo0 (skip)\n").unwrap(), ["lo0"]);
        assert_eq!(skipped("").unwrap(), Vec::<String>::new());
        assert!(skipped("lo0 (skipped)\n").is_err());
    }

    #[test]
    fn addresses_and_what_is_left_out_of_them() {
        let text = "   10.0.0.0/8\n  !10.1.0.0/16\n   fe80::1\n";
        assert_eq!(addresses(text).unwrap(), ["10.0.0.0/8", "!10.1.0.0/16", "fe80::1"]);
        assert_eq!(addresses("").unwrap(), Vec::<String>::new());
        for junk in ["10.0.0.1\n", "   example.org\n", "   10.0.0.0/33\n", "   \n", "é\n", "  é\n"] {
            assert!(addresses(junk).is_err(), "{junk:?}");
        }
    }
}
