//! Takes the secrets out of a process's arguments before anybody sees or writes them.

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Parts of an option's name that make its value a secret.
const SECRET: [&str; 11] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "api-key",
    "apikey",
    "api_key",
    "credential",
    "cookie",
];

/// The arguments with every secret replaced by [`REDACTED`]: the value of an option, variable, property or query
/// parameter whose name speaks of a token, password, secret, key or credential (`--token T`, `--token=T`, `TOKEN=T`,
/// `-Dx.password=T`, `?token=T`), `Authorization` headers, and the password in an address (`scheme://user:T@host`).
///
/// The number and order of the arguments stay, so they can still be read as a command line.
pub fn redact(arguments: Vec<String>) -> Vec<String> {
    let mut value_follows = false;
    let redact_one = |argument: String| {
        if std::mem::take(&mut value_follows) && !argument.starts_with("--") {
            return REDACTED.to_owned();
        }
        value_follows = argument.starts_with('-') && !argument.contains('=') && is_secret(&argument);
        redact_within(argument)
    };
    arguments.into_iter().map(redact_one).collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part)) || name.trim_start_matches('-') == "auth"
}

/// Secrets inside one argument.
fn redact_within(argument: String) -> String {
    if let Some(header) = argument.to_ascii_lowercase().find("authorization:") {
        let keep = header + "authorization:".len();
        return format!("{} {REDACTED}", argument.get(..keep).unwrap_or_default());
    }
    let without_password = redact_userinfo(argument);
    redact_assignments(&without_password)
}

/// `scheme://user:password@host` without the password.
fn redact_userinfo(argument: String) -> String {
    let Some(start) = argument.find("://").map(|at| at + 3) else { return argument };
    let (before, rest) = argument.split_at(start);
    let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{before}{user}:{REDACTED}@{host}{after}"),
        None => argument,
    }
}

/// Every `name=value` of an argument, also those chained by `&`, `?`, `,`, `;` or a blank, with secret values gone.
fn redact_assignments(argument: &str) -> String {
    const BREAKS: [char; 6] = ['&', '?', ',', ';', ' ', '\n'];
    let mut out = String::with_capacity(argument.len());
    for piece in argument.split_inclusive(BREAKS) {
        let (body, tail) = match piece.char_indices().next_back() {
            Some((at, last)) if BREAKS.contains(&last) => piece.split_at(at),
            _ => (piece, ""),
        };
        match body.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret(name) => {
                out.extend([name, "=", REDACTED, tail]);
            }
            _ => out.push_str(piece),
        }
    }
    // The separator may have been part of the secret itself: drop what follows a secret that opened the argument.
    match argument.split_once('=') {
        Some((name, value)) if !value.is_empty() && !name.contains(BREAKS) && is_secret(name) => {
            format!("{name}={REDACTED}")
        }
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        redact(text.split(' ').map(str::to_owned).collect()).join(" ")
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (given, expected) in [
            ("dlv dap --listen=:2345", "dlv dap --listen=:2345"),
            ("adapter --for-server 1 --access-token abc", "adapter --for-server 1 --access-token [redacted]"),
            ("x --client-access-token=abc --port 1", "x --client-access-token=[redacted] --port 1"),
            ("java -Ddb.password=a,b -jar x", "java -Ddb.password=[redacted] -jar x"),
            (
                "node app --db postgres://me:hush@db:5432/x",
                "node app --db postgres://me:[redacted]@db:5432/x",
            ),
            ("curl http://h/?a=1&token=abc&b=2", "curl http://h/?a=1&token=[redacted]&b=2"),
            ("env API_KEY=abc run", "env API_KEY=[redacted] run"),
            ("x --password --verbose", "x --password --verbose"),
        ] {
            assert_eq!(line(given), expected);
        }
        let header = vec!["-H".to_owned(), "Authorization: Bearer abc".to_owned()];
        assert_eq!(redact(header)[1], "Authorization: [redacted]");
    }

    proptest::proptest! {
        #[test]
        fn planted_tokens_never_show(name in "(--)?[a-z-]{0,8}(token|password|SECRET)", junk in "\\PC{0,20}") {
            let planted = "hUsHhUsH77";
            let spread = vec![junk.clone(), format!("--{}", name.trim_start_matches('-')), planted.to_owned(), junk];
            let joined = vec![format!("{name}={planted}")];
            for arguments in [spread, joined] {
                let count = arguments.len();
                let shown = redact(arguments);
                proptest::prop_assert_eq!(shown.len(), count);
                proptest::prop_assert!(!shown.join(" ").contains(planted), "{:?}", shown);
            }
        }
    }
}
