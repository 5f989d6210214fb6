//! A person who does what a next step says, and knows nothing beside it.

/// What a next step says to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed {
    /// Run a command that ends.
    Run(String),
    /// Start a debugger.
    Start(String),
    /// Restart the one that runs with this option.
    Restart(String),
    /// Restart the one that runs as it was.
    Again,
    /// Run a command on the client's machine, and connect to its near end.
    Tunnel(String),
}

/// Which of two ways a next step is to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    First,
    Tunnel,
}

/// The next steps in what a command printed, in their order: those of `status` and `connect`, and those of `doctor`.
pub fn next_steps(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix("next: ").or_else(|| line.strip_prefix("do: "))).collect()
}

/// What the step says; `None`: nothing that can be done from its words alone.
pub fn read(step: &str, wish: Wish) -> Option<Deed> {
    let quoted: Vec<(&str, &str)> = {
        let parts: Vec<&str> = step.split('`').collect();
        parts.chunks_exact(2).map(|pair| (pair[0].trim_end(), pair[1])).collect()
    };
    let tunnel = quoted.iter().find(|(_, words)| words.starts_with("ssh "));
    if wish == Wish::Tunnel {
        return tunnel.map(|(_, words)| Deed::Tunnel((*words).to_owned()));
    }
    let deed = quoted.iter().find_map(|(before, words)| {
        let words = (*words).to_owned();
        let is_option = ["restart it with", "add", "write"].iter().any(|verb| before.ends_with(verb));
        match words.split(' ').next()? {
            _ if is_option => Some(Deed::Restart(words)),
            "portcullis" | "sudo" => Some(Deed::Run(words)),
            "ssh" => None,
            _ if before.ends_with(':') => Some(Deed::Start(words)),
            _ => None,
        }
    });
    deed.or_else(|| step.starts_with("stop it and start it again").then_some(Deed::Again))
}

/// A command line with an option, in the place of what it has of that kind already, else before all others.
pub fn with_option(line: &str, option: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let mut added: Vec<&str> = option.split(' ').collect();
    while !added.is_empty() {
        let first = added.remove(0);
        let (name, value) = first.split_once('=').map_or((first, None), |(name, value)| (name, Some(value)));
        if !name.starts_with("--") {
            put_value(&mut words, name, value);
            continue;
        }
        let of_kind = words.iter().position(|word| {
            word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        let value = value.map(str::to_owned).or_else(|| {
            let follows = added.first().is_some_and(|next| !next.starts_with("--"));
            follows.then(|| added.remove(0).to_owned())
        });
        let is_joined = first.contains('=') || value.is_none();
        let new = match &value {
            Some(value) if is_joined => vec![format!("{name}={value}")],
            Some(value) => vec![name.to_owned(), value.clone()],
            None => vec![name.to_owned()],
        };
        match of_kind {
            // `--listen X` is two words, and `--listen=X` is one.
            Some(at) if words[at] == name && value.is_some() => drop(words.splice(at..at + 2, new)),
            Some(at) => drop(words.splice(at..=at, new)),
            None => drop(words.splice(1..1, new)),
        }
    }
    words.join(" ")
}

/// `address=*:5005` among the options of an agent, and `*:1234` in the place of another address with that port.
fn put_value(words: &mut [String], name: &str, value: Option<&str>) {
    let Some(value) = value else {
        let port = name.rsplit(':').next().unwrap_or_default();
        let end = format!(":{port}");
        if let Some(word) = words.iter_mut().find(|word| word.ends_with(&end)) {
            name.clone_into(word);
        }
        return;
    };
    let name = format!("{name}=");
    for word in words {
        if let Some((before, old)) = word.split_once(&name) {
            let after = old.split_once(',').map_or(String::new(), |(_, after)| format!(",{after}"));
            *word = format!("{before}{name}{value}{after}");
            return;
        }
    }
}
