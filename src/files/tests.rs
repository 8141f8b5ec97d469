use std::convert::Infallible;
use std::future::poll_fn;
use std::path::Path;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::unfold;
use tempfile::TempDir;
use tempfile::tempdir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::auth::file_link::FileLinks;
use crate::auth::file_link::FileSignature;
use crate::auth::secret::Secret;
use crate::files::Blobs;
use crate::files::Bucket;
use crate::files::Desk;
use crate::files::Limits;
use crate::files::PutError;
use crate::files::Settings;
use crate::files::Wish;
use crate::files::collector::Obstacle;
use crate::signal::ErrorCode;
use crate::store::DataClass;
use crate::store::Decision;
use crate::store::MessageKind;
use crate::store::Party;
use crate::store::Place;
use crate::store::Rank;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::Retention;
use crate::store::SessionId;
use crate::store::Store;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::UserId;
use crate::store::runner;
use crate::store::runner::Job;
use crate::store::runner::Opened;
use crate::time::Clock;
use crate::time::UnixMillis;

/// How long a store's thread may take.
const PATIENCE: Duration = Duration::from_secs(20);

const LIMITS: Limits = Limits {
    voice_bytes: 1_000,
    image_bytes: 1_000,
    file_bytes: 1_000,
    bytes_per_user: 10_000,
    files_per_user: 10,
    total_bytes: 10_000,
};

/// A desk over a directory and an empty store.
struct Fixture {
    desk: Desk,
    store: runner::Handle,
    threads: runner::Threads,
    directory: TempDir,
}

impl Fixture {
    async fn new(limits: Limits) -> Self {
        let directory = tempdir().expect("a directory");
        let (store, threads) = runner::start(Opened::in_memory(Retention::default())).expect("threads");
        let settings = Settings {
            limits,
            links: FileLinks::new(Secret::new(*b"signs addresses")),
            blobs: Blobs::in_directory(directory.path()).expect("a directory"),
            released: Arc::new(Notify::new()),
        };
        let desk = Desk::open(settings, store.clone(), Clock::start()).await.expect("read");
        Self { desk, store, threads, directory }
    }

    async fn put(&self, upload: Upload) {
        self.store.write("upload", move |store| store.put_upload(&upload)).await.expect("stored");
    }

    async fn state(&self, id: &UploadId) -> Option<UploadState> {
        let id = id.clone();
        self.store.read(move |store| store.upload(&id)).await.expect("read").map(|upload| upload.state)
    }

    /// Where the bytes of a file are.
    fn path(&self, id: &UploadId) -> PathBuf {
        let shelf = self.directory.path().join(&id.0[..2]);
        std::fs::create_dir_all(&shelf).expect("a shelf");
        shelf.join(&*id.0)
    }

    async fn stop(self) {
        self.threads.stop(PATIENCE).await;
    }
}

fn place() -> Place {
    Place::Session(SessionId("s".into()))
}

fn id(number: u32) -> UploadId {
    UploadId(format!("{number:032x}").into())
}

fn upload(number: u32, state: UploadState, at: UnixMillis) -> Upload {
    Upload {
        id: id(number),
        place: place(),
        owner: UserId("ann".into()),
        kind: MessageKind::File,
        name: "a".into(),
        mime: "".into(),
        bytes: 5,
        sha256: None,
        state,
        at,
    }
}

fn wish(size: u64) -> Wish {
    Wish { kind: "file".into(), name: "a".into(), size, mime: None }
}

