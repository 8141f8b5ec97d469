//! Channels and what is common to all relayed data. RFC 8656 §12, §14, §15.
use std::net::SocketAddr;

use socket2::SockRef;

use crate::client::Data;
use crate::client::Peer;
use crate::client::SILENCE;
use crate::indications::PAYLOAD_LENS;
use crate::indications::payload;
use crate::packet::*;
use crate::raw::Sniffer;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::same;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen("92", "8656 §12.2", "ChannelBind without number or peer: 400", Over::All, incomplete),
    Statement::seen("93", "8656 §12", "a number outside 0x4000 to 0x4FFF: 400", Over::All, numbers)
        .also(&["src/relay/tests/channels.rs::numbers_of_the_old_standard_work_where_they_are_switched_on"]),
    Statement::seen("94", "8656 §12.2", "a number has one peer, a peer one number: else 400", Over::All, one_each),
    Statement::seen(
        "95",
        "8656 §12.2",
        "binding the same pair again refreshes channel and permission",
        Over::All,
        again,
    )
    .also(&["src/relay/tests/channels.rs::binding_again_restarts_channel_and_permission"]),
    Statement::told(
        "96",
        "8656 §12",
        "a channel ends after 600 s and may be bound anew",
        &["src/relay/tests/channels.rs::a_channel_ends_after_600_seconds_and_may_be_bound_anew"],
    ),
    Statement::seen("97", "8656 §12.2", "forbidden peer 403, other family 443, over the cap 508", Over::All, refusals)
        .also(&["src/relay/tests/channels.rs::channels_are_limited_and_expired_ones_do_not_count"]),
    Statement::seen("98", "8656 §12.7", "a bound peer's data comes as ChannelData", Over::All, both_ways),
    Statement::seen("99", "8656 §12.6", "ChannelData on an unbound number: dropped", Over::All, unbound)
        .also(&["src/relay/tests/channels.rs::unbound_numbers_are_dropped_and_refresh_nothing"]),
    Statement::seen(
        "100",
        "8656 §12.6",
        "a length beyond the datagram: dropped; bytes behind it are not relayed",
        Over::Udp,
        wrong_length,
    ),
    Statement::seen("101", "8656 §12.5", "padding: optional over UDP, to 4 bytes over TCP", Over::All, padding),
    Statement::seen("102", "8656 §12.6", "length 0 is an empty datagram; length 0xFFFF is framed", Over::All, extremes)
        .also(&["src/stun/framing.rs::the_longest_channel_data_is_framed"]),
    Statement::told(
        "103",
        "8656 §12.6",
        "a channel without permission carries nothing, either way",
        &["src/relay/tests/channels.rs::when_the_permission_lapses_a_living_channel_carries_nothing"],
    ),
    Statement::seen(
        "104",
        "8656 §12.5",
        "a datagram of 1500 bytes arrives whole; overflow drops whole packets",
        Over::Streams,
        whole,
    )
    .also(&["src/transport/output.rs::a_full_output_drops_whole_media_and_still_takes_answers"]),
    Statement::seen(
        "105",
        "8656 §14",
        "DSCP and ECN are carried or cleared, always the same way",
        Over::Udp,
        traffic_class,
    ),
];

fn six() -> SocketAddr {
    "[::1]:5000".parse().expect("an address")
}

fn incomplete(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    client.expect(400, "no peer", Packet::new(CHANNEL_BIND).channel(0x4000))?;
    client.expect(400, "no number", Packet::new(CHANNEL_BIND).peer(scene.somebody()))?;
    client.expect(400, "nothing", Packet::new(CHANNEL_BIND))?;
    client.expect(
        400,
        "a short number",
        Packet::new(CHANNEL_BIND).attr(CHANNEL_NUMBER, &[0x40]).peer(scene.somebody()),
    )?;
    Ok(())
}

