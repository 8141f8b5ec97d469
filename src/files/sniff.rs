//! What a file is by its first bytes. Whatever its sender says, a picture is one, and nothing active has its own type.
use std::sync::Arc;

use crate::signal::Refusal;
use crate::store::MessageKind;

/// Bytes that tell what a file is; the `DocType` of WebM stands within them.
pub(super) const HEAD_BYTES: usize = 4096;

/// What nobody knows, and what must not run in a browser.
const UNKNOWN: &str = "application/octet-stream";

/// Characters of a type that its sender names. RFC 6838 §4.2.
const TYPE_CHARS_MAX: usize = 127;

/// Words in types that browsers run or show as pages.
const ACTIVE: [&str; 8] = ["html", "xml", "svg", "script", "flash", "java", "x-msdownload", "wasm"];

/// What the first bytes can be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Family {
    Image,
    /// A container that may hold sound.
    Sound,
    Document,
}

/// The type that a file of `kind` with these first bytes has.
///
/// # Errors
///
/// `bad_request` if a picture is none, or a voice note no sound.
pub(super) fn media_type(kind: MessageKind, head: &[u8], named: Option<&str>) -> Result<Arc<str>, Refusal> {
    let found = recognise(head);
    match (kind, found) {
        (MessageKind::Image, Some((Family::Image, name))) => Ok(name.into()),
        (MessageKind::Image, _) => Err(Refusal::bad_request("a picture is PNG, JPEG, GIF, WebP or AVIF")),
        (MessageKind::Voice, Some((Family::Sound, name))) => Ok(name.into()),
        (MessageKind::Voice, _) => Err(Refusal::bad_request("a voice note is WebM, Ogg, MP4 or WAV")),
        (MessageKind::File | MessageKind::Text, Some((_, name))) => Ok(name.into()),
        (MessageKind::File | MessageKind::Text, None) if is_page(head) => Ok(UNKNOWN.into()),
        (MessageKind::File | MessageKind::Text, None) => {
            Ok(named.filter(|name| is_passive(name)).unwrap_or(UNKNOWN).into())
        }
    }
}

/// Refuses what is no name of a type.
///
/// # Errors
///
/// `bad_request`
pub(super) fn check_type(name: &str) -> Result<(), Refusal> {
    if is_type(name) { Ok(()) } else { Err(Refusal::bad_request("type is a media type such as text/plain")) }
}

fn recognise(head: &[u8]) -> Option<(Family, &'static str)> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let has_at = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
    if starts(b"\x89PNG\r\n\x1a\n") {
        return Some((Family::Image, "image/png"));
    }
    if starts(b"\xff\xd8\xff") {
        return Some((Family::Image, "image/jpeg"));
    }
    if starts(b"GIF87a") || starts(b"GIF89a") {
        return Some((Family::Image, "image/gif"));
    }
    if starts(b"RIFF") && has_at(8, b"WEBP") {
        return Some((Family::Image, "image/webp"));
    }
    if starts(b"RIFF") && has_at(8, b"WAVE") {
        return Some((Family::Sound, "audio/wav"));
    }
    if starts(b"OggS") {
        return Some((Family::Sound, "audio/ogg"));
    }
    if starts(b"\x1a\x45\xdf\xa3") && is_webm(head) {
        return Some((Family::Sound, "audio/webm"));
    }
    // ISO/IEC 14496-12 §4.3: the major brand follows the type of the first box.
    if has_at(4, b"ftyp") {
        let is_picture = has_at(8, b"avif") || has_at(8, b"avis");
        return Some(if is_picture { (Family::Image, "image/avif") } else { (Family::Sound, "audio/mp4") });
    }
    if starts(b"%PDF-") {
        return Some((Family::Document, "application/pdf"));
    }
    if starts(b"PK\x03\x04") {
        return Some((Family::Document, "application/zip"));
    }
    None
}

/// Whether the DocType of an EBML header, ID 0x4282, is WebM's. RFC 8794 §11.2.6; its length may be written in one to
/// eight bytes (§4).
fn is_webm(head: &[u8]) -> bool {
    let doc_types = head.windows(2).enumerate().filter(|(_, id)| id == b"\x42\x82");
    doc_types.into_iter().any(|(at, _)| {
        let rest = head.get(at + 2..).unwrap_or_default();
        let length_bytes = rest.first().map_or(0, |first| first.leading_zeros() as usize + 1);
        rest.get(length_bytes..).is_some_and(|text| text.starts_with(b"webm"))
    })
}

