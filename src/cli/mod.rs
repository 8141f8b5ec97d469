//! The command line: one file per command.
//!
//! Exit codes: 0 fine, 1 failed, 2 wrong input.
mod backup;
mod bench;
mod check_config;
mod contract;
mod creds;
mod doctor;
mod healthcheck;
mod init;
mod load;
mod manual;
mod migrate_coturn;
mod serve;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::CommandFactory;
use clap::Parser;
use clap::Subcommand;
use clap_complete::Shell;

use crate::config::Config;
use crate::config::Problems;
use crate::config::Sources;
use crate::config::parse_duration;

/// Something failed: the network, a file, the server.
const FAILED: u8 = 1;

/// The input is wrong: arguments (clap uses the same number) or configuration.
const WRONG_INPUT: u8 = 2;

/// Everything a 1:1 video chat needs from its server, in one process.
///
/// Without a command it serves; without a configuration file it serves this machine on http://localhost:8080.
#[derive(Debug, Parser)]
#[command(name = "duologue", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    sources: SourceArgs,
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// Read this TOML file, and conf.d/*.toml beside it
    #[arg(long, value_name = "FILE", env = "DUOLOGUE_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Set one key, above file and environment; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = key_and_value, global = true)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (what happens without a command)
    Serve,
    /// Print the configuration in force, secrets masked, or every mistake in it
    CheckConfig,
    /// Write a configuration with fresh secrets, and print what firewall and kernel should be told
    Init(init::Wishes),
    /// Say what is wrong with this configuration, this machine or the running server, and how to mend it
    Doctor(doctor::Questions),
    /// Print a TURN credential and the ICE servers it is for, as JSON
    Creds {
        /// How long the credential can be used to allocate, e.g. 10m, 1h, 7d
        #[arg(long, default_value = "1h", value_parser = ttl)]
        ttl: Duration,
        /// The name it is minted for, without colons
        #[arg(long, default_value = "operator", value_parser = user)]
        user: String,
    },
    /// Ask the running server whether it is alive
    Healthcheck,
    /// Copy the database to a new file and the files of chat beside it, while a server uses them or not
    Backup {
        /// The copy; neither it nor the directory FILE.files may be there yet
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Put a copy in the place of the database, which is moved aside, and its files back; the server must not run
    Restore {
        /// What backup wrote
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// Make, list and alter accounts, beside a server that runs or without it
    User {
        #[command(subcommand)]
        task: user::Task,
    },
    /// Print an access token for tests of one's own, as JSON
    Token {
        #[command(flatten)]
        wish: token::Wish,
    },
    /// Write a configuration out of one of coturn, and list what has no counterpart
    MigrateCoturn(migrate_coturn::Wishes),
    /// Put a TURN server under load and measure what it makes of it
    Bench {
        #[command(subcommand)]
        task: bench::Task,
    },
    /// Put the signaling of a server under load and measure what it makes of it
    Load {
        #[command(subcommand)]
        task: load::Task,
    },
    /// Print what the server promises to clients, as a document
    Contract {
        /// Which
        #[arg(value_enum)]
        of: contract::Of,
    },
    /// Print what makes a shell complete these commands
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands into a directory
    Man {
        /// The directory; it must be there
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let Cli { command, sources } = Cli::parse();
    let sources =
        Sources::default().with_file(sources.config).with_environment(std::env::vars_os()).with_flags(sources.set);
    match execute(command.unwrap_or(Command::Serve), sources) {
        Ok(code) => code,
        Err(error) => match error.downcast_ref::<Problems>() {
            Some(problems) => {
                eprintln!("{problems}");
                ExitCode::from(WRONG_INPUT)
            }
            None => {
                eprintln!("duologue: {error:#}");
                ExitCode::from(FAILED)
            }
        },
    }
}

fn execute(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Serve => serve::run(Config::load(sources)?),
        Command::CheckConfig => check_config::run(&Config::load(sources)?),
        Command::Init(wishes) => init::run(&wishes),
        Command::Doctor(questions) => return doctor::run(sources, &questions),
        Command::Creds { ttl, user } => creds::run(&Config::load(sources)?, ttl, &user),
        Command::Healthcheck => healthcheck::run(&Config::load(sources)?),
        Command::Backup { to } => backup::back_up(&Config::load(sources)?, &to),
        Command::Restore { from } => backup::restore(&Config::load(sources)?, &from),
        Command::User { task } => user::run(&Config::load(sources)?, task),
        Command::Token { wish } => token::run(&Config::load(sources)?, &wish),
        Command::MigrateCoturn(wishes) => migrate_coturn::run(&wishes),
        Command::Bench { task } => bench::run(task),
        Command::Load { task } => load::run(task),
        Command::Contract { of } => contract::run(of),
        Command::Completions { shell } => manual::completions(&mut Cli::command(), shell),
        Command::Man { dir } => manual::pages(Cli::command(), dir.as_deref()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.split('.').count() > 1 && key.split('.').all(|part| !part.is_empty()) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        Some(_) | None => Err("write SECTION.KEY=VALUE, for example session.limit=20s".to_owned()),
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        ttl if ttl < Duration::from_secs(1) => Err("write at least 1s".to_owned()),
        ttl => Ok(ttl),
    }
}

/// The colon ends the expiry in front of the name.
fn user(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 128 || text.contains(':') || text.chars().any(char::is_control) {
        return Err("write 1 to 128 characters without colon".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_what_happens_without_a_command() {
        let cli = Cli::try_parse_from(["duologue", "--config", "a.toml", "--set", "session.limit=20s"]).expect("valid");
        assert!(cli.command.is_none());
        assert_eq!(cli.sources.config, Some(PathBuf::from("a.toml")));
        assert_eq!(cli.sources.set, [("session.limit".to_owned(), "20s".to_owned())]);
    }

    #[test]
    fn the_configuration_is_named_before_or_behind_the_command() {
        for arguments in
            [["duologue", "--config", "a.toml", "check-config"], ["duologue", "check-config", "--config", "a.toml"]]
        {
            let cli = Cli::try_parse_from(arguments).expect("valid");
            assert!(matches!(cli.command, Some(Command::CheckConfig)));
            assert_eq!(cli.sources.config, Some(PathBuf::from("a.toml")));
        }
    }

    #[test]
    fn slips_on_the_command_line_are_refused() {
        for arguments in [
            vec!["duologue", "--set", "limit=20s"],
            vec!["duologue", "--set", "session.limit"],
            vec!["duologue", "creds", "--ttl", "60"],
            vec!["duologue", "creds", "--ttl", "0s"],
            vec!["duologue", "creds", "--user", "a:b"],
            vec!["duologue", "bench"],
            vec!["duologue", "load", "signaling"],
        ] {
            assert!(Cli::try_parse_from(&arguments).is_err(), "{arguments:?}");
        }
    }
}
