//! Cuts a line of a shell script into commands, as far as looking for a program in it needs.

/// The commands of a line, each as its words; without comments, with what stands in `$( )` as commands of their own.
pub fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\'' | '"' => {
                let inside: String = rest.by_ref().take_while(|inside| *inside != character).collect();
                word.get_or_insert_default().push_str(&inside);
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            '#' if word.is_none() => break,
            ';' | '|' | '&' | '(' | ')' | '`' => {
                end_word(&mut found, &mut word);
                found.push(Vec::new());
            }
            '$' if rest.peek() == Some(&'(') => {
                end_word(&mut found, &mut word);
                found.push(Vec::new());
            }
            _ if character.is_whitespace() => end_word(&mut found, &mut word),
            _ => word.get_or_insert_default().push(character),
        }
    }
    end_word(&mut found, &mut word);
    found.retain(|words| !words.is_empty());
    found
}

fn end_word(found: &mut [Vec<String>], word: &mut Option<String>) {
    if let (Some(words), Some(word)) = (found.last_mut(), word.take()) {
        words.push(word);
    }
}

/// A command without what may stand before its program: words of the shell, assignments, `sudo` with its options.
pub fn without_prefix<'a, 'w>(words: &'a [&'w str]) -> &'a [&'w str] {
    const BEFORE: [&str; 14] = [
        "if", "then", "else", "elif", "do", "while", "until", "!", "{", "exec", "time", "nohup", "command",
        "env",
    ];
    let mut words = words;
    let mut behind_sudo = false;
    while let Some((first, rest)) = words.split_first() {
        let is_assignment = first.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let is_option = behind_sudo && first.starts_with('-');
        let is_sudo = base_name(first) == "sudo";
        if !(BEFORE.contains(first) || is_assignment || is_option || is_sudo) {
            break;
        }
        behind_sudo |= is_sudo;
        words = rest;
    }
    words
}

/// `pfctl` of `/sbin/pfctl`
pub fn base_name(program: &str) -> &str {
    // A setting has no folder before its name.
    program.rsplit('/').next().unwrap_or(program)
}
