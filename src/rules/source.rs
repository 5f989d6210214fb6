//! The source that a port is open for, as a value and in words.
//!
//! ```
//! use portcullis::rules::source::Source;
//! let lan = Source::Lan { networks: vec!["192.168.1.0/24".parse().unwrap()] };
//! assert_eq!(lan.to_string(), "lan");
//! assert_eq!(lan.in_words(3), "this network");
//! assert_eq!(lan.in_full(), "this network (192.168.1.0/24)");
//! ```

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The addresses that a port is open for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", from = "SourceForm")]
pub enum Source {
    /// Every host that can route to this Mac.
    Any,
    /// The networks this Mac was on when the port was opened.
    Lan {
        /// At least one.
        networks: Vec<IpNet>,
    },
    /// Chosen hosts or networks.
    Hosts {
        /// At least one.
        hosts: Vec<IpNet>,
    },
}

/// What a source reads from. `Any` has braces because serde ignores unknown fields beside a variant without them:
/// `{"kind":"any","hosts":["10.0.0.5"]}` would read as open for everyone.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum SourceForm {
    Any {},
    Lan { networks: Vec<IpNet> },
    Hosts { hosts: Vec<IpNet> },
}

impl From<SourceForm> for Source {
    fn from(form: SourceForm) -> Self {
        match form {
            SourceForm::Any {} => Source::Any,
            SourceForm::Lan { networks } => Source::Lan { networks },
            SourceForm::Hosts { hosts } => Source::Hosts { hosts },
        }
    }
}

impl Source {
    /// The addresses let in, or `None` for all.
    pub fn networks(&self) -> Option<&[IpNet]> {
        match self {
            Source::Any => None,
            Source::Lan { networks } => Some(networks),
            Source::Hosts { hosts } => Some(hosts),
        }
    }

    /// A network in it that is wider than any that is named on purpose, its networks taken together: two halves are every
    /// address. At most a /8 of IPv4, or a /10 of IPv6, which link-local addresses are.
    pub fn too_wide(&self) -> Option<IpNet> {
        let networks = self.networks()?;
        IpNet::aggregate(&networks.to_vec()).into_iter().find(|network| match network {
            IpNet::V4(four) => four.prefix_len() < 8,
            IpNet::V6(six) => six.prefix_len() < 10,
        })
    }

    /// For a sentence: `anyone`, `this network`, or the hosts, of which `most` are named before `and 2 more`.
    pub fn in_words(&self, most: usize) -> String {
        match self {
            Source::Any => "anyone".to_owned(),
            Source::Lan { .. } => "this network".to_owned(),
            Source::Hosts { hosts } if hosts.len() <= most => listed(hosts),
            Source::Hosts { hosts } => {
                let named = hosts.get(..most).unwrap_or_default();
                format!("{} and {} more", listed(named), hosts.len() - named.len())
            }
        }
    }

    /// The same with every address: `this network (192.168.1.0/24)`.
    pub fn in_full(&self) -> String {
        match self {
            Source::Any => "anyone".to_owned(),
            Source::Lan { networks } => format!("this network ({})", listed(networks)),
            Source::Hosts { hosts } => listed(hosts),
        }
    }
}

/// `any`, `lan`, or the hosts with commas between them: as `--from` takes it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Any => f.write_str("any"),
            Source::Lan { .. } => f.write_str("lan"),
            Source::Hosts { hosts } => {
                f.write_str(&hosts.iter().map(host_text).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Whether all its addresses are link-local ones of IPv6, which are the same on every link.
pub fn is_link_local(network: &IpNet) -> bool {
    matches!(network, IpNet::V6(six) if six.prefix_len() >= 10 && six.addr().is_unicast_link_local())
}

/// Whether every address of `inner` is one of `outer`.
pub fn covers(outer: &[IpNet], inner: &[IpNet]) -> bool {
    // Joined, an address block lies within the list only if it lies within one of its blocks.
    let outer = IpNet::aggregate(&outer.to_vec());
    inner.iter().all(|network| outer.iter().any(|outer| outer.contains(network)))
}

/// A network as a person writes it: a single host without its prefix length.
pub fn host_text(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

fn listed(networks: &[IpNet]) -> String {
    networks.iter().map(host_text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_too_many_is_refused() {
        let read = |json: &str| serde_json::from_str::<Source>(json);
        assert_eq!(read(r#"{"kind":"any"}"#).unwrap(), Source::Any);
        assert_eq!(serde_json::to_string(&Source::Any).unwrap(), r#"{"kind":"any"}"#);
        for json in [
            r#"{"kind":"any","hosts":["10.0.0.5/32"]}"#,
            r#"{"kind":"any","x":1}"#,
            r#"{"kind":"lan","networks":[],"hosts":[]}"#,
            r#"{"kind":"hosts","hosts":[],"x":null}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_everyone_in_disguise_is_too_wide() {
        let hosts =
            |text: &str| Source::Hosts { hosts: text.split(' ').map(|net| net.parse().unwrap()).collect() };
        let eighths: Vec<String> = (0..8).map(|first| format!("{}.0.0.0/8", 8 + first)).collect();
        for (text, wide) in [
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("0.0.0.0/1 128.0.0.0/1", Some("0.0.0.0/0")),
            ("::/1 10.0.0.5/32 8000::/1", Some("::/0")),
            ("2000::/3", Some("2000::/3")),
            (&eighths.join(" "), Some("8.0.0.0/5")),
            ("10.0.0.0/8 192.168.0.0/16 fe80::/10 fd00::/16", None),
            ("10.0.0.0/8 12.0.0.0/8", None),
        ] {
            assert_eq!(hosts(text).too_wide(), wide.map(|net| net.parse().unwrap()), "{text}");
        }
        assert_eq!(Source::Any.too_wide(), None);
    }

    #[test]
    fn hosts_are_named_as_far_as_there_is_room() {
        let hosts = ["10.0.0.5/32", "10.0.0.6/32", "10.1.0.0/16"].map(|host| host.parse().unwrap());
        let hosts = Source::Hosts { hosts: hosts.to_vec() };
        assert_eq!(hosts.to_string(), "10.0.0.5,10.0.0.6,10.1.0.0/16");
        assert_eq!(hosts.in_full(), "10.0.0.5, 10.0.0.6, 10.1.0.0/16");
        assert_eq!(
            (hosts.in_words(3), hosts.in_words(1)),
            (hosts.in_full(), "10.0.0.5 and 2 more".to_owned())
        );
    }
}
