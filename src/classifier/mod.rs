//! Asks a service of the operator's about messages that have gone out, and has the hub carry out what it answers.
//!
//! Nobody waits for it: the hub puts a question into a bounded queue and goes on. Each question is asked a few times and then
//! given up; what became of it is counted.
mod answer;
mod service;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::info;
use tracing::warn;

pub use service::Service;

use crate::signal::Consequence;
use crate::signal::Handle;
use crate::signal::Judged;
use crate::signal::Judgment;
use crate::signal::Outcome;
use crate::signal::Question;
use service::Trouble;

/// Questions under way at once.
const ASKED_MAX: usize = 16;
/// Before it is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Asks until the hub asks nothing any more.
pub async fn run(service: Service, mut questions: mpsc::Receiver<Question>, hub: Handle, judged: Arc<Judged>) {
    let mut asked = FuturesUnordered::new();
    let mut is_failing = false;
    loop {
        tokio::select! {
            question = questions.recv(), if asked.len() < ASKED_MAX => match question {
                Some(question) => asked.push(ask(&service, question)),
                None => return,
            },
            Some((question, answer)) = asked.next() => {
                let outcome = match answer {
                    Ok(judgment) => {
                        if is_failing {
                            is_failing = false;
                            info!("the classifier answers again");
                        }
                        let outcome = outcome_of(&judgment);
                        if outcome == Outcome::Acted && hub.judge(question, judgment).await.is_err() {
                            return;
                        }
                        outcome
                    }
                    Err(why) => {
                        if !is_failing {
                            is_failing = true;
                            warn!(why, "messages go unjudged: the classifier gives no answer");
                        }
                        Outcome::Failed
                    }
                };
                judged.add_one(outcome);
            }
        }
    }
}

fn outcome_of(judgment: &Judgment) -> Outcome {
    let is_allowed = !judgment.deletes && judgment.consequence == Consequence::None;
    if is_allowed { Outcome::Allowed } else { Outcome::Acted }
}

/// Asks one question, again after what may pass.
async fn ask(service: &Service, question: Question) -> (Question, Result<Judgment, String>) {
    for pause in PAUSES {
        match service.ask(&question).await {
            Ok(judgment) => return (question, Ok(judgment)),
            Err(Trouble::Lasting(why)) => return (question, Err(why)),
            Err(Trouble::Passing(_)) => sleep(pause).await,
        }
    }
    let answer = service.ask(&question).await;
    (question, answer.map_err(|trouble| trouble.to_string()))
}
