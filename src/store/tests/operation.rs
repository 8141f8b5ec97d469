//! Random things to do to a store, on names so few that they meet.
use proptest::prelude::*;
use uuid::Uuid;

use crate::store::AccountRole;
use crate::store::Alias;
use crate::store::Alteration;
use crate::store::BlockId;
use crate::store::BuriedFamily;
use crate::store::Claim;
use crate::store::DataClass;
use crate::store::Decision;
use crate::store::EventNumber;
use crate::store::Meeting;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Message;
use crate::store::Note;
use crate::store::Place;
use crate::store::Progress;
use crate::store::Reaction;
use crate::store::Receipt;
use crate::store::ReportId;
use crate::store::Resumption;
use crate::store::Revocation;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::Store;
use crate::store::UploadId;
use crate::store::UserId;
use crate::store::Window;
use crate::store::tests::account::account;
use crate::store::tests::chat::message;
use crate::store::tests::chat::mid;
use crate::store::tests::event::event;
use crate::store::tests::person::block;
use crate::store::tests::person::family;
use crate::store::tests::report::deed;
use crate::store::tests::report::report;
use crate::store::tests::room::room;
use crate::store::tests::session::ending;
use crate::store::tests::session::session;
use crate::store::tests::swept;
use crate::store::tests::upload::upload;
use crate::time::UnixMillis;

/// Names of sessions and rooms; some are both, which must not matter.
const PLACES: [&str; 4] = ["p0", "p1", "p2", "p3"];
const PEOPLE: [&str; 3] = ["u0", "u1", "u2"];

#[derive(Copy, Clone, Debug)]
pub(super) enum What {
    Start,
    Progress,
    End,
    Meet,
    Revoke,
    Resume,
    ForgetResumption,
    CreateRoom,
    RemoveRoom,
    Uninvite,
    UseRoom,
    Join,
    Leave,
    Send,
    SendFile,
    Delete,
    React,
    TakeBack,
    Confirm,
    Page,
    Block,
    Unblock,
    Login,
    Logout,
    Bury,
    Register,
    Alter,
    Upload,
    AbandonUpload,
    RemoveUpload,
    Report,
    Decide,
    Claim,
    Hold,
    Remark,
    Keep,
    Note,
    Happen,
    Tell,
    BeginErasure,
    Erase,
    Sweep,
}

const ALL: [What; 42] = [
    What::Start,
    What::Progress,
    What::End,
    What::Meet,
    What::Revoke,
    What::Resume,
    What::ForgetResumption,
    What::CreateRoom,
    What::RemoveRoom,
    What::Uninvite,
    What::UseRoom,
    What::Join,
    What::Leave,
    What::Send,
    What::SendFile,
    What::Delete,
    What::React,
    What::TakeBack,
    What::Confirm,
    What::Page,
    What::Block,
    What::Unblock,
    What::Login,
    What::Logout,
    What::Bury,
    What::Register,
    What::Alter,
    What::Upload,
    What::AbandonUpload,
    What::RemoveUpload,
    What::Report,
    What::Decide,
    What::Claim,
    What::Hold,
    What::Remark,
    What::Keep,
    What::Note,
    What::Happen,
    What::Tell,
    What::BeginErasure,
    What::Erase,
    What::Sweep,
];

/// Something to do, with whatever it needs of names and numbers.
#[derive(Copy, Clone, Debug)]
pub(super) struct Operation {
    what: What,
    place: usize,
    in_room: bool,
    people: [usize; 2],
    number: u64,
    at: u64,
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let what = prop_oneof![
        2 => prop::sample::select(&ALL[..]),
        // Most of what happens is talk, and there must be somewhere to talk.
        1 => prop::sample::select(&[What::Send, What::Send, What::Start, What::CreateRoom][..]),
    ];
    let one = (what, 0..PLACES.len(), any::<bool>(), [0..PEOPLE.len(), 0..PEOPLE.len()], 0..8_u64, 0..500_u64);
    let one = one.prop_map(|(what, place, in_room, people, number, at)| Operation {
        what,
        place,
        in_room,
        people,
        number,
        at,
    });
    prop::collection::vec(one, 1..60)
}

