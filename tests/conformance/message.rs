//! The messages of RFC 8489: what is read, what is ignored, what is answered.
use crate::client::Client;
use crate::packet::*;
use crate::statement::OUR_RULE;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::same;
use crate::watch::Watched;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen("1", "8489 §5", "top bits that are neither 00 nor a channel's: dropped", Over::Udp, top_bits),
    Statement::seen("2", "8489 §5", "a wrong magic cookie: dropped", Over::Udp, cookie),
    Statement::seen(
        "3",
        "8489 §5",
        "a length that is not the datagram's, or no multiple of 4: dropped",
        Over::Udp,
        lengths,
    ),
    Statement::seen("4", "8489 §14", "an attribute that runs over the message: dropped or 400", Over::All, overrun)
        .also(&["tests/hostile_packets.rs::mutated_packets_are_read_without_contradiction"]),
    Statement::seen("5", "8489 §14", "padding may hold anything", Over::All, any_padding),
    Statement::watched("6", "8489 §14", "every message sent is sound, its padding zero", Over::All, Watched::Sound)
        .also(&["src/stun/writer.rs::padding_is_zero_whatever_the_buffer_held"]),
    Statement::seen(
        "7",
        "8489 §6.3.1",
        "an answer has the transaction id and the method of its request",
        Over::All,
        mirrors,
    ),
    Statement::seen(
        "8",
        "8489 §6.3.1",
        "answers come from where was asked, to where they were asked from",
        Over::Udp,
        source,
    ),
    Statement::seen(
        "9",
        "8489 §6.2.2",
        "an answer comes over the connection of its request",
        Over::Streams,
        same_connection,
    ),
    Statement::seen(
        "10",
        "8489 §6.3.1",
        "unknown required attributes: 420 that names each",
        Over::All,
        unknown_required,
    ),
    Statement::seen("11", "8489 §6.3", "unknown optional attributes: ignored", Over::All, unknown_optional),
    Statement::seen(
        "12",
        "8489 §6.3.2",
        "unknown required attribute in an indication: dropped",
        Over::All,
        strange_indication,
    ),
    Statement::seen("13", "8489 §6.3", "indications and unasked responses get no answer", Over::All, no_request),
    Statement::seen("14", "8489 §14", "the first of two equal attributes counts", Over::All, first_wins),
    Statement::seen("15", "8489 §14.5", "what stands behind the integrity is not seen", Over::All, behind_integrity),
    Statement::seen("16", "8489 §14.7", "a fingerprint that is wrong or not last: dropped", Over::Udp, fingerprints),
    Statement::seen(
        "17",
        OUR_RULE,
        "the answer has a fingerprint if the request had one, else none",
        Over::All,
        mirrored_fingerprint,
    ),
    Statement::seen("18", "8489 §14.2", "a Binding tells the source address, unauthenticated", Over::All, binding),
    Statement::seen(
        "19",
        OUR_RULE,
        "a Binding success holds XOR-MAPPED-ADDRESS and nothing else",
        Over::All,
        bare_binding,
    ),
    Statement::seen("20", "8489 §6.3.1", "an unknown method: 400, or silence", Over::All, unknown_method),
    Statement::seen("21", OUR_RULE, "USERNAME, REALM, NONCE beyond their limits: 400, or silence", Over::All, too_long)
        .also(&["src/stun/tests/hostile.rs::texts_have_a_limit_and_are_utf_8"]),
    Statement::seen(
        "22",
        "8489 §6.3.1",
        "a retransmitted request has the same answer and no second effect",
        Over::All,
        twice,
    ),
    Statement::told(
        "23",
        "5769",
        "the published vectors verify and are rebuilt byte by byte",
        &[
            "src/stun/tests/vectors.rs::the_sample_request_is_rebuilt",
            "src/stun/tests/vectors.rs::the_sample_responses_are_rebuilt",
            "src/stun/tests/vectors.rs::the_sample_request_with_long_term_credentials_is_rebuilt",
        ],
    ),
];

fn altered(bytes: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = value;
    bytes
}

fn plain(scene: &Scene<'_>) -> Seen<Client> {
    scene.silent_client(scene.target.user(), 0)
}

fn top_bits(scene: &Scene<'_>) -> Seen<()> {
    let mut client = plain(scene)?;
    for first in [0x80, 0xC0, 0x50, 0x7F] {
        client.ignored("top bits", &altered(&Packet::new(BINDING).0, 0, first))?;
    }
    Ok(())
}

fn cookie(scene: &Scene<'_>) -> Seen<()> {
    let mut client = plain(scene)?;
    for at in 4..8 {
        client.ignored("another cookie", &altered(&Packet::new(BINDING).0, at, 0xEE))?;
    }
    Ok(())
}

