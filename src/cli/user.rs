//! `user`: accounts, made and altered in the database beside the server or without it.
use std::io;
use std::io::BufRead;
use std::io::IsTerminal;
use std::io::Write;

use anyhow::Context;
use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use rustix::termios;
use rustix::termios::LocalModes;
use rustix::termios::OptionalActions;
use rustix::termios::Termios;
use serde_json::json;
use zeroize::Zeroizing;

use crate::auth::password::Password;
use crate::auth::username::Username;
use crate::config::Config;
use crate::state::State;
use crate::store;
use crate::store::Account;
use crate::store::AccountRole;
use crate::store::Alteration;
use crate::store::Deed;
use crate::store::Event;
use crate::store::Retention;
use crate::store::Store;
use crate::store::UserId;
use crate::time::Clock;
use crate::time::UnixMillis;

/// Who did it, in the audit: whoever has the files.
const OPERATOR: &str = "operator";
/// Accounts read at once.
const PAGE: usize = 500;

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Make an account; its password is asked for, or read from the standard input
    Add {
        /// Letters, digits and . - _ @ +
        #[arg(value_name = "NAME", value_parser = username)]
        name: Username,
        /// user, moderator or admin
        #[arg(long, default_value = "user", value_parser = role)]
        role: AccountRole,
    },
    /// List the accounts in the order of their names
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Give an account another role; its logins end
    Role {
        /// The account
        #[arg(value_name = "NAME", value_parser = username)]
        name: Username,
        /// user, moderator or admin
        #[arg(value_name = "ROLE", value_parser = role)]
        role: AccountRole,
    },
    /// Let nobody log in to an account; its logins end
    Disable {
        /// The account
        #[arg(value_name = "NAME", value_parser = username)]
        name: Username,
    },
    /// Let its owner log in to an account again
    Enable {
        /// The account
        #[arg(value_name = "NAME", value_parser = username)]
        name: Username,
    },
    /// Take an account away and all that is kept of its user: messages, files, rooms, blocks. There is no way back
    Delete {
        /// The account
        #[arg(value_name = "NAME", value_parser = username, required_unless_present = "id")]
        name: Option<Username>,
        /// A guest, or a user of a backend, by what they are called in the audit
        #[arg(long, value_name = "USER", conflicts_with = "name")]
        id: Option<String>,
    },
    /// Give an account another password, which is asked for or read from the standard input; its logins end
    Passwd {
        /// The account
        #[arg(value_name = "NAME", value_parser = username)]
        name: Username,
    },
}

pub(super) fn run(config: &Config, task: Task) -> anyhow::Result<()> {
    match task {
        Task::Add { name, role } => add(config, &name, role),
        Task::List { json } => list(config, json),
        Task::Role { name, role } => {
            let deed = ("account.role", json!({"role": role.as_str()}));
            alter(config, &name, &Alteration::Role(role), deed, &format!("has the role {} now", role.as_str()))
        }
        Task::Disable { name } => {
            alter(config, &name, &Alteration::Disabled(true), ("account.disable", json!({})), "is disabled now")
        }
        Task::Enable { name } => {
            alter(config, &name, &Alteration::Disabled(false), ("account.enable", json!({})), "is enabled now")
        }
        Task::Delete { name, id } => delete(config, name.as_ref(), id),
        Task::Passwd { name } => {
            let hash = chosen_password(&name)?.hash()?;
            let alteration = Alteration::Password(hash.into());
            alter(config, &name, &alteration, ("account.password", json!({})), "has another password now")
        }
    }
}

fn add(config: &Config, name: &Username, role: AccountRole) -> anyhow::Result<()> {
    let mut store = open(config)?;
    if store.account_by_name(name.folded())?.is_some() {
        bail!("there is an account {name} already");
    }
    let hash = chosen_password(name)?.hash()?;
    let now = Clock::start().now().unix;
    let account = Account {
        id: UserId(format!("u_{}", random_text()?).into()),
        name: name.folded().clone(),
        display_name: name.shown().clone(),
        password: hash.into(),
        role,
        is_disabled: false,
        created: now,
        revision: 0,
    };
    let deed = deed("account.add", &account, &json!({"role": role.as_str()}), now);
    store
        .group(&mut |store| {
            store.add_account(&account)?;
            store.append_event(&Event::registered(&account))?;
            store.append_deed(&deed)
        })
        .with_context(|| format!("store the account {name}"))?;
    say(&format!("{name} has an account with the role {} now: {}", role.as_str(), account.id.0))
}

