//! The whole status in one sentence, where ports are open or let in. Another language is another file with the same
//! functions.

use super::port::{PortState, PortStatus, count};
use crate::diagnosis::Answer;

/// The whole status where other machines get in to some port.
pub(super) fn exposed(ports: &[PortStatus]) -> String {
    let of = |state| ports.iter().filter(move |port| port.state == state && port.outside() != Answer::No);
    let parts = [
        (PortState::Open, "is open", "are open"),
        (
            PortState::LetIn,
            "is let in although our rules close it",
            "are let in although our rules close them",
        ),
        (PortState::Unmanaged, "is not protected", "are not protected"),
    ];
    let parts = parts.map(|(state, one, many)| counted(of(state), one, many));
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The whole status where ports are open and rules of others let none in.
pub(super) fn open_for_none(ports: &[PortStatus]) -> String {
    let open = ports.iter().filter(|port| port.state == PortState::Open);
    let open = counted(open, "is open", "are open").unwrap_or_default();
    format!("No other machine gets in, although {open}")
}

/// `1 port is open: 2345 (dlv)`, `8 ports are open: 2345-2350 (dlv), 9229 (node), 9333`; `None` for none.
fn counted<'a>(ports: impl Iterator<Item = &'a PortStatus> + Clone, one: &str, many: &str) -> Option<String> {
    const MOST: usize = 4;
    let named: Vec<String> = ports.clone().map(|port| port.named_port().to_string()).collect();
    let more = match named.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let list = named.get(..MOST).unwrap_or(&named).join(", ");
    match count(ports) {
        0 => None,
        1 => Some(format!("1 port {one}: {list}")),
        count => Some(format!("{count} ports {many}: {list}{more}")),
    }
}
