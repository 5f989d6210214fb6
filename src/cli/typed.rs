//! What people type for what the library writes in one way: `2345;9229`, `6pm`, `90 minutes`.

/// Ports with semicolons between them, as a spreadsheet has them, with commas.
pub fn ports(text: &str) -> String {
    text.replace([';', '\u{ff1b}'], ",")
}

/// A duration with its units in letters: `90 minutes` as `90m`.
pub fn duration(text: &str) -> String {
    const UNITS: [(&str, &[&str]); 3] = [
        ("h", &["hours", "hour", "hrs", "hr"]),
        ("m", &["minutes", "minute", "mins", "min"]),
        ("s", &["seconds", "second", "secs", "sec"]),
    ];
    let mut short = text.to_lowercase();
    for (unit, names) in UNITS {
        for name in names {
            short = short.replace(name, unit);
        }
    }
    short
}

/// A time of day on the clock of 24 hours: `6pm` as `18:00`, `tomorrow 9 am` as `tomorrow 09:00`.
pub fn time(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let (day, clock) = match ["today", "tomorrow"].iter().find(|day| lower.starts_with(**day)) {
        Some(day) => lower.split_at(day.len()),
        None => ("", lower.as_str()),
    };
    let clock = clock.trim();
    let is_of_a_day = day.is_empty() || !clock.is_empty();
    match on_24_hours(clock).filter(|_| is_of_a_day) {
        Some(clock) if day.is_empty() => clock,
        Some(clock) => format!("{day} {clock}"),
        None => text.to_owned(),
    }
}

/// `None`: it is written otherwise.
fn on_24_hours(clock: &str) -> Option<String> {
    let plain: String = clock.chars().filter(|letter| !matches!(letter, ' ' | '.')).collect();
    let (digits, is_afternoon) = match (plain.strip_suffix("pm"), plain.strip_suffix("am")) {
        (Some(digits), _) => (digits, true),
        (None, digits) => (digits?, false),
    };
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "00"));
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    let is_hour = (1..=12).contains(&hour) && minute < 60;
    is_hour.then(|| format!("{:02}:{minute:02}", hour % 12 + if is_afternoon { 12 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        assert_eq!(ports("2345;9229； dlv"), "2345,9229, dlv");
        for (typed, read) in [
            ("90 minutes", "90 m"),
            ("2 Hours 30min", "2 h 30m"),
            ("45secs", "45s"),
            ("90m", "90m"),
            ("90", "90"),
        ] {
            assert_eq!(duration(typed), read);
        }
        for (typed, read) in [
            ("6pm", "18:00"),
            ("6 PM", "18:00"),
            ("6:30 p.m.", "18:30"),
            ("12am", "00:00"),
            ("12pm", "12:00"),
            ("noon", "noon"),
            ("tomorrow 9am", "tomorrow 09:00"),
            ("Tomorrow 9 am", "tomorrow 09:00"),
            ("18:30", "18:30"),
            ("13pm", "13pm"),
            ("6:99pm", "6:99pm"),
            ("pm", "pm"),
            ("tomorrow", "tomorrow"),
            ("evening", "evening"),
        ] {
            assert_eq!(time(typed), read);
        }
    }
}
