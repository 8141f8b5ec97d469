//! What is counted while the load runs.
use std::ops::Range;

use crate::bench::flow::Flow;
use crate::bench::flow::Heard;
use crate::bench::wire::Side;
use crate::measure::Histogram;

/// Counters of a run.
pub(super) struct Tally {
    /// The moments that are measured.
    window: Range<u64>,
    /// Packets sent in the window.
    pub(super) sent: u64,
    /// Packets that were due in the window and the kernel did not take.
    pub(super) refused: u64,
    /// Of those sent in the window, the ones that arrived at all.
    pub(super) received: u64,
    /// Packets that arrived in the window, whenever they were sent.
    pub(super) delivered: u64,
    /// Packets sent so far.
    pub(super) fired: u64,
    /// Packets that arrived so far.
    pub(super) arrived: u64,
    /// Packets behind a later one of their flow.
    pub(super) reordered: u64,
    /// Packets that arrived in a wrong form, with a wrong length or at a wrong place.
    pub(super) wrong: u64,
    /// How long those took that arrived in the window.
    pub(super) latency: Histogram,
}

impl Tally {
    pub(super) fn new(window: Range<u64>) -> Self {
        Self {
            window,
            sent: 0,
            refused: 0,
            received: 0,
            delivered: 0,
            fired: 0,
            arrived: 0,
            reordered: 0,
            wrong: 0,
            latency: Histogram::new(),
        }
    }

    pub(super) fn on_sent(&mut self, at: u64, sent: usize, refused: usize) {
        self.fired += sent as u64;
        if self.window.contains(&at) {
            self.sent += sent as u64;
            self.refused += refused as u64;
        }
    }

    /// Counts a packet of the load.
    pub(super) fn on_heard(&mut self, flows: &mut [Flow], side: Side, heard: &Heard<'_>, size: usize, at: u64) {
        let flow = usize::try_from(heard.stamp.flow).ok().and_then(|flow| flows.get_mut(flow));
        let Some(flow) = flow.filter(|flow| flow.owns(side, heard, size)) else {
            self.wrong += 1;
            return;
        };
        self.arrived += 1;
        if !heard.payload.is_empty() && !flow.on_number(heard.stamp.number) {
            self.reordered += 1;
        }
        let sent_at = heard.stamp.sent_at;
        if self.window.contains(&sent_at) {
            self.received += 1;
        }
        if self.window.contains(&at) {
            self.delivered += 1;
            self.latency.record(at.saturating_sub(sent_at));
        }
    }
}
