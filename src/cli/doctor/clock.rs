//! The clock: tokens, credentials and certificates are good between moments.
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::net::ToSocketAddrs;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::config::Config;

use super::finding::Finding;
use super::storage;

const CHECK: &str = "clock";

/// 2026-01-01: this program is younger.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// What a token's life of minutes bears.
const BEARABLE: Duration = Duration::from_secs(30);
/// What a synchronised clock is never off by; a `Date` has whole seconds.
const NOTICEABLE: Duration = Duration::from_secs(3);
/// How much two clocks of one machine may part in some seconds.
const DRIFT: Duration = Duration::from_millis(500);
/// For connecting and for the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The head of an answer.
const ANSWER_MAX_BYTES: u64 = 16 * 1024;

const SET: &str = "let the system keep it: timedatectl set-ntp true (systemd-timesyncd or chrony); tokens and credentials made \
                   with a wrong clock are refused elsewhere";

/// Two clocks, started together.
pub(super) struct Watch {
    wall: SystemTime,
    steady: Instant,
}

impl Watch {
    pub(super) fn start() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }

    /// Looks at the clock by itself, and beside the one of an HTTP server if there is one.
    pub(super) fn examine(&self, config: &Config, reference: Option<&str>, findings: &mut Vec<Finding>) {
        let before = findings.len();
        let now = SystemTime::now();
        if now < UNIX_EPOCH + EARLIEST {
            let told = format!("it is {} by this machine's clock, before this program was made", shown(now));
            findings.push(Finding::failed(CHECK, told, SET));
        }
        if let Ok(written) = storage::last_written(config)
            && now + BEARABLE < written
        {
            let told = format!("the database was written at {}, but it is only {}", shown(written), shown(now));
            findings.push(Finding::failed(CHECK, told, SET));
        }
        let went = now.duration_since(self.wall).unwrap_or_default();
        let parted = apart(UNIX_EPOCH + went, UNIX_EPOCH + self.steady.elapsed());
        if parted > DRIFT {
            let told = format!("the clock was moved by {} ms while this program looked", parted.as_millis());
            findings.push(Finding::warning(
                CHECK,
                told,
                "see that only one service sets it (chrony or systemd-timesyncd)",
            ));
        }
        match reference.map(|server| (server, date_of(server))) {
            Some((server, Ok(date))) => findings.extend(compare(server, date, SystemTime::now())),
            Some((server, Err(error))) => {
                let told = format!("{server} does not tell its time: {error}");
                findings.push(Finding::warning(CHECK, told, "name the HOST:PORT of an HTTP server that sends Date"));
            }
            None => {}
        }
        if findings.len() == before {
            let beside = reference
                .map_or_else(|| "nothing speaks against it".to_owned(), |server| format!("as {server} has it"));
            findings.push(Finding::fine(CHECK, format!("{}, {beside}", shown(now))));
        }
    }
}

fn compare(server: &str, date: SystemTime, now: SystemTime) -> Option<Finding> {
    let off = apart(date, now);
    if off <= NOTICEABLE {
        return None;
    }
    let direction = if now > date { "ahead of" } else { "behind" };
    let told = format!("the clock is {} s {direction} {server}", off.as_secs());
    Some(if off > BEARABLE { Finding::failed(CHECK, told, SET) } else { Finding::warning(CHECK, told, SET) })
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|ahead| ahead.duration())
}

fn shown(moment: SystemTime) -> String {
    httpdate::fmt_http_date(moment)
}

/// The `Date` of an HTTP server. RFC 9110 §6.6.1.
fn date_of(server: &str) -> io::Result<SystemTime> {
    let address = server.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one piece: some servers answer what they have read first, and close.
    let request = format!("HEAD / HTTP/1.0\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let date = answer.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| value.trim())
    });
    let date = date.ok_or_else(|| io::Error::other("its answer has no Date"))?;
    httpdate::parse_http_date(date).map_err(|error| io::Error::other(format!("{date:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let now = UNIX_EPOCH + EARLIEST;
        let verdict = |date| compare("time.example", date, now).map(|finding| finding.verdict);
        assert_eq!(verdict(now + Duration::from_secs(2)), None);
        assert_eq!(verdict(now - Duration::from_secs(10)), Some(Verdict::Warning));
        assert_eq!(verdict(now + Duration::from_secs(3600)), Some(Verdict::Failed));
        let told = compare("time.example", now + Duration::from_secs(3600), now).map(|finding| finding.told);
        assert_eq!(told.as_deref(), Some("the clock is 3600 s behind time.example"));
    }
}
