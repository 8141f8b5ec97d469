//! All that is kept about a person, for them to take along: in parts, each of them a bounded read.
use std::collections::HashSet;

use serde_json::Value;
use serde_json::json;

use crate::auth::token::Subject;
use crate::matchmaking;
use crate::signal::hub::Hub;
use crate::signal::hub::appeals::OWN_MAX;
use crate::signal::hub::appeals::own_view;
use crate::signal::hub::bans::Who;
use crate::signal::hub::blocks::BLOCKS_MAX;
use crate::signal::hub::person_book::session_view;
use crate::signal::hub::room_book::ROOMS_MAX;
use crate::signal::hub::room_book::told;
use crate::signal::page::Mark;
use crate::signal::person_ask::ExportPart;
use crate::signal::person_ask::PersonAnswer;
use crate::signal::protocol::Refusal;
use crate::signal::view::BlockView;
use crate::signal::view::ReceiptView;
use crate::signal::view::own::ExportHead;
use crate::signal::view::own::ExportedAccount;
use crate::signal::view::own::ExportedDecision;
use crate::signal::view::own::ExportedEntries;
use crate::signal::view::own::ExportedLogin;
use crate::signal::view::own::ExportedMessage;
use crate::signal::view::own::ExportedReport;
use crate::signal::view::own::ExportedRoom;
use crate::signal::view::own::ExportedSanction;
use crate::signal::view::own::ExportedSession;
use crate::signal::view::own::ExportedUpload;
use crate::signal::view::own::ExportedUser;
use crate::store::Account;
use crate::store::Alias;
use crate::store::Appeal;
use crate::store::Block;
use crate::store::Case;
use crate::store::Entry;
use crate::store::MessageId;
use crate::store::Place;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::SessionPlace;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
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
                        answer(told(outcome.map(|uploads| {
                            let next =
                                uploads.last().filter(|_| uploads.len() == PAGE).map(|last| last.id.0.to_string());
                            let entries = uploads.iter().map(|upload| hub.upload_view(upload, now)).collect();
                            Ok(json!(ExportedEntries { entries, next }))
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
                            let next = next.map(|next| next.0.to_string());
                            let entries = entries.iter().map(|(entry, own)| hub.said_view(entry, own, now)).collect();
                            json!(ExportedEntries { entries, next })
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
            move |hub, outcome, now| answer(told(outcome).map(|kept| json!(hub.head_view(&subject, &kept, now)))),
        );
    }

    fn head_view<'a>(&'a self, subject: &'a Subject, kept: &'a Kept, now: Now) -> ExportHead<'a> {
        let logins = self.tokens.logins(&subject.user).map(|login| ExportedLogin {
            device: login.subject.device.as_deref(),
            expires_at: login.expires,
            guest: login.subject.guest,
        });
        let sanctions = self.bans.against(Who::of(subject, None), now.unix).map(|ban| ExportedSanction {
            action: ban.sanction.as_str(),
            reason: &ban.reason,
            at: ban.at,
            until: ban.until,
        });
        let account = kept.account.as_ref().map(|account| ExportedAccount {
            username: &account.display_name,
            role: account.role.as_str(),
            disabled: account.is_disabled,
            created_at: account.created,
        });
        ExportHead {
            format: "duologue.export",
            version: VERSION,
            exported_at: now.unix,
            user: ExportedUser {
                id: &subject.user,
                role: subject.role.as_str(),
                guest: subject.guest,
                device: subject.device.as_deref(),
                age_band: subject.age_band.as_deref(),
            },
            account,
            logins: logins.collect(),
            sanctions: sanctions.collect(),
            blocks: kept.blocks.iter().map(|block| BlockView { id: &block.id.0, at: block.at }).collect(),
            reports: kept.made.iter().map(report_view).collect(),
            decisions: kept.about.iter().filter_map(decision_view).collect(),
            appeals: kept.appeals.iter().map(own_view).collect(),
        }
    }

    fn upload_view<'a>(&self, upload: &'a Upload, now: Now) -> ExportedUpload<'a> {
        ExportedUpload::new(upload, self.settings.files.as_ref(), now.unix)
    }

    /// What somebody wrote, and what they made of it or of what another wrote.
    fn said_view<'a>(&self, entry: &'a Entry, own: &'a Own, now: Now) -> ExportedMessage<'a> {
        let content = entry.content.as_ref().filter(|_| own.is_author);
        ExportedMessage {
            mid: entry.mid,
            ts: entry.at,
            own: own.is_author,
            reactions: &own.reactions,
            kind: content.map(|content| content.kind.as_str()),
            text: content.map(|content| &*content.text),
            reply_to: content.and_then(|content| content.reply_to),
            file: own.upload.as_ref().filter(|_| content.is_some()).map(|upload| self.upload_view(upload, now)),
        }
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
        let receipt = receipt_in(store, &Place::Session(record.session.id.clone()), user)?;
        entries.push(ExportedSession { session: session_view(record, user), receipt });
    }
    Ok(json!(ExportedEntries { entries, next }))
}

/// The rooms of a user, also those that it has left something in.
fn rooms(store: &dyn Store, user: &UserId) -> Result<Value, StoreError> {
    let mut entries = Vec::new();
    for (room, own) in store.rooms_of(user, ROOMS_MAX)? {
        let receipt = receipt_in(store, &Place::Room(room.id.clone()), user)?;
        entries.push(ExportedRoom {
            room: room.id,
            name: Some(room.title),
            own: Some(own.alias),
            role: Some(own.role.as_str()),
            joined_at: Some(own.joined),
            left: None,
            receipt,
        });
    }
    let mut known: HashSet<RoomId> = entries.iter().map(|entry| entry.room.clone()).collect();
    for (room, _) in store.rooms_left(user, LEFT_MAX)? {
        if !known.insert(room.clone()) {
            continue;
        }
        let name = store.room(&room)?.map(|room| room.title);
        let receipt = receipt_in(store, &Place::Room(room.clone()), user)?;
        let left = ExportedRoom { room, name, own: None, role: None, joined_at: None, left: Some(true), receipt };
        entries.push(left);
    }
    Ok(json!(ExportedEntries { entries, next: None }))
}

/// How far a user has got in a place.
fn receipt_in(store: &dyn Store, place: &Place, user: &UserId) -> Result<Option<ReceiptView>, StoreError> {
    let names = names_in(store, place, user)?;
    let receipts = store.receipts(place)?;
    Ok(receipts.iter().find(|(by, _)| names.contains(by)).map(|(_, receipt)| (*receipt).into()))
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
fn report_view(case: &Case) -> ExportedReport<'_> {
    let Case { report, decision, .. } = case;
    ExportedReport {
        report: &report.id.0,
        session: &report.session,
        reason: &report.reason,
        comment: &report.comment,
        at: report.at,
        decision: decision.as_ref().map(|decision| if decision.is_accepted { "accept" } else { "reject" }),
        decided_at: decision.as_ref().map(|decision| decision.at),
    }
}

/// A decision as the one it holds against may know it: neither who complained nor who decided.
fn decision_view(case: &Case) -> Option<ExportedDecision<'_>> {
    let decision = case.decision.as_ref().filter(|decision| decision.is_accepted)?;
    let mut follows = serde_json::from_str::<Value>(&decision.action).unwrap_or_default();
    let mut taken = |member| follows.get_mut(member).map(Value::take).unwrap_or_default();
    Some(ExportedDecision {
        reason: &case.report.reason,
        decided_at: decision.at,
        action: taken("action"),
        until: taken("until"),
    })
}
