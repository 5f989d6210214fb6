//! The menus of the settings and of the help.

use super::facts::MenuFacts;
use super::make::{action_row, menu_row, separator};
use super::row::{MenuAction, MenuRow, MenuState, RowKind, ShownCommand};
use super::words;
use crate::prefs::IconStyle;
use crate::rules::end_choice::EndChoice;
use crate::rules::ends::EndOfDay;

/// The ends of the working day that can be chosen here, in their form.
const ENDS_OF_DAY: [&str; 4] = ["17:30", "18:30", "20:00", "21:30"];
/// The sources that a click on a port can open it for, as the preferences have them, and the row of each.
const SOURCES: [(&str, &str); 2] = [("lan", words::PREFER_NETWORK), ("any", words::PREFER_ANYONE)];
/// The ends that it can have, likewise.
const ENDS: [&str; 4] = ["evening", "2h", "restart", "keep"];

pub(super) fn settings(facts: &MenuFacts, state: &MenuState) -> MenuRow {
    let end_of_day = facts.offers.end_of_day;
    let days = ENDS_OF_DAY.iter().filter_map(|text| text.parse::<EndOfDay>().ok()).map(|day| {
        let kind = RowKind::Check { checked: day == end_of_day };
        action_row(state, &format!("day:{day}"), kind, format!("{day}…"), Some(MenuAction::EndOfDay(day)))
    });
    let preferences = Some(MenuAction::OpenPreferences);
    let rows = vec![
        menu_row("new-openings", words::NEW_OPENINGS, new_openings(facts, state)),
        menu_row("end-of-day", words::END_OF_DAY, days.collect()),
        menu_row("icon", words::ICON, icons(facts, state)),
        action_row(state, "preferences", RowKind::Button, words::OPEN_PREFERENCES, preferences),
    ];
    menu_row("settings", words::SETTINGS, rows)
}

/// The sources and the ends: grey where the preferences do not read.
fn new_openings(facts: &MenuFacts, state: &MenuState) -> Vec<MenuRow> {
    let now = facts.offers.new_openings.as_ref();
    let row = |id: String, text: String, checked, key, value| {
        let action = now.map(|_| MenuAction::Prefer { key, value });
        action_row(state, &id, RowKind::Check { checked }, text, action)
    };
    let sources = SOURCES.iter().map(|(value, text)| {
        let checked = now.is_some_and(|now| now.from == *value);
        row(format!("from:{value}"), (*text).to_owned(), checked, "from", *value)
    });
    let end_of_day = facts.offers.end_of_day.to_string();
    let ends = ENDS.iter().filter_map(|value| {
        let end = EndChoice::parse_preference(value).ok()?;
        let checked = now.is_some_and(|now| now.end == end);
        Some(row(format!("for:{value}"), words::until(end, &end_of_day), checked, "for", *value))
    });
    sources.chain([separator("above-ends")]).chain(ends).collect()
}

/// How the icon is drawn: grey where the preferences do not read.
fn icons(facts: &MenuFacts, state: &MenuState) -> Vec<MenuRow> {
    let now = facts.offers.icon;
    let row = |style: IconStyle| {
        let kind = RowKind::Check { checked: now == Some(style) };
        let action = now.map(|_| MenuAction::Prefer { key: "icon", value: style.word() });
        action_row(state, &format!("icon:{}", style.word()), kind, words::icon(style), action)
    };
    IconStyle::ALL.map(row).into()
}

pub(super) fn help(facts: &MenuFacts, state: &MenuState) -> MenuRow {
    let button = |id: &str, text: &str, action| action_row(state, id, RowKind::Button, text, Some(action));
    let notes = &facts.status.notes;
    let beside = (!notes.is_empty())
        .then(|| MenuAction::Say { title: words::SEEN_TITLE.to_owned(), text: notes.join("\n\n") });
    let beside_text = if beside.is_some() { words::SEEN_BESIDE } else { words::NOTHING_BESIDE };
    let about = MenuAction::Say {
        title: words::ABOUT.to_owned(),
        text: words::about(&format!("{}{}", crate::BUILD, lab(facts))),
    };
    let rows = vec![
        button("check", words::LOOK_AGAIN, MenuAction::Check),
        action_row(state, "beside", RowKind::Button, beside_text, beside),
        separator("above-commands"),
        button("doctor", words::DOCTOR, MenuAction::Show(ShownCommand::Doctor)),
        button("explain", words::EXPLAIN, MenuAction::Show(ShownCommand::Explain)),
        button("history", words::HISTORY, MenuAction::Show(ShownCommand::History)),
        separator("above-remove"),
        button("command-line", words::COMMAND_LINE, MenuAction::InstallCommandLine),
        button("remove", words::REMOVE, MenuAction::Uninstall),
        separator("above-about"),
        button("about", words::ABOUT, about),
    ];
    menu_row("help", words::HELP, rows)
}

fn lab(facts: &MenuFacts) -> String {
    facts.status.lab.as_ref().map(|_| format!(" ({})", words::LAB)).unwrap_or_default()
}
