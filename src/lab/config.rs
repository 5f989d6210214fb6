//! `lab.toml`: how the pretended Mac answers where a real one would ask a person or the hardware.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::error::{LabError, SettingsError};
use crate::os::{self, Files, Gateway, GatewayError, HardwareAddress, Interface, NetworkFacts};

/// What a new lab starts with, comments and all.
pub const DEFAULT: &str = include_str!("../../resources/lab.toml");
/// Where it is in a lab.
pub const FILE: &str = "/lab.toml";

/// How the administrator prompt is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prompt {
    /// The password is given.
    #[default]
    Allow,
    /// Cancel is clicked.
    Cancel,
    /// The authorization is refused.
    Deny,
    /// The password is wrong, each time.
    WrongPassword,
    /// The user may not administer this Mac.
    NotAdmin,
    /// No user is at the screen.
    NoGui,
    /// The prompt is never answered.
    Hang,
}

/// How a dialog that asks a question is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DialogReply {
    /// The default button is clicked.
    Default,
    /// The button beside it is clicked.
    Other,
    Cancel,
    /// No user is at the screen.
    #[default]
    NoGui,
    /// It is never answered.
    Hang,
}

/// The Application Firewall of the pretended Mac.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationFirewall {
    #[default]
    Off,
    /// On: it asks for each program.
    On,
    /// It blocks every incoming connection that is not essential.
    BlockAll,
}

/// The router of an interface; `None`: its hardware address is not known just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LabGateway(pub Option<HardwareAddress>);

impl TryFrom<String> for LabGateway {
    type Error = GatewayError;

    fn try_from(text: String) -> Result<Self, GatewayError> {
        if text == "unknown" { Ok(LabGateway(None)) } else { Ok(LabGateway(Some(text.parse()?))) }
    }
}

/// The router of a new lab.
const ROUTER: [u8; 6] = [0xa4, 0x91, 0xb1, 0, 0, 1];

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabConfig {
    pub prompt: Prompt,
    pub dialog: DialogReply,
    pub networks: Vec<IpNet>,
    /// Its other interfaces, each with its networks.
    pub interfaces: BTreeMap<String, Vec<IpNet>>,
    /// The routers of its interfaces. Where an interface has none it is not known, or, for virtual machines, this Mac.
    pub gateways: BTreeMap<String, LabGateway>,
    pub application_firewall: ApplicationFirewall,
    /// Whether its stealth mode is on.
    pub stealth_mode: bool,
    /// The programs that it blocks where it is on, by their files.
    pub application_firewall_blocks: Vec<PathBuf>,
    /// How long one of its programs may run before it is killed, in milliseconds; `None`: as on a Mac.
    pub program_milliseconds: Option<u64>,
    /// How long a prompt stays, in milliseconds; `None`: as on a Mac.
    pub prompt_milliseconds: Option<u64>,
}

impl Default for LabConfig {
    fn default() -> Self {
        LabConfig {
            prompt: Prompt::default(),
            dialog: DialogReply::default(),
            networks: vec![IpNet::V4(ipnet::Ipv4Net::new_assert([192, 168, 1, 0].into(), 24))],
            interfaces: BTreeMap::new(),
            gateways: BTreeMap::from([("en0".to_owned(), LabGateway(HardwareAddress::known(ROUTER)))]),
            application_firewall: ApplicationFirewall::default(),
            stealth_mode: false,
            application_firewall_blocks: Vec::new(),
            program_milliseconds: None,
            prompt_milliseconds: None,
        }
    }
}

impl LabConfig {
    /// Reads `lab.toml` in the lab's directory; what it does not set has its default.
    ///
    /// Errors: a file that cannot be read, text that is no TOML, an unknown key or value, each with its line.
    pub fn read(directory: &Path) -> Result<Self, LabError> {
        let path = Files::lab(directory).place(FILE);
        let text = std::fs::read_to_string(&path).map_err(SettingsError::Read);
        text.and_then(|text| Self::parse(&text)).map_err(|source| LabError::Settings { path, source })
    }

    /// Takes a program out of those that the Application Firewall blocks, in the file in the lab's directory. Errors: as
    /// [`LabConfig::read`], and a file that cannot be written.
    pub fn unblock(directory: &Path, program: &Path) -> Result<(), LabError> {
        let path = Files::lab(directory).place(FILE);
        let changed = || -> Result<(), SettingsError> {
            let text = std::fs::read_to_string(&path).map_err(SettingsError::Read)?;
            let mut document: toml_edit::DocumentMut = text.parse().map_err(toml_edit::de::Error::from)?;
            let blocked =
                document.get_mut("application_firewall_blocks").and_then(|item| item.as_array_mut());
            blocked.into_iter().for_each(|list| {
                list.retain(|item| item.as_str().map(Path::new) != Some(program));
            });
            std::fs::write(&path, document.to_string()).map_err(SettingsError::Read)
        };
        changed().map_err(|source| LabError::Settings { path: path.clone(), source })
    }

