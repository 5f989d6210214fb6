//! Changes that no request asked for, for a user who looks elsewhere.

use super::{PortStatus, Status};

/// What came about between two statuses and is worth a notification, in a sentence: an evening was put off.
///
/// Statuses without a port that got more time have no news, nor has one that had got it before.
pub fn news(earlier: &Status, later: &Status) -> Option<String> {
    let lengthened = |port: &&PortStatus| port.end.as_ref().is_some_and(|end| end.lengthened);
    let is_new = |port: &&PortStatus| {
        let was = earlier.ports.iter().find(|was| was.port == port.port && was.end.is_some());
        was.is_some_and(|was| !lengthened(&was))
    };
    let ports = later.ports.iter().filter(lengthened).filter(is_new);
    let says = |port: &PortStatus| {
        let clock = port.end.as_ref()?.clock.as_ref()?;
        Some(format!("{} stays open until {clock}: a debugger is in session", port.named_port()))
    };
    let sentences: Vec<String> = ports.filter_map(says).collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debuggers::ports::usual_ports;
    use crate::report::ReportFact;
    use crate::rules::ends::EveningEnd;
    use crate::rules::ledger::Opening;
    use crate::rules::sample::opening;
    use crate::status::sample;

    fn status(openings: &[(&str, Option<EveningEnd>)]) -> Status {
        sample::status(usual_ports(), |facts, report| {
            facts.zone = jiff::tz::TimeZone::UTC;
            let until = Some(report.seen - report.seen % 86400 + 19 * 3600);
            let all = openings.iter();
            report.openings = all
                .map(|(port, evening)| Opening { until, evening: *evening, ..opening(port, "any", 1) })
                .collect();
            facts.report = ReportFact::Read(Box::new(report.clone()));
        })
    }

    #[test]
    fn it_is_told_once_that_an_evening_was_put_off() {
        use EveningEnd::{Due, Extended};
        let [none, due, more] = [&[][..], &[("2345", Some(Due))], &[("2345", Some(Extended))]].map(status);
        let said = "2345 (dlv) stays open until 19:00: a debugger is in session";
        assert_eq!(news(&due, &more).as_deref(), Some(said));
        for (earlier, later) in [(&none, &due), (&none, &more), (&due, &due), (&more, &more), (&more, &none)]
        {
            assert_eq!(news(earlier, later), None);
        }
        let both = status(&[("2345", Some(Extended)), ("9229", Some(Extended))]);
        let other = status(&[("2345", Some(Extended)), ("9229", Some(Due))]);
        assert!(news(&other, &both).unwrap().starts_with("9229 (node) stays open"));
    }
}
