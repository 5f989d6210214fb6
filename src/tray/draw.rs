//! Draws: the icon, and the rows as menu items. Whatever is the same already is left alone, since on macOS any change
//! closes a menu that is open.

use std::path::Path;

use tray_icon::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem};
use tray_icon::{Icon as Picture, TrayIcon, TrayIconBuilder};

use super::{TrayError, icon};
use portcullis::menu::{Kind, Row};
use portcullis::status::{Icon, Status};

/// The tray as it stands on the screen.
pub struct Tray {
    tray: TrayIcon,
    menu: Menu,
    items: Vec<(String, Item)>,
    pictures: Pictures,
    icon: Icon,
    words: Words,
}

impl Tray {
    /// Puts the icon on the screen. `directory` takes its files on Linux.
    pub fn new(status: &Status, rows: &[Row], directory: &Path) -> Result<Self, TrayError> {
        let pictures = Pictures::draw()?;
        let words = Words::of(status);
        let menu = Menu::new();
        let items: Vec<(String, Item)> = rows.iter().map(|row| (row.id.clone(), Item::new(row))).collect();
        for (_, item) in &items {
            menu.append(item.as_menu_item())?;
        }
        let tray = TrayIconBuilder::new()
            .with_id("portcullis")
            // By this name macOS keeps the icon's place, and whether the person lets it be shown.
            .with_autosave_name("portcullis")
            .with_menu(Box::new(menu.clone()))
            .with_icon(pictures.of(status.icon))
            .with_temp_dir_path(directory)
            .build()?;
        words.set(&tray);
        Ok(Tray { tray, menu, items, pictures, icon: status.icon, words })
    }

    /// Shows the status and the rows; touches only what is different now.
    pub fn show(&mut self, status: &Status, rows: &[Row]) {
        if self.icon != status.icon && self.tray.set_icon(Some(self.pictures.of(status.icon))).is_ok() {
            self.icon = status.icon;
        }
        let words = Words::of(status);
        if self.words != words {
            words.set(&self.tray);
            self.words = words;
        }
        for (place, row) in rows.iter().enumerate() {
            // Rows keep their order, so what stands before the row of this id is gone.
            if let Some(found) = self.items.iter().skip(place).position(|(id, _)| *id == row.id) {
                (0..found).for_each(|_| self.remove(place));
            } else {
                let item = Item::new(row);
                if self.menu.insert(item.as_menu_item(), place).is_ok() {
                    self.items.insert(place, (row.id.clone(), item));
                }
            }
            if let Some((_, item)) = self.items.get(place) {
                item.set(row);
            }
        }
        while self.items.len() > rows.len() {
            self.remove(rows.len());
        }
    }

    fn remove(&mut self, place: usize) {
        let (_, item) = self.items.remove(place);
        // It fails only for an item that is not in the menu, which is what is wanted.
        let _ = self.menu.remove(item.as_menu_item());
    }
}

/// The four icons, drawn once.
struct Pictures([(Icon, Picture); 4]);

impl Pictures {
    fn draw() -> Result<Self, TrayError> {
        let picture = |icon: Icon, name: &'static str| -> Result<(Icon, Picture), TrayError> {
            let rgba = icon::rgba(icon).ok_or(TrayError::Icon(name))?;
            let picture =
                Picture::from_rgba(rgba, icon::SIZE, icon::SIZE).map_err(|_| TrayError::Icon(name))?;
            Ok((icon, picture))
        };
        Ok(Pictures([
            picture(Icon::Unknown, "unknown")?,
            picture(Icon::Closed, "closed")?,
            picture(Icon::Open, "open")?,
            picture(Icon::Off, "off")?,
        ]))
    }

    fn of(&self, icon: Icon) -> Picture {
        let [(_, unknown), ..] = &self.0;
        self.0.iter().find(|(of, _)| *of == icon).map_or(unknown, |(_, picture)| picture).clone()
    }
}

/// What is written beside the icon, and what shows when the pointer rests on it. Linux has room for neither.
#[derive(PartialEq, Eq)]
struct Words {
    title: Option<String>,
    tooltip: String,
}

impl Words {
    fn of(status: &Status) -> Self {
        let title = (status.icon == Icon::Open).then(|| status.open.to_string());
        Words { title, tooltip: status.sentence.clone() }
    }

    fn set(&self, tray: &TrayIcon) {
        if cfg!(target_os = "macos") {
            tray.set_title(self.title.as_deref());
            // Without its tooltip the icon says the same by its shape.
            let _ = tray.set_tooltip(Some(&self.tooltip));
        }
    }
}

/// One row on the screen.
enum Item {
    Plain(MenuItem),
    Check(CheckMenuItem),
    Separator(PredefinedMenuItem),
}

impl Item {
    fn new(row: &Row) -> Self {
        let (id, label) = (row.id.as_str(), label(&row.text));
        match row.kind {
            Kind::Text | Kind::Action => Item::Plain(MenuItem::with_id(id, label, row.enabled, None)),
            Kind::Check { checked } => {
                Item::Check(CheckMenuItem::with_id(id, label, row.enabled, checked, None))
            }
            Kind::Separator => Item::Separator(PredefinedMenuItem::separator()),
        }
    }

    fn as_menu_item(&self) -> &dyn IsMenuItem {
        match self {
            Item::Plain(item) => item,
            Item::Check(item) => item,
            Item::Separator(item) => item,
        }
    }

    fn set(&self, row: &Row) {
        let label = label(&row.text);
        match self {
            Item::Plain(item) => {
                if item.text() != label {
                    item.set_text(label);
                }
                if item.is_enabled() != row.enabled {
                    item.set_enabled(row.enabled);
                }
            }
            Item::Check(item) => {
                if item.text() != label {
                    item.set_text(label);
                }
                if item.is_enabled() != row.enabled {
                    item.set_enabled(row.enabled);
                }
                if let Kind::Check { checked } = row.kind
                    && item.is_checked() != checked
                {
                    item.set_checked(checked);
                }
            }
            Item::Separator(_) => {}
        }
    }
}

/// Menus read `&` as the mark of a shortcut, and `&&` as an ampersand.
fn label(text: &str) -> String {
    text.replace('&', "&&")
}
