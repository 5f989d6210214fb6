//! The first start: the app lies where the browser or the Finder put it.

use crate::root::Mac;

const CACHE: &str = "/Users/ada/Library/Caches/dev.portcullis.Portcullis";

/// A Mac whose app lies in `folder`, and which keeps some folders from root (TCC).
fn app_in(folder: &str) -> Mac {
    let mut mac = Mac::new();
    mac.move_app(folder);
    mac.wrap(
        "/bin/cat",
        "case \"$1\" in /Users/ada/Do*|/Users/ada/De*|/Volumes/*|*/AppTranslocation/*)\n\
         echo \"cat: $1: Operation not permitted\" >&2; exit 1;; esac\nexec $real \"$@\"",
    );
    mac
}

/// Copies of the helper that the user has.
fn copies(mac: &Mac) -> usize {
    std::fs::read_dir(mac.place(CACHE)).map_or(0, |entries| entries.count())
}

#[test]
fn root_is_given_a_copy_where_it_may_not_read() {
    for folder in [
        "/Users/ada/Downloads",
        "/Users/ada/Documents/tools",
        "/Users/ada/Desktop",
        "/Volumes/Portcullis 0.1",
        "/private/var/folders/ab/cd/T/AppTranslocation/0A1B-2C3D/d",
    ] {
        let mac = app_in(folder);
        mac.portcullis(&["guard", "on"]).expect(0);
        mac.portcullis(&["open", "2345", "--from", "any"]).expect(0);
        let command = mac.prompts()[1]["command"].as_str().unwrap().to_owned();
        assert!(command.contains(&format!("{CACHE}/helper.")) && !command.contains(folder), "{command}");
        assert_eq!(copies(&mac), 0, "{folder}");
    }
}

#[test]
fn the_copy_goes_though_the_prompt_is_cancelled() {
    let mac = app_in("/Users/ada/Downloads");
    mac.write("/lab.toml", "prompt = \"cancel\"\n");
    mac.portcullis(&["guard", "on"]).expect(3);
    assert!(mac.place(CACHE).is_dir());
    assert_eq!(copies(&mac), 0);
}

#[test]
fn no_password_is_asked_for_what_cannot_work() {
    let mac = app_in("/Users/ada/Downloads");
    mac.write("/Users/ada/Library/Caches", "a file is in the way");
    let refused = mac.portcullis(&["guard", "on"]).expect(1);
    assert!(refused.err.contains("move Portcullis.app to /Applications"), "{}", refused.err);
    assert!(mac.prompts().is_empty());
}

#[test]
fn an_app_that_root_may_read_is_copied_by_root_alone() {
    let mac = app_in("/Applications");
    mac.portcullis(&["guard", "on"]).expect(0);
    assert!(!mac.place(CACHE).exists());
}

#[test]
fn an_app_may_lie_at_any_path() {
    for folder in ["/Applications/Büro", "/Applications/it's \"$(id)\"", "/Users/ada/Downloads/端口"] {
        let mac = app_in(folder);
        mac.portcullis(&["guard", "on"]).expect(0);
        assert_eq!(mac.prompts().len(), 1, "{folder}");
    }
}
