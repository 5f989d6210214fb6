//! The tray: event loop, icon, menu items.
