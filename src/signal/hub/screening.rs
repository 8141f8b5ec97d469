//! What the operator's rules make of what people say before others read it ([`crate::filter`]).
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::filter::RuleId;
use crate::filter::Saying;
use crate::filter::Verdict;
use crate::matchmaking::Preferences;
use crate::matchmaking::UserId;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::automatic::Imposed;
use crate::signal::hub::desk::NOTES_MAX;
use crate::signal::hub::evidence;
use crate::signal::hub::evidence::Remark;
use crate::signal::hub::evidence::Scene;
use crate::signal::hub::seats::Seat;
use crate::signal::id::SessionId;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReportReason;
use crate::store;
use crate::store::Content;
use crate::store::MessageId;
use crate::store::Note;
use crate::store::PROGRAM_MARK;
use crate::store::Participant;
use crate::store::Party;
use crate::store::Place;
use crate::store::Rank;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::Sanction;
use crate::store::Store;
use crate::store::StoreError;
use crate::time::Now;
use crate::time::UnixMillis;

/// Who does it, in bans, reports and audit. No user has that name.
pub(super) const NAME: &str = "filter";
/// Reports about one author in one place; beyond it there are only events.
const REPORTS_MAX: u32 = 20;

/// A message that goes out and that moderators should see.
#[derive(Debug)]
pub(super) struct Flagged {
    rules: Vec<RuleId>,
    /// As it was written.
    text: Arc<str>,
}

/// Somebody who is to write to nobody for a while.
#[derive(Debug)]
pub(super) struct Silence {
    user: UserId,
    rule: RuleId,
    life: Duration,
}

/// That something was found which moderators should see.
struct Find<'a> {
    by: &'static str,
    /// What it was found in: the words of a rule file.
    kind: &'static str,
    rules: &'a [RuleId],
}

impl Hub {
    /// What goes out of a message, and whether moderators should see it. One that is repeated has been judged.
    ///
    /// # Errors
    ///
    /// `forbidden`
    pub(super) fn screen_message(
        &mut self,
        asking: &Asking,
        place: &Place,
        content: &Content,
        is_repeated: bool,
    ) -> Result<(Content, Option<Flagged>), Refusal> {
        let (saying, screen) = (saying_in(place), &self.settings.screen);
        let verdict = match is_repeated {
            true => screen.check_again(saying, &content.text),
            false => screen.check(saying, &content.text),
        };
        if verdict.is_refused() && !is_repeated {
            self.silence_later(&asking.user, &verdict);
            return Err(against_the_rules());
        }
        let is_flagged = !verdict.flagged_by.is_empty() && !is_repeated;
        let flagged = is_flagged.then(|| Flagged { rules: verdict.flagged_by, text: Arc::clone(&content.text) });
        let text = verdict.masked.map_or_else(|| Arc::clone(&content.text), Into::into);
        Ok((Content { text, ..content.clone() }, flagged))
    }

    /// Checks something short that cannot be shown in part: a reaction, the name of a file.
    ///
    /// # Errors
    ///
    /// `forbidden`
    pub(super) fn screen_label(
        &mut self,
        user: &UserId,
        place: &Place,
        saying: Saying,
        text: &str,
        now: Now,
    ) -> Result<(), Refusal> {
        let verdict = self.settings.screen.check(saying, text);
        if verdict.is_refused() || verdict.masked.is_some() {
            self.silence_later(user, &verdict);
            return Err(against_the_rules());
        }
        let (user, find) =
            (store::UserId::from(user), Find { by: NAME, kind: saying.as_str(), rules: &verdict.flagged_by });
        self.tell_of_find(&find, place.as_str(), &user, now);
        Ok(())
    }

    /// Checks the name of a room that is to be.
    ///
    /// # Errors
    ///
    /// `forbidden`
    pub(super) fn screen_room_name(&mut self, user: &store::UserId, name: &str, now: Now) -> Result<Arc<str>, Refusal> {
        let verdict = self.settings.screen.check(Saying::RoomName, name);
        if verdict.is_refused() {
            self.silence_later(&UserId(user.0.clone()), &verdict);
            return Err(against_the_rules());
        }
        let find = Find { by: NAME, kind: Saying::RoomName.as_str(), rules: &verdict.flagged_by };
        self.tell_of_find(&find, &user.0, user, now);
        Ok(verdict.masked.map_or_else(|| name.into(), Into::into))
    }

    /// Checks the tags of somebody who looks for company; those that would be masked are dropped.
    ///
    /// # Errors
    ///
    /// `forbidden`
    pub(super) fn screen_tags(
        &mut self,
        asking: &Asking,
        preferences: &mut Preferences,
        now: Now,
    ) -> Result<(), Refusal> {
        let tags = std::mem::take(&mut preferences.tags);
        for tag in tags {
            let verdict = self.settings.screen.check(Saying::Interests, &tag);
            if verdict.is_refused() {
                self.silence_later(&asking.user, &verdict);
                return Err(against_the_rules());
            }
            let user = store::UserId::from(&asking.user);
            let find = Find { by: NAME, kind: Saying::Interests.as_str(), rules: &verdict.flagged_by };
            self.tell_of_find(&find, &user.0, &user, now);
            if verdict.masked.is_none() {
                preferences.tags.push(tag);
            }
        }
        Ok(())
    }

