//! Allocate. RFC 8656 §7.
use std::collections::BTreeSet;
use std::time::Duration;

use crate::client::Client;
use crate::packet::*;
use crate::statement::OUR_RULE;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::support::eventually;
use crate::support::ports;
use crate::target::Setup;
use crate::target::Target;
use crate::verdict::Seen;
use crate::verdict::Unmet;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::not_offered;
use crate::verdict::same;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen("49", "8656 §7.2", "REQUESTED-TRANSPORT missing or malformed: 400", Over::All, malformed_transport),
    Statement::seen("50", "8656 §7.2", "another transport than UDP: 442", Over::All, other_transport),
    Statement::seen(
        "51",
        "8656 §7.2",
        "a second Allocate with another transaction id: 437",
        Over::All,
        second_allocate,
    ),
    Statement::seen(
        "52",
        "8656 §7.2",
        "the same transaction id: the same success, address and token",
        Over::All,
        same_allocate,
    )
    .also(&["src/relay/tests/ports.rs::a_retransmitted_allocate_gets_the_same_token"]),
    Statement::seen(
        "53",
        "8656 §3.1",
        "one address and port on UDP, TCP and TLS is three 5-tuples",
        Over::Once,
        three_tuples,
    )
    .also(&["src/relay/tests/allocate.rs::one_remote_address_on_three_transports_is_three_5_tuples"]),
    Statement::seen("54", "8656 §7.2", "DONT-FRAGMENT is honoured, or named in a 420", Over::All, dont_fragment),
    Statement::seen(
        "55",
        "8656 §7.2",
        "EVEN-PORT: an even port; R=1 keeps its neighbour for the token, R=0 nothing",
        Over::All,
        even_port,
    )
    .also(&["src/relay/tests/ports.rs::a_reserved_port_is_nobody_elses_until_the_token_expires"]),
    Statement::seen("56", "8656 §7.2", "EVEN-PORT that cannot be had: 508", Over::Once, no_even_port),
    Statement::seen(
        "57",
        "8656 §7.2",
        "RESERVATION-TOKEN with EVEN-PORT or a family: 400",
        Over::All,
        token_with_others,
    ),
    Statement::seen("58", "8656 §7.2", "a token that is unknown or used: 508", Over::All, dead_token)
        .also(&["src/relay/tests/ports.rs::a_reserved_port_is_nobody_elses_until_the_token_expires"]),
    Statement::seen("59", "8656 §7.2", "both family attributes: 400", Over::All, both_families),
    Statement::seen(
        "60",
        "8656 §7.2",
        "IPv4 as the additional family, or EVEN-PORT with R=1 beside it: 400",
        Over::All,
        bad_second,
    ),
    Statement::seen("61", "8656 §7.2", "a family that is unknown or not offered: 440", Over::All, no_family),
    Statement::seen(
        "62",
        "8656 §7.2",
        "no family named: IPv4, over IPv6 too; 440 where IPv4 is not offered",
        Over::All,
        default_family,
    ),
    Statement::seen(
        "63",
        "8656 §7.2",
        "an additional IPv6: two relayed addresses, or one and ADDRESS-ERROR-CODE",
        Over::All,
        dual,
    ),
    Statement::seen(
        "64",
        "8656 §7.2",
        "a success holds relayed address, lifetime and mapped address",
        Over::All,
        success,
    ),
    Statement::seen(
        "65",
        "8656 §7.2",
        "lifetimes: 600 s at least and by default, 3600 s at most",
        Over::All,
        lifetimes,
    ),
    Statement::seen("66", "8656 §7.2", "relayed ports are scattered over the configured range", Over::Once, scattered)
        .also(&["src/relay/tests/directory.rs::every_port_can_be_had_once_wherever_the_search_begins"]),
    Statement::seen("67", "8656 §7.2", "over quota 486, out of ports 508, draining 300 or 508", Over::Once, exhausted)
        .also(&[
            "tests/turn_operations.rs::a_draining_server_keeps_its_allocations_for_the_grace_and_takes_no_new_ones",
        ]),
    Statement::seen("68", OUR_RULE, "a freed relay port rests while another is free", Over::Once, ports_rest)
        .also(&["src/relay/tests/directory.rs::a_claimed_port_is_nobody_elses_and_rests_after_its_release"]),
    Statement::seen(
        "69",
        "8656 §5",
        "a silent UDP client keeps its allocation; a closed connection frees it",
        Over::All,
        silence,
    )
    .also(&["src/relay/tests/allocate.rs::a_connection_that_closes_frees_its_allocation_at_once"]),
];

