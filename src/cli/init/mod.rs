//! `init`: from nothing to a configuration that works on this machine.
mod external;
pub(super) mod files;
pub(super) mod firewall;
pub(super) mod kernel;
mod template;

use std::io;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::app::addresses::default_route_addresses;
use crate::config::Config;
use crate::config::Sources;

use external::Outside;
use template::Draft;

pub(super) use external::ask_stun;
pub(super) use external::is_private;

/// Where packages keep configurations, and where the state of their services is then.
const PACKAGED: (&str, &str) = ("/etc/duologue", "/var/lib/duologue");

/// What the operator tells; the rest is found out.
#[derive(Clone, Debug, Args)]
pub(super) struct Wishes {
    /// The name that browsers will reach this server by; without one its address stands in
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Where to write duologue.toml and its secrets
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Where the server keeps its state [default: DIR/state, for /etc/duologue /var/lib/duologue]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The public address, if a NAT hides it
    #[arg(long, value_name = "IP")]
    external: Option<IpAddr>,
    /// Ask this STUN server for the public address
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "external")]
    stun: Option<String>,
    /// The port of the shared front door: HTTPS, WSS, TURN over TLS and TCP
    #[arg(long, value_name = "PORT", default_value_t = 443, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Open no port for relayed media: both sides of a call meet in memory
    #[arg(long)]
    single_port: bool,
    /// Replace a configuration that is there, and its secrets
    #[arg(long)]
    force: bool,
}

/// Writes the configuration and tells what is left to do.
pub(super) fn run(wishes: &Wishes) -> anyhow::Result<()> {
    let directory = std::path::absolute(&wishes.dir).context("find the directory")?;
    let locals = default_route_addresses();
    let outside = match (wishes.external, &wishes.stun) {
        (Some(public), _) => Outside::told(&locals, public)?,
        (None, Some(server)) => Outside::asked(&locals, server)?,
        (None, None) => Outside::guessed(&locals),
    };
    let draft = Draft {
        host: wishes.domain.clone().unwrap_or_else(|| outside.host()),
        state_dir: wishes.state_dir.clone().unwrap_or_else(|| state_dir(&directory)),
        secrets_file: directory.join(files::TURN_SECRETS),
        port: wishes.port,
        single_port: wishes.single_port,
        has_ipv6: has_ipv6(),
        external: outside.mapping,
    };
    let text = draft.to_toml();
    let secret = files::SecretFile { name: files::TURN_SECRETS, text: files::fresh_secret()? };
    let written = files::write(&directory, &text, &[secret], wishes.force)?;
    let config = Config::load(Sources::default().with_file(Some(written.config.clone())))?;
    let mut out = io::stdout().lock();
    let mut tell = |text: &str| writeln!(out, "{text}").context("write the result");
    tell(&format!("{}  the configuration", written.config.display()))?;
    tell(&format!("{}  a fresh secret, which mints TURN credentials", draft.secrets_file.display()))?;
    if let Some(moved) = &written.moved {
        tell(&format!("{}  what was there before", moved.display()))?;
    }
    for note in outside.notes.iter().chain(&draft.notes()) {
        tell(&format!("note: {note}"))?;
    }
    tell("\n# Firewall, nftables (a table inet filter with a chain input):")?;
    for rule in firewall::nftables(&config) {
        tell(&rule)?;
    }
    tell("# or ufw:")?;
    for rule in firewall::ufw(&config) {
        tell(&rule)?;
    }
    tell("\n# Kernel, /etc/sysctl.d/60-duologue.conf, then: sysctl --system")?;
    for line in kernel::settings(&config) {
        tell(&line)?;
    }
    let shown = written.config.display();
    tell(&format!("\n# Then: duologue doctor --config {shown}\n#       duologue serve --config {shown}"))
}

fn state_dir(directory: &Path) -> PathBuf {
    let (etc, state) = PACKAGED;
    if directory == Path::new(etc) { PathBuf::from(state) } else { directory.join("state") }
}

/// Binding an IPv6 address fails where the kernel has none.
fn has_ipv6() -> bool {
    if_addrs::get_if_addrs().is_ok_and(|found| found.iter().any(|interface| interface.ip().is_ipv6()))
}
