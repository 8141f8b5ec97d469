//! Ports kept for a later Allocate, and who is charged for them meanwhile. RFC 8656 §7.2 (EVEN-PORT with R = 1).
use std::collections::VecDeque;

use crate::relay::directory::ReservationToken;
use crate::relay::effect::QuotaUser;
use crate::relay::ledger::Charge;
use crate::time::Mono;

/// A charge for a kept port.
#[derive(Debug)]
struct Reservation {
    token: ReservationToken,
    expires_at: Mono,
    charge: Charge,
}

/// The reservations of the process. All last equally long, so they expire in the order in which they came; quotas bound them.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    oldest_first: VecDeque<Reservation>,
}

impl Reservations {
    pub(super) fn insert(&mut self, token: ReservationToken, charge: Charge, expires_at: Mono) {
        self.oldest_first.push_back(Reservation { token, expires_at, charge });
    }

    /// Whether this user is charged for the port of a token.
    pub(super) fn is_of(&self, token: ReservationToken, user: &QuotaUser) -> bool {
        self.oldest_first.iter().any(|reservation| reservation.token == token && reservation.charge.user == *user)
    }

    /// Takes out the charge of a token.
    pub(super) fn remove(&mut self, token: ReservationToken) -> Option<Charge> {
        let place = self.oldest_first.iter().position(|reservation| reservation.token == token)?;
        self.oldest_first.remove(place).map(|reservation| reservation.charge)
    }

    /// The next charge whose reservation has expired.
    pub(super) fn poll_expired(&mut self, now: Mono) -> Option<Charge> {
        let oldest = self.oldest_first.front()?;
        if now < oldest.expires_at {
            return None;
        }
        self.oldest_first.pop_front().map(|reservation| reservation.charge)
    }
}
