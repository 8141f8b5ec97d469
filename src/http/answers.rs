//! Answers that are given again to whoever asks the same again, in fixed memory. IETF draft httpapi-idempotency-key-header.
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::StatusCode;
use sha2::Digest;
use sha2::Sha256;
use tokio::time::Instant;

/// How long an answer is given again.
const LIFE: Duration = Duration::from_secs(86_400);
/// Keys of all users: about 8 MB beside the answers.
const KEYS_MAX: usize = 16_384;
/// Keys of one user. Beyond either of these the oldest give way.
const KEYS_PER_USER_MAX: usize = 64;
/// Bytes of all bodies.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one body; what is longer cannot be given again.
pub(crate) const BODY_MAX: usize = 65_536;

/// An answer as it was given first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What is asked: a user's own key, and what with.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    user: [u8; 32],
    key: [u8; 32],
    content: [u8; 32],
}

impl Question {
    pub(crate) fn new(user: &str, key: &str, method: &str, path: &str, body: &[u8]) -> Self {
        let user: [u8; 32] = Sha256::digest(user.as_bytes()).into();
        let key = Sha256::new().chain_update(user).chain_update(key.as_bytes()).finalize().into();
        // A method and a path have no space.
        let content = Sha256::new().chain_update(format!("{method} {path} ")).chain_update(body).finalize().into();
        Self { user, key, content }
    }
}

/// What becomes of a question.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It is new: whoever has the place works on it.
    New(Place),
    /// It was answered before.
    Before(Answer),
    /// Somebody works on it.
    Working,
    /// The key was used for something else.
    Another,
    /// Too much of this user's is worked on.
    Full,
}

/// All keys that are remembered. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    entry_by_key: HashMap<[u8; 32], Entry>,
    /// The oldest first.
    key_by_number: BTreeMap<u64, [u8; 32]>,
    numbers_by_user: HashMap<[u8; 32], BTreeSet<u64>>,
    last_number: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    question: Question,
    since: Instant,
    /// `None` while somebody works on it.
    answer: Option<Answer>,
}

/// The right to answer a question. One that is dropped without an answer lets the next try.
#[derive(Debug)]
pub(crate) struct Place {
    answers: Answers,
    question: Question,
    number: u64,
    is_answered: bool,
}

impl Answers {
    /// Takes a question.
    pub(crate) fn ask(&self, question: Question, now: Instant) -> Asked {
        let mut kept = self.lock();
        kept.forget_old(now);
        if let Some(entry) = kept.entry_by_key.get(&question.key) {
            return match &entry.answer {
                _ if entry.question.content != question.content => Asked::Another,
                Some(answer) => Asked::Before(answer.clone()),
                None => Asked::Working,
            };
        }
        let own = kept.numbers_by_user.get(&question.user);
        if own.is_some_and(|own| own.len() >= KEYS_PER_USER_MAX) {
            let first = own.and_then(|own| kept.first_answered(own));
            let Some(first) = first else { return Asked::Full };
            kept.forget(first);
        }
        if kept.entry_by_key.len() >= KEYS_MAX {
            let Some(first) = kept.first_answered(kept.key_by_number.keys()) else { return Asked::Full };
            kept.forget(first);
        }
        let number = kept.insert(question, now);
        Asked::New(Place { answers: self.clone(), question, number, is_answered: false })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing that is done under the lock can leave it half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Keeps the answer, if it can be given again.
    pub(crate) fn keep(mut self, answer: Answer) {
        let answers = self.answers.clone();
        let mut kept = answers.lock();
        let len = answer.body.len();
        let entry = kept.entry_by_key.get_mut(&self.question.key).filter(|entry| entry.number == self.number);
        let Some(entry) = entry.filter(|_| len <= BODY_MAX) else { return };
        entry.answer = Some(answer);
        self.is_answered = true;
        kept.bytes += len;
        while kept.bytes > BYTES_MAX {
            let Some(first) = kept.first_answered(kept.key_by_number.keys()) else { break };
            kept.forget(first);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_answered {
            let answers = self.answers.clone();
            let mut kept = answers.lock();
            kept.forget(self.number);
        }
    }
}

impl Kept {
    fn insert(&mut self, question: Question, now: Instant) -> u64 {
        self.last_number += 1;
        let number = self.last_number;
        self.key_by_number.insert(number, question.key);
        self.numbers_by_user.entry(question.user).or_default().insert(number);
        self.entry_by_key.insert(question.key, Entry { number, question, since: now, answer: None });
        number
    }

    fn forget(&mut self, number: u64) {
        let Some(key) = self.key_by_number.remove(&number) else { return };
        let Some(entry) = self.entry_by_key.remove(&key) else { return };
        self.bytes -= entry.answer.map_or(0, |answer| answer.body.len());
        if let Some(numbers) = self.numbers_by_user.get_mut(&entry.question.user) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.numbers_by_user.remove(&entry.question.user);
            }
        }
    }

