//! The bus within one process.
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use crate::bus::Bus;
use crate::bus::Carrier;
use crate::bus::Heard;
use crate::bus::Line;
use crate::bus::NodeId;
use crate::bus::Said;
use crate::bus::line::LINE_MAX;

/// What is kept for the slowest node; beyond it that node misses the oldest.
const BACKLOG_MAX: usize = 4096;

/// Carries what is said between the nodes of this process, mostly a single one.
#[derive(Debug)]
pub struct LocalBus {
    spoken: broadcast::Sender<Arc<Spoken>>,
    joined: AtomicU64,
}

#[derive(Debug)]
struct Spoken {
    /// The number of the speaker, who does not hear itself.
    by: u64,
    from: NodeId,
    said: Said,
}

impl Default for LocalBus {
    fn default() -> Self {
        Self { spoken: broadcast::Sender::new(BACKLOG_MAX), joined: AtomicU64::new(0) }
    }
}

impl Bus for LocalBus {
    fn join(&self, node: NodeId) -> (Line, Carrier) {
        let (say, said) = mpsc::channel(LINE_MAX);
        let (heard, hear) = mpsc::channel(LINE_MAX);
        let number = self.joined.fetch_add(1, Ordering::Relaxed);
        let (speak, listen) = (self.spoken.clone(), self.spoken.subscribe());
        (Line { say, hear }, Box::pin(carry(number, node, said, speak, listen, heard)))
    }
}

async fn carry(
    number: u64,
    node: NodeId,
    mut said: mpsc::Receiver<Said>,
    speak: broadcast::Sender<Arc<Spoken>>,
    mut listen: broadcast::Receiver<Arc<Spoken>>,
    heard: mpsc::Sender<Heard>,
) {
    let speaking = async {
        while let Some(said) = said.recv().await {
            // Whoever speaks listens too, so there is a hearer.
            let _ = speak.send(Arc::new(Spoken { by: number, from: node.clone(), said }));
        }
    };
    let hearing = async {
        loop {
            let word = match listen.recv().await {
                Ok(spoken) if spoken.by != number && spoken.said.to.includes(&node) => {
                    Heard::News { from: spoken.from.clone(), news: spoken.said.news.clone() }
                }
                Ok(_) => continue,
                Err(RecvError::Lagged(count)) => Heard::Missed(count),
                Err(RecvError::Closed) => return,
            };
            // While the node has no room, the backlog keeps what follows.
            if heard.send(word).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = speaking => {}
        () = hearing => {}
    }
}
