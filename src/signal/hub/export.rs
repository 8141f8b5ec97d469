//! All that is kept about a person, for them to take along: in parts, each of them a bounded read.
use std::collections::HashMap;

use serde_json::Value;
use serde_json::json;

use crate::auth::token::Subject;
use crate::matchmaking;
use crate::signal::hub::Hub;
use crate::signal::hub::appeals::OWN_MAX;
use crate::signal::hub::appeals::own_view;
use crate::signal::hub::bans::Who;
use crate::signal::hub::blocks::BLOCKS_MAX;
use crate::signal::hub::handlers::chat::ReceiptView;
use crate::signal::hub::person_book::session_view;
use crate::signal::hub::room_book::ROOMS_MAX;
use crate::signal::hub::room_book::told;
use crate::signal::page::Mark;
use crate::signal::person_ask::ExportPart;
use crate::signal::person_ask::PersonAnswer;
use crate::signal::protocol::Refusal;
use crate::signal::view::FileView;
use crate::store::Account;
use crate::store::Alias;
use crate::store::Appeal;
use crate::store::Block;
use crate::store::Case;
use crate::store::Content;
use crate::store::Entry;
use crate::store::MessageId;
use crate::store::Place;
use crate::store::SessionId;
use crate::store::SessionPlace;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::UserId;
use crate::store::Window;
use crate::time::Now;

/// The form of the document.
const VERSION: u32 = 1;
/// Reports of one kind: more than `limits.reports_per_minute` lets anybody make in the time that they are kept, or nearly.
const CASES_MAX: usize = 1000;
/// Rooms that somebody has left.
const LEFT_MAX: usize = 1000;
/// Sessions and uploads of one read.
const PAGE: usize = 50;
/// Messages of one read, of others too.
const MESSAGES: usize = 200;

/// What the store has for the head of the document.
struct Kept {
    account: Option<Account>,
    blocks: Vec<Block>,
    made: Vec<Case>,
    about: Vec<Case>,
    appeals: Vec<Appeal>,
}

impl Hub {
    /// Tells a part of what is kept about somebody: its entries, and where the next part of its kind begins.
    pub(super) fn export(&mut self, subject: &Subject, part: ExportPart, answer: PersonAnswer, now: Now) {
        let user = UserId(subject.user.clone());
        match part {
            ExportPart::Head => self.export_head(subject.clone(), answer),
            ExportPart::Uploads { after } => {
                let after = after.map(|after| UploadId(after.into()));
                self.read(
                    "export",
                    move |store| store.uploads_of(&user, after.as_ref(), PAGE),
                    move |hub, outcome, _| {
                        let view = |upload: &Upload| hub.upload_view(upload, now);
                        answer(told(outcome.map(|uploads| {
                            let next = uploads.last().filter(|_| uploads.len() == PAGE).map(|last| &*last.id.0);
                            Ok(json!({"entries": uploads.iter().map(view).collect::<Vec<_>>(), "next": next}))
                        })));
                    },
                );
            }
            ExportPart::Sessions { after } => {
                let before = match after.as_deref().map(Mark::parse).transpose() {
                    Ok(mark) => mark.map(|Mark { at, name }| SessionPlace { started: at, id: SessionId(name.into()) }),
                    Err(refusal) => return answer(Err(refusal)),
                };
                let own = self.user_by_id.get(&matchmaking::UserId(user.0.clone()));
                let live = own.and_then(|own| own.session.as_ref()).map(|(id, _)| id.clone());
                self.read(
                    "export",
                    move |store| sessions(store, &user, before.as_ref(), live.as_ref()).map(Ok),
                    move |_, outcome, _| answer(told(outcome)),
                );
            }
            ExportPart::Rooms => {
                self.read(
                    "export",
                    move |store| rooms(store, &user).map(Ok),
                    move |_, outcome, _| answer(told(outcome)),
                );
            }
            ExportPart::Chat { place, after } => {
                self.read(
                    "export",
                    move |store| chat(store, &place, &user, after),
                    move |hub, outcome, _| {
                        answer(told(outcome).map(|Said { entries, next }| {
                            let view = |(entry, own): &(Entry, Own)| hub.said_view(entry, own, now);
                            json!({"entries": entries.iter().map(view).collect::<Vec<_>>(), "next": next})
                        }));
                    },
                );
            }
        }
    }

    fn export_head(&mut self, subject: Subject, answer: PersonAnswer) {
        let user = UserId(subject.user.clone());
        self.read(
            "export",
            move |store| {
                let account = store.account(&user)?;
                let blocks = store.blocks(&user, BLOCKS_MAX)?;
                let (made, about) = (store.cases_by(&user, CASES_MAX)?, store.cases_about(&user, CASES_MAX)?);
                let appeals = store.appeals_of(&user, OWN_MAX)?;
                Ok(Ok(Kept { account, blocks, made, about, appeals }))
            },
            move |hub, outcome, now| answer(told(outcome).map(|kept| hub.head_view(&subject, &kept, now))),
        );
    }