fn lengths(scene: &Scene<'_>) -> Seen<()> {
    let mut client = plain(scene)?;
    let binding = Packet::new(BINDING).0;
    client.ignored("a length beyond the datagram", &altered(&binding, 3, 4))?;
    client.ignored("a datagram beyond the length", &[&binding[..], &[0x80, 0x22, 0, 0]].concat())?;
    client.ignored("a length of 2", &[&altered(&binding, 3, 2)[..], &[0; 2]].concat())?;
    client.ignored("half a header", &binding[..10])?;
    client.ignored("one byte", &binding[..1])
}

fn overrun(scene: &Scene<'_>) -> Seen<()> {
    let good = Packet::new(BINDING).attr(SOFTWARE, b"four");
    for len in [5_u8, 9, 0xFF] {
        let mut client = plain(scene)?;
        let bad = Packet(altered(&Packet::new(BINDING).attr(SOFTWARE, b"four").0, 23, len));
        let seen = client.refused_or_ignored("an attribute beyond the message", &bad);
        // A stream that cannot be followed may be closed, which is no answer either.
        if scene.way.is_udp() {
            seen?
        }
    }
    same("a sound message behind them", plain(scene)?.ask(&good)?.code(), 0)
}

fn any_padding(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let answer = client.ask(&Packet::new(BINDING).padded(SOFTWARE, b"x", 0xFF))?;
    same("a Binding", answer.code(), 0)?;
    let packet = Packet::allocate().padded(SOFTWARE, b"x", 0xFF).padded(USERNAME, &client.user.name, 0xFF);
    let packet = packet.padded(REALM, &client.realm, 0xFF).padded(NONCE, &client.nonce, 0xFF).sign(&client.key());
    same("an Allocate", client.ask(&packet)?.code(), 0)
}

fn mirrors(scene: &Scene<'_>) -> Seen<()> {
    let mut client = plain(scene)?;
    // `ask` demands id, method and class.
    for ty in [BINDING, ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND] {
        client.ask(&Packet::new(ty))?;
    }
    let (mut client, _) = scene.allocated()?;
    client.refresh(0, "Refresh", 600)?;
    Ok(())
}

fn source(scene: &Scene<'_>) -> Seen<()> {
    // Two clients of one host: each hears its own answer, from the address it asked.
    let (mut a, mut b) = (plain(scene)?, plain(scene)?);
    let (to_a, to_b) = (Packet::new(BINDING), Packet::new(BINDING));
    a.send(&to_a.0)?;
    b.ask(&to_b)?;
    let Some(frame) = a.frame(crate::client::PATIENCE)? else { return Err(fails("no answer")) };
    same("the transaction", Parsed::read(&frame).map_err(fails)?.id, to_a.id().to_vec())
}

fn same_connection(scene: &Scene<'_>) -> Seen<()> {
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = plain(scene)?;
        let binding = Packet::new(BINDING);
        client.send(&binding.0)?;
        clients.push((client, binding));
    }
    for (client, binding) in &mut clients {
        let Some(frame) = client.frame(crate::client::PATIENCE)? else { return Err(fails("no answer")) };
        same("the transaction", Parsed::read(&frame).map_err(fails)?.id, binding.id().to_vec())?;
    }
    Ok(())
}