    /// Notes that somebody is to write to nobody for a while: the answer comes before the notice of it (rule 7).
    fn silence_later(&mut self, user: &UserId, verdict: &Verdict) {
        if let Some((rule, life)) = &verdict.muted_by {
            self.silences.push(Silence { user: user.clone(), rule: Arc::clone(rule), life: *life });
        }
    }

    /// Silences those of whom the rules want it.
    pub(super) fn impose_silences(&mut self, now: Now) {
        for Silence { user, rule, life } in std::mem::take(&mut self.silences) {
            if self.check_not_muted(&user, now.unix).is_err() {
                continue;
            }
            let alone = || Party { user: store::UserId::from(&user), device: None };
            let imposed = Imposed {
                by: NAME,
                sanction: Sanction::Mute,
                reason: "what you wrote is against the rules here",
                report: None,
                until: Some(now.unix + life),
                because: json!({"rule": &*rule}),
            };
            self.impose(&self.party(&user).unwrap_or_else(alone), imposed, now);
        }
    }

    /// Brings a message that has gone out before moderators.
    pub(super) fn report_message(&mut self, asking: &Asking, seat: &Seat, mid: MessageId, flagged: Flagged, now: Now) {
        let Flagged { rules, text } = flagged;
        let author = self.author(&asking.user, seat);
        self.report_find(NAME, author, Remark { mid, rules, text }, now);
    }

    /// The same of what any program has found in a message.
    pub(super) fn report_find(&mut self, by: &'static str, author: Author, remark: Remark, now: Now) {
        let place = &author.seat.place;
        let find = Find { by, kind: saying_in(place).as_str(), rules: &remark.rules };
        let event = find.event(place.as_str(), &author.party.user, Some(remark.mid), now);
        let discovery = Discovery { by, author, remark, at: now.unix };
        self.note("flag", move |store| {
            discovery.file(store)?;
            store.append_event(&event)
        });
    }

    /// Tells those outside of something in the sight of moderators that is no message.
    fn tell_of_find(&mut self, find: &Find<'_>, subject: &str, user: &store::UserId, now: Now) {
        if !find.rules.is_empty() {
            let event = find.event(subject, user, None, now);
            self.note("event", move |store| store.append_event(&event));
        }
    }
}

impl Find<'_> {
    fn event(&self, subject: &str, user: &store::UserId, mid: Option<MessageId>, now: Now) -> store::Event {
        let data = json!({"by": self.by, "kind": self.kind, "rules": self.rules, "user": &*user.0, "mid": mid});
        store::Event::flagged(subject, &data, now.unix)
    }
}

pub(super) fn saying_in(place: &Place) -> Saying {
    match place {
        Place::Session(_) => Saying::Chat,
        Place::Room(_) => Saying::Room,
    }
}

fn against_the_rules() -> Refusal {
    Refusal::new(ErrorCode::Forbidden, "the rules of this server do not let this be said")
}

/// Who wrote something, as far as it matters later, when they may be gone.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) seat: Seat,
    pub(crate) party: Party,
    /// The address window, if they were there.
    pub(crate) network: Option<String>,
}

/// Something that a program found in what somebody wrote.
struct Discovery {
    by: &'static str,
    author: Author,
    remark: Remark,
    at: UnixMillis,
}

impl Discovery {
    /// Makes a report of it, or adds to the one that is open about its author there.
    fn file(&self, store: &mut dyn Store) -> Result<(), StoreError> {
        for number in 0..REPORTS_MAX {
            let id = self.report_id(number);
            match store.case(&id)? {
                // Decided: what comes later is another matter.
                Some(case) if case.decision.is_some() => {}
                Some(_) if store.notes(&id)?.len() >= NOTES_MAX => return Ok(()),
                Some(_) => {
                    let text = self.remark.to_string().into();
                    return store
                        .add_note(&id, &Note { by: store::UserId(self.by.into()), at: self.at, text })
                        .map(drop);
                }
                None => return self.add_report(store, id),
            }
        }
        Ok(())
    }

    /// The same for the same author and place, so that the report is found again.
    fn report_id(&self, number: u32) -> ReportId {
        let mut hash = Sha256::new();
        for part in [self.by, self.author.seat.place.as_str(), self.author.seat.alias.as_str(), &number.to_string()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let name: Vec<u8> = hash.finalize().iter().take(12).copied().collect();
        ReportId(URL_SAFE_NO_PAD.encode(name).into())
    }

    fn add_report(&self, store: &mut dyn Store, id: ReportId) -> Result<(), StoreError> {
        // One name for each report: nobody reports a session twice.
        let reporter = store::UserId(format!("{}{PROGRAM_MARK}{}", self.by, id.0).into());
        let scene = Scene {
            place: self.author.seat.place.clone(),
            reporter: Participant {
                party: Party { user: reporter.clone(), device: None },
                alias: store::Alias(self.by.into()),
            },
            reported: Participant { party: self.author.party.clone(), alias: self.author.seat.alias.clone() },
            network: self.author.network.clone(),
            calls: None,
            mids: vec![self.remark.mid],
            remark: Some(self.remark.clone()),
            // It is about words.
            files: None,
            at: self.at,
        };
        let evidence = evidence::freeze(store, &scene)?.evidence.to_string().into();
        let report = Report {
            id,
            session: SessionId(self.author.seat.place.as_str().into()),
            reporter,
            reported: self.author.party.clone(),
            reason: ReportReason::Other.as_str().into(),
            comment: self.remark.to_string().into(),
            evidence,
            rank: Rank::USUAL,
            at: self.at,
        };
        store.add_report(&report).map(drop)
    }
}
