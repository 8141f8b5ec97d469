//! What is frozen with a report: the last messages of both sides, the facts of their session, how the call went. It is a
//! copy, so that it stays when the chat goes. Files are not copied: the store has them stay until the report goes.
use std::cmp::Reverse;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use crate::signal::call_report::CallSummary;
use crate::signal::keepsake::SessionDetails;
use crate::signal::settings::EvidenceLimits;
use crate::store::Alias;
use crate::store::Entry;
use crate::store::MessageId;
use crate::store::Participant;
use crate::store::Place;
use crate::store::SessionRecord;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::Window;
use crate::time::UnixMillis;

/// Messages of both sides that are kept, beside those that the reporter names.
pub(super) const MESSAGES: usize = 50;
/// The form of the JSON.
const VERSION: u32 = 1;

/// What is known when somebody complains.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) place: Place,
    pub(super) reporter: Participant,
    pub(super) reported: Participant,
    /// The address window that the reported side is in now, as text; `None` if it is away.
    pub(super) network: Option<String>,
    /// What the reporter's and the reported side told of a call that runs.
    pub(super) calls: Option<[CallSummary; 2]>,
    /// Messages that the reporter means most of all.
    pub(super) mids: Vec<MessageId>,
    /// What a program says that reports; people have a comment.
    pub(super) remark: Option<Remark>,
    /// How many bytes of files may be kept; `None`: there are no files here.
    pub(super) files: Option<EvidenceLimits>,
    pub(super) at: UnixMillis,
}

/// Why a program reports a message.
#[derive(Clone, Debug)]
pub(super) struct Remark {
    pub(super) mid: MessageId,
    /// The rules that it meets, or words of whoever judged it.
    pub(super) rules: Vec<Arc<str>>,
    /// As it was written.
    pub(super) text: Arc<str>,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rules.join(", "), self.text)
    }
}

/// What is frozen.
pub(super) struct Frozen {
    /// A copy, as JSON.
    pub(super) evidence: Value,
    /// Files whose bytes the report is to keep.
    pub(super) files: Vec<UploadId>,
}

/// Copies all that proves anything, and says which files are to stay for it.
///
/// # Errors
///
/// An accident.
pub(super) fn freeze(store: &dyn Store, scene: &Scene) -> Result<Frozen, StoreError> {
    let record = match &scene.place {
        Place::Session(session) => store.session(session)?,
        Place::Room(_) => None,
    };
    let mut shown = Vec::new();
    for entry in last_messages(store, scene)? {
        let file = entry.content.as_ref().and_then(|content| content.file.clone());
        let upload = file.map(|file| store.upload(&file)).transpose()?.flatten();
        shown.push((entry, upload));
    }
    let files = files_to_keep(store, scene, &shown)?;
    let mut messages = Vec::new();
    for (entry, upload) in &shown {
        // Whoever takes back what they said has said it.
        let withdrawn = match entry.content {
            Some(_) => None,
            None => store.withdrawn(&scene.place, entry.mid)?,
        };
        messages.push(message_view(entry, withdrawn.as_deref(), upload.as_ref(), &files, scene));
    }
    let party = |participant: &Participant| {
        let device = participant.party.device.as_ref().map(|device| &device.0);
        json!({"user": participant.party.user.0, "device": device, "alias": participant.alias})
    };
    let mut reported = party(&scene.reported);
    if let (Some(reported), Some(network)) = (reported.as_object_mut(), &scene.network) {
        reported.insert("network".into(), json!(network));
    }
    let mut evidence = json!({
        "version": VERSION,
        "reporter": party(&scene.reporter),
        "reported": reported,
        "session": record.as_ref().map(|record| session_view(record, scene.at)),
        "quality": quality_view(record.as_ref(), scene),
        "messages": messages,
    });
    if let Some(evidence) = evidence.as_object_mut() {
        if let Place::Room(room) = &scene.place {
            evidence.insert("room".into(), json!(room));
        }
        if let Some(Remark { mid, rules, text }) = &scene.remark {
            evidence.insert("flagged".into(), json!({"mid": mid, "rules": rules, "text": text}));
        }
    }
    Ok(Frozen { evidence, files })
}

/// The files that fit: first those that the reporter means most of all, then the newest. What another report keeps already takes
/// no room.
fn files_to_keep(
    store: &dyn Store,
    scene: &Scene,
    shown: &[(Entry, Option<Upload>)],
) -> Result<Vec<UploadId>, StoreError> {
    let Some(limits) = scene.files else { return Ok(Vec::new()) };
    let whole = |upload: &&Upload| upload.state == UploadState::Complete;
    let mut found: Vec<(&Entry, &Upload)> =
        shown.iter().filter_map(|(entry, upload)| Some((entry, upload.as_ref().filter(whole)?))).collect();
    found.sort_by_key(|(entry, _)| (!scene.mids.contains(&entry.mid), Reverse(entry.mid)));
    let (mut own, mut all) = (0_u64, store.kept_in_all()?.bytes);
    let mut files: Vec<UploadId> = Vec::new();
    for (_, upload) in found {
        if files.contains(&upload.id) {
            continue;
        }
        let more = if store.is_kept(&upload.id)? { 0 } else { upload.bytes };
        let (then_own, then_all) = (own.saturating_add(upload.bytes), all.saturating_add(more));
        if then_own <= limits.bytes_per_report && then_all <= limits.total_bytes {
            (own, all) = (then_own, then_all);
            files.push(upload.id.clone());
        }
    }
    Ok(files)
}

