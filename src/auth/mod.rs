//! Who may do what: TURN credentials, nonces, client tokens, passwords, invitations.

pub mod file_link;
pub mod foreign_keys;
pub mod invitation;
pub mod nonce;
pub mod password;
pub mod proof_of_work;
pub mod resume;
pub mod secret;
pub mod token;
pub mod turn;
pub mod username;
