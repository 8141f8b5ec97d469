//! The TCP front door: TLS, certificates, and the first-bytes decision.
