//! What the indicator library does not do on the session bus: it keeps to itself that the menu is asked for, and tray-icon has it call
//! every icon "tray icon".
//!
//! The library speaks by the process's one connection, and every message of that passes our filter, on a thread of GIO's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gio::glib::{FromVariant, Variant};
use gio::prelude::ToVariant as _;
use gio::{DBusConnection, DBusMessage, DBusMessageType};

const MENU: &str = "com.canonical.dbusmenu";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const ITEM: &str = "org.kde.StatusNotifierItem";
/// What a screen reader says of the icon.
const DESCRIPTION: &str = "IconAccessibleDesc";
/// So many questions wait for their answer at most.
const MOST_PENDING: usize = 32;

/// The session bus, as long as the tray is shown.
pub struct Bus {
    /// `None` where there is no bus: then no panel asks for anything.
    connection: Option<DBusConnection>,
    icon: Arc<Mutex<IconOnBus>>,
}

/// What is known of the icon there.
#[derive(Default)]
struct IconOnBus {
    description: String,
    /// The object that was asked for its description.
    path: Option<String>,
    /// Who asked, and by which number.
    pending: Vec<(String, u32)>,
}

impl Bus {
    /// To be called before the icon announces itself. `asked` is called on another thread whenever a panel is about to show
    /// the menu.
    pub fn new(description: &str, asked: impl Fn() + Send + 'static) -> Self {
        let icon =
            Arc::new(Mutex::new(IconOnBus { description: description.to_owned(), ..IconOnBus::default() }));
        let connection = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE).ok();
        if let Some(connection) = &connection {
            let icon = icon.clone();
            connection.add_filter(move |_, message, is_incoming| {
                let kind = message.message_type();
                if is_incoming && kind == DBusMessageType::MethodCall {
                    if asks_for_menu(message) {
                        asked();
                    }
                    locked(&icon).note(message);
                }
                let is_answer = !is_incoming && kind == DBusMessageType::MethodReturn;
                let answer = if is_answer { locked(&icon).answer(message) } else { None };
                Some(answer.unwrap_or_else(|| message.clone()))
            });
        }
        Bus { connection, icon }
    }

    /// Has a screen reader say this of the icon from now on.
    pub fn describe(&self, description: &str) {
        let path = {
            let mut icon = locked(&self.icon);
            description.clone_into(&mut icon.description);
            icon.path.clone()
        };
        // Where no panel asked before, none has anything to ask again.
        if let Some((connection, path)) = self.connection.as_ref().zip(path) {
            // It fails where the connection is lost, and the panel with it.
            let _ = connection.emit_signal(None, &path, ITEM, "NewIcon", None);
        }
    }
}

fn locked(icon: &Mutex<IconOnBus>) -> std::sync::MutexGuard<'_, IconOnBus> {
    icon.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a panel is about to show the menu itself; one inside it has another number.
fn asks_for_menu(message: &DBusMessage) -> bool {
    const MENU_ITSELF: i32 = 0;
    if message.interface().as_deref() != Some(MENU) {
        return false;
    }
    match message.member().as_deref() {
        Some("AboutToShow") => arguments(message) == Some((MENU_ITSELF,)),
        Some("AboutToShowGroup") => {
            arguments::<(Vec<i32>,)>(message).is_some_and(|(ids,)| ids.contains(&MENU_ITSELF))
        }
        _ => false,
    }
}

/// The body of a message where it has this form: to take it as another panics, and ends the process.
fn arguments<T: FromVariant>(message: &DBusMessage) -> Option<T> {
    message.body().filter(Variant::is::<T>).and_then(|body| body.get())
}

impl IconOnBus {
    /// Keeps a question for the description, alone or among all properties.
    fn note(&mut self, message: &DBusMessage) {
        let is_asked = message.interface().as_deref() == Some(PROPERTIES)
            && match message.member().as_deref() {
                Some("Get") => arguments::<(String, String)>(message)
                    .is_some_and(|(interface, name)| interface == ITEM && name == DESCRIPTION),
                Some("GetAll") => {
                    arguments::<(String,)>(message).is_some_and(|(interface,)| interface == ITEM)
                }
                _ => false,
            };
        if let Some(sender) = message.sender().filter(|_| is_asked) {
            self.path = message.path().map(String::from);
            if self.pending.len() >= MOST_PENDING {
                self.pending.remove(0);
            }
            self.pending.push((sender.into(), message.serial()));
        }
    }

