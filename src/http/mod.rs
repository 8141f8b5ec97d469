//! HTTP: health, metrics, pages, REST and the WebSocket upgrade.
