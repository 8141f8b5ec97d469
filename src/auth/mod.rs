//! Who may do what: TURN credentials, nonces, client tokens.
