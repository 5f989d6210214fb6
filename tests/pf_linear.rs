//! Reading pf's language takes work in proportion to the text: counted, not timed.

use portcullis::pf::parse::parse_text;

fn work(text: &str) -> usize {
    let parsed = parse_text("long", text);
    assert!(parsed.problems.len() <= 1_001);
    parsed.work
}

/// A text of so many statements of one kind.
type Shape = fn(usize) -> String;

/// Texts that would take long if anything were quadratic: each is read at one size and at eight times that.
#[test]
fn reading_is_linear() {
    let shapes: [(&str, Shape); 17] = [
        ("rules", |n| "pass in on en0 proto tcp from 10.0.0.0/8 to any port 2345\n".repeat(n)),
        ("errors", |n| "pas in\n".repeat(n)),
        ("quotes", |n| "pass label \"x\n".repeat(n)),
        ("single quotes", |n| "' \" \n".repeat(n)),
        ("open braces", |n| "pass from {\n".repeat(n)),
        ("nested lists", |n| format!("pass from {}", "{ ".repeat(n))),
        ("one long list", |n| format!("pass from {{ {} }} to any", "10.0.0.1 ".repeat(n))),
        ("one long table", |n| format!("table <t> {{ {} }}", "10.0.0.1 ".repeat(n))),
        ("one long line", |n| format!("pass {}", "x ".repeat(n))),
        ("undefined macros", |n| "pass on $x\n".repeat(n)),
        ("joined lines", |n| format!("pass {}", "\\\n".repeat(n))),
        ("broken anchors", |n| "anchor x bogus {\n".repeat(n)),
        ("inline anchors", |n| "anchor on en0 {\npass\n}\n".repeat(n)),
        ("a criterion over and over", |n| format!("pass in{}", " user 5".repeat(n))),
        ("quotes that are too long", |n| format!("pass label \"x{}\n", "pass all\n".repeat(n)).repeat(2)),
        ("lists that make no rule", |n| {
            let hosts = |address: &str| format!("{{ {} }}", format!("{address} ").repeat(50));
            format!("pass from {} to {}\n", hosts("10.0.0.1"), hosts("::1")).repeat(n / 100)
        }),
        ("macros", |n| format!("x = \"en0\"\n{}", "pass on $x from ($x:network)\n".repeat(n))),
    ];
    for (name, make) in shapes {
        let (small, large) = (make(500), make(4_000));
        let (before, after) = (work(&small), work(&large));
        // All of the text is read; were anything quadratic, eight times the text would take 64 times the work.
        assert!(after >= large.len(), "{name}: {after} for {} bytes", large.len());
        assert!(after < before * 16, "{name}: {before}, then {after}");
    }
}