/// Whether a browser that ignores the declared type could take it for a page.
fn is_page(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    text.first() == Some(&b'<')
}

fn is_passive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    is_type(&name) && !ACTIVE.iter().any(|active| name.contains(active))
}

fn is_type(name: &str) -> bool {
    let is_word = |word: &str| {
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !word.is_empty() && word.len() <= TYPE_CHARS_MAX && word.bytes().all(may_stand)
    };
    name.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signal::ErrorCode;

    proptest! {
        #[test]
        fn nothing_active_is_ever_served_as_such(
            head in prop::collection::vec(any::<u8>(), 0..200),
            start in prop::sample::select(vec![&b""[..], b"<", b"RIFF", b"\x1a\x45\xdf\xa3\x42\x82", b"\0\0\0\x18ftyp"]),
            named in "(text|image|application)/[a-z+]{0,20}(html|xml|svg|script)?[a-z+]{0,3}",
        ) {
            let head = [start, &head].concat();
            for kind in [MessageKind::Voice, MessageKind::Image, MessageKind::File] {
                if let Ok(name) = media_type(kind, &head, Some(&named)) {
                    prop_assert!(ACTIVE.iter().all(|active| !name.contains(active)), "{name}");
                }
            }
        }
    }

    fn told(kind: MessageKind, head: &[u8], named: Option<&str>) -> Result<String, ErrorCode> {
        media_type(kind, head, named).map(|name| name.to_string()).map_err(|refusal| refusal.code)
    }

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const WEBM: &[u8] = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm\x42\x87\x81\x04";

    #[test]
    fn a_picture_is_one_by_its_bytes() {
        for (head, name) in [
            (PNG, "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a..", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x1cftypavif", "image/avif"),
        ] {
            assert_eq!(told(MessageKind::Image, head, Some("text/html")), Ok(name.to_owned()));
        }
        for head in [b"".as_slice(), b"<svg onload=alert(1)>", WEBM, b"RIFF\x10\0\0\0WAVE", b"RIFF", b"GIF"] {
            assert_eq!(told(MessageKind::Image, head, Some("image/png")), Err(ErrorCode::BadRequest));
        }
    }

    #[test]
    fn a_voice_note_is_a_container_of_sound() {
        let long_length = b"\x1a\x45\xdf\xa3\x42\x82\x01\0\0\0\0\0\0\x04webm";
        for (head, name) in [
            (WEBM, "audio/webm"),
            (long_length, "audio/webm"),
            (b"OggS\0\x02", "audio/ogg"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
            (b"\0\0\0\x18ftypmp42", "audio/mp4"),
        ] {
            assert_eq!(told(MessageKind::Voice, head, None), Ok(name.to_owned()));
        }
        for head in [PNG, b"", b"\x1a\x45\xdf\xa3\x42\x82\x88matroska", b"#!/bin/sh"] {
            assert_eq!(told(MessageKind::Voice, head, Some("audio/webm")), Err(ErrorCode::BadRequest));
        }
    }

    #[test]
    fn any_other_file_has_its_own_type_or_the_one_named_unless_that_is_active() {
        assert_eq!(told(MessageKind::File, PNG, Some("text/plain")), Ok("image/png".into()));
        assert_eq!(told(MessageKind::File, b"%PDF-1.7", None), Ok("application/pdf".into()));
        assert_eq!(told(MessageKind::File, b"hello", Some("text/plain")), Ok("text/plain".into()));
        assert_eq!(told(MessageKind::File, b"hello", None), Ok(UNKNOWN.into()));
        for named in [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "Text/XML",
            "text/javascript",
            "application/ecmascript",
            "no type",
            "text/plain; charset=utf-8",
        ] {
            assert_eq!(told(MessageKind::File, b"alert(1)", Some(named)), Ok(UNKNOWN.into()), "{named}");
        }
        for head in [b"<html>".as_slice(), b"  \n<?xml version", b"\xef\xbb\xbf<!doctype html>"] {
            assert_eq!(told(MessageKind::File, head, Some("text/plain")), Ok(UNKNOWN.into()));
        }
    }

    #[test]
    fn a_named_type_is_two_words() {
        for good in ["text/plain", "application/vnd.oasis.opendocument.text", "x/y"] {
            assert!(check_type(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a/", "/b", "text", "a/b/c", "a b/c", "text/plain\r\nx: y"] {
            assert!(check_type(bad).is_err(), "{bad:?}");
        }
    }
}
