//! `completions` and `man`: what shells and manuals are told of these commands.
use std::io;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// The name everything is written under.
const NAME: &str = "duologue";

/// Prints the completions for one shell.
pub(super) fn completions(command: &mut Command, shell: Shell) -> anyhow::Result<()> {
    // Written at once: the generator takes a closed pipe for a bug of its own.
    let mut script = Vec::new();
    clap_complete::generate(shell, command, NAME, &mut script);
    io::stdout().write_all(&script).context("write the completions")
}

/// Prints the page of the program, or writes one page per command into `directory`.
pub(super) fn pages(command: Command, directory: Option<&Path>) -> anyhow::Result<()> {
    match directory {
        Some(directory) => {
            clap_mangen::generate_to(command, directory).with_context(|| format!("write to {}", directory.display()))
        }
        None => Man::new(command).render(&mut io::stdout()).context("write the page"),
    }
}
