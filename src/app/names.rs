//! Asks this Mac for the names in a pf.conf, as its pfctl does: one way for `check`, `explain`, `doctor` and the menu.

use crate::os::directory::{self, Entry};
use crate::pf::lookup::{NameAnswer, SystemName};

/// What this Mac says of a name; elsewhere nothing is asked, since the file is another machine's.
pub fn ask(name: &SystemName) -> NameAnswer {
    match name {
        SystemName::Host(name) if cfg!(target_os = "macos") => known(directory::knows_host(name)),
        other => ask_without_network(other),
    }
}

/// The same without asking name servers, which may take long to answer.
pub fn ask_without_network(name: &SystemName) -> NameAnswer {
    if !cfg!(target_os = "macos") {
        return NameAnswer::Unasked;
    }
    match name {
        SystemName::Service(name) => numbered(directory::service(name)),
        SystemName::User(name) => numbered(directory::user(name)),
        SystemName::Group(name) => numbered(directory::group(name)),
        SystemName::Interface(name) => known(directory::has_address(name)),
        SystemName::Host(_) => NameAnswer::Unasked,
    }
}

fn known(is_known: bool) -> NameAnswer {
    if is_known { NameAnswer::Known } else { NameAnswer::Unknown }
}

fn numbered(entry: Entry) -> NameAnswer {
    match entry {
        Entry::Missing => NameAnswer::Unknown,
        Entry::Number(number) => NameAnswer::Number(number),
        Entry::Silent => NameAnswer::Known,
    }
}
