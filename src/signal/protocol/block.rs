//! `block.add`, `block.remove`: whom it is about (rule 39).
use serde::Deserialize;
use utoipa::ToSchema;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::fields;

/// Bytes of a user id: issuer and subject of a foreign token, with a colon between them.
const USER_BYTES_MAX: usize = 257;

/// Somebody to be kept away, or let near again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockTarget {
    /// The other side of an own session, which may be over.
    PeerIn(String),
    /// Somebody in a room where the owner is.
    Member {
        /// The room.
        room: String,
        /// What the other is called there.
        peer: String,
    },
    /// A user by its id; to be let near again, also a block by its id.
    User(String),
}

/// `session`, or `user`, or `room` and `peer`.
#[derive(Deserialize, ToSchema)]
#[schema(as = BlockTarget)]
pub(crate) struct BlockFields {
    /// The other side of this session of one's own.
    #[schema(min_length = 1, max_length = 257)]
    session: Option<String>,
    /// A room where one is.
    #[schema(min_length = 1, max_length = 257)]
    room: Option<String>,
    /// What the other is called in the room.
    #[schema(min_length = 1, max_length = 257)]
    peer: Option<String>,
    /// A user by its id; to take a block back, also the block's id.
    #[schema(min_length = 1, max_length = 257)]
    user: Option<String>,
}

impl BlockTarget {
    /// Reads `session`, `user`, or `room` and `peer`: one of these is needed.
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`
    pub fn parse(data: &str) -> Result<Self, Refusal> {
        let BlockFields { session, room, peer, user } = fields(data)?;
        match (session, room, peer, user) {
            (Some(session), None, None, None) => checked(session).map(Self::PeerIn),
            (None, Some(room), Some(peer), None) => Ok(Self::Member { room: checked(room)?, peer: checked(peer)? }),
            (None, None, None, Some(user)) => checked(user).map(Self::User),
            _ => Err(Refusal::bad_request("give session, or user, or room and peer")),
        }
    }
}

fn checked(name: String) -> Result<String, Refusal> {
    if name.is_empty() {
        return Err(Refusal::bad_request("an empty id is none"));
    }
    if name.len() > USER_BYTES_MAX {
        return Err(Refusal::too_large("an id has at most 257 bytes"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::protocol::ErrorCode;

    #[test]
    fn rule_39_a_block_is_about_the_peer_of_a_session_or_a_user() {
        let parse = |data: &str| BlockTarget::parse(data).map_err(|refusal| refusal.code);
        assert_eq!(parse(r#"{"session":"s"}"#), Ok(BlockTarget::PeerIn("s".into())));
        assert_eq!(parse(r#"{"user":"shop:bob","session":null}"#), Ok(BlockTarget::User("shop:bob".into())));
        let member = BlockTarget::Member { room: "r".into(), peer: "p".into() };
        assert_eq!(parse(r#"{"room":"r","peer":"p"}"#), Ok(member));
        for bad in [r#"{"room":"r"}"#, r#"{"peer":"p"}"#, r#"{"room":"r","peer":"p","user":"u"}"#] {
            assert_eq!(parse(bad), Err(ErrorCode::BadRequest), "{bad}");
        }
        for bad in ["{}", r#"{"session":"s","user":"u"}"#, r#"{"user":1}"#, r#"{"user":""}"#] {
            assert_eq!(parse(bad), Err(ErrorCode::BadRequest), "{bad}");
        }
        let user = |len| serde_json::json!({"user": "u".repeat(len)}).to_string();
        assert!(parse(&user(257)).is_ok());
        assert_eq!(parse(&user(258)), Err(ErrorCode::TooLarge));
    }
}