fn alter(
    config: &Config,
    name: &Username,
    alteration: &Alteration,
    (action, details): (&str, serde_json::Value),
    done: &str,
) -> anyhow::Result<()> {
    let mut store = open(config)?;
    let Some(account) = store.account_by_name(name.folded())? else { bail!("there is no account {name}") };
    let now = Clock::start().now().unix;
    let deed = deed(action, &account, &details, now);
    store
        .group(&mut |store| {
            store.alter_account(&account.id, alteration)?;
            store.append_event(&Event::altered(&account, alteration, now))?;
            store.append_deed(&deed)
        })
        .with_context(|| format!("alter the account {name}"))?;
    say(&format!("{} {done}; a server that runs ends its logins within seconds", account.display_name))
}

fn delete(config: &Config, name: Option<&Username>, id: Option<String>) -> anyhow::Result<()> {
    let mut store = open(config)?;
    let (user, shown) = match (name, id) {
        (Some(name), _) => match store.account_by_name(name.folded())? {
            Some(account) => (account.id, account.display_name.to_string()),
            None => bail!("there is no account {name}"),
        },
        (None, Some(id)) => (UserId(id.as_str().into()), id),
        (None, None) => bail!("name an account, or a user with --id"),
    };
    let now = Clock::start().now().unix;
    let deed = Deed {
        at: now,
        by: UserId(OPERATOR.into()),
        action: "user.delete".into(),
        subject: user.0.clone(),
        details: json!({}).to_string().into(),
    };
    let event = Event::deleted(&user, now);
    store
        .group(&mut |store| {
            store.begin_erasure(&user, now)?;
            store.append_event(&event)?;
            store.append_deed(&deed)
        })
        .with_context(|| format!("delete {shown}"))?;
    say(&format!(
        "{shown} is deleted; a server that runs takes the rest away within seconds, else the next one that starts"
    ))
}

fn list(config: &Config, as_json: bool) -> anyhow::Result<()> {
    let store = open(config)?;
    let mut out = io::stdout().lock();
    let mut after = String::new();
    loop {
        let accounts = store.accounts(&after, PAGE)?;
        for account in &accounts {
            if as_json { writeln!(out, "{}", as_object(account)) } else { writeln!(out, "{}", as_line(account)) }
                .context("write the list")?;
        }
        match accounts.last() {
            Some(last) if accounts.len() == PAGE => after = last.name.to_string(),
            Some(_) | None => return Ok(()),
        }
    }
}

fn as_line(account: &Account) -> String {
    let state = if account.is_disabled { "disabled" } else { "active" };
    format!("{:<24} {:<9} {:<8} {}", account.display_name, account.role.as_str(), state, account.id.0)
}

/// Rule 11: times in milliseconds.
fn as_object(account: &Account) -> serde_json::Value {
    json!({
        "id": &*account.id.0,
        "username": &*account.display_name,
        "role": account.role.as_str(),
        "disabled": account.is_disabled,
        "created_at": account.created,
    })
}

fn open(config: &Config) -> anyhow::Result<Box<dyn Store>> {
    let Some(database) = config.database() else {
        bail!("store.path is \":memory:\", so only the server itself knows its accounts");
    };
    // Makes the directory, should this come before the first start.
    State::open(&config.server.state_dir)?;
    store::open_beside(&database, Retention::default()).context("store.path")
}

fn deed(action: &str, account: &Account, details: &serde_json::Value, at: UnixMillis) -> Deed {
    Deed {
        at,
        by: UserId(OPERATOR.into()),
        action: action.into(),
        subject: account.id.0.clone(),
        details: details.to_string().into(),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("write the result")
}

/// Asks for a password at a terminal, else reads one line.
fn chosen_password(name: &Username) -> anyhow::Result<Password> {
    let text = if io::stdin().is_terminal() {
        let (first, again) = (ask("Password: ")?, ask("And again: ")?);
        if first != again {
            bail!("these are two different passwords");
        }
        first
    } else {
        read_line()?
    };
    Ok(Password::chosen(text.to_string(), name.folded())?)
}

fn ask(question: &str) -> anyhow::Result<Zeroizing<String>> {
    eprint!("{question}");
    let silence = Silence::begin().context("hide what is typed")?;
    let line = read_line();
    drop(silence);
    eprintln!();
    line
}

fn read_line() -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line).context("read the password")?;
    let len = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(len);
    Ok(line)
}

/// As long as it lives the terminal does not show what is typed.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn username(text: &str) -> Result<Username, String> {
    Username::new(text).map_err(|error| error.to_string())
}

fn role(text: &str) -> Result<AccountRole, String> {
    let found = AccountRole::ALL.into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| "write user, moderator or admin".to_owned())
}

/// 128 random bits as base64url, so no colon is in it.
fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string())).context("find random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
