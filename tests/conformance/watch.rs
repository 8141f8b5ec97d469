//! Looks at every message that a server sends while the probes run, whatever they ask for.
use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::packet::ALLOCATE;
use crate::packet::COOKIE;
use crate::packet::ERROR;
use crate::packet::ERROR_CODE;
use crate::packet::Parsed;
use crate::packet::SOFTWARE;
use crate::packet::SUCCESS;
use crate::verdict::Seen;
use crate::verdict::fails;
use crate::verdict::not_offered;

/// What is looked at.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// Header, lengths, padding and fingerprint are those of a sound message.
    Sound,
    /// No message tells which software runs.
    Nameless,
    /// ChannelData over a stream is padded with zeros.
    Clean,
    /// No error gives a reason phrase longer than a few words.
    Terse,
}

/// The longest reason phrase of RFC 8489 §14.8 and RFC 8656 §19 has this many bytes.
const PHRASE_LEN_MAX: usize = 40;

#[derive(Debug, Default)]
pub struct Watch {
    /// How many messages came, by way.
    seen: Mutex<BTreeMap<&'static str, usize>>,
    /// The first offence, by way and kind.
    offences: Mutex<BTreeMap<(&'static str, Watched), String>>,
}

impl Watch {
    /// Looks at a frame that is no ChannelData.
    pub fn look(&self, way: &'static str, frame: &[u8]) {
        *self.seen.lock().expect("no probe panicked").entry(way).or_default() += 1;
        // Whether anything but RFC 8489 is spoken has a statement of its own.
        if frame.get(4..8) != Some(&COOKIE) {
            return;
        }
        let parsed = match Parsed::read(frame) {
            Ok(parsed) => parsed,
            Err(problem) => return self.note(way, Watched::Sound, problem),
        };
        if let Some(name) = parsed.get(SOFTWARE) {
            self.note(way, Watched::Nameless, format!("SOFTWARE {:?}", String::from_utf8_lossy(name)));
        }
        if parsed.get(ERROR_CODE).is_some_and(|value| value.len() > 4 + PHRASE_LEN_MAX) {
            self.note(way, Watched::Terse, format!("a long reason phrase with {}", parsed.code()));
        }
        if parsed.ty & 0x0110 == ERROR && parsed.get(ERROR_CODE).is_none() {
            self.note(way, Watched::Sound, "an error without ERROR-CODE".to_owned());
        }
    }

    /// Looks at what stands behind a ChannelData message.
    pub fn look_at_padding(&self, way: &'static str, padding: &[u8]) {
        if padding.iter().any(|byte| *byte != 0) {
            self.note(way, Watched::Clean, "bytes that are not zero in the padding".to_owned());
        }
    }

    fn note(&self, way: &'static str, kind: Watched, how: String) {
        self.offences.lock().expect("no probe panicked").entry((way, kind)).or_insert(how);
    }

    /// What became of `kind` on a way.
    pub fn verdict(&self, way: &'static str, kind: Watched) -> Seen<()> {
        if let Some(how) = self.offences.lock().expect("no probe panicked").get(&(way, kind)) {
            return Err(fails(how.clone()));
        }
        match self.seen.lock().expect("no probe panicked").get(way) {
            Some(_) => Ok(()),
            None => Err(not_offered("no message came this way")),
        }
    }
}

#[test]
fn a_watch_notices_padding_and_names() {
    let watch = Watch::default();
    let sound = crate::packet::Packet::new(crate::packet::BINDING + SUCCESS).attr(0x0020, &[0; 8]);
    watch.look("a", &sound.0);
    assert!(watch.verdict("a", Watched::Sound).is_ok() && watch.verdict("a", Watched::Nameless).is_ok());
    let dirty =
        crate::packet::Packet::new(ALLOCATE + ERROR).padded(ERROR_CODE, b"\0\0\x04\x01No!", 7).attr(SOFTWARE, b"me");
    watch.look("b", &dirty.0);
    assert!(watch.verdict("b", Watched::Sound).is_err());
    let named = crate::packet::Packet::new(crate::packet::BINDING + SUCCESS).attr(SOFTWARE, b"me");
    watch.look("c", &named.0);
    assert!(watch.verdict("c", Watched::Nameless).is_err());
}
