//! Who keeps whom away (rule 39): `block.add` and `block.remove`, the same over REST, and what follows for a call.
//!
//! The store has all blocks, the engine keeps those apart whom they separate. A pair that was matched before the engine
//! heard of a block is caught when the match comes up. In a room two who are apart are not there for each other: neither
//! sees, hears or reaches the other, and both go on with the rest.
use std::net::IpAddr;

use serde_json::Value;
use serde_json::json;

use crate::auth::token::Subject;
use crate::matchmaking::Person;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::hub::Asking;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::separations::pairs;
use crate::signal::id::random_text;
use crate::signal::page::Mark;
use crate::signal::page::PAGE_MAX;
use crate::signal::page::PageAsk;
use crate::signal::page::Span;
use crate::signal::protocol::BlockTarget;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::signal::session::EndReason;
use crate::signal::view::BlockView;
use crate::signal::view::BlocksView;
use crate::store;
use crate::store::Block;
use crate::store::BlockId;
use crate::store::Party;
use crate::store::SessionId;
use crate::store::Store;
use crate::store::StoreError;
use crate::time::Now;

/// Blocks of one user.
pub(super) const BLOCKS_MAX: usize = 1000;
/// As many users of one address may spend their budget of `block.add`.
pub(super) const BLOCKERS_PER_ADDRESS: u32 = 4;
/// Owners whose blocks are removed by one write, which no other may wait for long.
const OWNERS_AT_ONCE: usize = 16;

/// What is asked about blocks over REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockAsk {
    /// A part of them, the newest first.
    List(PageAsk),
    /// Keep somebody away.
    Add(BlockTarget),
    /// Let somebody near again: the id of a block.
    Remove(String),
}

/// Takes what a request about blocks is answered with; called once.
pub(crate) type BlockAnswer = Box<dyn FnOnce(Result<Value, Refusal>) + Send>;

/// Whom a request means.
pub(super) enum Whom {
    Party(Party),
    /// The other side of a session that is over: the store knows who that was.
    PeerIn(SessionId),
}

/// How the hub goes on after a change of blocks; called once.
type Then = Box<dyn FnOnce(&mut Hub, Result<(), Refusal>, Now) + Send>;

impl Hub {
    pub(super) fn on_block_add(&mut self, asking: &Asking, target: BlockTarget, now: Now) {
        let Some(owner) = self.party(&asking.user) else { return };
        let ip = self.connection_by_id.get(&asking.connection).map(|connection| connection.peer.ip);
        if let Err(refusal) = self.take_block_budget(&asking.user, ip, now) {
            return self.refuse(asking.connection, asking.reply_to, &refusal, now);
        }
        self.add_block(Some(asking), owner, target, answering(asking), now);
    }

    pub(super) fn on_block_remove(&mut self, asking: &Asking, target: BlockTarget, now: Now) {
        let Some(owner) = self.party(&asking.user) else { return };
        self.remove_block(Some(asking), owner, target, answering(asking), now);
    }

    /// Works on a request about blocks that comes over REST.
    pub(crate) fn handle_block_ask(&mut self, subject: &Subject, ask: BlockAsk, answer: BlockAnswer, now: Now) {
        let owner = party_of(subject);
        match ask {
            BlockAsk::List(page) => self.list_blocks(owner.user, &page, answer),
            BlockAsk::Add(target) => {
                // Requests of one address are counted before they come here.
                if let Err(refusal) = self.take_block_budget(&UserId(subject.user.clone()), None, now) {
                    return answer(Err(refusal));
                }
                let then: Then = Box::new(move |_, outcome, _| answer(outcome.map(|()| json!({}))));
                self.add_block(None, owner, target, then, now);
            }
            BlockAsk::Remove(id) => {
                let then: Then = Box::new(move |_, outcome, _| answer(outcome.map(|()| json!({}))));
                self.remove_block(None, owner, BlockTarget::User(id), then, now);
            }
        }
        self.settle(now);
    }

    fn take_block_budget(&mut self, user: &UserId, ip: Option<IpAddr>, now: Now) -> Result<(), Refusal> {
        let of_address = ip.map_or(Ok(()), |ip| self.block_adds_by_address.take(ip, now.mono));
        let budget = of_address.and_then(|()| self.block_adds.take(user.clone(), now.mono));
        budget.map_err(|wait| Refusal::rate_limited("too many block.add", wait))
    }

    /// Whether one of two who are here, or waited for, keeps the other away.
    pub(super) fn are_apart(&self, a: &UserId, b: &UserId) -> bool {
        if self.separations.is_empty() {
            return false;
        }
        let (Some(a), Some(b)) = (self.party(a), self.party(b)) else { return false };
        self.separations.separates(&a, &b)
    }

    /// Takes note of a block, and tells the engine.
    pub(super) fn keep_apart(&mut self, block: &Block) {
        self.separations.add(block);
        for (by, whom) in pairs(block) {
            self.effects.push_back(Effect::Matchmaking(Command::Block { by, whom }));
        }
    }