    /// The interfaces of the pretended Mac, loopback apart: en0 on `networks`, then the others, on each network with the
    /// first address of it.
    pub fn interfaces(&self) -> Vec<Interface> {
        let address = |network: &IpNet| {
            let host = network.hosts().next().unwrap_or(network.addr());
            IpNet::new(host, network.prefix_len()).unwrap_or(*network)
        };
        let interface = |name: &str, networks: &[IpNet]| Interface {
            name: name.to_owned(),
            addresses: networks.iter().map(address).collect(),
        };
        let others = self.interfaces.iter().map(|(name, networks)| interface(name, networks));
        std::iter::once(interface("en0", &self.networks)).chain(others).collect()
    }

    /// The local networks of the pretended Mac, as [`os::networks`] gives a real one's; tunnels apart.
    pub fn local_networks(&self) -> Vec<IpNet> {
        let is_local = |name: &str| os::is_hardware(name) || os::may_be_host_only(name);
        let others = self.interfaces.iter().filter(|(name, _)| is_local(name));
        let mut networks = self.networks.clone();
        networks.extend(others.flat_map(|(_, networks)| networks));
        if !networks.is_empty() {
            networks.push(os::LINK_LOCAL);
        }
        networks
    }

    /// The networks of the pretended Mac with their gateways, as [`os::network_facts`] gives a real one's.
    pub fn network_facts(&self) -> Vec<NetworkFacts> {
        let facts = |name: &String, prefixes: &Vec<IpNet>| {
            let router = self.gateways.get(name);
            let is_host_only = router.is_none() && os::may_be_host_only(name);
            let gateway = match router {
                Some(LabGateway(address)) => address.map(Gateway::Router),
                None => is_host_only.then_some(Gateway::ThisMac),
            };
            let is_counted = (os::is_hardware(name) || os::may_be_host_only(name)) && !prefixes.is_empty();
            is_counted.then(|| NetworkFacts { interface: name.clone(), prefixes: prefixes.clone(), gateway })
        };
        let first = facts(&"en0".to_owned(), &self.networks);
        let others = self.interfaces.iter().filter_map(|(name, prefixes)| facts(name, prefixes));
        first.into_iter().chain(others).collect()
    }

    /// Reads the text of a `lab.toml`. The error says the line, shows it, and says what was expected.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        Ok(toml_edit::de::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_new_lab_says_the_defaults() {
        assert_eq!(LabConfig::parse(DEFAULT).unwrap(), LabConfig::default());
        assert_eq!(LabConfig::parse("").unwrap(), LabConfig::default());
    }

    #[test]
    fn every_kind_named_in_its_comments_is_read() {
        for kind in ["allow", "cancel", "deny", "wrong-password", "not-admin", "no-gui", "hang"] {
            assert!(DEFAULT.contains(&format!("\"{kind}\"")), "{kind}");
            LabConfig::parse(&format!("prompt = \"{kind}\"")).unwrap();
        }
        for kind in ["default", "other", "cancel", "no-gui", "hang"] {
            assert!(DEFAULT.contains(&format!("\"{kind}\"")), "{kind}");
            LabConfig::parse(&format!("dialog = \"{kind}\"")).unwrap();
        }
        for kind in ["off", "on", "block-all"] {
            assert!(DEFAULT.contains(&format!("\"{kind}\"")), "{kind}");
            LabConfig::parse(&format!("application_firewall = \"{kind}\"")).unwrap();
        }
    }

    #[test]
    fn networks_have_their_gateways() {
        let shown = |text: &str| {
            let facts = LabConfig::parse(text).unwrap().network_facts().into_iter().map(|facts| {
                let gateway = facts.gateway.map_or("unknown".to_owned(), |gateway| gateway.to_string());
                format!("{} {gateway}", facts.interface)
            });
            facts.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown(""), "en0 a4:91:b1:00:00:01");
        assert_eq!(shown("networks = []"), "");
        assert_eq!(shown("gateways = {}"), "en0 unknown");
        let interfaces = "interfaces = { bridge100 = [\"192.168.64.0/24\"], en7 = [\"10.0.0.0/16\"], utun4 = [\"10.8.0.0/24\"] }";
        assert_eq!(shown(interfaces), "en0 a4:91:b1:00:00:01, bridge100 this-mac, en7 unknown");
        let gateways =
            "gateways = { en0 = \"unknown\", en7 = \"a4:91:b1:00:00:07\", utun4 = \"a4:91:b1:00:00:08\" }";
        assert_eq!(
            shown(&format!("{interfaces}\n{gateways}")),
            "en0 unknown, bridge100 this-mac, en7 a4:91:b1:00:00:07"
        );
        assert!(LabConfig::parse("gateways = { en0 = \"here\" }").is_err());
    }

    #[test]
    fn errors_say_the_line() {
        let error = |text: &str| LabConfig::parse(text).unwrap_err().to_string();
        assert!(error("\nprompt = \"maybe\"").contains("line 2"), "{}", error("\nprompt = \"maybe\""));
        assert!(error("\n\npromt = \"allow\"").contains("line 3"));
        assert!(error("networks = [\"192.168.1.0/33\"]").contains("line 1"));
        assert!(error("prompt = ").contains("line 1"));
    }
}
