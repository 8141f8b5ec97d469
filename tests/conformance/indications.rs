//! Send and Data indications. RFC 8656 §11.
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Client;
use crate::client::Data;
use crate::client::Peer;
use crate::client::SILENCE;
use crate::packet::*;
use crate::raw;
use crate::raw::Sniffer;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::not_offered;
use crate::verdict::same;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen("84", "8656 §11.2", "Send without peer or data: dropped", Over::All, incomplete),
    Statement::seen("85", "8656 §11.2", "Send without permission: dropped", Over::All, no_permission).also(&[
        "src/relay/tests/data.rs::ports_of_services_are_dropped_per_packet",
        "src/relay/tests/reconfigure.rs::peers_that_a_new_policy_denies_are_cut_off_at_once",
    ]),
    Statement::seen("86", "8656 §11.2", "empty DATA is an empty datagram", Over::All, empty),
    Statement::seen(
        "87",
        "8656 §11.2",
        "payloads arrive whole, from the relayed address, one datagram each",
        Over::All,
        to_peer,
    ),
    Statement::seen("88", "8656 §11.3", "a peer's data comes as an unsigned Data indication", Over::All, to_client),
    Statement::seen("89", "8656 §11.2", "Send with DONT-FRAGMENT sets DF, or is dropped", Over::All, dont_fragment)
        .also(&["src/relay/tests/data.rs::a_send_indication_may_ask_for_the_df_bit"]),
    Statement::seen(
        "90",
        "8656 §11.5",
        "an ICMP error of a peer reaches the client in a Data indication",
        Over::All,
        icmp,
    ),
    Statement::seen("91", "8656 §11.5", "an ICMP error without permission is ignored", Over::Once, foreign_icmp),
];

/// Below the ports that Linux gives to sockets by itself (`net.ipv4.ip_local_port_range`) and below those of relayed addresses.
const NOBODYS_PORT: u16 = 20_090;

/// Payloads of every alignment, of usual sizes, and of a large frame.
pub const PAYLOAD_LENS: [usize; 9] = [0, 1, 2, 3, 4, 5, 1200, 1472, 8000];

pub fn payload(len: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(len).collect()
}

fn incomplete(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    client.ignored("no DATA", &Packet::new(SEND).peer(peer.addr).0)?;
    client.ignored("no peer", &Packet::new(SEND).attr(DATA, b"lost").0)?;
    client.ignored("a malformed peer", &Packet::new(SEND).attr(PEER, &[0, 1, 2]).attr(DATA, b"lost").0)?;
    client.indicate(peer.addr, b"whole")?;
    peer.hears(relayed, b"whole")
}

fn no_permission(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.ignored("Send", &Packet::new(SEND).peer(peer.addr).attr(DATA, b"early").0)?;
    client.permit(0, "a permission", &[peer.addr])?;
    client.indicate(peer.addr, b"permitted")?;
    peer.hears(relayed, b"permitted")
}

fn empty(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    client.indicate(peer.addr, b"")?;
    peer.hears(relayed, b"")?;
    peer.say(relayed, b"")?;
    same("what comes", client.data()?, Data::Indication(peer.addr, Vec::new()))
}

fn to_peer(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    for len in PAYLOAD_LENS {
        client.indicate(peer.addr, &payload(len))?;
        peer.hears(relayed, &payload(len))?;
    }
    Ok(())
}

fn to_client(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(0, "a permission", &[peer.addr])?;
    for len in PAYLOAD_LENS {
        peer.say(relayed, &payload(len))?;
        // `data` demands XOR-PEER-ADDRESS and DATA, and no integrity.
        let came = client.data()?;
        ensure(
            came == Data::Indication(peer.addr, payload(len)),
            format!("{len} bytes did not come as they were sent"),
        )?;
    }
    let (mut client, relayed) = scene.allocated_v6()?;
    let peer = scene.peer_v6()?;
    client.permit(0, "an IPv6 permission", &[peer.addr])?;
    peer.say(relayed, b"six")?;
    same("from IPv6", client.data()?, Data::Indication(peer.addr, b"six".to_vec()))
}

