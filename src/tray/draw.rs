//! Draws: the icon, and the rows as menu items. Whatever is the same already is left alone, since on macOS any change
//! closes a menu that is open.

use std::collections::HashMap;
use std::path::Path;

#[cfg(target_os = "macos")]
use tray_icon::TrayIconEvent;
use tray_icon::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu};
use tray_icon::{Icon as Picture, TrayIcon, TrayIconBuilder};

#[cfg(target_os = "linux")]
use super::bus::Bus;
use super::error::TrayError;
use super::icon::{self, Ink};
use portcullis::menu::{MenuRow, RowKind};
use portcullis::prefs::IconStyle;
use portcullis::status::emblem::Emblem;
use portcullis::status::{Icon, Status};

/// The tray as it stands on the screen.
pub struct Tray {
    tray: TrayIcon,
    rows: Rows,
    pictures: Pictures,
    shown: (Emblem, IconStyle),
    words: RowTexts,
    #[cfg(target_os = "linux")]
    bus: Bus,
}

impl Tray {
    /// Puts the icon on the screen. `directory` takes its files on Linux; `asked` is called, on any thread, when the menu is
    /// about to be shown.
    pub fn new(
        status: &Status,
        style: IconStyle,
        rows: &[MenuRow],
        directory: &Path,
        asked: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, TrayError> {
        let (mut pictures, shown) = (Pictures::default(), (Emblem::of(status), style));
        let picture = pictures.of(shown).ok_or(TrayError::Icon)?;
        let words = RowTexts::of(status);
        #[cfg(target_os = "linux")]
        let bus = Bus::new(&words.tooltip, asked);
        // The pointer enters the icon before it clicks.
        #[cfg(target_os = "macos")]
        TrayIconEvent::set_event_handler(Some(move |event| {
            if matches!(event, TrayIconEvent::Enter { .. }) {
                asked();
            }
        }));
        let menu = Menu::new();
        let rows = Rows::new(Place::Menu(menu.clone()), rows)?;
        let tray = TrayIconBuilder::new()
            .with_id("portcullis")
            // By this name macOS keeps the icon's place, and whether the person lets it be shown.
            .with_autosave_name("portcullis")
            .with_menu(Box::new(menu))
            .with_icon(picture.clone())
            .with_temp_dir_path(directory)
            .build()?;
        if style == IconStyle::Plain {
            set_icon(&tray, picture, style)?;
        }
        words.set(&tray);
        Ok(Tray {
            tray,
            rows,
            pictures,
            shown,
            words,
            #[cfg(target_os = "linux")]
            bus,
        })
    }

    /// Shows the status and the rows; touches only what is different now.
    pub fn show(&mut self, status: &Status, emblem: Emblem, style: IconStyle, rows: &[MenuRow]) {
        let icon = (emblem, style);
        if self.shown != icon
            && let Some(picture) = self.pictures.of(icon)
            && set_icon(&self.tray, picture, style).is_ok()
        {
            self.shown = icon;
        }
        let words = RowTexts::of(status);
        if self.words != words {
            words.set(&self.tray);
            #[cfg(target_os = "linux")]
            self.bus.describe(&words.tooltip);
            self.words = words;
        }
        self.rows.show(rows);
    }
}

/// A menu with its items, in order.
struct Rows {
    place: Place,
    items: Vec<(String, DrawnItem)>,
}

/// Where items go.
enum Place {
    Menu(Menu),
    Submenu(Submenu),
}

impl Rows {
    fn new(place: Place, rows: &[MenuRow]) -> tray_icon::menu::Result<Self> {
        let mut shown = Rows { place, items: Vec::new() };
        for (place, row) in rows.iter().enumerate() {
            shown.insert(row, place)?;
        }
        Ok(shown)
    }

    /// Shows these rows; touches only what is different now.
    fn show(&mut self, rows: &[MenuRow]) {
        for (place, row) in rows.iter().enumerate() {
            // Rows keep their order, so what stands before the row of this id is gone.
            let is_row = |(id, item): &(String, DrawnItem)| *id == row.id && item.can_become(row);
            if let Some(found) = self.items.iter().skip(place).position(is_row) {
                (0..found).for_each(|_| self.remove(place));
            } else if self.insert(row, place).is_err() {
                continue;
            }
            if let Some((_, item)) = self.items.get_mut(place) {
                item.set(row);
            }
        }
        while self.items.len() > rows.len() {
            self.remove(rows.len());
        }
    }

    fn insert(&mut self, row: &MenuRow, place: usize) -> tray_icon::menu::Result<()> {
        let item = DrawnItem::new(row)?;
        match &self.place {
            Place::Menu(menu) => menu.insert(item.as_menu_item(), place)?,
            Place::Submenu(menu) => menu.insert(item.as_menu_item(), place)?,
        }
        self.items.insert(place, (row.id.clone(), item));
        Ok(())
    }

