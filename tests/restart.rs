//! What a server remembers is there after it ended, whatever ended it.
mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::Server;

#[test]
fn the_database_is_in_the_state_directory_and_for_one_server_of_its_user_alone() {
    let server = Server::start("");
    let database = server.state.path().join("duologue.db");
    let mode = std::fs::metadata(&database).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = server.state.path().join("duologue.toml");
    let second = Command::new(env!("CARGO_BIN_EXE_duologue")).arg("serve").arg("--config").arg(config).output();
    let second = second.expect("the binary runs");
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{told}");
    let expected = format!("store.path: {} is in use by another duologue; stop that one first", database.display());
    assert!(told.contains(&expected), "{told}");
}
