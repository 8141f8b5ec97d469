//! What an attacker would try that can be seen from outside. RFC 8656 §21, and the histories of other servers.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;

use crate::client::Data;
use crate::client::PATIENCE;
use crate::client::Peer;
use crate::client::SILENCE;
use crate::indications::payload;
use crate::packet::*;
use crate::statement::OUR_RULE;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::support::eventually;
use crate::target::Setup;
use crate::user::User;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::same;
use crate::watch::Watched;

const SAFE: &str = "8656 §21";

pub const STATEMENTS: &[Statement] = &[
    Statement::seen(
        "A20",
        OUR_RULE,
        "ports of services (below 1024, 1900, 5353, 11211): 403, Send dropped",
        Over::Once,
        service_ports,
    )
    .also(&["src/relay/tests/policy.rs::ports_of_services_are_refused_and_all_others_are_not"]),
    Statement::seen("A21", SAFE, "an allocation is not its own peer", Over::All, self_peer),
    Statement::seen("A22", SAFE, "the server's own listeners are no peers", Over::All, own_listeners)
        .also(&["src/relay/tests/policy.rs::a_listeners_port_is_refused_on_every_own_address"]),
    Statement::seen("A23", SAFE, "two allocations that are each other's peers make no loop", Over::All, no_loop),
    Statement::seen(
        "A24",
        SAFE,
        "an unauthenticated answer is at most 3.6 times its request; of a bare header, with IP and UDP headers",
        Over::Udp,
        amplification,
    ),
    Statement::seen("A25", SAFE, "garbage gets no answer", Over::Udp, garbage)
        .also(&["tests/hostile_packets.rs::random_bytes_are_read_without_contradiction"]),
    Statement::watched("A26", OUR_RULE, "no message names the software", Over::All, Watched::Nameless),
    Statement::watched("A27", OUR_RULE, "no error explains more than the standard's phrase", Over::All, Watched::Terse),
    Statement::seen(
        "A28",
        SAFE,
        "a name with line ends and escapes forges no line in the log",
        Over::Once,
        log_injection,
    ),
    Statement::seen(
        "A29",
        OUR_RULE,
        "NAT discovery is off: CHANGE-REQUEST, RESPONSE-PORT, PADDING are unknown (420)",
        Over::Udp,
        change_request,
    ),
    Statement::seen("A30", OUR_RULE, "relaying to TCP peers is off: 442, and no Connect", Over::Streams, tcp_relay),
    Statement::seen("A31", SAFE, "DATA that says more than there is: nothing is relayed", Over::All, data_beyond),
    Statement::seen("A32", SAFE, "a peer that pretends to be the client changes nothing", Over::Once, forged_client),
    Statement::seen("A35", OUR_RULE, "payloads of 65000 bytes pass, both ways", Over::All, huge),
    Statement::watched(
        "A36",
        OUR_RULE,
        "ChannelData is padded with zeros: nothing older leaks",
        Over::Streams,
        Watched::Clean,
    ),
    Statement::seen(
        "A37",
        OUR_RULE,
        "a stream that is neither STUN nor ChannelData is closed",
        Over::Streams,
        no_stream,
    ),
    Statement::seen(
        "A38",
        OUR_RULE,
        "half a frame on a stream is not waited for longer than seconds",
        Over::Streams,
        half_frame,
    ),
    Statement::told(
        "A39",
        OUR_RULE,
        "a credential and its allocations end with the session they were made for",
        &["tests/turn_operations.rs::the_end_of_a_session_frees_what_it_has_on_every_transport_and_shard"],
    ),
    Statement::seen("A40", OUR_RULE, "answers to a network that proved nothing are rationed", Over::Once, ration)
        .also(&["src/relay/tests/strangers.rs::a_network_gets_a_ration_of_answers_whatever_it_asks"]),
    Statement::seen(
        "A41",
        OUR_RULE,
        "who guesses passwords is not heard for a while; what lives, lives on",
        Over::Once,
        guesses,
    )
    .also(&["src/relay/tests/strangers.rs::who_guesses_passwords_gets_silence_for_a_minute"]),
    Statement::told(
        "A42",
        OUR_RULE,
        "an allocation, and all of them together, relay so many bytes a second",
        &[
            "src/relay/tests/bandwidth.rs::an_allocation_relays_its_bytes_per_second_each_way_and_drops_what_is_over",
            "src/relay/tests/bandwidth.rs::all_allocations_of_all_shards_share_the_total",
        ],
    ),
    Statement::told(
        "A43",
        OUR_RULE,
        "an allocation meets so many peers over its life: no scanning",
        &["src/relay/tests/permissions.rs::an_allocation_meets_a_limited_number_of_addresses_over_its_life"],
    ),
    Statement::told(
        "A44",
        OUR_RULE,
        "minting credentials anew does not evade a quota",
        &[
            "src/relay/tests/allocate.rs::minting_again_does_not_evade_the_user_quota",
            "src/relay/tests/allocate.rs::both_sides_of_a_session_share_its_quota",
        ],
    ),
    Statement::told(
        "A33",
        SAFE,
        "floods without credentials leave no state",
        &["src/relay/tests/hostile.rs::unauthenticated_floods_leave_no_state"],
    ),
    Statement::told(
        "A34",
        SAFE,
        "a client that does not read holds nobody else up",
        &[
            "src/listener/tests/silence.rs::a_client_that_does_not_read_is_reset_and_one_that_does_gets_all",
            "src/transport/output.rs::a_full_output_drops_whole_media_and_still_takes_answers",
        ],
    ),
];