    fn head_view(&self, subject: &Subject, kept: &Kept, now: Now) -> Value {
        let logins = self.tokens.logins(&subject.user).map(
            |login| json!({"device": login.subject.device, "expires_at": login.expires, "guest": login.subject.guest}),
        );
        let bans = self.bans.against(Who::of(subject, None), now.unix).map(
            |ban| json!({"action": ban.sanction.as_str(), "reason": &*ban.reason, "at": ban.at, "until": ban.until}),
        );
        let account = kept.account.as_ref().map(|account| {
            json!({
                "username": &*account.display_name,
                "role": account.role.as_str(),
                "disabled": account.is_disabled,
                "created_at": account.created,
            })
        });
        let blocks = kept.blocks.iter().map(|block| json!({"id": &*block.id.0, "at": block.at}));
        json!({
            "format": "duologue.export",
            "version": VERSION,
            "exported_at": now.unix,
            "user": {
                "id": subject.user,
                "role": subject.role,
                "guest": subject.guest,
                "device": subject.device,
                "age_band": subject.age_band,
            },
            "account": account,
            "logins": logins.collect::<Vec<_>>(),
            "sanctions": bans.collect::<Vec<_>>(),
            "blocks": blocks.collect::<Vec<_>>(),
            "reports": kept.made.iter().map(report_view).collect::<Vec<_>>(),
            "decisions": kept.about.iter().filter_map(decision_view).collect::<Vec<_>>(),
            "appeals": kept.appeals.iter().map(own_view).collect::<Vec<_>>(),
        })
    }

    fn upload_view(&self, upload: &Upload, now: Now) -> Value {
        let mut view = match (&self.settings.files, upload.state) {
            (Some(sharing), UploadState::Complete) => json!(FileView::new(upload, sharing, now.unix)),
            _ => json!({"id": &*upload.id.0, "name": &*upload.name, "size": upload.bytes, "type": &*upload.mime}),
        };
        if let Some(view) = view.as_object_mut() {
            view.insert(kind_of(&upload.place).into(), json!(upload.place.as_str()));
            view.insert("kind".into(), json!(upload.kind.as_str()));
            view.insert("at".into(), json!(upload.at));
            view.insert("complete".into(), json!(upload.state == UploadState::Complete));
        }
        view
    }

    /// What somebody wrote, and what they made of it or of what another wrote.
    fn said_view(&self, entry: &Entry, own: &Own, now: Now) -> Value {
        let mut view = json!({"mid": entry.mid, "ts": entry.at, "own": own.is_author});
        let Some(told) = view.as_object_mut() else { return view };
        if !own.reactions.is_empty() {
            told.insert("reactions".into(), json!(own.reactions));
        }
        let Some(Content { kind, text, reply_to, .. }) = entry.content.as_ref().filter(|_| own.is_author) else {
            return view;
        };
        told.insert("kind".into(), json!(kind.as_str()));
        told.insert("text".into(), json!(&**text));
        if let Some(reply_to) = reply_to {
            told.insert("reply_to".into(), json!(reply_to));
        }
        if let Some(upload) = &own.upload {
            told.insert("file".into(), self.upload_view(upload, now));
        }
        view
    }
}

/// A part of a conversation, as far as it is somebody's.
struct Said {
    entries: Vec<(Entry, Own)>,
    next: Option<MessageId>,
}

/// What of an entry is somebody's.
struct Own {
    is_author: bool,
    reactions: Vec<String>,
    upload: Option<Upload>,
}

fn sessions(
    store: &dyn Store,
    user: &UserId,
    before: Option<&SessionPlace>,
    live: Option<&SessionId>,
) -> Result<Value, StoreError> {
    let mut records = store.past_sessions(user, before, PAGE)?;
    let next = records.last().filter(|_| records.len() == PAGE);
    let next = next.map(|last| Mark::text(last.session.started, last.session.id.as_str()));
    if before.is_none()
        && let Some(live) = live
    {
        // One that has ended meanwhile is there already.
        let running = store.session(live)?.filter(|record| record.ending.is_none());
        records.splice(0..0, running);
    }
    let mut entries = Vec::with_capacity(records.len());
    for record in &records {
        let mut view = session_view(record, user);
        let place = Place::Session(record.session.id.clone());
        add_receipt(store, &mut view, &place, &names_in(store, &place, user)?)?;
        entries.push(view);
    }
    Ok(json!({"entries": entries, "next": next}))
}

