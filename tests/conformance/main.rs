//! Statements about a STUN and TURN server, by number: RFC 8489, RFC 8656, and what abuse asks for beyond them.
//!
//! `cargo test --test conformance` judges the built program over UDP, TCP and TLS, IPv4 and IPv6. `make conformance` judges
//! coturn with the same probes, and rewrites docs/CONFORMANCE.md with both. `DUOLOGUE_CONFORM_TARGET` names another server
//! to be put beside (see [`target::Target::elsewhere`]).
#![allow(unreachable_pub, reason = "a test program is nobody's library")]

mod abuse;
mod allocate;
mod authentication;
mod channels;
mod client;
mod coturn;
mod front_door;
mod indications;
mod message;
mod packet;
mod permissions;
mod proofs;
mod ranges;
mod raw;
mod refresh;
mod run;
mod statement;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod target;
mod user;
mod verdict;
mod watch;
mod way;

use std::path::Path;

use crate::statement::Statement;
use crate::target::Setup;
use crate::target::Target;

/// Where the table is kept.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFORMANCE.md");

fn statements() -> Vec<&'static Statement> {
    let chapters: [&'static [Statement]; 11] = [
        message::STATEMENTS,
        authentication::STATEMENTS,
        allocate::STATEMENTS,
        refresh::STATEMENTS,
        permissions::STATEMENTS,
        indications::STATEMENTS,
        channels::STATEMENTS,
        streams::STATEMENTS,
        front_door::STATEMENTS,
        ranges::STATEMENTS,
        abuse::STATEMENTS,
    ];
    let mut all: Vec<&Statement> = chapters.into_iter().flatten().collect();
    all.sort_by_key(|statement| table::rank(statement.number));
    all
}

#[test]
fn every_statement_holds_for_the_built_program() {
    let ours = Target::ours(Setup::Plain);
    let rows = run::judge(&statements(), &ours);
    let unmet = table::unmet(&rows);
    assert!(unmet.is_empty(), "{}", unmet.join("\n"));
    assert!(ours.is_empty_soon(), "allocations are left although every client gave its own back");
}

/// Statements 106 to 118 are about features that this relay does not have.
#[test]
fn no_statement_is_missing() {
    let due = (1..=105).chain([119, 120]).map(|number| number.to_string());
    let there: Vec<&str> = statements().iter().map(|statement| statement.number).collect();
    let mut once = there.clone();
    once.dedup();
    assert_eq!(there, once, "a number stands twice");
    let missing: Vec<String> = due.filter(|number| !there.contains(&number.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_named_proof_is_a_test_of_this_repository() {
    let missing = proofs::missing(&statements());
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_kept_table_is_about_these_statements() {
    let page = std::fs::read_to_string(PAGE).expect("docs/CONFORMANCE.md");
    let stale: Vec<&str> = statements()
        .iter()
        .filter(|statement| !page.contains(&format!("| {} | {} |", statement.number, statement.says)))
        .map(|statement| statement.number)
        .collect();
    assert!(stale.is_empty(), "make conformance has to be run: {stale:?}");
}

#[test]
#[ignore = "make conformance: judges another server too and rewrites the table"]
fn the_table_beside_another_server() {
    let statements = statements();
    let ours = Target::ours(Setup::Plain);
    let our_rows = run::judge(&statements, &ours);
    let other = match std::env::var("DUOLOGUE_CONFORM_TARGET").ok().filter(|name| !name.is_empty()) {
        None => Target::coturn(Setup::Plain),
        Some(name) if name == "coturn" => Target::coturn(Setup::Plain),
        Some(description) => Target::elsewhere(&description),
    };
    let other_rows = run::judge(&statements, &other);
    let page = table::page(&ours.label, &our_rows, &other.label, &other_rows);
    println!("{page}");
    if other.label.starts_with("coturn ") {
        std::fs::write(Path::new(PAGE), page).expect("write docs/CONFORMANCE.md");
    }
}
