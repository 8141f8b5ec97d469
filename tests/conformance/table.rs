//! The verdicts as a page.
use std::fmt::Write;
use std::process::Command;

use crate::run::Row;
use crate::statement::OUR_RULE;
use crate::statement::Over;
use crate::statement::Proof;
use crate::verdict::Unmet;
use crate::way::Transport;

/// The order of the rows: `1` to `120`, then `A1` and up.
pub fn rank(number: &str) -> (bool, u32) {
    let digits = number.trim_start_matches('A');
    (digits.len() < number.len(), digits.parse().unwrap_or(u32::MAX))
}

/// What of our own rows is not as it must be. What is not offered is not met either: every statement is about us.
pub fn unmet(rows: &[Row]) -> Vec<String> {
    let mut unmet = Vec::new();
    for row in rows {
        for (way, seen) in &row.cells {
            if let Err(Unmet::Fails(how) | Unmet::NotOffered(how)) = seen {
                unmet.push(format!("{} over {}: {how} ({})", row.statement.number, way.name, row.statement.says));
            }
        }
    }
    unmet
}

/// The page docs/CONFORMANCE.md.
pub fn page(our_label: &str, ours: &[Row], other_label: &str, others: &[Row]) -> String {
    let mut page = String::new();
    let date = Command::new("date").arg("+%Y-%m-%d").output().expect("run date");
    let date = String::from_utf8_lossy(&date.stdout);
    let _ = write!(
        page,
        "# Conformance\n\n\
         Statements about a STUN and TURN server, each tried from outside on the running program by `tests/conformance`, whose\n\
         codec shares nothing with the one it judges. `cargo test --test conformance` fails when a row of ours does;\n\
         `make conformance` judges coturn too and rewrites this page.\n\n\
         Numbers without A: what RFC 8489, RFC 8656 and their company ask for, or what this project asks of itself where they\n\
         are silent (\"{OUR_RULE}\"). 106 to 118 are about TCP allocations, NAT behaviour discovery, mobility and OAuth, which this\n\
         relay does not have, by design. A: what an abuser would try.\n\n\
         | word | meaning |\n|---|---|\n\
         | pass | over every way of this transport: IPv4, IPv6, and the port shared with HTTPS |\n\
         | + | what takes minutes, or cannot be seen from outside, is shown by the test named below |\n\
         | shown | all of it is shown by the test named below |\n\
         | = | the transport does not matter: judged over UDP |\n\
         | - | not about this transport |\n\
         | fails | how is said below |\n\
         | differs | does otherwise where no RFC asks for it: not a fault |\n\
         | n/a | has no such feature |\n\n\
         {our_label} beside {other_label}, {}. The other server runs with what Debian installs and peers on loopback allowed\n\
         (`--allow-loopback-peers`); some rows would read otherwise with options that are off by default, such as `--denied-peer-ip`,\n\
         `--no-multicast-peers`, `--no-tcp-relay`, `--no-software-attribute`, `--no-stun-backward-compatibility`, `--no-rfc5780`.\n\n",
        date.trim()
    );
    let _ = writeln!(page, "{}\n", totals(our_label, ours));
    let _ = writeln!(page, "{}\n", totals(other_label, others));
    let _ = writeln!(page, "| # | statement | from | UDP | TCP | TLS | {other_label} |\n|---|---|---|---|---|---|---|");
    for (ours, other) in ours.iter().zip(others) {
        let statement = ours.statement;
        let [udp, tcp, tls] =
            [Transport::Udp, Transport::Tcp, Transport::Tls].map(|transport| our_cell(ours, transport));
        let _ = writeln!(
            page,
            "| {} | {} | {} | {udp} | {tcp} | {tls} | {} |",
            statement.number,
            statement.says,
            statement.rfc,
            other_cell(other)
        );
    }
    for (label, rows) in [(our_label, ours), (other_label, others)] {
        let reasons: Vec<String> = rows.iter().flat_map(reasons).collect();
        if !reasons.is_empty() {
            let _ = writeln!(page, "\n## Where {label} does otherwise\n\n{}", reasons.join("\n"));
        }
    }
    let _ = writeln!(page, "\n## Shown by tests of this repository\n");
    for row in ours.iter().filter(|row| !row.statement.also.is_empty()) {
        let proofs: Vec<String> = row.statement.also.iter().map(|proof| format!("`{proof}`")).collect();
        let _ = writeln!(page, "- {}: {}", row.statement.number, proofs.join(", "));
    }
    page
}