/// The rooms of a user, also those that it has left something in.
fn rooms(store: &dyn Store, user: &UserId) -> Result<Value, StoreError> {
    let mut view_by_room = HashMap::new();
    let mut order = Vec::new();
    for (room, own) in store.rooms_of(user, ROOMS_MAX)? {
        let view = json!({
            "room": room.id, "name": &*room.title, "self": own.alias, "role": own.role.as_str(), "joined_at": own.joined,
        });
        order.push(room.id.clone());
        view_by_room.insert(room.id, view);
    }
    for (room, _) in store.rooms_left(user, LEFT_MAX)? {
        if !view_by_room.contains_key(&room) {
            let title = store.room(&room)?.map(|room| room.title);
            view_by_room.insert(room.clone(), json!({"room": room, "name": title.as_deref(), "left": true}));
            order.push(room);
        }
    }
    let mut entries = Vec::with_capacity(order.len());
    for id in order {
        let Some(mut view) = view_by_room.remove(&id) else { continue };
        let place = Place::Room(id);
        add_receipt(store, &mut view, &place, &names_in(store, &place, user)?)?;
        entries.push(view);
    }
    Ok(json!({"entries": entries, "next": null}))
}

fn add_receipt(store: &dyn Store, view: &mut Value, place: &Place, names: &[Alias]) -> Result<(), StoreError> {
    let receipts = store.receipts(place)?;
    let own = receipts.iter().find(|(by, _)| names.contains(by));
    if let (Some(view), Some((_, receipt))) = (view.as_object_mut(), own) {
        view.insert("receipt".into(), json!(ReceiptView::from(*receipt)));
    }
    Ok(())
}

/// What a user is and was called in a place; nothing in one that it was never in.
fn names_in(store: &dyn Store, place: &Place, user: &UserId) -> Result<Vec<Alias>, StoreError> {
    Ok(match place {
        Place::Session(id) => {
            let participants = store.session(id)?.map(|record| record.session.participants);
            let own = participants.into_iter().flatten().filter(|participant| participant.party.user == *user);
            own.map(|participant| participant.alias).collect()
        }
        Place::Room(id) => {
            let left = store.rooms_left(user, LEFT_MAX)?.into_iter();
            let left = left.filter(|(room, _)| room == id).map(|(_, alias)| alias);
            left.chain(store.member(id, user)?.map(|member| member.alias)).collect()
        }
    })
}

fn chat(
    store: &dyn Store,
    place: &Place,
    user: &UserId,
    after: Option<MessageId>,
) -> Result<Result<Said, Refusal>, StoreError> {
    let names = names_in(store, place, user)?;
    if names.is_empty() {
        return Ok(Err(Refusal::not_in_session()));
    }
    // From the beginning on: an empty name is before every other.
    let after = after.unwrap_or(MessageId(uuid::Uuid::nil()));
    let page = store.history(place, Window { before: None, after: Some(after), limit: MESSAGES })?;
    let next = page.entries.last().filter(|_| page.more).map(|entry| entry.mid);
    let mut entries = Vec::new();
    for entry in page.entries {
        let is_author = names.contains(&entry.sender) && entry.content.is_some();
        let reactions: Vec<String> =
            entry.reactions.iter().filter(|(by, _)| names.contains(by)).map(|(_, emoji)| emoji.to_string()).collect();
        if !is_author && reactions.is_empty() {
            continue;
        }
        let file = entry.content.as_ref().filter(|_| is_author).and_then(|content| content.file.clone());
        let upload = file.map(|file| store.upload(&file)).transpose()?.flatten();
        entries.push((entry, Own { is_author, reactions, upload }));
    }
    Ok(Ok(Said { entries, next }))
}

/// A report as its reporter knows it.
fn report_view(case: &Case) -> Value {
    let Case { report, decision, .. } = case;
    json!({
        "report": &*report.id.0,
        "session": report.session,
        "reason": &*report.reason,
        "comment": &*report.comment,
        "at": report.at,
        "decision": decision.as_ref().map(|decision| if decision.is_accepted { "accept" } else { "reject" }),
        "decided_at": decision.as_ref().map(|decision| decision.at),
    })
}

/// A decision as the one it holds against may know it: neither who complained nor who decided.
fn decision_view(case: &Case) -> Option<Value> {
    let decision = case.decision.as_ref().filter(|decision| decision.is_accepted)?;
    let follows = serde_json::from_str::<Value>(&decision.action).unwrap_or_default();
    Some(json!({
        "reason": &*case.report.reason,
        "decided_at": decision.at,
        "action": follows["action"],
        "until": follows["until"],
    }))
}

const fn kind_of(place: &Place) -> &'static str {
    match place {
        Place::Session(_) => "session",
        Place::Room(_) => "room",
    }
}
