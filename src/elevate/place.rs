//! Where the app lies. macOS keeps some folders from programs that their user has not allowed to read them, root's among
//! them (TCC), and runs an app that was downloaded and not moved from a copy whose place is another each time.

use std::path::{Component, Path};

use super::alert;
use crate::system::System;

/// A place from which root may not be allowed to read the helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestrictedPlace {
    /// The copy that macOS runs in the place of a downloaded app (app translocation).
    Translocated,
    /// A disk image, or another volume than the one that macOS started from.
    Volume,
    Downloads,
    Documents,
    Desktop,
}

impl RestrictedPlace {
    /// The place of a program by its absolute path; `None` where root may read it.
    ///
    /// ```
    /// use portcullis::elevate::place::RestrictedPlace;
    /// let program = "/Users/ada/Downloads/Portcullis.app/Contents/MacOS/portcullis-tray".as_ref();
    /// assert_eq!(RestrictedPlace::of(program, Some("/Users/ada".as_ref())), Some(RestrictedPlace::Downloads));
    /// ```
    pub fn of(program: &Path, home: Option<&Path>) -> Option<Self> {
        if program.components().any(|part| part == Component::Normal("AppTranslocation".as_ref())) {
            return Some(RestrictedPlace::Translocated);
        }
        if program.starts_with("/Volumes") {
            return Some(RestrictedPlace::Volume);
        }
        let folder = program.strip_prefix(home?).ok()?.components().next()?;
        match folder.as_os_str().to_str()? {
            "Downloads" => Some(RestrictedPlace::Downloads),
            "Documents" => Some(RestrictedPlace::Documents),
            "Desktop" => Some(RestrictedPlace::Desktop),
            _ => None,
        }
    }

    /// That of the running program.
    pub fn of_this_program() -> Option<Self> {
        let program = std::env::current_exe().and_then(|path| path.canonicalize()).ok()?;
        RestrictedPlace::of(&program, std::env::home_dir().as_deref())
    }

    /// What is so, in words.
    pub fn sentence(self) -> &'static str {
        match self {
            RestrictedPlace::Translocated => {
                "macOS runs Portcullis from a copy, since it was downloaded and not moved since"
            }
            RestrictedPlace::Volume => "Portcullis runs from a disk image or another volume",
            RestrictedPlace::Downloads => "Portcullis runs from your Downloads folder",
            RestrictedPlace::Documents => "Portcullis runs from your Documents folder",
            RestrictedPlace::Desktop => "Portcullis runs from your Desktop",
        }
    }
}

/// The one step that mends it.
const NEXT_STEP: &str =
    "Quit Portcullis, move Portcullis.app to /Applications with the Finder, and open it there";

/// Says so in a dialog, and comes back when that was answered, or after two minutes. Where no dialog can be shown nothing is
/// said: ports open and close all the same, by way of a copy of the helper that root may read.
pub fn tell(system: &dyn System, place: RestrictedPlace) {
    alert::show(system, place.sentence(), &message());
}

fn message() -> String {
    format!("macOS may keep root from reading it there. {NEXT_STEP}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_the_path_alone() {
        let place = |app: &str| {
            let program = format!("{app}/Portcullis.app/Contents/MacOS/portcullis-tray");
            RestrictedPlace::of(Path::new(&program), Some(Path::new("/Users/ada")))
        };
        let copy = "/private/var/folders/ab/cd/T/AppTranslocation/0A1B-2C3D/d";
        assert_eq!(place(copy), Some(RestrictedPlace::Translocated));
        assert_eq!(place("/Volumes/Portcullis 0.1"), Some(RestrictedPlace::Volume));
        assert_eq!(place("/Users/ada/Downloads"), Some(RestrictedPlace::Downloads));
        assert_eq!(place("/Users/ada/Documents/tools/new"), Some(RestrictedPlace::Documents));
        assert_eq!(place("/Users/ada/Desktop"), Some(RestrictedPlace::Desktop));
        for fit in ["/Applications", "/Users/ada/Applications", "/Users/bob/src", "/Users/ada/Downloads2"] {
            assert_eq!(place(fit), None, "{fit}");
        }
        assert_eq!(RestrictedPlace::of(Path::new("/Users/ada/Downloads/x"), None), None, "no home is known");
    }

    #[test]
    fn the_dialog_says_the_one_step() {
        for place in [
            RestrictedPlace::Translocated,
            RestrictedPlace::Volume,
            RestrictedPlace::Downloads,
            RestrictedPlace::Documents,
            RestrictedPlace::Desktop,
        ] {
            let alert =
                crate::lab::osascript::Alert::parse(&alert::script(place.sentence(), &message())).unwrap();
            assert_eq!(alert.title, place.sentence());
            assert!(alert.message.contains("move Portcullis.app to /Applications"), "{alert:?}");
            assert_eq!(alert.buttons, ["OK"]);
        }
    }
}