/// The types in UNKNOWN-ATTRIBUTES. RFC 8489 §14.13: pairs of bytes; old servers repeat one to fill the word.
fn named_unknown(answer: &Parsed) -> Vec<u16> {
    let value = answer.get(UNKNOWN_ATTRIBUTES).unwrap_or_default();
    value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

fn unknown_required(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let answer = client.ask(&Packet::new(BINDING).attr(0x7777, b"").attr(0x0044, b"four"))?;
    same("a Binding", (answer.code(), named_unknown(&answer)), (420, vec![0x7777, 0x0044]))?;
    let many: Vec<u16> = (0x7000..0x7020).collect();
    let packet = many.iter().fold(Packet::allocate(), |packet, ty| packet.attr(*ty, b""));
    let answer = client.call(packet)?;
    same("an Allocate", answer.code(), 420)?;
    same("of 32 unknown attributes, named", named_unknown(&answer).len(), many.len())?;
    same("they are", named_unknown(&answer), many)
}

fn unknown_optional(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    same("a Binding", client.ask(&Packet::new(BINDING).attr(0xFF05, b"opt"))?.code(), 0)?;
    client.allocate(Packet::allocate().attr(0xFF05, &[0, 1]).attr(0x8888, b""))?;
    Ok(())
}

fn strange_indication(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    let strange = Packet::new(SEND).peer(peer.addr).attr(DATA, b"strange").attr(0x7777, b"");
    client.ignored("an indication with an unknown attribute", &strange.0)?;
    client.indicate(peer.addr, b"known")?;
    peer.hears(relayed, b"known")
}

fn no_request(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    for class in [INDICATION, SUCCESS, ERROR] {
        for method in [BINDING, ALLOCATE, REFRESH] {
            client.ignored("no request", &Packet::new(method | class).0)?;
        }
    }
    Ok(())
}

fn first_wins(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    let answer = client.call(Packet::new(REFRESH).u32(LIFETIME, 1000).u32(LIFETIME, 0))?;
    same("LIFETIME 1000, then 0: code and lifetime", (answer.code(), answer.u32(LIFETIME)), (0, Some(1000)))
}

fn behind_integrity(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    let packet = client.signed(Packet::new(REFRESH)).u32(LIFETIME, 0);
    let answer = client.ask(&packet)?;
    same("LIFETIME 0 behind: code and lifetime", (answer.code(), answer.u32(LIFETIME)), (0, Some(600)))?;
    let packet = client.signed(Packet::new(REFRESH)).attr(0x7777, b"");
    same("with an unknown attribute behind", client.ask(&packet)?.code(), 0)
}

fn fingerprints(scene: &Scene<'_>) -> Seen<()> {
    let mut client = plain(scene)?;
    let good = Packet::new(BINDING).fingerprint();
    let last = good.0.len() - 1;
    client.ignored("a wrong fingerprint", &altered(&good.0, last, good.0[last] ^ 1))?;
    client.ignored("a fingerprint that is not last", &Packet::new(BINDING).fingerprint().attr(SOFTWARE, b"late").0)?;
    same("a right one", client.ask(&good)?.code(), 0)
}

fn mirrored_fingerprint(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    for has in [true, false] {
        let mark = |packet: Packet| if has { packet.fingerprint() } else { packet };
        let answers = [
            client.ask(&mark(Packet::new(BINDING)))?,
            client.ask(&mark(Packet::allocate()))?,
            client.ask(&mark(client.signed(Packet::new(REFRESH))))?,
        ];
        for answer in answers {
            same("the answer has a fingerprint", answer.has(FINGERPRINT), has)?;
        }
    }
    Ok(())
}

fn binding(scene: &Scene<'_>) -> Seen<()> {
    let mut client = plain(scene)?;
    let answer = client.ask(&Packet::new(BINDING))?;
    same("code", answer.code(), 0)?;
    same("XOR-MAPPED-ADDRESS", answer.address(MAPPED), Some(client.local))
}

fn bare_binding(scene: &Scene<'_>) -> Seen<()> {
    let answer = plain(scene)?.ask(&Packet::new(BINDING))?;
    let types = answer.types();
    ensure(types == [MAPPED], format!("the attributes are {types:04x?}"))
}

fn unknown_method(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    // Shared Secret of RFC 3489, Connect of RFC 6062, one that nobody has.
    for method in [0x0002, 0x000A, 0x0EEF & 0x3EEF] {
        client.send(&Packet::new(method).0)?;
        same("a Binding behind it", client.ask(&Packet::new(BINDING))?.code(), 0)?;
        while let Some(frame) = client.frame(std::time::Duration::from_millis(1))? {
            let code = Parsed::read(&frame).map_err(fails)?.code();
            // A server that has the method behind a switch may as well ask for credentials first.
            ensure([400, 401, 403, 405].contains(&code), format!("method {method:#06x} is answered with {code}"))?;
        }
    }
    Ok(())
}

fn too_long(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let (name, realm, nonce) = (client.user.name.clone(), client.realm.clone(), client.nonce.clone());
    let long = [vec![b'a'; 509], vec![b'r'; 764], vec![b'n'; 764]];
    for (what, at) in [("USERNAME", 0), ("REALM", 1), ("NONCE", 2)] {
        let value = |place: usize, usual: &[u8]| if place == at { long[place].clone() } else { usual.to_vec() };
        let packet = Packet::allocate().attr(USERNAME, &value(0, &name)).attr(REALM, &value(1, &realm));
        let packet = packet.attr(NONCE, &value(2, &nonce)).sign(&client.key());
        client.refused_or_ignored(what, &packet)?;
    }
    client.allocate(Packet::allocate())?;
    Ok(())
}

fn twice(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let peer = scene.somebody();
    let requests = [
        Packet::allocate(),
        Packet::new(CREATE_PERMISSION).peer(peer),
        Packet::new(CHANNEL_BIND).channel(0x4000).peer(peer),
        Packet::new(REFRESH).u32(LIFETIME, 1000),
    ];
    for request in requests {
        let request = client.signed(request);
        let (first, second) = (client.ask(&request)?, client.ask(&request)?);
        let facts = |answer: &Parsed| (answer.code(), answer.address(RELAYED), answer.u32(LIFETIME));
        same("the first", first.code(), 0)?;
        same("the second", facts(&second), facts(&first))?;
    }
    Ok(())
}
