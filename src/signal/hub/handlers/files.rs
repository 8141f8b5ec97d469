//! Files in messages: who may send one where, and how a message shows it. Rules 36 and 37.

use crate::filter::Saying;
use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::signal::settings::FileSharing;
use crate::store;
use crate::store::Appended;
use crate::store::Content;
use crate::store::Message;
use crate::store::Place;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::time::Now;

/// What became of a message that the store was given.
#[derive(Debug)]
pub(super) enum Stored {
    /// It may go out, with the upload that it shows.
    Appended(Appended, Option<Upload>),
    /// It shows what it must not.
    Refused(Refusal),
}

impl Hub {
    /// The place to which a user may send a file, within the budget.
    ///
    /// # Errors
    ///
    /// `unavailable` if there are no files here, `not_in_session`, `rate_limited`, `forbidden` for a name against the rules.
    pub(crate) fn handle_upload(
        &mut self,
        user: &UserId,
        target: &Target,
        name: &str,
        now: Now,
    ) -> Result<Place, Refusal> {
        let place = self.place_of_upload(user, target, name, now);
        self.settle(now);
        place
    }

    fn place_of_upload(&mut self, user: &UserId, target: &Target, name: &str, now: Now) -> Result<Place, Refusal> {
        self.file_sharing()?;
        let seat = self.seat_of(user, target)?;
        self.check_not_muted(user, now.unix)?;
        let entry = self.user_by_id.get_mut(user).ok_or_else(Refusal::not_in_session)?;
        entry.uploads.take(self.rates.uploads, now.mono).map_err(|wait| {
            self.stats.rate_limit_hits_total.add_one();
            Refusal::rate_limited("too many files", wait)
        })?;
        self.screen_label(user, &seat.place, Saying::FileName, name, now)?;
        Ok(seat.place)
    }

    /// What is needed to show files.
    ///
    /// # Errors
    ///
    /// `unavailable` where there are none.
    pub(super) fn file_sharing(&self) -> Result<&FileSharing, Refusal> {
        let sharing = self.settings.files.as_ref();
        sharing.ok_or(Refusal::new(ErrorCode::Unavailable, "this server takes no files"))
    }

    /// Has those look who remove files that no message shows.
    pub(in crate::signal::hub) fn release_files(&self) {
        if let Some(sharing) = &self.settings.files {
            sharing.released.notify_one();
        }
    }

    /// Takes a file out of use whose message nobody has kept.
    pub(in crate::signal::hub) fn abandon_file(&mut self, id: UploadId) {
        self.write("upload", move |store| store.abandon_upload(&id), |hub, _, _| hub.release_files());
    }
}

/// Stores a message, once, with a file only if that is its sender's and has arrived there.
pub(super) fn append(store: &mut dyn Store, message: &Message, sender: &store::UserId) -> Result<Stored, StoreError> {
    Ok(match shown(store, &message.place, &message.content, sender)? {
        Ok(upload) => Stored::Appended(store.append_message(message)?, upload),
        Err(refusal) => Stored::Refused(refusal),
    })
}

/// Judges a message that nobody keeps.
pub(super) fn look_up(store: &dyn Store, message: &Message, sender: &store::UserId) -> Result<Stored, StoreError> {
    Ok(match shown(store, &message.place, &message.content, sender)? {
        Ok(upload) => Stored::Appended(Appended::New, upload),
        Err(refusal) => Stored::Refused(refusal),
    })
}

/// The upload that a message would show.
///
/// # Errors
///
/// Inside, why it must not: another's is as unknown as one that there never was.
fn shown(
    store: &dyn Store,
    place: &Place,
    content: &Content,
    sender: &store::UserId,
) -> Result<Result<Option<Upload>, Refusal>, StoreError> {
    let Some(id) = &content.file else { return Ok(Ok(None)) };
    let upload = store.upload(id)?;
    let own = upload.filter(|upload| upload.owner == *sender && upload.place == *place);
    Ok(match own {
        None => Err(Refusal::new(ErrorCode::NotFound, "there is no such upload of yours here")),
        Some(upload) => match upload.state {
            UploadState::Abandoned => Err(Refusal::new(ErrorCode::NotFound, "the file is gone")),
            UploadState::Asked => Err(Refusal::new(ErrorCode::Conflict, "the file has not arrived yet")),
            UploadState::Complete if upload.kind != content.kind => {
                Err(Refusal::bad_request("kind is not what the file was uploaded as"))
            }
            UploadState::Complete => Ok(Some(upload)),
        },
    })
}
