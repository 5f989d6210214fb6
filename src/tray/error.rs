//! Why there is no tray.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum TrayError {
    /// There is no screen.
    #[cfg(target_os = "linux")]
    #[error(
        "cannot show the tray: there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set); see `portcullis --help` for the commands"
    )]
    NoDisplay,
    /// The screen does not answer.
    #[error("cannot show the tray: the display does not answer; check DISPLAY and WAYLAND_DISPLAY")]
    Display,
    /// The library that draws the icon is missing.
    #[cfg(target_os = "linux")]
    #[error(
        "cannot show the tray: the library libayatana-appindicator3.so.1 is missing; install the package libayatana-appindicator3-1 (Debian, Ubuntu) or libayatana-appindicator-gtk3 (Fedora)"
    )]
    NoIndicator,
    /// There is no place for the icon's files.
    #[error("cannot show the tray: cannot make the directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    /// An icon could not be drawn.
    #[error("cannot show the tray: the icon does not draw; install Portcullis again")]
    Icon,
    /// The system refused the icon.
    #[error("cannot show the tray: the icon was refused: {0}")]
    Tray(#[from] tray_icon::Error),
    /// The system refused the menu.
    #[error("cannot show the tray: the menu was refused: {0}")]
    Menu(#[from] tray_icon::menu::Error),
}
