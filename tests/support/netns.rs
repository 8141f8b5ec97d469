//! Hosts in network namespaces of their own, joined by virtual cables; what happens there stays there.
use std::fs::File;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use rustix::thread::LinkNameSpaceType;
use rustix::thread::move_into_link_name_space;

/// Tells the namespaces of one process apart.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A host: a network namespace, removed with the value.
pub struct Host {
    role: &'static str,
    name: String,
}

impl Host {
    /// A host whose only interface is a loopback.
    pub fn new(role: &'static str) -> Host {
        assert!(rustix::process::geteuid().is_root(), "network namespaces need root: sudo -E make test");
        let name = format!("duologue-{}-{}-{role}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(Command::new("ip").args(["netns", "add", &name]));
        let host = Host { role, name };
        host.ip("link set lo up");
        host
    }

    /// A host that forwards what is not for it.
    pub fn router(role: &'static str) -> Host {
        let host = Host::new(role);
        host.set("ipv4/ip_forward", "1");
        host.set("ipv6/conf/all/forwarding", "1");
        host
    }

    /// Does the work in a thread of this host: sockets opened and programs started there belong to it for ever.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name)).expect("the namespace is there");
        let outcome = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                use std::os::fd::AsFd;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("enter it");
                work()
            });
            inside.join()
        });
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs a program to its end; what it printed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        run(Command::new("ip").args(["netns", "exec", &self.name, program]).args(arguments))
    }

    /// Runs `ip` with these words.
    pub fn ip(&self, words: &str) {
        run(Command::new("ip").args(["-n", &self.name]).args(words.split_whitespace()));
    }

    /// Loads rules of nftables.
    pub fn filter(&self, rules: &str) {
        self.run("nft", &[rules]);
    }

    /// The packets that a named counter of the table `inet test` has seen.
    pub fn counted(&self, counter: &str) -> u64 {
        let listed = self.run("nft", &["list", "counter", "inet", "test", counter]);
        let mut words = listed.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {listed}"))
    }

    fn set(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/net/{key}");
        self.enter(|| std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}")));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Even after a panic; whoever still runs in it keeps it, without its name.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Joins two hosts; each gets these addresses on its end, which is named after the other.
pub fn join(one: &Host, addresses: &[&str], other: &Host, others: &[&str]) {
    let (near, far) = (format!("to-{}", other.role), format!("to-{}", one.role));
    one.ip(&format!("link add {near} type veth peer name {far} netns {}", other.name));
    for (host, end, addresses) in [(one, &near, addresses), (other, &far, others)] {
        for address in addresses {
            // Detecting a second owner takes a second, and there is none.
            let nodad = if address.contains(':') { " nodad" } else { "" };
            host.ip(&format!("addr add {address} dev {end}{nodad}"));
        }
        host.ip(&format!("link set {end} up"));
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/setup-system installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