pub(super) fn places() -> Vec<Place> {
    let sessions = PLACES.map(|name| Place::Session(SessionId(name.into())));
    let rooms = PLACES.map(|name| Place::Room(RoomId(name.into())));
    [sessions, rooms].concat()
}

pub(super) fn people() -> Vec<UserId> {
    PEOPLE.map(|name| UserId(name.into())).into()
}

impl Operation {
    /// Does it, and returns everything the store says.
    pub(super) fn run(self, store: &mut dyn Store) -> String {
        let Self { what, in_room, number, at, .. } = self;
        let name = PLACES[self.place];
        let [user, other] = self.people.map(|at| PEOPLE[at]);
        let (session_id, room_id) = (SessionId(name.into()), RoomId(name.into()));
        let place = if in_room { Place::Room(room_id.clone()) } else { Place::Session(session_id.clone()) };
        let (alias, user_id, byte) = (Alias(user.into()), UserId(user.into()), number as u8);
        let id = number.to_string();
        match what {
            What::Start => format!("{:?}", store.start_session(&session(name, [user, other], at))),
            What::Progress => {
                let deadline = (number > 3).then_some(UnixMillis(at));
                let progress = Progress { deadline, neg: Some(number as i64 - 4), credentials_until: UnixMillis(at) };
                format!("{:?}", store.progress_session(&session_id, &progress))
            }
            What::End => format!("{:?}", store.end_session(&session_id, &ending(at))),
            What::Meet => {
                let users = [user, other].map(|user| UserId(user.into()));
                format!("{:?}", store.put_meeting(&Meeting { users, at: UnixMillis(at) }))
            }
            What::Revoke => {
                format!("{:?}", store.put_revocation(&Revocation { name: session_id, until: UnixMillis(at) }))
            }
            What::Resume => {
                let expires = (number > 3).then_some(UnixMillis(at));
                let resumption = Resumption { user: user_id, token_hash: [byte; 32], expires, details: id.into() };
                format!("{:?}", store.put_resumption(&resumption))
            }
            What::ForgetResumption => format!("{:?}", store.remove_resumption(&user_id)),
            What::CreateRoom => format!("{:?}", store.create_room(&room(name, at), &member(user, number, at))),
            What::RemoveRoom => format!("{:?}", store.remove_room(&room_id)),
            What::Join => format!("{:?}", store.put_member(&room_id, &member(user, number, at))),
            What::Uninvite => format!("{:?}", store.void_invitations(&room_id, UnixMillis(at))),
            What::UseRoom => format!("{:?}", store.use_room(&room_id, UnixMillis(at))),
            What::Leave => format!("{:?}", store.remove_member(&room_id, &user_id, UnixMillis(at))),
            What::Send => format!("{:?}", store.append_message(&sent(&place, user, number, at))),
            What::SendFile => {
                let mut sent = sent(&place, user, number, at);
                sent.content.file = Some(UploadId(id.into()));
                format!("{:?}", store.append_message(&sent))
            }
            What::Delete => format!("{:?}", store.delete_message(&place, mid(number.into()), &alias)),
            What::React | What::TakeBack => {
                let remove = matches!(what, What::TakeBack);
                let reaction = Reaction { place, mid: mid(number.into()), by: alias, emoji: other.into(), remove };
                format!("{:?}", store.react(&reaction))
            }
            What::Confirm => {
                let receipt = Receipt {
                    delivered_to: (number > 2).then(|| mid(number.into())),
                    read_to: (at > 200).then(|| mid((at / 50).into())),
                };
                format!("{:?}", store.put_receipt(&place, &alias, receipt))
            }
            What::Page => {
                let (before, after) = ((at > 250).then(|| mid((at / 50).into())), (number > 3).then(|| mid(3)));
                format!("{:?}", store.history(&place, Window { before, after, limit: number as usize }))
            }
            What::Block => format!("{:?}", store.add_block(&block(&id, user, other, at))),
            What::Unblock => format!("{:?}", store.remove_block(&user_id, &BlockId(id.into()))),
            What::Login => format!("{:?}", store.put_family(&family(byte, at))),
            What::Logout => format!("{:?}", store.remove_family(&[byte; 16])),
            What::Bury => {
                format!("{:?}", store.bury_family(&BuriedFamily { id: id.into(), until: UnixMillis(at) }))
            }
            What::Register => format!("{:?}", store.add_account(&account(user, name))),
            What::Alter => {
                let alteration = match number % 3 {
                    0 => Alteration::Disabled(in_room),
                    1 => Alteration::Password(id.into()),
                    _ => Alteration::Role(AccountRole::ALL[at as usize % 3]),
                };
                format!("{:?}", store.alter_account(&user_id, &alteration))
            }
            What::Upload => format!("{:?}", store.put_upload(&upload(&id, user, at, at))),
            What::AbandonUpload => format!("{:?}", store.abandon_upload(&UploadId(id.into()))),
            What::RemoveUpload => format!("{:?}", store.remove_upload(&UploadId(id.into()))),
            What::Report => format!("{:?}", store.add_report(&report(&id, name, user, at))),
            What::Decide => {
                let decision = Decision { by: user_id, at: UnixMillis(at), is_accepted: in_room, action: "".into() };
                format!("{:?}", store.decide(&ReportId(id.into()), &decision))
            }
            What::Claim => {
                let claim = in_room.then_some(Claim { by: user_id, at: UnixMillis(at) });
                format!("{:?}", store.claim(&ReportId(id.into()), claim.as_ref()))
            }
            What::Hold => format!("{:?}", store.hold(&ReportId(id.into()), in_room)),
            What::Remark => {
                let note = Note { by: user_id, at: UnixMillis(at), text: other.into() };
                format!("{:?}", store.add_note(&ReportId(id.into()), &note))
            }
            What::Keep => {
                let file = UploadId(if in_room { id.clone() } else { name.to_owned() }.into());
                format!("{:?} {:?}", store.keep_file(&ReportId(id.into()), &file), store.is_kept(&file))
            }
            What::Note => format!("{:?}", store.append_deed(&deed(user, at))),
            What::Happen => format!("{:?}", store.append_event(&event(name, at))),
            What::Tell => format!("{:?}", store.put_told("sink", EventNumber(number))),
            What::BeginErasure => format!("{:?}", store.begin_erasure(&user_id, UnixMillis(at))),
            What::Erase => {
                let mut last = store.erase(&user_id, 1).expect("erased");
                while !last.is_done {
                    last = store.erase(&user_id, 1).expect("erased");
                }
                last.blocks.sort_by(|a, b| a.id.cmp(&b.id));
                last.rooms.sort_by(|a, b| a.room.cmp(&b.room));
                format!("{last:?}")
            }
            // What one step takes is a store's own affair, what is left in the end is not.
            What::Sweep => {
                for class in DataClass::ALL {
                    swept(store, class, UnixMillis(at + 150));
                }
                String::new()
            }
        }
    }
}

fn member(user: &str, number: u64, at: u64) -> Member {
    Member {
        user: UserId(user.into()),
        device: None,
        alias: Alias(number.to_string().into()),
        role: MemberRole::ALL[number as usize % 3],
        joined: UnixMillis(at),
    }
}

/// Few mids and fewer cids, so that both are repeated, together and alone.
fn sent(place: &Place, user: &str, number: u64, at: u64) -> Message {
    let mut sent = message(place, user, number);
    sent.cid.0 = Uuid::from_u128(u128::from(at % 3));
    sent.at = UnixMillis(at);
    sent
}