    fn let_near(&mut self, by: Person, whom: Person) {
        self.separations.remove(&by, &whom);
        self.effects.push_back(Effect::Matchmaking(Command::Unblock { by, whom }));
    }

    fn add_block(&mut self, asking: Option<&Asking>, owner: Party, target: BlockTarget, then: Then, now: Now) {
        let whom = match self.whom(&owner, target) {
            Ok(whom) => whom,
            Err(refusal) => return then(self, Err(refusal), now),
        };
        // Nobody may meet whom they block because a disk is full.
        let at_least = match &whom {
            Whom::Party(party) => Some(block(&owner, party.clone(), now)),
            Whom::PeerIn(_) => None,
        };
        let work = move |store: &mut dyn Store| put(store, &owner, whom, now);
        let then = move |hub: &mut Hub, outcome: Result<Result<Block, Refusal>, StoreError>, now| {
            let (outcome, block) = match outcome {
                Ok(Ok(block)) => (Ok(()), Some(block)),
                Ok(Err(refusal)) => (Err(refusal), None),
                Err(_) => (Err(Refusal::new(ErrorCode::Unavailable, "the block could not be stored")), at_least),
            };
            then(hub, outcome, now);
            if let Some(block) = &block {
                hub.stats.blocks_total.add_one();
                hub.apply_block(block, now);
            }
        };
        self.write_by(asking, "block", work, then);
    }

    /// Parts those whom a block separates; the other side is told as of any other end.
    pub(super) fn apply_block(&mut self, block: &Block, now: Now) {
        self.keep_apart(block);
        let owner = UserId(block.owner.user.0.clone());
        self.part_in_rooms(&owner, now);
        let session = self.user_by_id.get(&owner).and_then(|owner| owner.session.clone());
        let Some((id, side)) = session else { return };
        let Some(session) = self.session_by_id.get(&id) else { return };
        let [own, peer] = [side, side.other()].map(|side| &session.participant(side).user);
        if self.are_apart(own, peer) {
            self.end_session(&id, EndReason::Ended, now);
        }
    }

    fn remove_block(&mut self, asking: Option<&Asking>, owner: Party, target: BlockTarget, then: Then, now: Now) {
        // Here a name may also be that of a block.
        let (whom, name) = match target {
            BlockTarget::User(name) => (None, Some(name)),
            BlockTarget::PeerIn(_) | BlockTarget::Member { .. } => match self.whom(&owner, target) {
                Ok(whom) => (Some(whom), None),
                Err(refusal) => return then(self, Err(refusal), now),
            },
        };
        let work = move |store: &mut dyn Store| {
            let whom = match (whom, name) {
                (Some(whom), _) => resolve(store, &owner, whom)?.map(|party| party.user.0),
                (None, name) => name.map(Into::into),
            };
            let Some(name) = whom else { return Ok(None) };
            let blocks = store.blocks(&owner.user, BLOCKS_MAX)?;
            let found = blocks.iter().find(|block| block.id.0 == name || block.whom.user.0 == name);
            let Some(found) = found else { return Ok(None) };
            let removed = store.remove_block(&owner.user, &found.id)?;
            Ok(removed.map(|removed| {
                // Another block may keep the same device away.
                let rest: Vec<_> = blocks.iter().filter(|block| block.id != removed.id).flat_map(pairs).collect();
                pairs(&removed).into_iter().filter(|pair| !rest.contains(pair)).collect::<Vec<_>>()
            }))
        };
        let then = move |hub: &mut Hub, outcome: Result<Option<Vec<(Person, Person)>>, StoreError>, now| {
            let outcome = match outcome {
                Ok(Some(pairs)) => {
                    pairs.into_iter().for_each(|(by, whom)| hub.let_near(by, whom));
                    Ok(())
                }
                Ok(None) => Err(Refusal::new(ErrorCode::NotFound, "you block nobody of that id")),
                Err(_) => Err(Refusal::new(ErrorCode::Unavailable, "the block could not be taken back")),
            };
            then(hub, outcome, now);
        };
        self.write_by(asking, "block", work, then);
    }

    /// Takes away the blocks of guests who cannot come back.
    pub(super) fn remove_blocks_of(&mut self, owners: Vec<store::UserId>) {
        for owners in owners.chunks(OWNERS_AT_ONCE) {
            let owners = owners.to_vec();
            self.write("block", move |store| remove_all_of(store, &owners), Hub::on_blocks_removed);
        }
    }

    pub(super) fn on_blocks_removed(&mut self, outcome: Result<Vec<Block>, StoreError>, _: Now) {
        // What could not be removed is at the next start.
        for (by, whom) in outcome.unwrap_or_default().iter().flat_map(pairs) {
            // Another guest of the device may keep the same away.
            if matches!(by, Person::User(_)) {
                self.let_near(by, whom);
            }
        }
    }