fn malformed_transport(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    client.expect(400, "missing", Packet::new(ALLOCATE))?;
    client.expect(400, "one byte", Packet::new(ALLOCATE).attr(TRANSPORT, &[17]))?;
    client.expect(400, "five bytes", Packet::new(ALLOCATE).attr(TRANSPORT, &[17, 0, 0, 0, 0]))?;
    Ok(())
}

fn other_transport(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    client.expect(442, "SCTP", Packet::new(ALLOCATE).byte(TRANSPORT, 132))?;
    client.expect(442, "nothing", Packet::new(ALLOCATE).byte(TRANSPORT, 0))?;
    Ok(())
}

fn second_allocate(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    client.expect(437, "a second Allocate", Packet::allocate())?;
    client.refresh(0, "the first one is still there", 600)?;
    Ok(())
}

fn same_allocate(scene: &Scene<'_>) -> Seen<()> {
    for packet in [Packet::allocate(), Packet::allocate().attr(EVEN_PORT, &[0x80])] {
        let mut client = scene.client()?;
        let request = client.signed(packet);
        // The first answer is lost; the second request leaves before anybody has seen it.
        client.send(&request.0)?;
        let answer = client.ask(&request)?;
        same("the code", answer.code(), 0)?;
        for _ in 0..2 {
            let again = client.ask(&request)?;
            same("the second code", again.code(), 0)?;
            ensure(again.addresses(RELAYED) == answer.addresses(RELAYED), "the second answer has another address")?;
            ensure(again.get(TOKEN) == answer.get(TOKEN), "the second answer has another token, or none")?;
        }
    }
    Ok(())
}

fn three_tuples(scene: &Scene<'_>) -> Seen<()> {
    let mut clients: Vec<Client> = Vec::new();
    let port = ports::fixed();
    for name in ["udp", "tcp", "tls"] {
        let way = scene.target.way(name).ok_or_else(|| not_offered("not all of UDP, TCP and TLS"))?;
        let mut client = Scene { target: scene.target, way }.silent_client(scene.target.user(), port)?;
        client.challenge()?;
        client.allocate(Packet::allocate())?;
        clients.push(client);
    }
    for client in &mut clients {
        client.refresh(0, "each has its own", 600)?;
    }
    Ok(())
}

fn dont_fragment(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let answer = client.call(Packet::allocate().attr(DONT_FRAGMENT, b""))?;
    let is_named =
        answer.code() == 420 && answer.get(UNKNOWN_ATTRIBUTES).is_some_and(|list| list.starts_with(&[0, 0x1A]));
    ensure(answer.code() == 0 || is_named, format!("answered with {}", answer.code()))
}

fn even_port(scene: &Scene<'_>) -> Seen<()> {
    let (mut rtp, mut rtcp, mut alone) = (scene.client()?, scene.client()?, scene.client()?);
    let (answer, even) = rtp.allocate(Packet::allocate().attr(EVEN_PORT, &[0x80]))?;
    let token = answer.get(TOKEN).ok_or_else(|| fails("R=1 and no token"))?.to_vec();
    same("the token's length", token.len(), 8)?;
    same("the port is odd", even.port() % 2, 0)?;
    let (_, odd) = rtcp.allocate(Packet::allocate().attr(TOKEN, &token))?;
    same("the reserved port", odd.port(), even.port() + 1)?;
    let (answer, even) = alone.allocate(Packet::allocate().attr(EVEN_PORT, &[0]))?;
    same("with R=0 the port is odd", even.port() % 2, 0)?;
    ensure(!answer.has(TOKEN), "R=0 and a token")
}