/// The address window in evidence, if it was known.
pub(super) fn network_in(evidence: &str) -> Option<String> {
    let evidence: Value = serde_json::from_str(evidence).ok()?;
    evidence["reported"]["network"].as_str().map(str::to_owned)
}

/// The last messages, and those before them that the reporter names, in their order.
fn last_messages(store: &dyn Store, scene: &Scene) -> Result<Vec<Entry>, StoreError> {
    let place = &scene.place;
    let mut entries = store.history(place, Window { limit: MESSAGES, ..Window::default() })?.entries;
    for mid in &scene.mids {
        if entries.iter().all(|entry| entry.mid != *mid) {
            entries.extend(named(store, place, *mid)?);
        }
    }
    entries.sort_by_key(|entry| entry.mid);
    Ok(entries)
}

/// One message by its name, if it is there.
fn named(store: &dyn Store, place: &Place, mid: MessageId) -> Result<Option<Entry>, StoreError> {
    let behind = MessageId(Uuid::from_u128(mid.0.as_u128().saturating_add(1)));
    let page = store.history(place, Window { before: Some(behind), after: None, limit: 1 })?;
    Ok(page.entries.into_iter().find(|entry| entry.mid == mid))
}

fn message_view(
    entry: &Entry,
    withdrawn: Option<&str>,
    upload: Option<&Upload>,
    kept: &[UploadId],
    scene: &Scene,
) -> Value {
    let mut view = json!({"mid": entry.mid, "ts": entry.at, "from": side_of(&entry.sender, scene)});
    let Some(told) = view.as_object_mut() else { return view };
    if scene.mids.contains(&entry.mid) {
        told.insert("marked".into(), json!(true));
    }
    let Some(content) = &entry.content else {
        told.insert("deleted".into(), json!(true));
        if let Some(withdrawn) = withdrawn {
            told.insert("text".into(), json!(withdrawn));
        }
        return view;
    };
    told.insert("kind".into(), json!(content.kind.as_str()));
    told.insert("text".into(), json!(&*content.text));
    if let Some(reply_to) = content.reply_to {
        told.insert("reply_to".into(), json!(reply_to));
    }
    if let Some(file) = &content.file {
        told.insert("file".into(), upload.map_or_else(|| json!({"id": &*file.0}), |upload| file_view(upload, kept)));
    }
    view
}

/// What is known of a file, and whether its bytes stay with the report.
fn file_view(upload: &Upload, kept: &[UploadId]) -> Value {
    let sha256 = upload.sha256.map(|hash| {
        hash.iter().fold(String::new(), |mut text, byte| {
            // A String takes everything.
            let _ = write!(text, "{byte:02x}");
            text
        })
    });
    json!({
        "id": &*upload.id.0,
        "name": &*upload.name,
        "type": &*upload.mime,
        "size": upload.bytes,
        "sha256": sha256,
        "kept": kept.contains(&upload.id),
    })
}

fn side_of(alias: &Alias, scene: &Scene) -> &'static str {
    match alias {
        alias if *alias == scene.reported.alias => "reported",
        alias if *alias == scene.reporter.alias => "reporter",
        // Where a program reports, and in rooms.
        _ => "other",
    }
}

fn session_view(record: &SessionRecord, at: UnixMillis) -> Value {
    let SessionRecord { session, ending } = record;
    let details = SessionDetails::read(&session.details);
    let until = ending.as_ref().map_or(at, |ending| ending.at);
    json!({
        "id": session.id,
        "started": session.started,
        "ended": ending.as_ref().map(|ending| ending.at),
        "reason": ending.as_ref().map(|ending| &*ending.reason),
        "duration_ms": until.saturating_since(session.started).as_millis() as u64,
        "tags_common": details.tags_common,
        "language": details.language,
    })
}

/// How the call went: from what the hub knows of one that runs, else from its record.
fn quality_view(record: Option<&SessionRecord>, scene: &Scene) -> Value {
    if let Some([reporter, reported]) = &scene.calls {
        return json!({"reporter": reporter, "reported": reported});
    }
    let Some(SessionRecord { session, ending: Some(ending) }) = record else { return Value::Null };
    let Ok(summary) = serde_json::from_str::<Value>(&ending.summary) else { return Value::Null };
    let [a, _] = &session.participants;
    let sides = if a.alias == scene.reporter.alias { ["a", "b"] } else { ["b", "a"] };
    let [reporter, reported] = sides.map(|side| &summary[side]);
    json!({"reporter": reporter, "reported": reported, "relayed": summary["relayed"]})
}
