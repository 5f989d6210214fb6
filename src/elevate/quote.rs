//! Quoting: a text becomes one word of sh, or one string literal of AppleScript.

/// `text` as one word of a POSIX shell: in single quotes, each single quote of its own written `'\''`.
///
/// ```
/// assert_eq!(portcullis::elevate::quote::sh("it's"), r"'it'\''s'");
/// ```
pub fn sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `text` as a string literal of AppleScript (AppleScript Language Guide, "text": only the backslash and the
/// double quote are special between double quotes).
///
/// ```
/// assert_eq!(portcullis::elevate::quote::applescript(r#"say "hi" \"#), r#""say \"hi\" \\""#);
/// ```
pub fn applescript(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
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
