//! The relay core forwards data without the heap, and keeps nothing of allocations that ended: counted by the allocator itself.
#[path = "support/heap.rs"]
mod heap;
#[path = "../benches/world/mod.rs"]
mod world;

use std::net::SocketAddr;

use duologue::relay::Mode;

use heap::calls_of_this_thread;
use heap::live_bytes_of_this_thread;
use world::RELAY_IP;
use world::Relay;
use world::client;
use world::operations::Operations;
use world::peer;

type Operation = fn(&mut Operations);

/// How often the heap is called by two thousand runs of an operation, after a few that may warm it up.
fn calls(operations: &mut Operations, operation: Operation) -> u64 {
    (0..32).for_each(|_| operation(operations));
    let before = calls_of_this_thread();
    (0..2000).for_each(|_| operation(operations));
    calls_of_this_thread() - before
}

#[test]
fn data_is_relayed_without_the_heap() {
    let mut operations = Operations::new();
    let ways: [(&str, Operation); 6] = [
        ("ChannelData to a peer", Operations::channel_data_to_peer),
        ("a peer's data to ChannelData", Operations::peer_to_channel_data),
        ("a Send indication to a peer", Operations::send_indication_to_peer),
        ("a peer's data to a Data indication", Operations::peer_to_data_indication),
        ("data from one client to another", Operations::hand_over),
        ("a Binding request", Operations::binding),
    ];
    for (name, operation) in ways {
        assert_eq!(calls(&mut operations, operation), 0, "{name}");
    }
}

#[test]
fn allocations_that_ended_leave_nothing_behind() {
    for mode in [Mode::Ports, Mode::SinglePort] {
        for places in [1, 10_000] {
            let mut relay = Relay::new(mode);
            let mut cycle = |number| {
                let from = client(number % places);
                relay.challenge(from);
                relay.allocate(from);
                relay.bind(from, SocketAddr::new(RELAY_IP.into(), 5000));
                relay.bind(from, peer(number));
                relay.delete(from);
                assert_eq!(relay.server.allocations(), 0);
            };
            (0..1000).for_each(&mut cycle);
            let before = live_bytes_of_this_thread();
            (1000..11_000).for_each(&mut cycle);
            assert_eq!(
                live_bytes_of_this_thread() - before,
                0,
                "bytes after 10000 cycles at {places} addresses in {mode:?}"
            );
        }
    }
}

#[test]
fn the_counter_counts() {
    let mut operations = Operations::new();
    let calls = calls(&mut operations, Operations::allocate_and_delete);
    assert!(calls >= 2000, "{calls}");
}