/// A peer of this machine at a port.
fn peer_at(scene: &Scene<'_>, port: u16) -> Seen<Peer> {
    let addr = SocketAddr::new(scene.neighbour(80)?, port);
    let socket = UdpSocket::bind(addr).map_err(|e| fails(format!("no peer at {addr}: {e}")))?;
    let addr = socket.local_addr().map_err(|e| fails(e.to_string()))?;
    Ok(Peer { socket, addr })
}

fn service_ports(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let ip = peer_at(scene, 0)?.addr.ip();
    for port in [0, 1, 53, 123, 443, 1023, 1900, 5353, 11_211] {
        client.bind(403, &format!("ChannelBind to port {port}"), 0x4000, SocketAddr::new(ip, port))?;
    }
    let (service, other) = (peer_at(scene, 11_211)?, peer_at(scene, 0)?);
    client.permit(0, "a permission for its address", &[other.addr])?;
    client.indicate(service.addr, b"get keys")?;
    client.indicate(other.addr, b"hello")?;
    other.hears(relayed, b"hello")?;
    ensure(!service.is_spoken_to(), "a Send indication reached port 11211")
}

fn self_peer(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    client.bind(403, "ChannelBind to itself", 0x4000, relayed)?;
    let code = client.call(Packet::new(CREATE_PERMISSION).peer(relayed))?.code();
    if code == 0 {
        client.ignored("Send to itself", &Packet::new(SEND).peer(relayed).attr(DATA, b"echo").0)?;
        let friend = scene.peer()?;
        client.permit(0, "a permission", &[friend.addr])?;
        friend.say(relayed, b"friend")?;
        return same("the first to be heard", client.data()?, Data::Indication(friend.addr, b"friend".to_vec()));
    }
    same("CreatePermission for itself", code, 403)
}

fn own_listeners(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let friend = scene.peer()?;
    client.permit(0, "a permission", &[friend.addr])?;
    let inner = Packet::new(BINDING).0;
    for port in scene.target.own_ports() {
        for ip in [relayed.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST)] {
            let own = SocketAddr::new(ip, port);
            client.bind(403, "ChannelBind to a listener", 0x4000, own)?;
            client.indicate(own, &inner)?;
        }
    }
    // What the listeners would have answered comes before this.
    std::thread::sleep(SILENCE);
    friend.say(relayed, b"friend")?;
    same("the first to be heard", client.data()?, Data::Indication(friend.addr, b"friend".to_vec()))
}

fn no_loop(scene: &Scene<'_>) -> Seen<()> {
    let ((mut a, at_a), (mut b, at_b)) = (scene.allocated()?, scene.allocated()?);
    a.bind(0, "a's channel to b", 0x4000, at_b)?;
    b.bind(0, "b's channel to a", 0x4000, at_a)?;
    a.channel(0x4000, b"once")?;
    same("b hears", b.data()?, Data::Channel(0x4000, b"once".to_vec()))?;
    let more = a.frame(SILENCE)?.or(b.frame(SILENCE)?);
    ensure(more.is_none(), "one message came more than once")
}