    fn remove(&mut self, place: usize) {
        let (_, item) = self.items.remove(place);
        // It fails only for an item that is not in the menu, which is what is wanted.
        let _ = match &self.place {
            Place::Menu(menu) => menu.remove(item.as_menu_item()),
            Place::Submenu(menu) => menu.remove(item.as_menu_item()),
        };
    }
}

/// On Linux a bar's colour is not known, nor does it change a picture's: a plain icon is white there, and keeps its contours.
fn ink(style: IconStyle) -> Ink {
    match style {
        IconStyle::Coloured => Ink::Coloured,
        IconStyle::Plain if cfg!(target_os = "macos") => Ink::Template,
        IconStyle::Plain => Ink::White,
    }
}

#[cfg(target_os = "macos")]
fn set_icon(tray: &TrayIcon, picture: Picture, style: IconStyle) -> tray_icon::Result<()> {
    match style {
        IconStyle::Coloured => tray.set_icon(Some(picture)),
        IconStyle::Plain => tray.set_icon_templated(Some(picture)),
    }
}

#[cfg(not(target_os = "macos"))]
fn set_icon(tray: &TrayIcon, picture: Picture, _: IconStyle) -> tray_icon::Result<()> {
    tray.set_icon(Some(picture))
}

/// The icons that were shown, each drawn once.
#[derive(Default)]
struct Pictures(HashMap<(Emblem, IconStyle), Picture>);

impl Pictures {
    /// `None` where it does not draw, which the tests rule out.
    fn of(&mut self, (emblem, style): (Emblem, IconStyle)) -> Option<Picture> {
        // On a Mac the count is written beside it.
        let emblem = if cfg!(target_os = "macos") { Emblem { count: 0, ..emblem } } else { emblem };
        if let Some(drawn) = self.0.get(&(emblem, style)) {
            return Some(drawn.clone());
        }
        let picture = Picture::from_rgba(icon::rgba(emblem, ink(style))?, icon::SIZE, icon::SIZE).ok()?;
        Some(self.0.entry((emblem, style)).or_insert(picture).clone())
    }
}

/// What is written beside the icon, and what shows when the pointer rests on it. Linux has room for neither; there a screen
/// reader says the second.
#[derive(PartialEq, Eq)]
struct RowTexts {
    title: Option<String>,
    tooltip: String,
}

impl RowTexts {
    fn of(status: &Status) -> Self {
        let title = (status.icon == Icon::Open && status.open > 0).then(|| status.open.to_string());
        RowTexts { title, tooltip: status.sentence.clone() }
    }

    fn set(&self, tray: &TrayIcon) {
        if cfg!(target_os = "macos") {
            tray.set_title(self.title.as_deref());
            // Without its tooltip the icon says the same by its shape.
            let _ = tray.set_tooltip(Some(&self.tooltip));
            #[cfg(target_os = "macos")]
            set_accessible_name(tray, &self.tooltip);
        }
    }
}

/// What VoiceOver reads at the icon (NSAccessibility, `accessibilityLabel`).
#[cfg(target_os = "macos")]
fn set_accessible_name(tray: &TrayIcon, name: &str) {
    use objc2_app_kit::NSAccessibility;
    let button = objc2::MainThreadMarker::new().and_then(|thread| tray.ns_status_item()?.button(thread));
    if let Some(button) = button {
        button.setAccessibilityLabel(Some(&objc2_foundation::NSString::from_str(name)));
    }
}

/// One row on the screen.
enum DrawnItem {
    Plain(MenuItem),
    Check(CheckMenuItem),
    Menu(Submenu, Rows),
    Separator(PredefinedMenuItem),
}

impl DrawnItem {
    fn new(row: &MenuRow) -> tray_icon::menu::Result<Self> {
        let (id, label) = (row.id.as_str(), label(&row.text));
        Ok(match row.kind {
            RowKind::Text | RowKind::Button => {
                DrawnItem::Plain(MenuItem::with_id(id, label, row.enabled, None))
            }
            RowKind::Check { checked } => {
                DrawnItem::Check(CheckMenuItem::with_id(id, label, row.enabled, checked, None))
            }
            RowKind::Menu => {
                let menu = Submenu::with_id(id, label, row.enabled);
                DrawnItem::Menu(menu.clone(), Rows::new(Place::Submenu(menu), &row.rows)?)
            }
            RowKind::Separator => DrawnItem::Separator(PredefinedMenuItem::separator()),
        })
    }

    /// Whether this item can be made to show `row`: the text of a submenu does not reach a panel on Linux once it is
    /// there, so another text is another item.
    fn can_become(&self, row: &MenuRow) -> bool {
        match self {
            DrawnItem::Menu(menu, _) => row.kind == RowKind::Menu && menu.text() == label(&row.text),
            DrawnItem::Plain(_) => matches!(row.kind, RowKind::Text | RowKind::Button),
            DrawnItem::Check(_) => matches!(row.kind, RowKind::Check { .. }),
            DrawnItem::Separator(_) => row.kind == RowKind::Separator,
        }
    }

    fn as_menu_item(&self) -> &dyn IsMenuItem {
        match self {
            DrawnItem::Plain(item) => item,
            DrawnItem::Check(item) => item,
            DrawnItem::Menu(item, _) => item,
            DrawnItem::Separator(item) => item,
        }
    }

    fn set(&mut self, row: &MenuRow) {
        let label = label(&row.text);
        match self {
            DrawnItem::Plain(item) => {
                if item.text() != label {
                    item.set_text(label);
                }
                if item.is_enabled() != row.enabled {
                    item.set_enabled(row.enabled);
                }
            }
            DrawnItem::Check(item) => {
                if item.text() != label {
                    item.set_text(label);
                }
                if item.is_enabled() != row.enabled {
                    item.set_enabled(row.enabled);
                }
                if let RowKind::Check { checked } = row.kind
                    && item.is_checked() != checked
                {
                    item.set_checked(checked);
                }
            }
            DrawnItem::Menu(menu, rows) => {
                if menu.is_enabled() != row.enabled {
                    menu.set_enabled(row.enabled);
                }
                rows.show(&row.rows);
            }
            DrawnItem::Separator(_) => {}
        }
    }
}

/// Menus read `&` as the mark of a shortcut, and `&&` as an ampersand.
fn label(text: &str) -> String {
    text.replace('&', "&&")
}