    fn list_blocks(&mut self, owner: store::UserId, page: &PageAsk, answer: BlockAnswer) {
        let span = match Span::new(page, PAGE_MAX) {
            Ok(span) => span,
            Err(refusal) => return answer(Err(refusal)),
        };
        // Of whom they keep away people know an alias of a session, and no more is told here.
        self.read(
            "blocks",
            move |store| {
                let mut blocks = store.blocks(&owner, BLOCKS_MAX)?;
                blocks.retain(|block| {
                    let is_behind = |after: &Mark| (block.at, &*block.id.0) < (after.at, after.name.as_str());
                    span.after.as_ref().is_none_or(is_behind)
                });
                let next = span.cut(&mut blocks, |last| Mark::text(last.at, &last.id.0));
                Ok((blocks, next))
            },
            move |_, outcome, _| {
                let unavailable = |_| Refusal::new(ErrorCode::Unavailable, "the blocks cannot be read");
                let told = outcome.map(|(blocks, next)| {
                    let views = blocks.iter().map(|block| BlockView { id: &block.id.0, at: block.at });
                    json!(BlocksView { blocks: views.collect(), next })
                });
                answer(told.map_err(unavailable));
            },
        );
    }

    fn whom(&self, owner: &Party, target: BlockTarget) -> Result<Whom, Refusal> {
        let user = match target {
            BlockTarget::PeerIn(id) => {
                let own = self.user_by_id.get(&UserId(owner.user.0.clone())).and_then(|user| user.session.as_ref());
                let live = own.filter(|(own, _)| own.as_str() == id);
                let peer = live.and_then(|(id, side)| {
                    self.session_by_id.get(id).map(|session| session.participant(side.other()).user.clone())
                });
                match peer {
                    Some(peer) => peer,
                    None => return Ok(Whom::PeerIn(SessionId(id.into()))),
                }
            }
            BlockTarget::Member { room, peer } => {
                let owner = UserId(owner.user.0.clone());
                let seat = self.seat_of(&owner, &Target::Room(room.clone()))?;
                self.receiver_in(&room, &seat.alias, &peer)?.user
            }
            BlockTarget::User(id) => UserId(id.into()),
        };
        if user.0 == owner.user.0 {
            return Err(Refusal::bad_request("nobody can block themselves"));
        }
        let known = self.party(&user);
        Ok(Whom::Party(known.unwrap_or_else(|| Party { user: (&user).into(), device: None })))
    }

    /// Who a user of this moment is to blocks.
    pub(super) fn party(&self, user: &UserId) -> Option<Party> {
        let chain = self.user_by_id.get(user)?.presence.chain()?;
        Some(party_of(&chain.subject))
    }
}

/// By user, guests also by their device (rule 39).
pub(super) fn party_of(subject: &Subject) -> Party {
    let device = subject.device.clone().filter(|_| subject.guest);
    Party { user: store::UserId(subject.user.clone()), device: device.map(store::DeviceId) }
}

fn answering(asking: &Asking) -> Then {
    let asked = asking.clone();
    Box::new(move |hub, outcome, now| hub.answer(&asked, outcome.err().as_ref(), now))
}

pub(super) fn block(owner: &Party, whom: Party, now: Now) -> Block {
    Block { id: BlockId(random_text::<12>().into()), owner: owner.clone(), whom, at: now.unix }
}

/// Stores a block, unless there is one, and returns what is in force.
pub(super) fn put(
    store: &mut dyn Store,
    owner: &Party,
    whom: Whom,
    now: Now,
) -> Result<Result<Block, Refusal>, StoreError> {
    let Some(whom) = resolve(store, owner, whom)? else { return Ok(Err(Refusal::not_in_session())) };
    let mut blocks = store.blocks(&owner.user, BLOCKS_MAX)?;
    if let Some(at) = blocks.iter().position(|block| block.whom.user == whom.user) {
        return Ok(Ok(blocks.swap_remove(at)));
    }
    if blocks.len() >= BLOCKS_MAX {
        return Ok(Err(Refusal::bad_request("nobody blocks more than 1000 others")));
    }
    let block = block(owner, whom, now);
    store.add_block(&block)?;
    Ok(Ok(block))
}

fn remove_all_of(store: &mut dyn Store, owners: &[store::UserId]) -> Result<Vec<Block>, StoreError> {
    let mut removed = Vec::new();
    for owner in owners {
        for block in store.blocks(owner, BLOCKS_MAX)? {
            removed.extend(store.remove_block(owner, &block.id)?);
        }
    }
    Ok(removed)
}

/// Who the other side of a session was, if it was one of the owner's.
fn resolve(store: &dyn Store, owner: &Party, whom: Whom) -> Result<Option<Party>, StoreError> {
    let id = match whom {
        Whom::Party(party) => return Ok(Some(party)),
        Whom::PeerIn(id) => id,
    };
    let Some(record) = store.session(&id)? else { return Ok(None) };
    let [a, b] = record.session.participants.map(|participant| participant.party);
    Ok(match &owner.user {
        user if *user == a.user => Some(b),
        user if *user == b.user => Some(a),
        _ => None,
    })
}