/// IP and UDP headers: what a victim's line carries.
fn on_the_wire(scene: &Scene<'_>, len: usize) -> usize {
    len + if scene.way.addr.is_ipv4() { 28 } else { 48 }
}

fn amplification(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.silent_client(scene.target.user(), 0)?;
    let mut requests = vec![Packet::new(BINDING), Packet::new(ALLOCATE), Packet::allocate(), Packet::new(REFRESH)];
    requests.push(Packet::new(0x0777));
    requests.push((0x7000..0x7020).fold(Packet::new(BINDING), |packet, ty| packet.attr(ty, b"")));
    for request in requests {
        let Ok(answer) = client.ask(&request) else { continue };
        let (asked, answered) = (on_the_wire(scene, request.0.len()), on_the_wire(scene, answer.len()));
        let how = format!("{asked} bytes of {:#06x} are answered with {answered}", request.ty());
        ensure(answered * 10 < asked * 36, how)?;
    }
    for request in [Packet::new(BINDING), Packet::allocate()] {
        let (asked, answered) = (request.0.len(), client.ask(&request)?.len());
        ensure(
            answered * 10 <= asked * 36,
            format!("{asked} bytes are answered with {answered}, headers not counted"),
        )?;
    }
    Ok(())
}

fn garbage(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.silent_client(scene.target.user(), 0)?;
    let rtp = [&[0x80, 0x60][..], &[1; 30]].concat();
    let dns = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\xff\0\x01";
    let dtls = [&[0x16, 0xFE, 0xFD][..], &[0; 10]].concat();
    for bytes in [&b""[..], b"\0", b"\n\n\n\n", b"GET / HTTP/1.1\r\n\r\n", &rtp, dns, &dtls, &[0xFF; 1400], &[0; 1400]]
    {
        client.ignored("garbage", bytes)?;
    }
    Ok(())
}

fn log_injection(scene: &Scene<'_>) -> Seen<()> {
    scene.target.log()?;
    let names =
        ["x\r\nFORGED by line end", "x\u{1b}[2J\u{1b}]0;FORGED\u{7}", "x\u{85}FORGED by next line", "x\u{2028}FORGED"];
    for name in names {
        // The credential itself is good: only its name is hostile.
        let mut client = scene.client_of(scene.target.user_called(name))?;
        client.call(Packet::allocate())?;
        let mut client = scene.client_of(User::named(name, "wrong"))?;
        client.call(Packet::allocate())?;
        client.realm = name.as_bytes().to_vec();
        client.call(Packet::allocate())?;
        client.ask(&Packet::new(BINDING).attr(SOFTWARE, name.as_bytes()))?;
    }
    let mut last = scene.client_of(scene.target.user_called("themarker"))?;
    last.allocate(Packet::allocate())?;
    last.refresh(0, "Refresh", 0)?;
    let has_ended = || scene.target.log().is_ok_and(|log| log.contains("themarker"));
    let is_told = eventually(Duration::from_secs(5), has_ended);
    ensure(is_told || !scene.target.is_ours(), "the log does not tell what happened")?;
    let log = scene.target.log()?;
    let is_raw = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{2028}');
    if let Some(line) = log.lines().find(|line| line.chars().any(is_raw)) {
        return Err(fails(format!(
            "the log has a raw control character: {:?}",
            line.chars().take(120).collect::<String>()
        )));
    }
    ensure(!log.lines().any(|line| line.trim_start().starts_with("FORGED")), "the log has a forged line")
}

fn change_request(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.silent_client(scene.target.user(), 0)?;
    for flags in [0, 2, 4, 6] {
        let answer = client.ask(&Packet::new(BINDING).u32(CHANGE_REQUEST, flags))?;
        same("CHANGE-REQUEST", answer.code(), 420)?;
        same("it names", answer.get(UNKNOWN_ATTRIBUTES).map(|list| list[..2].to_vec()), Some(vec![0, 3]))?;
    }
    // RESPONSE-PORT and PADDING: an answer to somebody else, and a long one.
    for ty in [0x0027, 0x0026] {
        let answer = client.ask(&Packet::new(BINDING).u32(ty, 0))?;
        same("RESPONSE-PORT or PADDING", answer.code(), 420)?;
    }
    Ok(())
}

