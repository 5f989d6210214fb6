//! Any bytes as a pf.conf and as a listing: nothing panics, every problem has a place and can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::pf::parse::{parse_bytes, parse_listing};

fuzz_target!(|bytes: &[u8]| {
    let mut included = 0;
    // The text includes itself a few times.
    let mut include = |_: &str| {
        included += 1;
        if included < 4 { Ok(String::from_utf8_lossy(bytes).into_owned()) } else { Err("enough".into()) }
    };
    let parsed = parse_bytes("fuzz", bytes, &mut include);
    for problem in &parsed.problems {
        assert!(problem.line >= 1 && problem.column >= 1);
        assert!(problem.to_string().contains(&problem.message));
        assert!(!problem.pfctl_form().is_empty());
    }
    let _ = parsed.ruleset.to_string();
    let _ = parse_listing("fuzz", &String::from_utf8_lossy(bytes));
});
