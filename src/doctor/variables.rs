//! The variables of VS Code's files, as far as the folder, the user's settings and the environment say what they stand for.

use serde_json::Value;

/// What variables stand for.
pub struct Variables<'a> {
    /// The settings, those first that take precedence: the folder's, the workspace's, the user's.
    pub settings: Vec<&'a Value>,
    /// The `inputs` of a launch.json.
    pub inputs: &'a Value,
    /// A variable of this process's environment, which need not be the editor's.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    /// Puts the setting in the place of each `${config:NAME}`, and behind each `${input:ID}` and `${env:NAME}` what it may be.
    /// What else the editor alone knows stays.
    pub fn fill_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.fill_in_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill_in(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.fill_in(field)),
            _ => {}
        }
    }

    fn fill_in_text(&self, text: &mut String) {
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some((before, variable, after)) = next_variable(rest) {
            filled += before;
            match self.value_of(variable) {
                Some(value) => filled += &value,
                None => filled += &format!("${{{variable}}}"),
            }
            rest = after;
        }
        *text = filled + rest;
    }

    fn value_of(&self, variable: &str) -> Option<String> {
        match variable.split_once(':')? {
            ("config", name) => plain(self.settings.iter().find_map(|settings| setting(settings, name))?),
            ("input", id) => Some(format!("${{input:{id}}} ({})", self.choice(id)?)),
            // What is no port may be a secret.
            ("env", name) => {
                let port: u16 = (self.environment)(name)?.trim().parse().ok()?;
                Some(format!("${{env:{name}}} (in this terminal: {port})"))
            }
            _ => None,
        }
    }

    /// What a person is to choose from, as a clause.
    fn choice(&self, id: &str) -> Option<String> {
        const MOST: usize = 4;
        let inputs = self.inputs.as_array()?;
        let input = inputs.iter().find(|input| input.get("id").is_some_and(|found| found == id))?;
        if let Some(default) = input.get("default").and_then(plain) {
            return Some(format!("unless another is chosen: {default}"));
        }
        // An option may have a label of its own: { "label": "x", "value": "2345" }.
        let options = input.get("options")?.as_array()?.iter().take(MOST);
        let options = options.filter_map(|option| plain(option.get("value").unwrap_or(option)));
        let options: Vec<String> = options.collect();
        (!options.is_empty()).then(|| format!("one of {}", options.join(", ")))
    }
}

/// A setting, by its whole name or by the objects on the way to it.
fn setting<'a>(settings: &'a Value, name: &str) -> Option<&'a Value> {
    let nested = || name.split('.').try_fold(settings, |value, part| value.get(part));
    settings.get(name).or_else(nested)
}

/// A text or a number that holds no variable.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.contains("${") => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The text before the first variable, its inside, and the text behind it.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (inside, after) = rest.split_once('}')?;
    Some((before, inside, after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_is_filled_in() {
        let folder = json!({ "dlv.port": 4000, "dlv": { "host": "10.0.0.7" }, "loop": "${config:loop}" });
        let user = json!({ "dlv.port": 4001, "mine": 4002 });
        let inputs = json!([
            { "id": "port", "default": "2345", "options": ["1", "2"] }, { "id": "none" },
            { "id": "list", "options": ["2345", { "label": "x", "value": "2346" }] },
        ]);
        let environment = |name: &str| match name {
            "DLV_PORT" => Some("4003".to_owned()),
            "TOKEN" => Some("secret".to_owned()),
            _ => None,
        };
        let variables =
            Variables { settings: vec![&folder, &user], inputs: &inputs, environment: &environment };
        for (text, filled) in [
            ("${config:dlv.port}", "4000"),
            ("${config:mine}", "4002"),
            ("${config:dlv.host}:${config:dlv.port}/x", "10.0.0.7:4000/x"),
            ("${input:port}", "${input:port} (unless another is chosen: 2345)"),
            ("${input:list}", "${input:list} (one of 2345, 2346)"),
            ("${input:none}", "${input:none}"),
            ("${env:PORT}", "${env:PORT}"),
            ("${env:DLV_PORT}", "${env:DLV_PORT} (in this terminal: 4003)"),
            ("${env:TOKEN}", "${env:TOKEN}"),
            ("${config:loop}", "${config:loop}"),
            ("${config:nothing} ${ $x }", "${config:nothing} ${ $x }"),
            ("${", "${"),
        ] {
            let mut value = json!({ "a": [text] });
            variables.fill_in(&mut value);
            assert_eq!(value["a"][0], filled, "{text}");
        }
    }
}
