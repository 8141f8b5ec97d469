//! How many calls of the kernel a wake-up makes, with everything that it relays waiting before it begins.
use std::net::SocketAddr;
use std::net::UdpSocket;

use super::client::Client;
use super::plane::peer;
use super::still::CHANNEL;
use super::still::StillShard;
use super::still::bound_client;
use crate::transport::IoEvent;

/// Clients, and datagrams of each.
const CLIENTS: usize = 4;
const EACH: usize = 8;

/// What one wake-up costs: calls that received, calls that sent, and datagrams in each direction.
fn cost(still: &mut StillShard) -> [u64; 4] {
    let counts = |still: &StillShard| {
        let events = [
            IoEvent::ReceiveCall,
            IoEvent::SendCall,
            IoEvent::DatagramReceived,
            IoEvent::DatagramSent,
            IoEvent::WakeUp,
        ];
        events.map(|event| still.io.count(event))
    };
    let before = counts(still);
    still.turn_now();
    let [receive, send, received, sent, wake_ups] = counts(still);
    assert_eq!(wake_ups - before[4], 1);
    [receive - before[0], send - before[1], received - before[2], sent - before[3]]
}

/// A shard with clients that have a channel to a peer outside.
fn with_peer() -> (StillShard, UdpSocket, Vec<(Client, SocketAddr)>) {
    let mut still = StillShard::new();
    let peer = peer(still.server.ip());
    let address = peer.local_addr().expect("an address");
    let clients = still.serve(move |server| (0..CLIENTS).map(|_| bound_client(server, address)).collect());
    (still, peer, clients)
}

/// All datagrams of a wake-up.
const ALL: u64 = (CLIENTS * EACH) as u64;

#[test]
fn data_of_clients_costs_one_receive_and_one_send_per_relay_socket() {
    let (mut still, _peer, mut clients) = with_peer();
    for _ in 0..EACH {
        clients.iter_mut().for_each(|(client, _)| client.send_on(CHANNEL, &[1; 160]));
    }
    assert_eq!(cost(&mut still), [1, CLIENTS as u64, ALL, ALL]);
}

#[test]
fn data_of_peers_costs_one_receive_per_relay_socket_and_one_send() {
    let (mut still, peer, clients) = with_peer();
    for _ in 0..EACH {
        clients.iter().for_each(|(_, relayed)| _ = peer.send_to(&[1; 160], relayed).expect("sending"));
    }
    assert_eq!(cost(&mut still), [CLIENTS as u64, 1, ALL, ALL]);
}

#[test]
fn a_hand_over_costs_one_receive_and_one_send() {
    let (mut still, _peer, clients) = with_peer();
    let mut clients = still.serve(move |_| {
        let mut clients = clients;
        let relayed: Vec<SocketAddr> = clients.iter().map(|(_, relayed)| *relayed).collect();
        for (at, (client, _)) in clients.iter_mut().enumerate() {
            // Each other's: 0 and 1, 2 and 3.
            client.bind_channel(CHANNEL + 1, relayed[at ^ 1]);
        }
        clients
    });
    for _ in 0..EACH {
        clients.iter_mut().for_each(|(client, _)| client.send_on(CHANNEL + 1, &[1; 160]));
    }
    assert_eq!(cost(&mut still), [1, 1, ALL, ALL]);
}

#[test]
fn data_that_makes_no_runs_costs_no_more_calls() {
    let (mut still, peer, mut clients) = with_peer();
    let (client, relayed) = &mut clients[0];
    // Longer and longer ones never share a buffer.
    (0..EACH).for_each(|at| client.send_on(CHANNEL, &vec![1; 100 + at]));
    assert_eq!(cost(&mut still), [1, 1, EACH as u64, EACH as u64]);
    (0..EACH).for_each(|at| _ = peer.send_to(&vec![1; 100 + at], *relayed).expect("sending"));
    assert_eq!(cost(&mut still), [1, 1, EACH as u64, EACH as u64]);
    assert_eq!(still.io.count(IoEvent::SentInRun), 0);
}

#[test]
fn indications_cost_no_more_calls_than_channels() {
    let (mut still, peer, mut clients) = with_peer();
    let address = peer.local_addr().expect("an address");
    for _ in 0..EACH {
        clients.iter_mut().for_each(|(client, _)| client.indicate(address, &[1; 160], |_| {}));
    }
    assert_eq!(cost(&mut still), [1, CLIENTS as u64, ALL, ALL]);
}