fn tcp_relay(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    client.expect(442, "Allocate for TCP", Packet::new(ALLOCATE).byte(TRANSPORT, 6))?;
    client.allocate(Packet::allocate())?;
    let answer = client.call(Packet::new(0x000A).peer(scene.somebody()))?;
    ensure(answer.code() != 0, "Connect succeeds")
}

fn data_beyond(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    for len in [5_u8, 100, 255] {
        let mut send = Packet::new(SEND).peer(peer.addr).attr(DATA, b"four").0;
        let at = send.len() - 5;
        send[at] = len;
        client.ignored("DATA beyond the message", &send)?;
    }
    client.indicate(peer.addr, b"sound")?;
    peer.hears(relayed, b"sound")
}

fn huge(scene: &Scene<'_>) -> Seen<()> {
    const LEN: usize = 65_000;
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    client.indicate(peer.addr, &payload(LEN))?;
    peer.hears(relayed, &payload(LEN))?;
    peer.say(relayed, &payload(LEN))?;
    ensure(client.data()? == Data::Indication(peer.addr, payload(LEN)), "it did not come as it was sent")?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    client.channel(0x4000, &payload(LEN))?;
    peer.hears(relayed, &payload(LEN))?;
    peer.say(relayed, &payload(LEN))?;
    ensure(client.data()? == Data::Channel(0x4000, payload(LEN)), "it did not come as it was sent")
}

fn no_stream(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    client.send(&[0xFF; 4])?;
    ensure(client.frame(PATIENCE).is_err(), "the connection stays open")
}

/// Five seconds, and something for a slow machine.
const HALF_FRAME_MAX: Duration = Duration::from_secs(10);

fn half_frame(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    client.send(&Packet::new(REFRESH).0[..10])?;
    ensure(client.frame(HALF_FRAME_MAX).is_err(), "the connection stays open")
}

fn ration(scene: &Scene<'_>) -> Seen<()> {
    const ASKED: usize = 600;
    let target = scene.target.with(Setup::Rationed)?;
    let scene = Scene { target: &target, way: &target.ways[0] };
    let mut client = scene.silent_client(target.user(), 0)?;
    let mut answered = 0;
    for _ in 0..ASKED / 20 {
        for _ in 0..20 {
            client.send(&Packet::new(BINDING).0)?;
        }
        while client.frame(Duration::from_millis(5))?.is_some() {
            answered += 1;
        }
    }
    ensure(answered > 0, "nothing is answered at all")?;
    ensure(answered < ASKED * 2 / 3, format!("{answered} of {ASKED} strangers' requests were answered"))
}

fn guesses(scene: &Scene<'_>) -> Seen<()> {
    const GUESSES: usize = 80;
    let target = scene.target.with(Setup::Rationed)?;
    let scene = Scene { target: &target, way: &target.ways[0] };
    let (mut resident, _) = scene.allocated()?;
    let mut guesser = scene.client_of(User { password: "guessed".to_owned(), ..target.user() })?;
    for _ in 0..GUESSES {
        let guess = guesser.signed(Packet::allocate());
        guesser.send(&guess.0)?;
    }
    while guesser.frame(SILENCE)?.is_some() {}
    guesser.send(&Packet::allocate().0)?;
    ensure(guesser.frame(SILENCE)?.is_none(), format!("still answered after {GUESSES} wrong passwords"))?;
    resident.refresh(0, "an allocation of the same source", 600)?;
    Ok(())
}

fn forged_client(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    // A peer that speaks TURN at the relayed address is a peer: what it says is data.
    let refresh = client.signed(Packet::new(REFRESH).u32(LIFETIME, 0));
    peer.say(relayed, &refresh.0)?;
    same("what comes", client.data()?, Data::Indication(peer.addr, refresh.0))?;
    client.refresh(0, "the allocation lives", 600)?;
    Ok(())
}