fn no_even_port(scene: &Scene<'_>) -> Seen<()> {
    let target = scene.target.with(Setup::OddPort)?;
    let scene = Scene { target: &target, way: &target.ways[0] };
    scene.client()?.expect(508, "one odd port", Packet::allocate().attr(EVEN_PORT, &[0]))?;
    scene.client()?.expect(508, "one port", Packet::allocate().attr(EVEN_PORT, &[0x80]))?;
    scene.client()?.expect(0, "the odd port is still free", Packet::allocate())?;
    Ok(())
}

fn token_with_others(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let with_token = || Packet::allocate().attr(TOKEN, &[1; 8]);
    client.expect(400, "EVEN-PORT", with_token().attr(EVEN_PORT, &[0]))?;
    client.expect(400, "REQUESTED-ADDRESS-FAMILY", with_token().byte(FAMILY, 1))?;
    if knows_second_family(scene).is_ok() {
        client.expect(400, "ADDITIONAL-ADDRESS-FAMILY", with_token().byte(SECOND_FAMILY, 2))?;
    }
    Ok(())
}

fn dead_token(scene: &Scene<'_>) -> Seen<()> {
    let (mut a, mut b, mut c) = (scene.client()?, scene.client()?, scene.client()?);
    c.expect(508, "an unknown token", Packet::allocate().attr(TOKEN, &[0xA5; 8]))?;
    let (answer, _) = a.allocate(Packet::allocate().attr(EVEN_PORT, &[0x80]))?;
    let token = answer.get(TOKEN).ok_or_else(|| fails("R=1 and no token"))?.to_vec();
    b.allocate(Packet::allocate().attr(TOKEN, &token))?;
    c.expect(508, "a used token", Packet::allocate().attr(TOKEN, &token))?;
    Ok(())
}

/// The attribute is optional to understand: a server of RFC 5766 may ignore it.
fn knows_second_family(scene: &Scene<'_>) -> Seen<()> {
    let (answer, _) = scene.client()?.allocate(Packet::allocate().byte(SECOND_FAMILY, 2))?;
    let is_known = answer.addresses(RELAYED).len() == 2 || answer.has(ADDRESS_ERROR);
    if is_known { Ok(()) } else { Err(not_offered("ADDITIONAL-ADDRESS-FAMILY is ignored")) }
}

fn both_families(scene: &Scene<'_>) -> Seen<()> {
    knows_second_family(scene)?;
    let mut client = scene.client()?;
    for family in [1, 2] {
        client.expect(400, "both", Packet::allocate().byte(FAMILY, family).byte(SECOND_FAMILY, 2))?;
    }
    Ok(())
}

fn bad_second(scene: &Scene<'_>) -> Seen<()> {
    knows_second_family(scene)?;
    let mut client = scene.client()?;
    client.expect(400, "IPv4", Packet::allocate().byte(SECOND_FAMILY, 1))?;
    client.expect(400, "EVEN-PORT", Packet::allocate().byte(SECOND_FAMILY, 2).attr(EVEN_PORT, &[0x80]))?;
    Ok(())
}

/// The same way to the same server with another configuration.
fn elsewhere<'a>(scene: &Scene<'_>, target: &'a Target) -> Seen<Scene<'a>> {
    let way = target.way(scene.way.name).ok_or_else(|| fails("the way is gone"))?;
    Ok(Scene { target, way })
}

fn no_family(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    for family in [0, 3, 0xFF] {
        client.expect(440, "an unknown family", Packet::allocate().byte(FAMILY, family))?;
    }
    // One more server for one way: the answer does not depend on the way.
    if scene.way.name == "udp" {
        let target = scene.target.with(Setup::Ipv4Only)?;
        let mut client = elsewhere(scene, &target)?.client()?;
        client.expect(440, "IPv6 is not offered", Packet::allocate().byte(FAMILY, 2))?;
    }
    Ok(())
}