    /// The first of these that is answered; what is worked on stays.
    fn first_answered<'a>(&self, numbers: impl IntoIterator<Item = &'a u64>) -> Option<u64> {
        let is_answered = |number: &&u64| {
            let entry = self.key_by_number.get(number).and_then(|key| self.entry_by_key.get(key));
            entry.is_some_and(|entry| entry.answer.is_some())
        };
        numbers.into_iter().find(is_answered).copied()
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((number, key)) = self.key_by_number.first_key_value() {
            let (number, entry) = (*number, self.entry_by_key.get(key));
            let is_old = |entry: &Entry| entry.answer.is_some() && now.duration_since(entry.since) >= LIFE;
            if !entry.is_none_or(is_old) {
                return;
            }
            self.forget(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(user: &str, key: &str, body: &str) -> Question {
        Question::new(user, key, "POST", "/v1/rooms", body.as_bytes())
    }

    fn answer(body: &str) -> Answer {
        Answer { status: StatusCode::CREATED, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) }
    }

    fn new(answers: &Answers, question: Question, now: Instant) -> Place {
        match answers.ask(question, now) {
            Asked::New(place) => place,
            other => panic!("not new: {other:?}"),
        }
    }

    #[test]
    fn the_same_is_answered_the_same_for_a_day_and_another_user_has_keys_of_its_own() {
        let (answers, now) = (Answers::default(), Instant::now());
        let place = new(&answers, question("ann", "k", "{}"), now);
        assert!(matches!(answers.ask(question("ann", "k", "{}"), now), Asked::Working));
        assert!(matches!(answers.ask(question("ann", "k", "[]"), now), Asked::Another));
        place.keep(answer("first"));
        new(&answers, question("bob", "k", "[]"), now).keep(answer("bob's"));
        let later = now + LIFE - Duration::from_secs(1);
        let Asked::Before(told) = answers.ask(question("ann", "k", "{}"), later) else { panic!("it is kept") };
        assert_eq!(told, answer("first"));
        assert!(matches!(answers.ask(question("ann", "k", "{ }"), later), Asked::Another));
        drop(new(&answers, question("ann", "k", "{ }"), now + LIFE));
        assert_eq!(answers.lock().bytes, 0, "the other's time is over too");
    }

    #[test]
    fn what_was_not_answered_may_be_tried_again() {
        let (answers, now) = (Answers::default(), Instant::now());
        drop(new(&answers, question("ann", "k", "{}"), now));
        let place = new(&answers, question("ann", "k", "{}"), now);
        place.keep(answer(&"x".repeat(BODY_MAX + 1)));
        drop(new(&answers, question("ann", "k", "{}"), now));
        assert!(answers.lock().entry_by_key.is_empty() && answers.lock().numbers_by_user.is_empty());
    }

    #[test]
    fn memory_is_bounded_for_one_and_for_all_and_what_is_worked_on_stays() {
        let (answers, now) = (Answers::default(), Instant::now());
        let working: Vec<Place> =
            (0..KEYS_PER_USER_MAX).map(|n| new(&answers, question("ann", &n.to_string(), ""), now)).collect();
        assert!(matches!(answers.ask(question("ann", "more", ""), now), Asked::Full));
        working.into_iter().for_each(|place| place.keep(answer("x")));
        new(&answers, question("ann", "more", ""), now).keep(answer("x"));
        assert_eq!(answers.lock().entry_by_key.len(), KEYS_PER_USER_MAX);
        drop(new(&answers, question("ann", "0", ""), now));
        assert!(matches!(answers.ask(question("ann", "2", ""), now), Asked::Before(_)));
        let body = "x".repeat(BODY_MAX);
        for n in 0..300 {
            new(&answers, question(&n.to_string(), "k", ""), now).keep(answer(&body));
        }
        assert!(answers.lock().bytes <= BYTES_MAX);
        for n in 0..KEYS_MAX {
            new(&answers, question(&format!("u{n}"), "k", ""), now).keep(answer(""));
        }
        assert_eq!(answers.lock().entry_by_key.len(), KEYS_MAX);
    }
}
