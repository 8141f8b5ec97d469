//! `room.join`, `room.leave` (rule 38).
use serde::Deserialize;
use utoipa::ToSchema;

use crate::signal::protocol::Media;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;

/// Characters of a room's name.
pub(crate) const ROOM_NAME_CHARS_MAX: usize = 80;

/// `room.join`
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RoomJoin {
    pub(crate) room: String,
    /// An invitation; members need none.
    pub(crate) ticket: Option<String>,
    pub(crate) media: Option<Media>,
}

impl RoomJoin {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        fields(data)
    }
}

/// `room.leave`
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RoomLeave {
    pub(crate) room: String,
}

impl RoomLeave {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        fields(data)
    }
}

/// The name of a new room, trimmed.
///
/// # Errors
///
/// `bad_request` for an empty one and for control characters, `too_large` over 80 characters.
pub(crate) fn checked_room_name(name: &str) -> Result<&str, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Refusal::bad_request("name is a text in one line"));
    }
    at_most_chars(name, ROOM_NAME_CHARS_MAX, "name has at most 80 characters")?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::protocol::ErrorCode;

    #[test]
    fn a_room_has_a_name_of_one_line_and_80_characters() {
        let check = |name: &str| checked_room_name(name).map(str::len).map_err(|refusal| refusal.code);
        assert_eq!(check("  Tea at five "), Ok(11));
        assert_eq!(check(&"é".repeat(80)), Ok(160));
        assert_eq!(check(&"é".repeat(81)), Err(ErrorCode::TooLarge));
        for bad in ["", "   ", "a\nb", "a\0"] {
            assert_eq!(check(bad), Err(ErrorCode::BadRequest), "{bad:?}");
        }
    }

    #[test]
    fn a_join_names_its_room() {
        assert!(RoomJoin::parse(r#"{"room":"r","media":{"audio":true,"video":false}}"#).is_ok());
        for bad in ["{}", r#"{"room":1}"#, r#"{"room":"r","ticket":5}"#, r#"{"room":"r","media":{}}"#] {
            assert_eq!(
                RoomJoin::parse(bad).map_err(|refusal| refusal.code).err(),
                Some(ErrorCode::BadRequest),
                "{bad}"
            );
        }
    }
}
