//! Quoting: a text becomes one word of sh, or one string literal of AppleScript.

/// `text` as one word of a POSIX shell: in single quotes, each single quote of its own written `'\''`.
///
/// ```
/// assert_eq!(portcullis::elevate::quote::sh("it's"), r"'it'\''s'");
/// ```
pub fn sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `text` as an expression of AppleScript (AppleScript Language Guide, "text": only the backslash and the double quote are
/// special between double quotes). All of it is ASCII, since it is not documented how osascript decodes what `-e` gives it:
/// other characters are named by their numbers.
///
/// ```
/// use portcullis::elevate::quote::applescript;
/// assert_eq!(applescript(r#"say "hi" \"#), r#""say \"hi\" \\""#);
/// assert_eq!(applescript("Büro"), r#"("B" & (character id {252}) & "ro")"#);
/// ```
pub fn applescript(text: &str) -> String {
    let literal = |text: &str| format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""));
    if text.is_ascii() {
        return literal(text);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character: char| character.is_ascii() != first.is_ascii());
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(if first.is_ascii() {
            literal(part)
        } else {
            let numbers: Vec<String> = part.chars().map(|other| u32::from(other).to_string()).collect();
            format!("(character id {{{}}})", numbers.join(", "))
        });
        rest = after;
    }
    format!("({})", parts.join(" & "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_real_shell_reads_back_what_was_quoted() {
        for text in
            ["", "plain", "it's", "$(id) `id` \\ \" ! * ~ #", "two\nlines\t", "端口 2345", "'", "''", "-n"]
        {
            let command = format!("printf %s {}", sh(text));
            let output = std::process::Command::new("/bin/sh").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
