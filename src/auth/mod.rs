//! Who may do what: TURN credentials, nonces, client tokens, invitations.

pub mod file_link;
pub mod invitation;
pub mod nonce;
pub mod resume;
pub mod secret;
pub mod token;
pub mod turn;