    /// The answer with our description in it; `None` where the question was another.
    fn answer(&mut self, message: &DBusMessage) -> Option<DBusMessage> {
        let (receiver, number) = (message.destination()?, message.reply_serial());
        let place = self.pending.iter().position(|asked| asked.0 == *receiver && asked.1 == number)?;
        self.pending.swap_remove(place);
        let body = described(message, &self.description)?;
        // The one at hand cannot be changed any more.
        let answer = message.copy().ok()?;
        answer.set_body(&body);
        Some(answer)
    }
}

/// The body of an answer to `Get` or `GetAll` with this description.
fn described(message: &DBusMessage, description: &str) -> Option<Variant> {
    let description = description.to_variant();
    match arguments::<(HashMap<String, Variant>,)>(message) {
        Some((mut properties,)) => {
            properties.insert(DESCRIPTION.to_owned(), description);
            Some((properties,).to_variant())
        }
        None => arguments::<(Variant,)>(message).map(|_| (description,).to_variant()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(interface: &str, member: &str, body: &Variant) -> DBusMessage {
        let message = DBusMessage::new_method_call(None, "/item", Some(interface), member);
        message.set_body(body);
        message.set_sender(Some(":1.7"));
        message.set_serial(9);
        message
    }

    #[test]
    fn the_menu_itself_is_asked_for_and_no_menu_in_it() {
        let asks = |member, body: Variant| asks_for_menu(&call(MENU, member, &body));
        assert!(asks("AboutToShow", (0i32,).to_variant()));
        assert!(!asks("AboutToShow", (12i32,).to_variant()));
        assert!(asks("AboutToShowGroup", (vec![3i32, 0],).to_variant()));
        assert!(!asks("AboutToShowGroup", (vec![3i32],).to_variant()));
        assert!(!asks("GetLayout", (0i32,).to_variant()), "it is read again after every change");
        assert!(!asks("AboutToShow", ("0",).to_variant()), "not in its form");
        assert!(!asks("AboutToShow", 0i32.to_variant()) && !asks("AboutToShow", (0i32, 0i32).to_variant()));
        assert!(!asks_for_menu(&call(ITEM, "AboutToShow", &(0i32,).to_variant())));
    }

    #[test]
    fn the_description_is_put_into_its_answers_alone() {
        let text = |name: &str| (ITEM, name).to_variant();
        let (all, one) =
            (call(PROPERTIES, "GetAll", &(ITEM,).to_variant()), call(PROPERTIES, "Get", &text(DESCRIPTION)));
        let properties: HashMap<String, Variant> = [(DESCRIPTION, "tray icon"), ("Title", "t")]
            .map(|(name, text)| (name.to_owned(), text.to_variant()))
            .into();
        for (question, body) in
            [(all, (properties,).to_variant()), (one, ("tray icon".to_variant(),).to_variant())]
        {
            let mut icon = IconOnBus { description: "All closed".to_owned(), ..IconOnBus::default() };
            let answer = question.new_method_reply();
            answer.set_body(&body);
            assert!(icon.answer(&answer).is_none(), "it was not asked");
            icon.note(&question);
            assert_eq!(icon.path.as_deref(), Some("/item"));
            let said = icon.answer(&answer).unwrap().body().unwrap().print(false).to_string();
            assert!(said.contains("All closed") && !said.contains("tray icon"), "{said}");
            assert!(icon.answer(&answer).is_none(), "it was answered");
        }
        let mut icon = IconOnBus::default();
        icon.note(&call(PROPERTIES, "Get", &text("IconName")));
        assert!(icon.pending.is_empty());
        let all = call(PROPERTIES, "GetAll", &(ITEM,).to_variant());
        (0..100).for_each(|_| icon.note(&all));
        assert_eq!(icon.pending.len(), MOST_PENDING, "one that asks and never reads takes no memory");
    }
}
