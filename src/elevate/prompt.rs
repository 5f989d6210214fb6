//! What the administrator prompt says: everything that the request may change, built from checked values only.

use crate::root::request::{Operation, Permission, Request};
use crate::rules::ledger::Seconds;
use crate::rules::named_port::NamedPort;

/// The text of the prompt. What the request allows and this does not name is nothing.
///
/// ```
/// use portcullis::elevate::prompt::describe;
/// use portcullis::root::request::Request;
/// let words = "open 2345=dlv --from any --guard on --managed 9229=node --may edit-conf \
///     --made 2026-11-25T17:00:00Z --boot B --clock 1 --asker ada";
/// assert_eq!(
///     describe(&Request::parse(words.split(' '))?),
///     "Portcullis wants to open port 2345 (dlv) for anyone until it is closed; turn the firewall pf on; \
///      block port 9229 (node) from other machines; and edit /etc/pf.conf."
/// );
/// # Ok::<(), portcullis::root::words::WordsError>(())
/// ```
pub fn describe(request: &Request) -> String {
    let mut parts = vec![action(request)];
    if !request.close.is_empty() {
        parts.push(format!("close {}", port_words(&request.close)));
    }
    if request.may_turn_guard_on() {
        parts.push(Permission::GuardOn.in_words().to_owned());
    }
    if !request.managed.is_empty() {
        parts.push(format!("block {} from other machines", port_words(&request.managed)));
    }
    parts.extend(request.may.iter().map(|permission| permission.in_words().to_owned()));
    // The guard's own clause says it.
    parts.retain(|part| !part.is_empty());
    let last = parts.pop().unwrap_or_default();
    let and = if parts.is_empty() { "" } else { "; and " };
    format!("Portcullis wants to {}{and}{last}.", parts.join("; "))
}

fn action(request: &Request) -> String {
    match &request.action {
        Operation::Open { ports, from, until } => {
            let until =
                until.map_or_else(|| "it is closed".to_owned(), |until| time_words(until, request.made.time));
            format!("open {} for {} until {until}", port_words(ports), from.in_full())
        }
        Operation::Close { ports } => format!("close {}", port_words(ports)),
        Operation::CloseAll {} => "close every debug port".to_owned(),
        Operation::Guard { on: true } => String::new(),
        Operation::Guard { on: false } => "stop blocking closed debug ports".to_owned(),
        Operation::Log { minutes } => {
            format!("record the headers of what the firewall logs for {}", minute_words(*minutes))
        }
        Operation::Undo { change, opens, unblocks } => {
            let mut text = format!("turn back change {change}");
            if !opens.is_empty() {
                text += &format!("; open {} again for those that it was open for", port_words(opens));
            }
            if !unblocks.is_empty() {
                text += &format!("; stop blocking {}", port_words(unblocks));
            }
            text
        }
        Operation::Uninstall { keep_logs } => {
            let logs = if *keep_logs { "but its logs" } else { "with its logs" };
            format!(
                "close every debug port, stop blocking, take its block out of /etc/pf.conf, and remove all that it has put on this Mac, {logs}"
            )
        }
        Operation::StopLog {} => "stop recording what the firewall logs".to_owned(),
        Operation::Status {} => "look at the firewall".to_owned(),
        Operation::Install {} => Permission::Install.in_words().to_owned(),
        Operation::Tick {} => {
            "close the ports whose time is over and put the firewall where it was last asked to be".to_owned()
        }
    }
}

/// `45 min`, `1 h`, `1 h 30 min`
fn minute_words(minutes: u16) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// The time of day in this time zone, with the date where it is another day than `now`.
fn time_words(seconds: Seconds, now: Seconds) -> String {
    let here = |seconds| {
        let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        time.to_zoned_datetime(jiff::tz::TimeZone::system())
    };
    let (time, now) = (here(seconds), here(now));
    let form = if time.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    time.strftime(form).to_string()
}

/// `port 2345 (dlv)`, `ports 2345 (dlv), 9229 (node)`. Each is named, however many there are.
fn port_words(ports: &[NamedPort]) -> String {
    let named: Vec<String> = ports.iter().map(NamedPort::to_string).collect();
    match ports {
        [one] if one.range.as_single().is_some() => format!("port {one}"),
        _ => format!("ports {}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str) -> String {
        let words = format!("{words} --made 2026-11-25T12:00:00Z --boot B --clock 1 --asker ada");
        describe(&Request::parse(words.split(' ')).unwrap())
    }

    #[test]
    fn all_that_will_happen_is_named() {
        assert_eq!(
            said("open 2345=dlv --from lan:192.168.1.0/24"),
            "Portcullis wants to open port 2345 (dlv) for this network (192.168.1.0/24) until it is closed."
        );
        assert_eq!(
            said(
                "open 7001,7002,7003,7004,7005 --from hosts:10.0.0.1/32,10.0.0.2/32,10.0.0.3/32,10.0.0.4/32"
            ),
            "Portcullis wants to open ports 7001, 7002, 7003, 7004, 7005 for 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4 until it is closed."
        );
        assert_eq!(
            said("guard on --managed 2345=dlv,9229=node --way classic --may edit-conf,load-conf,install"),
            "Portcullis wants to turn the firewall pf on; block ports 2345 (dlv), 9229 (node) from other machines; \
             edit /etc/pf.conf; load /etc/pf.conf; and install the part that closes ports in time."
        );
        assert_eq!(said("guard on"), "Portcullis wants to turn the firewall pf on.");
        assert_eq!(
            said("close 2345 --managed 9229"),
            "Portcullis wants to close port 2345; and block port 9229 from other machines."
        );
        assert_eq!(
            said("log 90"),
            "Portcullis wants to record the headers of what the firewall logs for 1 h 30 min."
        );
        assert!(said("log 45").ends_with("for 45 min.") && said("log 720").ends_with("for 12 h."));
        // What a menu shows is looked at, and nothing else.
        assert_eq!(said("status --shown 2345"), "Portcullis wants to look at the firewall.");
    }

    #[test]
    fn an_end_on_another_day_has_its_date() {
        let end = said("open 2345 --from any --until 2026-11-29T12:00:00Z");
        assert!(end.contains("until 2026-11-") && end.ends_with(":00."), "{end}");
        let soon = said("open 2345 --from any --until 2026-11-25T12:00:01Z");
        assert!(!soon.contains("2026"), "{soon}");
    }
}
