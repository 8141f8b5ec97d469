//! `[limits]`: what one address and one connection may ask for; told to clients in `welcome.limits`.
use ipnet::IpNet;
use serde::Serialize;

use super::read::Section;

/// `[limits]`: what one address and one connection may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// WebSockets in total.
    pub connections: u32,
    /// WebSockets of one address; IPv6 per /64.
    pub connections_per_address: u32,
    /// New guests per minute and address; IPv6 per /64.
    pub guests_per_minute: u32,
    /// Logins and registrations per minute and address; IPv6 per /64.
    pub logins_per_minute: u32,
    /// Messages per second and connection.
    pub messages_per_second: u32,
    /// Messages a connection may send at once after a pause.
    pub messages_burst: u32,
    /// `queue.join` per minute and user.
    pub queue_joins_per_minute: u32,
    /// `room.join` per minute and user.
    pub room_joins_per_minute: u32,
    /// Calls per minute and user, and per minute and device.
    pub calls_per_minute: u32,
    /// `session.next` per minute and user.
    pub skips_per_minute: u32,
    /// `block.add` per minute and user; four times as many per address.
    pub blocks_per_minute: u32,
    /// `report.submit` per minute and user; four times as many per address.
    pub reports_per_minute: u32,
    /// Files asked to be put, per minute and user.
    pub uploads_per_minute: u32,
    /// HTTP requests per minute and address; IPv6 per /64.
    pub http_requests_per_minute: u32,
    /// Networks without the limits that count by address.
    pub exempt: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            connections_per_address: 64,
            guests_per_minute: 30,
            logins_per_minute: 30,
            messages_per_second: 50,
            messages_burst: 200,
            queue_joins_per_minute: 30,
            room_joins_per_minute: 30,
            calls_per_minute: 30,
            skips_per_minute: 20,
            blocks_per_minute: 30,
            reports_per_minute: 10,
            uploads_per_minute: 30,
            http_requests_per_minute: 600,
            exempt: Vec::new(),
        }
    }
}

/// Far above what one node serves; keeps the arithmetic of the buckets within 64 bits.
const HIGHEST: u32 = 10_000_000;

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let mut limit = |key, default| section.number(key, default, 1, HIGHEST);
        let mut read = Self {
            connections: limit("connections", default.connections),
            connections_per_address: limit("connections_per_address", default.connections_per_address),
            guests_per_minute: limit("guests_per_minute", default.guests_per_minute),
            logins_per_minute: limit("logins_per_minute", default.logins_per_minute),
            messages_per_second: limit("messages_per_second", default.messages_per_second),
            messages_burst: limit("messages_burst", default.messages_burst),
            queue_joins_per_minute: limit("queue_joins_per_minute", default.queue_joins_per_minute),
            room_joins_per_minute: limit("room_joins_per_minute", default.room_joins_per_minute),
            calls_per_minute: limit("calls_per_minute", default.calls_per_minute),
            skips_per_minute: limit("skips_per_minute", default.skips_per_minute),
            blocks_per_minute: limit("blocks_per_minute", default.blocks_per_minute),
            reports_per_minute: limit("reports_per_minute", default.reports_per_minute),
            uploads_per_minute: limit("uploads_per_minute", default.uploads_per_minute),
            http_requests_per_minute: limit("http_requests_per_minute", default.http_requests_per_minute),
            exempt: default.exempt,
        };
        read.exempt = section.value("exempt", read.exempt);
        section.finish();
        read
    }
}
