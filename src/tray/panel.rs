//! Whether a panel shows the icon: the indicator library waits for one without a word.

use std::time::Duration;

use gio::prelude::ToVariant as _;

/// To this a panel that shows icons of apps gives its name (the Status Notifier Item specification of freedesktop.org).
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
/// A panel may start after us, as at the login.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(500);
const ANSWERS_WITHIN_MS: i32 = 2000;

/// Says it in a line on standard error where none is there after some seconds. Comes back at once.
pub fn tell_of_none() {
    std::thread::spawn(|| {
        let mut last = None;
        for _ in 0..TRIES {
            match is_there() {
                Ok(true) => return,
                Ok(false) => last = None,
                Err(error) => last = Some(error),
            }
            std::thread::sleep(BETWEEN);
        }
        let why =
            last.map_or_else(|| format!("no program has the name {WATCHER}"), |error| error.to_string());
        eprintln!(
            "portcullis: no panel shows the icon ({why}): it shows as soon as one does; on GNOME, install the extension \
             AppIndicator Support"
        );
    });
}

fn is_there() -> Result<bool, gio::glib::Error> {
    let bus = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE)?;
    let answer = bus.call_sync(
        Some("org.freedesktop.DBus"),
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
        "NameHasOwner",
        Some(&(WATCHER,).to_variant()),
        None,
        gio::DBusCallFlags::NONE,
        ANSWERS_WITHIN_MS,
        gio::Cancellable::NONE,
    )?;
    Ok(answer.get::<(bool,)>().is_some_and(|(owned,)| owned))
}
