//! Programs that are no debugger, and that sit on ports where one is looked for.

use super::command_line::is_named;
use crate::sockets::Process;

/// What a program is, with which ports it takes: those that macOS starts itself first.
const ROLES: [(&[&str], &str); 9] = [
    (&["controlcenter"], "macOS's AirPlay Receiver (System Settings, General, AirDrop & Handoff)"),
    (&["rapportd", "sharingd"], "macOS's Handoff and AirDrop"),
    (&["remoted", "remotepairingd"], "macOS's link to devices"),
    (&["nginx", "httpd", "apache2", "caddy", "lighttpd"], "a web server"),
    (&["postgres", "mysqld", "mariadbd", "mongod"], "a database"),
    (&["redis-server", "valkey-server", "memcached"], "a cache"),
    (&["mdnsresponder", "dnsmasq"], "a name server"),
    (&["privoxy", "squid", "mitmproxy", "mitmdump", "clash", "mihomo"], "a proxy for the web"),
    (&["sonos", "spotify", "dropbox"], "an app's own port"),
];

/// What this program is, as a noun phrase; `None`: it is not known.
pub fn role(process: &Process) -> Option<&'static str> {
    let path = process.path.as_ref().and_then(|path| path.to_str());
    let file = path.or(process.name.as_deref())?;
    ROLES.iter().find(|(programs, _)| is_named(file, programs)).map(|(_, role)| *role)
}
