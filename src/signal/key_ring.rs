//! Public keys of a customer's backend, as signaling sees them: it asks for a newer set when a token needs one.
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::auth::foreign_keys::ForeignKeys;
use crate::auth::foreign_keys::KeySet;

/// How long a token waits for the key that it was signed with; less than a client has for its hello.
const PATIENCE: Duration = Duration::from_secs(3);

/// The keys, and a way to ask for newer ones. Clones share them.
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: ForeignKeys,
    wanted: mpsc::Sender<()>,
    answered: watch::Receiver<u64>,
}

/// The other end: whoever fetches the keys.
#[derive(Debug)]
pub struct KeyKeeper {
    keys: ForeignKeys,
    wanted: mpsc::Receiver<()>,
    answers: watch::Sender<u64>,
}

impl KeyRing {
    /// Verifies with `keys`, which the keeper renews.
    pub fn new(keys: ForeignKeys) -> (Self, KeyKeeper) {
        // One question is enough for all who ask meanwhile.
        let (ask, wanted) = mpsc::channel(1);
        let (answers, answered) = watch::channel(0);
        (Self { keys: keys.clone(), wanted: ask, answered }, KeyKeeper { keys, wanted, answers })
    }

    /// Whether a token is signed with a key that is not known.
    pub(crate) fn lacks_key_of(&self, token: &str) -> bool {
        self.keys.lacks_key_of(token)
    }

    /// Gives the keeper a chance to find the key of a token, if it is not known. What the token is worth is seen afterwards.
    pub(crate) async fn prepare_for(&self, token: &str) {
        if !self.lacks_key_of(token) {
            return;
        }
        let mut answered = self.answered.clone();
        answered.mark_unchanged();
        // Full: somebody has asked already.
        let _ = self.wanted.try_send(());
        // In vain if it takes too long or nobody fetches any more.
        let _ = timeout(PATIENCE, answered.changed()).await;
    }
}

impl KeyKeeper {
    /// Waits until a newer set is asked for; false: nobody is there any more who could ask.
    pub async fn is_wanted(&mut self) -> bool {
        self.wanted.recv().await.is_some()
    }

    /// Tells all who wait that they know all there is to know now: the new set, or that there is none.
    pub fn answer(&mut self, newer: Option<KeySet>) {
        if let Some(set) = newer {
            self.keys.renew(set);
        }
        self.answers.send_modify(|count| *count += 1);
    }
}
