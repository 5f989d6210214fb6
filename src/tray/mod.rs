//! The tray: event loop, icon, menu items.

pub mod icon;
