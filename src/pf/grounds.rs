//! Why pf decides as it does: as a value that can be kept, and as a clause.
//!
//! ```
//! use portcullis::pf::grounds::{DecidingRule, Grounds, Leg};
//! let rule = DecidingRule { number: 3, anchor: "x".into(), place: None, text: Some("block drop all".into()) };
//! let grounds = Grounds::Blocked { rule, leg: Leg::IntoLo0 };
//! assert_eq!(grounds.to_string(), "on its way into lo0, blocked by rule 3 of anchor x `block drop all`");
//! assert_eq!(grounds.without_words().to_string(), "on its way into lo0, blocked by rule 3 of anchor x");
//! ```

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::criteria::Family;
use super::unknown::UnknownFact;

/// Why a connection is passed or blocked, or why that is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Grounds {
    /// The packet belongs to a connection that pf knows.
    KnownConnection,
    /// `set skip on`: pf does not filter the interface.
    Skipped,
    /// No rule matches: pf's implicit rule passes.
    NoRule {
        port: u16,
    },
    Passed {
        rule: DecidingRule,
    },
    Blocked {
        rule: DecidingRule,
        leg: Leg,
    },
    /// The rule that passes the packet sends it elsewhere (`route-to`).
    SentElsewhere {
        rule: DecidingRule,
    },
    /// Unknown: it depends on this.
    Depends {
        on: UnknownFact,
    },
    /// Unknown: anchors call each other without end.
    Endless,
    /// A translation sends the connection to another machine.
    Redirected {
        /// `None` where it is withheld.
        to: Option<Elsewhere>,
        then: Box<Grounds>,
    },
    /// The connection comes in, and its replies leave from another address or port: the client does not take them for its
    /// server's. A translation applies to them, since no state was opened.
    ReplyTranslated {
        rule: DecidingRule,
    },
    /// Unknown whether a state is opened, without which these hold.
    Stateless {
        then: Box<Grounds>,
    },
    /// What holds over this family alone.
    Over {
        family: Family,
        then: Box<Grounds>,
    },
    /// Unknown: the answers for several clients or ports are not the same; holds two of them.
    Differ {
        one: (Asked, Box<Grounds>),
        other: (Asked, Box<Grounds>),
    },
    /// Unknown: there is no address to ask about.
    NoAddress,
}

/// The rule that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecidingRule {
    /// Its number in its ruleset, from 0, as `pfctl -vs rules` shows it.
    pub number: usize,
    /// The anchor's path; `""` is the main ruleset.
    pub anchor: String,
    /// `pf.conf:31`; `None` for a rule out of a listing, whose lines are the rules' numbers once more.
    pub place: Option<String>,
    /// The first line of its text in pfctl's form; `None` where it is withheld.
    pub text: Option<String>,
}

/// Which packet of a connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// The first, from another host.
    Syn,
    /// The first, from this Mac to itself.
    OutOfLo0,
    /// The same on its way in again.
    IntoLo0,
    Reply,
    /// The client's next, after the reply.
    Next,
    /// The reply to this Mac, which is the client.
    ReplyIn,
    /// This Mac's next, after that reply.
    NextOut,
}

/// Where a translation sends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    pub address: IpAddr,
    /// `None` where it is not certain.
    pub port: Option<u16>,
}

/// Who or what was asked about, of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    Client(IpAddr),
    Port(u16),
}

/// A clause; it begins with `unknown:` where it says why the answer is unknown.
impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_doubt() {
            f.write_str("unknown: ")?;
        }
        self.write_clause(f)
    }
}

