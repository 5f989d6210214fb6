//! What `set timeout`, `keep state (…)` and `set limit` can set.

/// The index of a time-out in [`TIMEOUTS`].
pub(crate) fn timeout(name: &str) -> Option<u8> {
    TIMEOUTS.iter().position(|known| *known == name).and_then(|index| u8::try_from(index).ok())
}

/// The time-outs in the order in which pfctl prints them.
pub(crate) const TIMEOUTS: &[&str] = &[
    "tcp.first",
    "tcp.opening",
    "tcp.established",
    "tcp.closing",
    "tcp.finwait",
    "tcp.closed",
    "udp.first",
    "udp.single",
    "udp.multiple",
    "grev1.first",
    "grev1.initiating",
    "grev1.established",
    "esp.first",
    "esp.initiating",
    "esp.established",
    "icmp.first",
    "icmp.error",
    "other.first",
    "other.single",
    "other.multiple",
    "frag",
    "interval",
    "adaptive.start",
    "adaptive.end",
    "src.track",
    "tcp.tsdiff",
];

pub(crate) const LIMITS: &[&str] = &["states", "app-states", "src-nodes", "frags", "tables", "table-entries"];
