//! The time zone of this machine.

use jiff::tz::TimeZone;

const FILE: &str = "/etc/localtime";

/// The zone of /etc/localtime (localtime(5)), whatever `TZ` says: what the app names as the end of an opening is to be what root's
/// job, which launchd starts without the variables of a shell, closes it by. UTC where the file does not read.
pub fn zone() -> TimeZone {
    let of_file = |bytes: Vec<u8>| TimeZone::tzif("", &bytes).ok();
    std::fs::read(FILE).ok().and_then(of_file).unwrap_or(TimeZone::UTC)
}