impl Grounds {
    /// The same without what the rules themselves say: texts, addresses and names in them are their authors' own. Where a
    /// rule stands is kept, since that is needed to act on it.
    pub fn without_words(self) -> Self {
        let without = |then: Box<Grounds>| Box::new(then.without_words());
        match self {
            Grounds::Passed { rule } => Grounds::Passed { rule: rule.without_text() },
            Grounds::Blocked { rule, leg } => Grounds::Blocked { rule: rule.without_text(), leg },
            Grounds::SentElsewhere { rule } => Grounds::SentElsewhere { rule: rule.without_text() },
            Grounds::ReplyTranslated { rule } => Grounds::ReplyTranslated { rule: rule.without_text() },
            Grounds::Depends { on } => Grounds::Depends { on: on.without_name() },
            Grounds::Redirected { to: _, then } => Grounds::Redirected { to: None, then: without(then) },
            Grounds::Stateless { then } => Grounds::Stateless { then: without(then) },
            Grounds::Over { family, then } => Grounds::Over { family, then: without(then) },
            Grounds::Differ { one: (one, first), other: (other, second) } => {
                Grounds::Differ { one: (one, without(first)), other: (other, without(second)) }
            }
            Grounds::KnownConnection
            | Grounds::Skipped
            | Grounds::NoRule { .. }
            | Grounds::Endless
            | Grounds::NoAddress => self,
        }
    }

    /// The rule that decides, where one does.
    pub fn rule(&self) -> Option<&DecidingRule> {
        match self {
            Grounds::Passed { rule } | Grounds::Blocked { rule, .. } | Grounds::SentElsewhere { rule } => {
                Some(rule)
            }
            Grounds::Redirected { then, .. } | Grounds::Stateless { then } | Grounds::Over { then, .. } => {
                then.rule()
            }
            _ => None,
        }
    }

    fn is_doubt(&self) -> bool {
        use Grounds::{Depends, Endless, SentElsewhere, Stateless};
        matches!(self, Depends { .. } | Endless | SentElsewhere { .. } | Stateless { .. })
    }

    fn write_clause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grounds::KnownConnection => f.write_str("the connection is known to pf"),
            Grounds::Skipped => f.write_str("pf does not look at the interface (`set skip`)"),
            Grounds::NoRule { port } => write!(f, "no rule matches port {port}; pf passes"),
            Grounds::Passed { rule } => write!(f, "passed by {rule}"),
            Grounds::Blocked { rule, leg } => write!(f, "{}blocked by {rule}", leg.lead()),
            Grounds::SentElsewhere { rule } => write!(f, "{rule} sends the packet elsewhere"),
            Grounds::Depends { on } => write!(f, "it depends on {on}"),
            Grounds::Endless => f.write_str("the anchors call each other without end"),
            Grounds::Redirected { to: Some(to), then } => {
                write!(f, "redirected to {to}, which is not this Mac, and {then}")
            }
            Grounds::ReplyTranslated { rule } => {
                write!(f, "{rule} changes where the reply comes from, so the client ignores it")
            }
            Grounds::Redirected { to: None, then } => {
                write!(f, "redirected to another machine than this Mac, and {then}")
            }
            Grounds::Stateless { then } => {
                f.write_str("whether a state is opened, without which ")?;
                then.write_clause(f)
            }
            Grounds::Over { family: Family::Inet, then } => write!(f, "over IPv4: {then}"),
            Grounds::Over { family: Family::Inet6, then } => write!(f, "over IPv6: {then}"),
            Grounds::Differ { one, other } => {
                write!(f, "{}: {}; {}: {}", one.0, one.1, other.0, other.1)
            }
            Grounds::NoAddress => f.write_str("no address is known"),
        }
    }
}