fn default_family(scene: &Scene<'_>) -> Seen<()> {
    let (_client, relayed) = scene.allocated()?;
    ensure(relayed.is_ipv4(), format!("the relayed address is {relayed}"))?;
    if scene.way.name == "udp" {
        let target = scene.target.with(Setup::Ipv6Only)?;
        elsewhere(scene, &target)?.client()?.expect(440, "IPv4 is not offered", Packet::allocate())?;
    }
    Ok(())
}

fn dual(scene: &Scene<'_>) -> Seen<()> {
    knows_second_family(scene)?;
    let mut client = scene.client()?;
    let (answer, _) = client.allocate(Packet::allocate().byte(SECOND_FAMILY, 2))?;
    let relayed = answer.addresses(RELAYED);
    let is_dual = |list: &[std::net::SocketAddr]| list.len() == 2 && list[0].is_ipv4() && list[1].is_ipv6();
    if !is_dual(&relayed) {
        // RFC 8656 §7.2 lets a server go without a second address if it says so.
        let excuse = answer.get(ADDRESS_ERROR).unwrap_or_default();
        ensure(relayed.len() == 1 && excuse.len() >= 4, format!("{relayed:?} and no ADDRESS-ERROR-CODE"))?;
        same("ADDRESS-ERROR-CODE is about", excuse[0], 2)?;
        return Err(not_offered("no second family"));
    }
    let (four, six) = (scene.peer()?, scene.peer_v6()?);
    client.permit(0, "a peer of each family", &[four.addr, six.addr])?;
    client.indicate(four.addr, b"four")?;
    client.indicate(six.addr, b"six")?;
    four.hears(relayed[0], b"four")?;
    six.hears(relayed[1], b"six")?;
    if scene.way.name == "udp" {
        let target = scene.target.with(Setup::Ipv4Only)?;
        let mut client = elsewhere(scene, &target)?.client()?;
        let (answer, _) = client.allocate(Packet::allocate().byte(SECOND_FAMILY, 2))?;
        same("without IPv6, relayed addresses", answer.addresses(RELAYED).len(), 1)?;
        let error = answer.get(ADDRESS_ERROR).map(|value| value[..4].to_vec());
        // Family, a reserved byte, class, number. RFC 8656 §18.12.
        same("ADDRESS-ERROR-CODE", error, Some(vec![2, 0, 4, 40]))?;
    }
    Ok(())
}

fn success(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let (answer, relayed) = client.allocate(Packet::allocate())?;
    same("LIFETIME", answer.u32(LIFETIME), Some(600))?;
    same("XOR-MAPPED-ADDRESS", answer.address(MAPPED), Some(client.local))?;
    ensure(relayed.port() != 0 && !relayed.ip().is_unspecified(), format!("the relayed address is {relayed}"))
}

fn lifetimes(scene: &Scene<'_>) -> Seen<()> {
    for (asked, granted) in [(0, 600), (1, 600), (599, 600), (600, 600), (1800, 1800), (3600, 3600), (u32::MAX, 3600)] {
        let mut client = scene.client()?;
        let answer = client.call(Packet::allocate().u32(LIFETIME, asked))?;
        same(&format!("LIFETIME {asked}"), (answer.code(), answer.u32(LIFETIME)), (0, Some(granted)))?;
    }
    Ok(())
}

fn scattered(scene: &Scene<'_>) -> Seen<()> {
    let mut clients = Vec::new();
    for _ in 0..24 {
        clients.push(scene.allocated()?);
    }
    let ports: Vec<u16> = clients.iter().map(|(_, relayed)| relayed.port()).collect();
    let range = &scene.target.relay_ports;
    ensure(ports.iter().all(|port| range.contains(port)), format!("{ports:?} are not all in {range:?}"))?;
    let distinct: BTreeSet<u16> = ports.iter().copied().collect();
    same("distinct ports", distinct.len(), ports.len())?;
    let neighbours = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 2).count();
    ensure(neighbours <= 4, format!("{neighbours} of 23 ports follow their predecessor"))?;
    let (low, high) = (distinct.first().copied().unwrap_or(0), distinct.last().copied().unwrap_or(0));
    ensure(usize::from(high - low) > range.len() / 4, format!("24 ports lie between {low} and {high}"))
}

