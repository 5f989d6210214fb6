//! The debug configurations of Zed and of Neovim's nvim-dap, in the form of VS Code's.

use serde_json::{Map, Value};

/// Where a project keeps what nvim-dap is to do, beside VS Code's files, which it reads as well.
pub const NVIM_FILES: [&str; 5] =
    [".nvim.lua", ".nvim-dap.lua", ".nvim/nvim-dap.lua", ".nvim/dap.lua", ".nvim-dap/nvim-dap.lua"];

/// The adapters of both by their names, and what VS Code calls them.
const TYPES: [(&str, &str); 10] = [
    ("delve", "go"),
    ("debugpy", "debugpy"),
    ("python", "debugpy"),
    ("javascript", "pwa-node"),
    ("node2", "node"),
    ("codelldb", "lldb"),
    ("gdb", "gdb"),
    ("xdebug", "php"),
    ("php", "php"),
    ("ruby", "rdbg"),
];

fn type_of(adapter: &str) -> String {
    let lower = adapter.to_ascii_lowercase();
    let known = TYPES.iter().find(|(name, _)| *name == lower);
    known.map_or(lower.clone(), |(_, name)| (*name).to_owned())
}

/// The entries of a `.zed/debug.json`.
pub fn of_zed(json: &Value) -> Vec<Value> {
    let entries = json.as_array().into_iter().flatten().filter_map(Value::as_object);
    entries.filter_map(of_zed_entry).collect()
}

fn of_zed_entry(entry: &Map<String, Value>) -> Option<Value> {
    let adapter = entry.get("adapter")?.as_str()?;
    let mut found = entry.clone();
    found.entry("type").or_insert_with(|| type_of(adapter).into());
    if let Some(label) = entry.get("label") {
        found.insert("name".to_owned(), label.clone());
    }
    // The adapter runs already.
    if let Some(Value::Object(connection)) = found.remove("tcp_connection") {
        for key in ["host", "port"] {
            connection.get(key).into_iter().for_each(|value| {
                found.entry(key).or_insert_with(|| value.clone());
            });
        }
    }
    Some(Value::Object(found))
}

/// The tables of a Lua file that are configurations: those with a `type` and a `request`.
pub fn of_nvim(text: &str) -> Vec<Value> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens.get(at) {
            Some(Token::Sign('{')) => at = table(&tokens, at + 1, &mut found, 0).1,
            _ => at += 1,
        }
    }
    found
}

#[derive(Debug, PartialEq)]
enum Token {
    Text(String),
    /// A number, or a word of the language.
    Word(String),
    Sign(char),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let tail = rest.get(first.len_utf8()..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("--") {
            let end = if comment.starts_with("[[") { "]]" } else { "\n" };
            rest = comment.split_once(end).map_or("", |(_, after)| after);
        } else if let Some(long) = rest.strip_prefix("[[") {
            let (inside, after) = long.split_once("]]").unwrap_or((long, ""));
            tokens.push(Token::Text(inside.to_owned()));
            rest = after;
        } else if first == '"' || first == '\'' {
            let (inside, after) = tail.split_once(first).unwrap_or((tail, ""));
            tokens.push(Token::Text(inside.to_owned()));
            rest = after;
        } else if first.is_alphanumeric() || first == '_' {
            let end =
                rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            tokens.push(Token::Word(rest.get(..end).unwrap_or_default().to_owned()));
            rest = rest.get(end..).unwrap_or_default();
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = tail;
        }
    }
    tokens
}

/// No table of a configuration is deeper.
const DEEPEST: usize = 32;

/// Reads a table behind its brace: its fields, and where it ends. Those of it and in it that are configurations are `found`.
fn table(
    tokens: &[Token],
    mut at: usize,
    found: &mut Vec<Value>,
    depth: usize,
) -> (Map<String, Value>, usize) {
    let mut fields = Map::new();
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign('}') => break,
            Token::Word(key) | Token::Text(key) if is_named(tokens, at) => {
                let (value, after) = value(tokens, at + equals_behind(tokens, at), found, depth);
                if let Some(value) = value {
                    fields.insert(key.clone(), value);
                }
                at = after;
            }
            Token::Sign('{') if depth < DEEPEST => at = table(tokens, at + 1, found, depth + 1).1,
            _ => at += 1,
        }
    }
    if fields.contains_key("request") && fields.contains_key("type") {
        let own = fields.get("type").and_then(Value::as_str).map(type_of);
        let mut entry = fields.clone();
        own.into_iter().for_each(|own| drop(entry.insert("type".to_owned(), own.into())));
        found.push(Value::Object(entry));
    }
    (fields, at + 1)
}