fn numbers(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    for number in [0, 1, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF] {
        client.bind(400, &format!("{number:#06x}"), number, scene.somebody())?;
    }
    for number in [0x4000, 0x4FFF] {
        let peer = SocketAddr::new(scene.somebody().ip(), number);
        client.bind(0, &format!("{number:#06x}"), number, peer)?;
    }
    Ok(())
}

fn one_each(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let (a, b) = (scene.peer()?, scene.peer()?);
    client.bind(0, "a free pair", 0x4000, a.addr)?;
    client.bind(400, "the number is another peer's", 0x4000, b.addr)?;
    client.bind(400, "the peer has another number", 0x4001, a.addr)?;
    client.bind(0, "the same address with another port is another peer", 0x4001, b.addr)?;
    client.channel(0x4000, b"a")?;
    client.channel(0x4001, b"b")?;
    a.hears(relayed, b"a")?;
    b.hears(relayed, b"b")
}

fn again(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    for _ in 0..3 {
        client.bind(0, "the same pair", 0x4000, peer.addr)?;
    }
    client.channel(0x4000, b"bound")?;
    peer.hears(relayed, b"bound")
}

fn refusals(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    client.bind(403, "a forbidden peer", 0x4000, "0.0.0.1:5000".parse().expect("an address"))?;
    client.bind(443, "an IPv6 peer", 0x4000, six())?;
    let mut codes = Vec::new();
    for number in 0..255_u16 {
        let peer = SocketAddr::new(scene.somebody().ip(), 20_000 + number);
        codes.push(client.call(Packet::new(CHANNEL_BIND).channel(0x4000 + number).peer(peer))?.code());
    }
    match codes.iter().find(|code| **code != 0) {
        None if !scene.target.is_ours() => Ok(()),
        refused => same("255 channels end with", refused.copied(), Some(508)),
    }
}

fn both_ways(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let (peer, other) = (scene.peer()?, scene.peer()?);
    client.bind(0, "ChannelBind", 0x4ABC, peer.addr)?;
    for len in PAYLOAD_LENS {
        client.channel(0x4ABC, &payload(len))?;
        peer.hears(relayed, &payload(len))?;
        peer.say(relayed, &payload(len))?;
        let came = client.data()?;
        ensure(came == Data::Channel(0x4ABC, payload(len)), format!("{len} bytes did not come as ChannelData"))?;
    }
    // The channel permits the address; its other ports are not bound.
    other.say(relayed, b"other port")?;
    same("from another port", client.data()?, Data::Indication(other.addr, b"other port".to_vec()))?;
    let (mut client, relayed) = scene.allocated_v6()?;
    let peer = scene.peer_v6()?;
    client.bind(0, "ChannelBind of IPv6", 0x4000, peer.addr)?;
    client.channel(0x4000, b"six")?;
    peer.hears(relayed, b"six")?;
    peer.say(relayed, b"back")?;
    same("from IPv6", client.data()?, Data::Channel(0x4000, b"back".to_vec()))
}

fn unbound(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    let frame = client.channel_frame(0x4001, b"unbound");
    client.ignored("an unbound number", &frame)?;
    client.channel(0x4000, b"bound")?;
    peer.hears(relayed, b"bound")
}

fn wrong_length(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    client.ignored("longer than the datagram", &[0x40, 0, 0, 9, 1, 2, 3])?;
    client.ignored("0xFFFF in a short datagram", &[0x40, 0, 0xFF, 0xFF, 1, 2, 3, 4])?;
    client.ignored("half a header", &[0x40, 0, 0])?;
    // To drop the whole datagram is as good as to cut it.
    client.send(&[0x40, 0, 0, 3, b'c', b'u', b't', 0, 9, 9, 9])?;
    client.channel(0x4000, b"next")?;
    match peer.hears(relayed, b"next") {
        Ok(()) => Ok(()),
        Err(_) => {
            peer.hears(relayed, b"next").map_err(|_| fails("nothing, or bytes behind the length, came to the peer"))
        }
    }
}

