//! `contract`: what the server promises to clients, for tools that make clients of it and for `docs/`.
use std::io;
use std::io::Write;

use anyhow::Context;
use clap::ValueEnum;

use crate::app::contract;

/// A document.
#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum Of {
    /// REST, as OpenAPI 3.1
    Openapi,
    /// The WebSocket, as AsyncAPI 3.0
    Asyncapi,
}

/// Prints one.
pub(super) fn run(of: Of) -> anyhow::Result<()> {
    let document = match of {
        Of::Openapi => contract::openapi(),
        Of::Asyncapi => contract::asyncapi(),
    };
    io::stdout().write_all(document.as_bytes()).context("write the document")
}
