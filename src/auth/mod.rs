//! Who may do what: TURN credentials, nonces, client tokens.

pub mod nonce;
pub mod resume;
pub mod secret;
pub mod token;
pub mod turn;
