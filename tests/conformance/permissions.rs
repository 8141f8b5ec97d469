//! Permissions. RFC 8656 §9, §10.
use std::net::SocketAddr;

use crate::client::Data;
use crate::client::Peer;
use crate::packet::*;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::verdict::Seen;
use crate::verdict::same;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen(
        "77",
        "8656 §10.2",
        "no peer, or a malformed one: 400, and none is permitted",
        Over::All,
        malformed,
    ),
    Statement::seen("78", "8656 §10.2", "several peers: all or none", Over::All, all_or_none),
    Statement::seen(
        "79",
        "8656 §10.2",
        "family not allocated 443, forbidden peer 403, over the cap 508",
        Over::All,
        refusals,
    ),
    Statement::seen("80", "8656 §9", "a permission covers every port of its address", Over::All, every_port),
    Statement::seen("81", "8656 §9", "a permission lasts 300 s, made again it starts anew", Over::Once, again).also(&[
        "src/relay/tests/permissions.rs::a_permission_lasts_exactly_300_seconds_and_data_does_not_prolong_it",
        "src/relay/tests/permissions.rs::creating_a_permission_again_restarts_it",
    ]),
    Statement::seen("82", "8656 §11.3", "a peer without permission is not heard", Over::All, unheard),
    Statement::seen("83", "8656 §9", "a permission of one allocation opens no other", Over::All, not_shared),
];

/// On "this host", which every server refuses.
const FORBIDDEN: &str = "0.0.0.1:5000";

fn malformed(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    client.permit(400, "no peer", &[])?;
    let good = || Packet::new(CREATE_PERMISSION).peer(peer.addr);
    client.expect(400, "a short peer", good().attr(PEER, &[0, 1, 2, 3]))?;
    client.expect(400, "an unknown family", good().attr(PEER, &[0, 3, 2, 3, 4, 5, 6, 7]))?;
    client.expect(400, "a long peer", good().attr(PEER, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]))?;
    client.indicate(peer.addr, b"none")?;
    client.permit(0, "a good one", &[peer.addr])?;
    client.indicate(peer.addr, b"now")?;
    peer.hears(relayed, b"now")
}

fn all_or_none(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let (a, b) = (Peer::at(scene.neighbour(1)?)?, Peer::at(scene.neighbour(2)?)?);
    let forbidden: SocketAddr = FORBIDDEN.parse().expect("an address");
    let six: SocketAddr = "[::1]:5000".parse().expect("an address");
    client.permit(403, "a forbidden one among them", &[a.addr, forbidden, b.addr])?;
    client.permit(443, "one of another family among them", &[a.addr, b.addr, six])?;
    for peer in [&a, &b] {
        client.indicate(peer.addr, b"none")?;
    }
    client.permit(0, "both", &[a.addr, b.addr])?;
    for peer in [&a, &b] {
        client.indicate(peer.addr, b"both")?;
        peer.hears(relayed, b"both")?;
    }
    Ok(())
}

fn refusals(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    client.permit(443, "an IPv6 peer", &["[::1]:5000".parse().expect("an address")])?;
    client.permit(403, "a forbidden peer", &[FORBIDDEN.parse().expect("an address")])?;
    let (mut client, _) = scene.allocated_v6()?;
    client.permit(443, "an IPv4 peer", &[scene.somebody()])?;
    let (mut client, _) = scene.allocated()?;
    let mut codes = Vec::new();
    for last in 1..=255 {
        let peer = SocketAddr::new(scene.neighbour(last)?, 5000);
        codes.push(client.call(Packet::new(CREATE_PERMISSION).peer(peer))?.code());
    }
    match codes.iter().find(|code| **code != 0) {
        None if !scene.target.is_ours() => Ok(()),
        refused => same("255 permissions end with", refused.copied(), Some(508)),
    }
}

fn every_port(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let (a, b) = (scene.peer()?, scene.peer()?);
    client.permit(0, "port 0", &[SocketAddr::new(a.addr.ip(), 0)])?;
    for peer in [&a, &b] {
        client.indicate(peer.addr, b"hello")?;
        peer.hears(relayed, b"hello")?;
        peer.say(relayed, b"hello")?;
        same("what comes", client.data()?, Data::Indication(peer.addr, b"hello".to_vec()))?;
    }
    Ok(())
}

fn again(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let peer = scene.peer()?;
    for _ in 0..3 {
        client.permit(0, "the same permission", &[peer.addr])?;
    }
    client.indicate(peer.addr, b"permitted")?;
    peer.hears(relayed, b"permitted")
}

fn unheard(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, relayed) = scene.allocated()?;
    let (known, unknown) = (Peer::at(scene.neighbour(3)?)?, Peer::at(scene.neighbour(4)?)?);
    unknown.say(relayed, b"before there is any permission")?;
    client.permit(0, "a permission", &[known.addr])?;
    unknown.say(relayed, b"with one for somebody else")?;
    known.say(relayed, b"known")?;
    same("the first to be heard", client.data()?, Data::Indication(known.addr, b"known".to_vec()))
}

fn not_shared(scene: &Scene<'_>) -> Seen<()> {
    let ((mut a, at_a), (mut b, at_b)) = (scene.allocated()?, scene.allocated()?);
    let (peer, other) = (Peer::at(scene.neighbour(5)?)?, Peer::at(scene.neighbour(6)?)?);
    a.permit(0, "a's peer", &[peer.addr])?;
    b.permit(0, "b's peer", &[other.addr])?;
    peer.say(at_b, b"stray")?;
    b.indicate(peer.addr, b"stray")?;
    other.say(at_b, b"for b")?;
    same("b hears", b.data()?, Data::Indication(other.addr, b"for b".to_vec()))?;
    a.indicate(peer.addr, b"for the peer")?;
    peer.hears(at_a, b"for the peer")
}