fn dont_fragment(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = Peer::at(scene.neighbour(81)?)?;
    let sniffer = Sniffer::open(relayed, peer.addr)?;
    client.permit(0, "a permission", &[peer.addr])?;
    client.send(&Packet::new(SEND).peer(peer.addr).attr(DATA, b"whole").attr(DONT_FRAGMENT, b"").0)?;
    client.indicate(peer.addr, b"any")?;
    let first = sniffer.next()?;
    if first.payload == b"any" {
        return Ok(());
    }
    same("the payload", first.payload.as_slice(), &b"whole"[..])?;
    ensure(first.dont_fragment, "DONT-FRAGMENT was asked for, and DF is not set")?;
    ensure(!sniffer.next()?.dont_fragment, "DF is set on a datagram that did not ask for it")
}

/// Type and code of port unreachable. RFC 792, RFC 4443 §3.1.
const UNREACHABLE: [u8; 2] = [3, 3];
const UNREACHABLE_V6: [u8; 2] = [1, 4];

/// Fragmentation needed, and time exceeded in transit. RFC 792, RFC 1191 §4.
const TOO_BIG: [u8; 2] = [3, 4];
const TIME_EXCEEDED: [u8; 2] = [11, 0];
/// What the path is said to carry.
const MTU: u16 = 1280;

fn icmp(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    // Nobody else takes the port at this address meanwhile.
    let peer = Peer::at(scene.neighbour(76)?)?;
    let closed = peer.addr;
    client.permit(0, "a permission", &[closed])?;
    drop(peer);
    client.indicate(closed, b"is anybody there")?;
    tells_of_an_error(&mut client, closed, UNREACHABLE, None)?;

    // What a router on the way would say. The address is one that nobody else sends to: the system believes it too.
    let far = SocketAddr::new(scene.neighbour(77)?, 5000);
    client.permit(0, "a permission", &[far])?;
    for (type_and_code, mtu) in [(TIME_EXCEEDED, None), (TOO_BIG, Some(MTU))] {
        raw::send_icmp(relayed, far, type_and_code, mtu.unwrap_or(0))?;
        tells_of_an_error(&mut client, far, type_and_code, mtu)?;
    }

    let (mut client, _) = scene.allocated_v6()?;
    // This address is everybody's, and what one peer gives back another gets: a port that no socket is given by itself.
    let closed = SocketAddr::new(scene.peer_v6()?.addr.ip(), NOBODYS_PORT);
    client.permit(0, "an IPv6 permission", &[closed])?;
    client.indicate(closed, b"is anybody there")?;
    tells_of_an_error(&mut client, closed, UNREACHABLE_V6, None)
}

fn tells_of_an_error(client: &mut Client, peer: SocketAddr, due: [u8; 2], mtu: Option<u16>) -> Seen<()> {
    let Some(frame) = client.frame(Duration::from_secs(2))? else {
        return Err(not_offered(format!("no ICMP attribute for {due:?}")));
    };
    let message = Parsed::read(&frame).map_err(fails)?;
    same("the type", message.ty, DATA_INDICATION)?;
    same("XOR-PEER-ADDRESS", message.address(PEER), Some(peer))?;
    ensure(!message.has(DATA), "DATA beside ICMP")?;
    let value = message.get(ICMP).ok_or_else(|| fails("no ICMP attribute"))?;
    same("the length of ICMP", value.len(), 8)?;
    same("type and code", icmp_type_and_code(value), due)?;
    match mtu {
        None => Ok(()),
        Some(mtu) => same("the MTU in the error data", &value[4..], &u32::from(mtu).to_be_bytes()[..]),
    }
}

/// RFC 8656 §18.13: 16 reserved bits, type, code. Its picture splits the second half into 7 and 9 bits, ICMP itself and
/// the clients that read the attribute into octets.
fn icmp_type_and_code(value: &[u8]) -> [u8; 2] {
    [value[2], value[3]]
}

fn foreign_icmp(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    let stranger = SocketAddr::new(scene.neighbour(78)?, 5000);
    raw::send_icmp(relayed, stranger, UNREACHABLE, 0)?;
    client.permit(0, "a permission", &[peer.addr])?;
    raw::send_icmp(relayed, stranger, TIME_EXCEEDED, 0)?;
    // What would come of the errors comes before this.
    std::thread::sleep(SILENCE);
    peer.say(relayed, b"data")?;
    same("what comes", client.data()?, Data::Indication(peer.addr, b"data".to_vec()))
}
