use std::sync::mpsc as std_mpsc;

use super::*;
use crate::store::Banned;
use crate::store::UserId;
use crate::store::tests::ban;

const PATIENCE: Duration = Duration::from_secs(20);

fn memory() -> (Handle, Threads) {
    start(Opened::in_memory(Retention::default())).expect("threads")
}

async fn bans(handle: &Handle) -> Vec<String> {
    let names = handle.read(|store| {
        let mut names = Vec::new();
        store.each_ban(&mut |ban| names.push(ban.id.0.to_string()))?;
        Ok(names)
    });
    timeout(PATIENCE, names).await.expect("in time").expect("read")
}

#[tokio::test]
async fn an_answer_comes_once_the_write_can_be_read() {
    let (handle, threads) = memory();
    let written = handle.write("ban", |store| store.put_ban(&ban("b1", Banned::User(UserId("u".into())), None)));
    assert_eq!(written.await, Ok(()));
    assert_eq!(bans(&handle).await, ["b1"]);
    assert_eq!((handle.stats().writes(), handle.stats().reads()), (1, 1));
    threads.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_refused_write_harms_none_beside_it() {
    let (handle, threads) = memory();
    let refused = handle.write("refusal", |_| Err::<(), _>(StoreError::Unknown));
    let taken = handle.write("ban", |store| store.put_ban(&ban("b1", Banned::User(UserId("u".into())), None)));
    assert_eq!(tokio::join!(refused, taken), (Err(StoreError::Unknown), Ok(())));
    assert_eq!((handle.stats().writes(), handle.stats().refusals()), (1, 1));
    threads.stop(PATIENCE).await;
}

#[tokio::test]
async fn what_is_queued_before_the_stop_is_done_and_what_comes_after_is_told_so() {
    let (handle, threads) = memory();
    let (told, outcomes) = std_mpsc::channel();
    for number in 0..1000 {
        let told = told.clone();
        let job = Job::write("count", move |_| Ok(number), move |outcome| told.send(outcome).expect("is read"));
        handle.try_submit(job).expect("room");
    }
    threads.stop(PATIENCE).await;
    drop(told);
    assert_eq!(outcomes.iter().collect::<Vec<_>>(), (0..1000).map(Ok).collect::<Vec<_>>());
    assert_eq!(handle.read(|_| Ok(())).await, Err(StoreError::Stopped));
    assert_eq!(handle.write("late", |_| Ok(())).await, Err(StoreError::Stopped));
    handle.try_submit(Job::write("late", |_| Ok(()), |_| {})).expect("is dropped");
}

#[tokio::test]
async fn a_full_queue_gives_the_job_back_and_tells_when_there_is_room() {
    let (handle, threads) = memory();
    let (go, wait) = std_mpsc::channel::<()>();
    let slow = Job::write("slow", move |_| Ok(wait.recv().is_err()), |_| {});
    handle.try_submit(slow).expect("room");
    let mut given_back = None;
    while given_back.is_none() {
        given_back = handle.try_submit(Job::write("fast", |_| Ok(()), |_| {})).err();
    }
    let job = given_back.expect("the loop ended");
    assert!(handle.writes_queued() > 0);
    drop(go);
    timeout(PATIENCE, handle.room_for(&job)).await.expect("in time");
    threads.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_thread_that_dies_is_noticed() {
    let (handle, threads) = memory();
    let ended = threads.ended();
    handle.try_submit(Job::write("accident", |_| -> Result<(), _> { panic!("on purpose") }, |_| {})).expect("room");
    timeout(PATIENCE, ended).await.expect("in time");
    assert_eq!(handle.write("late", |_| Ok(())).await, Err(StoreError::Stopped));
    threads.stop(PATIENCE).await;
}

#[tokio::test]
async fn an_accident_is_counted_and_over_with_the_next_probe_that_survives() {
    let (handle, threads) = memory();
    let full = handle.write("message", |_| Err::<(), _>(StoreError::Full)).await;
    assert_eq!(full, Err(StoreError::Full));
    assert!(handle.stats().is_failing());
    assert_eq!(handle.stats().lost(Accident::Full), 1);
    assert_eq!(handle.write("sweep", |_| Ok(0)).await, Ok(0));
    assert!(handle.stats().is_failing(), "whoever writes nothing fails at nothing");
    assert_eq!(handle.write(PROBE, |store| store.probe()).await, Ok(()));
    assert!(!handle.stats().is_failing());
    threads.stop(PATIENCE).await;
}

#[test]
fn what_was_lost_is_told_by_kind() {
    let mut burst = Burst { began: Instant::now(), lost: Vec::new() };
    for what in ["message", "session", "message"] {
        burst.count(what);
    }
    assert_eq!(Lost(&burst.lost).to_string(), "message: 2, session: 1");
}
