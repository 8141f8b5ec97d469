//! What operators ask of the shards about their allocations. It goes through the mailboxes, a bounded part at a time.
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::relay::AllocationId;
use crate::relay::AllocationView;
use crate::relay::ShardId;
use crate::relay::Which;
use crate::transport::mailbox::Command;
use crate::transport::mailbox::Refused;
use crate::transport::plane::DataPlane;
use crate::transport::plane::RETRY_INTERVAL;

/// How long the shards may take to answer one question. They take microseconds unless the machine is starved.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Where a page of allocations begins.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct AllocationPlace {
    /// The shard.
    pub shard: ShardId,
    /// The slot there.
    pub slot: u32,
}

impl AllocationPlace {
    /// Where the first page begins.
    pub const START: AllocationPlace = AllocationPlace { shard: ShardId(0), slot: 0 };
}

/// Allocations of several shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllocationPage {
    /// By shard, and there by slot.
    pub found: Vec<(ShardId, AllocationView)>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<AllocationPlace>,
}

/// Why a question to the shards has no answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// A shard did not answer within two seconds.
    #[error("a shard did not answer in time")]
    Overdue,
    /// A shard's thread has ended.
    #[error("a shard is gone")]
    Gone,
}

impl DataPlane {
    /// Returns a page of live allocations, at most `limit`. Between two pages some may come and go.
    ///
    /// # Errors
    ///
    /// [`Unanswered`]
    pub async fn allocations(&self, from: AllocationPlace, limit: usize) -> Result<AllocationPage, Unanswered> {
        let gather = async {
            let mut page = AllocationPage::default();
            for shard in self.shards().filter(|shard| *shard >= from.shard) {
                let mut next = Some(if shard == from.shard { from.slot } else { 0 });
                while let Some(slot) = next {
                    if page.found.len() >= limit {
                        page.next = Some(AllocationPlace { shard, slot });
                        return Ok(page);
                    }
                    let (which, left) = (Which::From(slot), limit - page.found.len());
                    let part = self.ask(shard, |told| Command::List { which, limit: left, told }).await?;
                    page.found.extend(part.found.into_iter().map(|view| (shard, view)));
                    next = part.next;
                }
            }
            Ok(page)
        };
        timeout(ANSWER_LIMIT, gather).await.unwrap_or(Err(Unanswered::Overdue))
    }

    /// Returns the live allocations of a session, at most `limit` of each shard.
    ///
    /// # Errors
    ///
    /// [`Unanswered`]
    pub async fn allocations_of(&self, session: &str, limit: usize) -> Result<AllocationPage, Unanswered> {
        let gather = async {
            let mut page = AllocationPage::default();
            for shard in self.shards() {
                let which = Which::Of(session.into());
                let part = self.ask(shard, |told| Command::List { which, limit, told }).await?;
                page.found.extend(part.found.into_iter().map(|view| (shard, view)));
            }
            Ok(page)
        };
        timeout(ANSWER_LIMIT, gather).await.unwrap_or(Err(Unanswered::Overdue))
    }

    /// Frees an allocation; false if there is none of that name. The client may ask for another one.
    ///
    /// # Errors
    ///
    /// [`Unanswered`] if that is not certain.
    pub async fn end_allocation(&self, shard: ShardId, id: AllocationId) -> Result<bool, Unanswered> {
        if !self.shards().any(|known| known == shard) {
            return Ok(false);
        }
        let asked = self.ask(shard, |ended| Command::End { id, ended });
        timeout(ANSWER_LIMIT, asked).await.unwrap_or(Err(Unanswered::Overdue))
    }

    fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..=u16::MAX).take(self.inner.mailboxes.len()).map(ShardId)
    }

    async fn ask<T>(
        &self,
        shard: ShardId,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Unanswered> {
        let mailbox = self.inner.mailboxes.get(usize::from(shard.0)).ok_or(Unanswered::Gone)?;
        let (sender, answer) = oneshot::channel();
        let mut command = command(sender);
        loop {
            match mailbox.command(command) {
                Ok(()) => break,
                Err(Refused::Gone) => return Err(Unanswered::Gone),
                Err(Refused::Full(back)) => command = back,
            }
            sleep(RETRY_INTERVAL).await;
        }
        answer.await.map_err(|_| Unanswered::Gone)
    }
}