fn exhausted(scene: &Scene<'_>) -> Seen<()> {
    let target = scene.target.with(Setup::OneAllocation)?;
    let one = Scene { target: &target, way: &target.ways[0] };
    let user = target.user();
    let mut first = one.client_of(user.clone())?;
    first.allocate(Packet::allocate())?;
    one.client_of(user)?.expect(486, "one more than the quota", Packet::allocate())?;
    one.client()?.expect(0, "another user", Packet::allocate())?;

    let target = scene.target.with(Setup::OddPort)?;
    let small = Scene { target: &target, way: &target.ways[0] };
    let mut first = small.client()?;
    first.allocate(Packet::allocate())?;
    small.client()?.expect(508, "one more than there are ports", Packet::allocate())?;

    for (setup, due) in [(Setup::Patient, 508), (Setup::Alternate, 300)] {
        match drained(&scene.target.with(setup)?, due) {
            Err(Unmet::NotOffered(_)) if !scene.target.is_ours() => {}
            seen => seen?,
        }
    }
    Ok(())
}

/// How long it may take until a signal has arrived everywhere.
const DRAIN: Duration = Duration::from_secs(10);

/// A draining server keeps who was there, and sends others away: to another server, if it knows one. RFC 8489 §10.
fn drained(target: &Target, due: u16) -> Seen<()> {
    let scene = Scene { target, way: &target.ways[0] };
    let (mut early, _) = scene.allocated()?;
    target.drain()?;
    let mut refusal = None;
    let is_refused = || {
        let answer = scene.client().and_then(|mut client| client.call(Packet::allocate()));
        refusal = answer.ok().filter(|answer| answer.code() != 0);
        refusal.is_some()
    };
    ensure(eventually(DRAIN, is_refused), "a draining server takes a new client, or is silent")?;
    let refusal = refusal.ok_or_else(|| fails("no refusal"))?;
    same("a draining server answers", refusal.code(), due)?;
    if due == 300 {
        // Family, port, address, not masked. RFC 8489 §14.15.
        same("ALTERNATE-SERVER", refusal.get(ALTERNATE_SERVER), Some(&[0, 1, 0x0D, 0x97, 127, 0, 0, 1][..]))?;
    }
    early.refresh(0, "who was there before stays", 600)?;
    Ok(())
}

fn ports_rest(scene: &Scene<'_>) -> Seen<()> {
    let target = scene.target.with(Setup::FourPorts)?;
    let scene = Scene { target: &target, way: &target.ways[0] };
    let mut ports = BTreeSet::new();
    for round in 0..4 {
        let (mut client, relayed) = scene.allocated()?;
        ensure(ports.insert(relayed.port()), format!("port {} came again after {round} of 4", relayed.port()))?;
        client.refresh(0, "Refresh 0", 0)?;
    }
    Ok(())
}

fn silence(scene: &Scene<'_>) -> Seen<()> {
    if scene.way.is_udp() {
        let (mut client, relayed) = scene.allocated()?;
        let peer = scene.peer()?;
        client.permit(0, "a permission", &[peer.addr])?;
        std::thread::sleep(Duration::from_secs(5));
        peer.say(relayed, b"awake?")?;
        client.data()?;
        return Ok(());
    }
    let target = scene.target.with(Setup::OneAllocation)?;
    let scene = elsewhere(scene, &target)?;
    let user = target.user();
    let mut first = scene.client_of(user.clone())?;
    first.allocate(Packet::allocate())?;
    drop(first);
    // The user's only place is free again.
    let is_free = || {
        let code = scene.client_of(user.clone()).and_then(|mut client| client.call(Packet::allocate()));
        code.is_ok_and(|answer| answer.code() == 0)
    };
    ensure(eventually(Duration::from_secs(2), is_free), "the closed connection's allocation is still there after 2 s")
}