/// `name =`, `["name"] =`
fn is_named(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + equals_behind(tokens, at) - 1) == Some(&Token::Sign('='))
        && tokens.get(at + equals_behind(tokens, at)) != Some(&Token::Sign('='))
}

fn equals_behind(tokens: &[Token], at: usize) -> usize {
    if tokens.get(at + 1) == Some(&Token::Sign(']')) { 3 } else { 2 }
}

/// A value that stands alone, and where what follows it begins. What has to be run to be known is skipped.
fn value(tokens: &[Token], at: usize, found: &mut Vec<Value>, depth: usize) -> (Option<Value>, usize) {
    let ends = |at: usize| matches!(tokens.get(at), None | Some(Token::Sign(',' | ';' | '}')));
    match tokens.get(at) {
        Some(Token::Sign('{')) if depth < DEEPEST => {
            let (fields, after) = table(tokens, at + 1, found, depth + 1);
            (Some(Value::Object(fields)), after)
        }
        Some(Token::Text(text)) if ends(at + 1) => (Some(text.clone().into()), at + 1),
        Some(Token::Word(word)) if ends(at + 1) => (word.parse::<u64>().ok().map(Value::from), at + 1),
        _ => (None, skipped(tokens, at)),
    }
}

/// The end of an expression: the comma or brace that is not within brackets of its own, nor within a function.
fn skipped(tokens: &[Token], mut at: usize) -> usize {
    let mut open = 0_usize;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign('(' | '[' | '{') => open += 1,
            Token::Word(word) if ["function", "if", "do"].contains(&word.as_str()) => open += 1,
            Token::Word(word) if word == "end" => open = open.saturating_sub(1),
            Token::Sign(',' | ';' | '}') if open == 0 => return at,
            Token::Sign(')' | ']' | '}') => open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_entries_of_zed() {
        let read = of_zed(&json!([
            { "label": "a", "adapter": "Delve", "request": "attach", "mode": "remote",
              "tcp_connection": { "host": "127.0.0.1", "port": 2346 } },
            { "label": "b", "adapter": "JavaScript", "type": "pwa-node", "request": "attach", "port": 9230 },
            { "label": "no adapter" }, 7,
        ]));
        assert_eq!(read.len(), 2);
        assert_eq!((&read[0]["type"], &read[0]["port"]), (&json!("go"), &json!(2346)));
        assert_eq!((&read[1]["name"], &read[1]["type"]), (&json!("b"), &json!("pwa-node")));
    }

    #[test]
    fn the_tables_of_nvim_dap() {
        let text = r#"
            local dap = require("dap") -- { type = "x", request = "y" }
            dap.adapters.go = { type = "server", port = "${port}", executable = { command = "dlv" } }
            dap.configurations.go = {
              { type = "delve", name = 'Attach', mode = "remote", request = "attach", port = 2346, host = "127.0.0.1" },
              { type = "python", request = "attach", ["name"] = "py", pid = function() return pick({ 1, 2 }), 3 end,
                connect = { host = "box", port = tonumber(os.getenv("PORT")) }, justMyCode = false },
            }"#;
        let found = of_nvim(text);
        assert_eq!(found.len(), 2, "{found:?}");
        let go = json!({ "type": "go", "name": "Attach", "mode": "remote", "request": "attach", "port": 2346, "host": "127.0.0.1" });
        assert_eq!(found[0], go);
        assert_eq!((&found[1]["name"], &found[1]["connect"]), (&json!("py"), &json!({ "host": "box" })));
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(text in "[-a-z{}=,;\"'\\[\\]() \n1]{0,80}") {
            let _ = of_nvim(&text);
        }
    }
}
