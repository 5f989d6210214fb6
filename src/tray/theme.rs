//! Keeps GTK from reading the desktop's theme: 2 MB of style that nothing is drawn with, for the panel draws icon and menu.

use std::io;
use std::path::Path;

/// What is needed where an old panel has the menu drawn here.
const STYLE: &str = "menu { background: white; color: black; } menuitem { padding: 4px; } menuitem:hover { background: silver; }\n";
const NAME: &str = "Portcullis";

/// Has GTK read a theme of a few words from `directory`, which is ours alone. To be called before anything of GTK, and before
/// there are threads; the programs that we run have an environment of their own. Where it cannot be written, the desktop's theme stays.
pub fn plain(directory: &Path) {
    if write(directory).is_ok() {
        let set = |name, value: &Path| gio::glib::setenv(name, value, true);
        // It fails for a name that cannot be alone.
        let _ = set("GTK_DATA_PREFIX", directory).and_then(|()| set("GTK_THEME", Path::new(NAME)));
    }
}

/// Where GTK looks: in share/themes below its prefix.
fn write(directory: &Path) -> io::Result<()> {
    let theme = directory.join("share/themes").join(NAME).join("gtk-3.0");
    std::fs::create_dir_all(&theme)?;
    std::fs::write(theme.join("gtk.css"), STYLE)
}
