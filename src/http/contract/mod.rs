//! What REST promises: every route with what it takes, gives and refuses, served at `/openapi.json`. OpenAPI 3.1.
//!
//! The document and the router are made of one [`Table`], so that nothing is served that is not told.
mod document;
mod operation;
mod table;

pub(crate) use document::Document;
pub(crate) use operation::Operation;
pub(crate) use operation::Who;
pub(crate) use table::Table;
