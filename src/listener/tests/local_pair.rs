//! The certificate for development.
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::listener::local_ca::LocalPair;
use crate::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_763_600_000_000);

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

fn ensure(state: &TempDir, public_host: &str, now: UnixMillis) -> LocalPair {
    local_ca::ensure(state.path(), public_host, now).expect("a pair")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn a_pair_is_used_again_until_a_month_before_its_end() {
    let state = TempDir::new().expect("a directory");
    let first = ensure(&state, "localhost", NOW);
    assert!(first.fresh);
    let before = fs::read(&first.cert).expect("made");
    assert!(!ensure(&state, "localhost", NOW + days(700)).fresh);
    assert_eq!(fs::read(&first.cert).expect("kept"), before);
    assert!(ensure(&state, "localhost", NOW + days(800)).fresh);
    assert_ne!(fs::read(&first.cert).expect("made anew"), before);
}

#[test]
fn a_pair_without_the_public_host_is_made_anew() {
    let state = TempDir::new().expect("a directory");
    assert!(ensure(&state, "localhost", NOW).fresh);
    assert!(ensure(&state, "call.example", NOW).fresh);
    assert!(!ensure(&state, "call.example", NOW).fresh);
    assert!(!ensure(&state, "localhost", NOW).fresh, "the local names are always there");
    assert!(ensure(&state, "192.0.2.7", NOW).fresh);
    assert!(!ensure(&state, "192.0.2.7", NOW).fresh);
    assert!(ensure(&state, "2001:db8::7", NOW).fresh);
    assert!(!ensure(&state, "2001:db8::7", NOW).fresh);
}

#[test]
fn a_broken_pair_is_made_anew() {
    let state = TempDir::new().expect("a directory");
    let other = TempDir::new().expect("a directory");
    let pair = ensure(&state, "localhost", NOW);
    let foreign = ensure(&other, "localhost", NOW);
    for path in [&pair.cert, &pair.key, &pair.authority] {
        fs::write(path, "cut off").expect("written");
        assert!(ensure(&state, "localhost", NOW).fresh);
    }
    fs::copy(&foreign.key, &pair.key).expect("copied");
    assert!(ensure(&state, "localhost", NOW).fresh);
}

#[test]
fn only_the_owner_can_read_what_is_made() {
    let parent = TempDir::new().expect("a directory");
    let state = parent.path().join("state");
    let pair = local_ca::ensure(&state, "localhost", NOW).expect("a pair");
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("tls")), 0o700);
    assert_eq!([mode(&pair.cert), mode(&pair.key), mode(&pair.authority)], [0o600; 3]);
}

#[test]
fn a_name_that_cannot_stand_in_a_certificate_is_an_error() {
    let state = TempDir::new().expect("a directory");
    let error = local_ca::ensure(state.path(), "käse.example", NOW).expect_err("not ASCII");
    assert!(error.to_string().contains("käse.example"), "{error}");
}
