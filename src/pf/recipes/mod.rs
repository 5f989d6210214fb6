//! Recipes for pf that go round, told by their shape, and what each really does. They stand in scripts, in the jobs of
//! launchd, and by mistake in a pf.conf.
//!
//! ```
//! use portcullis::pf::recipes::{Recipe, of_script};
//! let found = of_script("#!/bin/sh\nsudo /sbin/pfctl -e -f /etc/pf.conf\n");
//! assert_eq!((found[0].line, found[0].recipe), (2, Recipe::EnableWithoutToken));
//! assert!(of_script("pfctl -E -f /etc/pf.conf # not -e").is_empty());
//! ```

mod conf;
mod recipe;
pub mod shell;

pub use conf::{UselessLine, Uselessness, useless_lines, without_lines};
pub use recipe::{FoundRecipe, Recipe, is_command, of_command, of_script, uncalled_loads};