impl Leg {
    /// Which packet a rule blocks, as a clause behind the rule.
    pub(super) fn blocked(self) -> Option<&'static str> {
        match self {
            Leg::Syn => None,
            Leg::OutOfLo0 => Some("on its way out of lo0"),
            Leg::IntoLo0 => Some("on its way into lo0"),
            Leg::Reply => Some("the connection comes in, but the reply is blocked"),
            Leg::Next => Some("the connection comes in, but the next packet is blocked"),
            Leg::ReplyIn => Some("the connection goes out, but the reply is blocked"),
            Leg::NextOut => Some("the connection goes out, but the next packet is blocked"),
        }
    }

    /// What comes before "blocked by".
    fn lead(self) -> &'static str {
        match self {
            Leg::Syn => "",
            Leg::OutOfLo0 => "on its way out of lo0, ",
            Leg::IntoLo0 => "on its way into lo0, ",
            Leg::Reply => "the connection comes in, but the reply is ",
            Leg::Next => "the connection comes in, but the next packet is ",
            Leg::ReplyIn => "the connection goes out, but the reply is ",
            Leg::NextOut => "the connection goes out, but the next packet is ",
        }
    }
}

/// `rule 12, pf.conf:31 `block drop in all``; `rule 0 of anchor x `…``
impl fmt::Display for DecidingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.number)?;
        if !self.anchor.is_empty() {
            write!(f, " of anchor {}", self.anchor)?;
        }
        self.place.iter().try_for_each(|place| write!(f, ", {place}"))?;
        self.text.iter().try_for_each(|text| write!(f, " `{text}`"))
    }
}

impl DecidingRule {
    fn without_text(self) -> Self {
        DecidingRule { text: None, ..self }
    }
}

/// `10.0.0.5:80`, `10.0.0.5`
impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => std::net::SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

/// `192.168.1.20`, `port 2345`
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Client(address) => address.fmt(f),
            Asked::Port(port) => write!(f, "port {port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_as_before() {
        let rule = DecidingRule {
            number: 0,
            anchor: String::new(),
            place: None,
            text: Some("block drop all".into()),
        };
        let blocked = |leg| Box::new(Grounds::Blocked { rule: rule.clone(), leg });
        let doubt = Box::new(Grounds::Depends { on: UnknownFact::Table("t".into()) });
        let over = |family, then| Box::new(Grounds::Over { family, then });
        let to = Elsewhere { address: "10.0.0.5".parse().unwrap(), port: Some(80) };
        let client = |text: &str| Asked::Client(text.parse().unwrap());
        let all = [
            Grounds::Redirected { to: Some(to), then: Box::new(Grounds::Passed { rule: rule.clone() }) },
            Grounds::Stateless { then: doubt.clone() },
            Grounds::Stateless { then: blocked(Leg::Reply) },
            Grounds::Differ {
                one: (client("10.0.0.1"), over(Family::Inet, doubt)),
                other: (Asked::Port(2346), over(Family::Inet6, blocked(Leg::OutOfLo0))),
            },
            Grounds::Endless,
        ];
        for grounds in &all {
            let json = serde_json::to_string(grounds).unwrap();
            assert_eq!(serde_json::from_str::<Grounds>(&json).unwrap(), *grounds);
        }
        insta::assert_snapshot!(all.each_ref().map(ToString::to_string).join("\n"), @r"
        redirected to 10.0.0.5:80, which is not this Mac, and passed by rule 0 `block drop all`
        unknown: whether a state is opened, without which it depends on the contents of table <t>, which could not be read
        unknown: whether a state is opened, without which the connection comes in, but the reply is blocked by rule 0 `block drop all`
        10.0.0.1: over IPv4: unknown: it depends on the contents of table <t>, which could not be read; port 2346: over IPv6: on its way out of lo0, blocked by rule 0 `block drop all`
        unknown: the anchors call each other without end
        ");
        insta::assert_snapshot!(all.map(|grounds| grounds.without_words().to_string()).join("\n"), @r"
        redirected to another machine than this Mac, and passed by rule 0
        unknown: whether a state is opened, without which it depends on something that a rule names
        unknown: whether a state is opened, without which the connection comes in, but the reply is blocked by rule 0
        10.0.0.1: over IPv4: unknown: it depends on something that a rule names; port 2346: over IPv6: on its way out of lo0, blocked by rule 0
        unknown: the anchors call each other without end
        ");
    }
}
