//! `portcullis completions SHELL`

use super::output::{CommandOutput, Run};

#[derive(Debug, clap::Args)]
pub struct CompletionsCommand {
    /// The shell
    shell: clap_complete::Shell,
}

impl CompletionsCommand {
    /// `program` is the whole command line, which the script completes.
    pub fn run(self, mut program: clap::Command) -> Run {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "portcullis", &mut script);
        Ok(Box::new(CompletionScript(String::from_utf8_lossy(&script).into_owned())))
    }
}

struct CompletionScript(String);

impl CommandOutput for CompletionScript {
    fn text(&self) -> String {
        self.0.clone()
    }

    /// A script is a script, also where JSON was asked for.
    fn json(&self) -> String {
        self.text()
    }
}
