//! Invitations: a ticket that lets its holder into one room until it expires. Rule 38.
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;

use crate::auth::secret::Secret;
use crate::time::UnixMillis;

/// Keeps these codes apart from any other that a key of the same bytes may make.
const PURPOSE: &[u8] = b"duologue invitation 1\0";

/// ```text
/// |  0..8  made, Unix milliseconds, big endian
/// |  8..16 good until, likewise
/// | 16..48 HMAC-SHA256 of the purpose, the 16 bytes before and the room's name
/// ```
const TICKET_LEN: usize = 48;
const TIMES_LEN: usize = 16;

/// Makes and checks tickets.
#[derive(Clone, Debug)]
pub struct Invitations {
    secret: Secret,
}

/// Why a ticket opens nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// It was never made here for that room.
    #[error("the ticket is not for this room")]
    Invalid,
    /// Its time is over.
    #[error("the ticket has expired")]
    Expired,
    /// It was made before somebody was removed from the room.
    #[error("the ticket has been withdrawn")]
    Withdrawn,
}

impl Invitations {
    /// Tickets are good wherever the same secret is known.
    pub fn new(secret: Secret) -> Self {
        Self { secret }
    }

    /// Makes a ticket for a room whose tickets up to `uninvited` are void.
    pub fn issue(&self, room: &str, uninvited: UnixMillis, life: Duration, now: UnixMillis) -> (String, UnixMillis) {
        // Whoever is invited in the very millisecond of a withdrawal is invited after it.
        let made = now.max(uninvited + Duration::from_millis(1));
        let until = now + life;
        let mut ticket = [0; TICKET_LEN];
        let (times, code) = ticket.split_at_mut(TIMES_LEN);
        let (first, second) = times.split_at_mut(TIMES_LEN / 2);
        first.copy_from_slice(&made.0.to_be_bytes());
        second.copy_from_slice(&until.0.to_be_bytes());
        code.copy_from_slice(&self.mac(room, times).finalize().into_bytes());
        (URL_SAFE_NO_PAD.encode(ticket), until)
    }

    /// Checks a ticket for a room whose tickets up to `uninvited` are void.
    ///
    /// # Errors
    ///
    /// All of [`InvitationError`] are answered with `forbidden`.
    pub fn check(
        &self,
        ticket: &str,
        room: &str,
        uninvited: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), InvitationError> {
        // The length is bounded before anything is decoded.
        if ticket.len() != (TICKET_LEN * 4).div_ceil(3) {
            return Err(InvitationError::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| InvitationError::Invalid)?;
        let (times, code) = bytes.split_at_checked(TIMES_LEN).ok_or(InvitationError::Invalid)?;
        // Compared in constant time.
        self.mac(room, times).verify_slice(code).map_err(|_| InvitationError::Invalid)?;
        let (made, until) = times.split_at(TIMES_LEN / 2);
        if moment(until) <= now {
            return Err(InvitationError::Expired);
        }
        if moment(made) <= uninvited { Err(InvitationError::Withdrawn) } else { Ok(()) }
    }

    fn mac(&self, room: &str, times: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose()).expect("HMAC takes keys of any length");
        mac.chain_update(PURPOSE).chain_update(times).chain_update(room.as_bytes())
    }
}

fn moment(bytes: &[u8]) -> UnixMillis {
    UnixMillis(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_763_630_000_000);
    const NEVER: UnixMillis = UnixMillis(0);
    const HOUR: Duration = Duration::from_secs(3600);

    fn invitations() -> Invitations {
        Invitations::new(Secret::new(*b"signs invitations"))
    }

    #[test]
    fn rule_38_a_ticket_opens_its_room_until_it_expires() {
        let (ticket, until) = invitations().issue("r", NEVER, HOUR, NOW);
        assert_eq!(until, NOW + HOUR);
        let check = |room: &str, at| invitations().check(&ticket, room, NEVER, at);
        assert_eq!(check("r", NOW), Ok(()));
        assert_eq!(check("r", UnixMillis(until.0 - 1)), Ok(()));
        assert_eq!(check("r", until), Err(InvitationError::Expired));
        assert_eq!(check("s", NOW), Err(InvitationError::Invalid));
    }

    #[test]
    fn what_was_made_until_a_withdrawal_is_void_and_what_comes_after_is_good() {
        let (ticket, _) = invitations().issue("r", NEVER, HOUR, NOW);
        let check = |ticket: &str, uninvited| invitations().check(ticket, "r", uninvited, NOW);
        assert_eq!(check(&ticket, UnixMillis(NOW.0 - 1)), Ok(()));
        assert_eq!(check(&ticket, NOW), Err(InvitationError::Withdrawn));
        let (later, _) = invitations().issue("r", NOW, HOUR, NOW);
        assert_eq!(check(&later, NOW), Ok(()));
    }

    #[test]
    fn no_ticket_of_another_key_or_with_another_bit_opens_anything() {
        let (ticket, _) = invitations().issue("r", NEVER, HOUR, NOW);
        let other = Invitations::new(Secret::new(*b"signs others"));
        assert_eq!(other.check(&ticket, "r", NEVER, NOW), Err(InvitationError::Invalid));
        let bytes = URL_SAFE_NO_PAD.decode(&ticket).expect("our own");
        for bit in 0..8 * TICKET_LEN {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(invitations().check(&changed, "r", NEVER, NOW), Err(InvitationError::Invalid), "{bit}");
        }
        for text in ["", "x", &ticket[1..], &format!("{ticket}A"), &"*".repeat(64), &"A".repeat(64)] {
            assert_eq!(invitations().check(text, "r", NEVER, NOW), Err(InvitationError::Invalid), "{text}");
        }
    }

    #[test]
    fn the_key_does_not_print_itself() {
        assert_eq!(format!("{:?}", invitations()), "Invitations { secret: Secret(..) }");
    }
}