#[tokio::test]
async fn whoever_breaks_off_asking_holds_no_room() {
    for (files_per_user, kept) in [(0, 0), (1, 5)] {
        let fixture = Fixture::new(Limits { files_per_user, ..LIMITS }).await;
        // Nothing is answered before it is let go.
        let (let_go, wait) = std::sync::mpsc::channel::<()>();
        let hold = Job::read(move |_| Ok(wait.recv_timeout(PATIENCE).is_ok()), |went| assert_eq!(went, Ok(true)));
        fixture.store.submit(hold).await.expect("runs");
        {
            let mut asking = pin!(fixture.desk.admit(UserId("ann".into()), place(), wish(5)));
            let is_pending = poll_fn(|context| Poll::Ready(asking.as_mut().poll(context).is_pending())).await;
            assert!(is_pending && fixture.desk.stats().bytes_kept() == 5);
        }
        let_go.send(()).expect("the store waits");
        // What comes behind it in the queue sees what became of it.
        fixture.store.write("nothing", |_| Ok(())).await.expect("runs");
        fixture.store.read(|_| Ok(())).await.expect("runs");
        assert_eq!(fixture.desk.stats().bytes_kept(), kept);
        fixture.stop().await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_removed_holds_up_no_other() {
    let fixture = Fixture::new(LIMITS).await;
    for number in 1..=3 {
        fixture.put(upload(number, UploadState::Abandoned, UnixMillis(u64::from(number)))).await;
        std::fs::write(fixture.path(&id(number)), "bytes").expect("written");
    }
    // No file, so it is not removed as one.
    std::fs::remove_file(fixture.path(&id(1))).expect("removed");
    std::fs::create_dir(fixture.path(&id(1))).expect("made");
    let round = fixture.desk.collect(UnixMillis(0), UnixMillis(0)).await;
    assert!(matches!(round, Err(Obstacle::Storage(_))), "{round:?}");
    assert!(!fixture.path(&id(2)).exists() && !fixture.path(&id(3)).exists());
    assert_eq!(fixture.state(&id(1)).await, Some(UploadState::Abandoned));
    assert_eq!((fixture.state(&id(2)).await, fixture.state(&id(3)).await), (None, None));
    std::fs::remove_dir(fixture.path(&id(1))).expect("removed");
    assert!(fixture.desk.collect(UnixMillis(0), UnixMillis(0)).await.is_ok());
    assert_eq!(fixture.state(&id(1)).await, None);
    fixture.stop().await;
}

#[tokio::test]
async fn few_who_ask_for_much_and_put_nothing_keep_nobody_out() {
    let fixture = Fixture::new(Limits { total_bytes: 100, ..LIMITS }).await;
    let ask = async |owner: &str, size| {
        let admitted = fixture.desk.admit(UserId(owner.into()), place(), wish(size)).await;
        admitted.map(|_| ()).map_err(|refusal| refusal.code)
    };
    assert_eq!(ask("ann", 20).await, Ok(()));
    assert_eq!(ask("ann", 5).await, Ok(()));
    assert_eq!(ask("ann", 1).await, Err(ErrorCode::RateLimited));
    assert_eq!(ask("bob", 70).await, Ok(()));
    assert_eq!(ask("bob", 1).await, Err(ErrorCode::RateLimited));
    assert_eq!(ask("eve", 6).await, Err(ErrorCode::Unavailable));
    assert_eq!(fixture.desk.stats().bytes_kept(), 95);
    fixture.stop().await;
}

#[tokio::test]
async fn a_promise_holds_room_for_no_longer_than_its_address_is_good() {
    let fixture = Fixture::new(LIMITS).await;
    let now = Clock::start().now().unix;
    let ago = |minutes: u64| UnixMillis(now.0 - minutes * 60_000);
    fixture.put(upload(1, UploadState::Asked, ago(17))).await;
    fixture.put(upload(2, UploadState::Asked, ago(14))).await;
    fixture.put(Upload { sha256: Some([7; 32]), ..upload(3, UploadState::Complete, ago(17)) }).await;
    fixture.desk.collect_unshown().await.expect("nothing is in the way");
    assert_eq!(fixture.state(&id(1)).await, None);
    assert_eq!(fixture.state(&id(2)).await, Some(UploadState::Asked));
    assert_eq!(fixture.state(&id(3)).await, Some(UploadState::Complete));
    fixture.stop().await;
}

#[tokio::test]
async fn a_file_that_nobody_knows_is_removed_a_week_after_that_was_found_out() {
    let fixture = Fixture::new(LIMITS).await;
    let age = |path: &Path, days: u64| {
        let file = std::fs::File::options().write(true).open(path).expect("is there");
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).expect("set");
    };
    let take = async || fixture.desk.take_inventory().await.expect("read");
    let (lost, kept) = (fixture.path(&id(1)), fixture.path(&id(2)));
    let mark = |path: &Path| path.with_extension("unknown");
    for path in [&lost, &kept] {
        std::fs::write(path, "bytes").expect("written");
        age(path, 400);
    }
    take().await;
    assert!(lost.exists() && mark(&lost).exists() && kept.exists() && mark(&kept).exists());
    // The second one is known again: it was another database.
    fixture.put(upload(2, UploadState::Complete, UnixMillis(1))).await;
    age(&mark(&lost), 6);
    age(&mark(&kept), 8);
    take().await;
    assert!(lost.exists() && mark(&lost).exists() && kept.exists() && !mark(&kept).exists());
    age(&mark(&lost), 8);
    take().await;
    assert!(!lost.exists() && !mark(&lost).exists() && kept.exists());
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bucket_may_take_long_for_a_file_as_long_as_it_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let bucket = Bucket {
        name: "talk".into(),
        endpoint: Some(format!("http://{}", listener.local_addr().expect("an address"))),
        region: "us-east-1".into(),
        prefix: String::new(),
        access_key_id: Secret::new(*b"a key"),
        secret_access_key: Secret::new(*b"a secret"),
    };
    let slow = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request"));
        }
        let answer = "HTTP/1.1 206 Partial Content\r\ncontent-length: 6\r\ncontent-range: bytes 0-5/6\r\netag: \"x\"\r\n\
                      last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.expect("sent");
        for byte in b"slowly" {
            sleep(Duration::from_secs(25)).await;
            stream.write_all(&[*byte]).await.expect("sent");
        }
        stream
    });
    let blobs = Blobs::in_bucket(&bucket).expect("settings");
    let (len, stream) = blobs.read(&id(1), 0..6).await.expect("reads").expect("is there");
    let pieces: Vec<Bytes> = stream.try_collect().await.expect("nothing breaks off");
    assert_eq!((len, pieces.concat()), (6, b"slowly".to_vec()));
    slow.await.expect("answers once");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_trickles_is_given_up() {
    let fixture = Fixture::new(LIMITS).await;
    let admitted = fixture.desk.admit(UserId("ann".into()), place(), wish(20)).await.expect("there is room");
    let (_, text) = admitted.url.split_once("signature=").expect("a signature");
    let signature = FileSignature { expires: admitted.expires, text: text.to_owned() };
    let drop_by_drop = unfold((), |()| async {
        sleep(Duration::from_secs(20)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
    });
    let begun = Instant::now();
    let outcome = fixture.desk.receive(&admitted.upload.0, &signature, Some(20), drop_by_drop).await;
    assert!(matches!(outcome, Err(PutError::TooSlow)), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(60), "each drop in time, the whole not");
    fixture.stop().await;
}

#[tokio::test]
async fn what_a_report_keeps_stays_on_the_disk_until_the_report_is_gone() {
    let fixture = Fixture::new(LIMITS).await;
    let old = UnixMillis(1);
    let upload = Upload {
        id: id(1),
        place: place(),
        owner: UserId("a".into()),
        kind: MessageKind::Image,
        name: "a.png".into(),
        mime: "image/png".into(),
        bytes: 5,
        sha256: Some([7; 32]),
        state: UploadState::Complete,
        at: old,
    };
    fixture.put(upload).await;
    std::fs::write(fixture.path(&id(1)), "bytes").expect("written");
    let report = ReportId("r".into());
    let kept_by = report.clone();
    let keep = move |store: &mut dyn Store| {
        store.add_report(&Report {
            id: kept_by.clone(),
            session: SessionId("s".into()),
            reporter: UserId("b".into()),
            reported: Party { user: UserId("a".into()), device: None },
            reason: "nudity".into(),
            comment: "".into(),
            evidence: "{}".into(),
            rank: Rank::USUAL,
            at: old,
        })?;
        store.keep_file(&kept_by, &id(1))
    };
    fixture.store.write("report", keep).await.expect("stored");
    // No message shows it, and it is old.
    fixture.desk.collect_unshown().await.expect("collected");
    assert_eq!(fixture.state(&id(1)).await, Some(UploadState::Abandoned));
    assert_eq!(std::fs::read(fixture.path(&id(1))).expect("is there"), b"bytes");
    let given = fixture.desk.kept(&id(1).0).await.expect("is kept");
    assert_eq!((given.bytes, &*given.name), (5, "a.png"));

    let decide = move |store: &mut dyn Store| {
        let decision = Decision { by: UserId("mo".into()), at: old, is_accepted: true, action: "{}".into() };
        store.decide(&report, &decision)?;
        store.sweep(DataClass::Reports, UnixMillis(u64::MAX / 2), 9)
    };
    assert_eq!(fixture.store.write("sweep", decide).await, Ok(1));
    fixture.desk.collect_unshown().await.expect("collected");
    assert_eq!(fixture.state(&id(1)).await, None);
    assert!(!fixture.path(&id(1)).exists());
    fixture.stop().await;
}