fn padding(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    let bare = channel_data(0x4000, b"12345");
    let padded = |with: u8| [&bare[..], &[with; 3]].concat();
    let frames =
        if scene.way.is_udp() { vec![bare.clone(), padded(0), padded(0xFF)] } else { vec![padded(0), padded(0xFF)] };
    for frame in frames {
        client.send(&frame)?;
        peer.hears(relayed, b"12345")?;
    }
    // Reading a stream demands padding to 4 bytes: the second frame is found behind the first.
    for payload in [&b"1"[..], b"22", b"333", b"4444"] {
        peer.say(relayed, payload)?;
        same("what comes", client.data()?, Data::Channel(0x4000, payload.to_vec()))?;
    }
    Ok(())
}

fn extremes(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    client.channel(0x4000, b"")?;
    peer.hears(relayed, b"")?;
    peer.say(relayed, b"")?;
    same("what comes", client.data()?, Data::Channel(0x4000, Vec::new()))?;
    if !scene.way.is_udp() {
        // No datagram can be so long, but the frame ends where it says.
        client.channel(0x4000, &vec![7; 0xFFFF])?;
        client.channel(0x4000, b"behind")?;
        peer.hears(relayed, b"behind").map_err(|_| fails("what stands behind a length of 0xFFFF is lost"))?;
    }
    Ok(())
}

fn whole(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    for _ in 0..20 {
        peer.say(relayed, &payload(1500))?;
        let came = client.data()?;
        ensure(came == Data::Channel(0x4000, payload(1500)), "a datagram of 1500 bytes is not whole")?;
    }
    // All at once: some may be dropped, those that come are whole.
    for _ in 0..100 {
        peer.say(relayed, &payload(1500))?;
    }
    peer.say(relayed, b"end")?;
    while let Some(frame) = client.frame(SILENCE)? {
        let is_whole = frame[4..] == payload(1500) || frame[4..] == *b"end";
        ensure(is_whole, format!("a datagram of a burst came with {} bytes", frame.len()))?;
    }
    Ok(())
}

/// Expedited Forwarding with ECT(0). RFC 3246, RFC 3168.
const MARK: u32 = 0xB8 | 0b10;

fn traffic_class(scene: &Scene<'_>) -> Seen<()> {
    if !scene.way.addr.is_ipv4() {
        return relayed_over_v6(scene);
    }
    let (mut client, relayed) = scene.allocated()?;
    let peer = Peer::at(scene.neighbour(81)?)?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    let sniffer = Sniffer::open(relayed, peer.addr)?;
    let socket = client.udp_socket()?;
    SockRef::from(&socket).set_tos_v4(MARK).expect("set an option");
    let mark = u8::try_from(MARK).expect("one byte");
    let mut classes = Vec::new();
    // One by one: a run to one peer may leave as one packet, which the system cuts behind this socket.
    for _ in 0..3 {
        client.channel(0x4000, b"channel")?;
        classes.push(sniffer.next()?.class);
        client.indicate(peer.addr, b"indication")?;
        classes.push(sniffer.next()?.class);
    }
    let carried = classes.iter().all(|class| *class == mark);
    // ECN may be cleared while DSCP is carried, and the other way round, but not now this and now that.
    let is_clear = classes.iter().all(|class| *class == classes[0] && (class & !mark) == 0);
    ensure(carried || is_clear, format!("{mark:#04x} became {classes:02x?}"))?;
    SockRef::from(&socket).set_tos_v4(0).expect("set an option");
    client.channel(0x4000, b"unmarked")?;
    same("the class of an unmarked datagram", sniffer.next()?.class, 0)
}

/// IPv6 clients are relayed to IPv4 peers here: nothing of the class must get lost in a way that harms.
fn relayed_over_v6(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = Peer::at(scene.neighbour(81)?)?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    let sniffer = Sniffer::open(relayed, peer.addr)?;
    for _ in 0..3 {
        client.channel(0x4000, b"unmarked")?;
        let seen = sniffer.next()?;
        same("class", seen.class, 0)?;
        ensure(seen.ttl > 1, format!("TTL {}", seen.ttl))?;
    }
    Ok(())
}
