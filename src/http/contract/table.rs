//! The table of routes: a handler gets in only together with what is told of it.
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodFilter;
use axum::routing::on;
use hyper::Method;

use crate::http::contract::Document;
use crate::http::contract::Operation;
use crate::http::server::Inner;

/// The routes so far, and the document of them.
pub(crate) struct Table {
    router: Router<Arc<Inner>>,
    document: Document,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), document: Document::new() }
    }

    /// Serves an operation at its path, and at those that stand for it.
    pub(crate) fn on<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, Arc<Inner>>,
        T: 'static,
    {
        for path in operation.paths() {
            self.router = self.router.route(path, on(filter(operation.method()), handler.clone()));
        }
        self.document.add(&operation);
        self
    }

    /// What serves, and what tells of it.
    pub(crate) fn into_parts(self) -> (Router<Arc<Inner>>, Document) {
        (self.router, self.document)
    }
}

fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).expect("the methods of operations are known ones")
}
