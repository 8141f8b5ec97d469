//! Who holds a port, as `/proc` tells it. proc(5).
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The name of our own processes.
pub(super) const OURS: &str = "duologue";

/// What a listening TCP socket is in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A running program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) name: String,
}

/// TCP or UDP.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// The programs that have a socket on this port; none when the system does not say, e.g. of another user's.
pub(super) fn holders(protocol: Protocol, port: u16) -> BTreeSet<Process> {
    let tables = match protocol {
        Protocol::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Protocol::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let texts = tables.map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: BTreeSet<String> = texts
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(|line| inode_on(line, protocol, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return BTreeSet::new();
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| has_one_of(*pid, &sockets))
        .map(|pid| Process { pid, name: name_of(pid) })
        .collect()
}

/// The socket of one line of the table, if it is on that port.
fn inode_on(line: &str, protocol: Protocol, port: u16) -> Option<&str> {
    let mut words = line.split_whitespace();
    let (_, local_port) = words.nth(1)?.rsplit_once(':')?;
    let state = words.nth(1)?;
    let inode = words.nth(5)?;
    let is_open = protocol == Protocol::Udp || state == LISTENING;
    (is_open && u16::from_str_radix(local_port, 16) == Ok(port)).then_some(inode)
}

fn has_one_of(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
}

fn name_of(pid: u32) -> String {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm")).unwrap_or_default().trim_end().to_owned()
}

/// How many files a process may have open at most: the limit it can raise its own to.
pub(super) fn file_limit(pid: u32) -> Option<u64> {
    hard_file_limit(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

fn hard_file_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_port_of_this_very_process_is_found_to_be_its_own() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let udp = UdpSocket::bind("[::1]:0").expect("loopback");
        let held = |protocol, port| holders(protocol, port).iter().any(|holder| holder.pid == std::process::id());
        assert!(held(Protocol::Tcp, tcp.local_addr().expect("bound").port()));
        assert!(held(Protocol::Udp, udp.local_addr().expect("bound").port()));
        drop(tcp);
    }

    #[test]
    fn only_listening_sockets_hold_a_tcp_port() {
        let line = |state: &str| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1"
            )
        };
        assert_eq!(inode_on(&line("0A"), Protocol::Tcp, 8080), Some("4711"));
        assert_eq!(inode_on(&line("01"), Protocol::Tcp, 8080), None);
        assert_eq!(inode_on(&line("07"), Protocol::Udp, 8080), Some("4711"));
        assert_eq!(inode_on(&line("0A"), Protocol::Tcp, 8081), None);
    }

    #[test]
    fn the_hard_limit_is_what_counts() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(hard_file_limit(limits), Some(524_288));
        assert_eq!(hard_file_limit("Max open files  1  unlimited  files"), Some(u64::MAX));
        assert_eq!(hard_file_limit(""), None);
    }
}
