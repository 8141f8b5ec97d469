//! Streams: messages without boundaries, connections that stay. RFC 8489 §6.2.2, RFC 8656 §12.5.
use std::time::Duration;

use crate::packet::*;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::verdict::Seen;
use crate::verdict::same;

/// Longer than the ten seconds that a connection has until its first message.
const IDLE: Duration = Duration::from_secs(12);

pub const STATEMENTS: &[Statement] = &[
    Statement::seen("24", "8489 §6.2.2", "messages are read however a stream is cut", Over::Streams, cut)
        .also(&["src/stun/tests/round_trips.rs::a_stream_gives_the_same_frames_however_it_is_cut"]),
    Statement::seen("25", "8489 §6.2.2", "an idle connection that owns an allocation stays open", Over::Streams, idle),
];

fn cut(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    let frames = [
        client.channel_frame(0x4000, b"first"),
        Packet::new(SEND).peer(peer.addr).attr(DATA, b"two").0,
        client.channel_frame(0x4000, b"third!"),
    ]
    .concat();
    let hears = |rounds: usize| -> Seen<()> {
        for _ in 0..rounds {
            for payload in [&b"first"[..], b"two", b"third!"] {
                peer.hears(relayed, payload)?;
            }
        }
        Ok(())
    };
    for byte in &frames {
        client.send(&[*byte])?;
    }
    hears(1)?;
    client.send(&frames.repeat(30))?;
    hears(30)?;
    // Two requests in one segment: two answers.
    let (a, b) = (Packet::new(BINDING), Packet::new(BINDING));
    client.send(&a.0)?;
    same("the second", client.ask(&b)?.code(), 0)?;
    same(
        "the first was answered",
        client.frame(Duration::ZERO)?.map(|frame| frame[8..20].to_vec()),
        Some(a.id().to_vec()),
    )
}

fn idle(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    std::thread::sleep(IDLE);
    client.indicate(peer.addr, b"still here")?;
    peer.hears(relayed, b"still here")
}