fn our_cell(row: &Row, transport: Transport) -> String {
    let mark = if row.statement.also.is_empty() { "" } else { " +" };
    if matches!(row.statement.proof, Proof::Told) {
        return "shown".to_owned();
    }
    if row.statement.over == Over::Once && transport != Transport::Udp {
        return "=".to_owned();
    }
    match row.cells.iter().any(|(way, _)| way.transport == transport) {
        true => format!("{}{mark}", word(row, Some(transport))),
        false => "-".to_owned(),
    }
}

fn other_cell(row: &Row) -> String {
    if matches!(row.statement.proof, Proof::Told) {
        return "not judged".to_owned();
    }
    let transports = [(Transport::Udp, "UDP"), (Transport::Tcp, "TCP"), (Transport::Tls, "TLS")];
    let words: Vec<(&str, &str)> = transports
        .iter()
        .filter(|(transport, _)| row.cells.iter().any(|(way, _)| way.transport == *transport))
        .map(|(transport, name)| (*name, word(row, Some(*transport))))
        .collect();
    match &words[..] {
        [] => "n/a".to_owned(),
        [(_, first), rest @ ..] if rest.iter().all(|(_, word)| word == first) => (*first).to_owned(),
        words => words.iter().map(|(name, word)| format!("{name} {word}")).collect::<Vec<_>>().join(", "),
    }
}

/// One word for all ways of a transport, or for all.
fn word(row: &Row, transport: Option<Transport>) -> &'static str {
    let mut cells = row.cells.iter().filter(|(way, _)| transport.is_none_or(|transport| way.transport == transport));
    let verdicts: Vec<&Unmet> = cells.by_ref().filter_map(|(_, seen)| seen.as_ref().err()).collect();
    if verdicts.iter().any(|unmet| matches!(unmet, Unmet::Fails(_))) {
        return if row.statement.rfc == OUR_RULE { "differs" } else { "fails" };
    }
    if verdicts.is_empty() { "pass" } else { "n/a" }
}

/// Why a row does not pass: a line for each reason, with the ways it was seen over.
fn reasons(row: &Row) -> Vec<String> {
    let mut ways_by_reason: Vec<(String, Vec<&str>)> = Vec::new();
    for (way, seen) in &row.cells {
        let how = match seen {
            Ok(()) => continue,
            Err(Unmet::Fails(how)) => how.clone(),
            Err(Unmet::NotOffered(what)) => format!("n/a, {what}"),
        };
        match ways_by_reason.iter_mut().find(|(known, _)| *known == how) {
            Some((_, ways)) => ways.push(way.name),
            None => ways_by_reason.push((how, vec![way.name])),
        }
    }
    let number = row.statement.number;
    ways_by_reason.iter().map(|(how, ways)| format!("- {number} {}: {how}", ways.join(", "))).collect()
}

/// How many rows ended in which way, as a line.
fn totals(label: &str, rows: &[Row]) -> String {
    let count = |wanted: &str| {
        let is_wanted = |row: &&Row| match row.statement.proof {
            Proof::Told => wanted == "told",
            Proof::Probe(_) | Proof::Watched(_) => word(row, None) == wanted,
        };
        rows.iter().filter(is_wanted).count()
    };
    format!(
        "{label}: {} statements, {} pass, {} fail, {} differ from a rule of ours, {} not offered, {} not to be judged from outside.",
        rows.len(),
        count("pass"),
        count("fails"),
        count("differs"),
        count("n/a"),
        count("told")
    )
}
