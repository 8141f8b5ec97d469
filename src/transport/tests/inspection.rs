//! What operators see of allocations, and end.
use super::plane::Plane;
use super::plane::settings;
use crate::relay::AllocationId;
use crate::relay::AllocationView;
use crate::relay::ClientTransport;
use crate::relay::ShardId;
use crate::transport::AllocationPage;
use crate::transport::AllocationPlace;
use crate::transport::Unanswered;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

fn page(plane: &Plane, from: AllocationPlace, limit: usize) -> AllocationPage {
    wait(plane.handle.allocations(from, limit)).expect("an answer")
}

#[test]
fn pages_go_through_the_allocations_of_every_shard() {
    let plane = Plane::start(settings());
    let mut clients = [
        plane.udp_client_on(0, "one"),
        plane.udp_client_on(1, "one"),
        plane.udp_client_on(1, "two"),
        plane.tcp_client("one"),
    ];
    let mut relayed = clients.each_mut().map(|client| client.allocate());
    let whole = page(&plane, AllocationPlace::START, 100);
    assert_eq!(whole.next, None);
    let (mut seen, mut from) = (Vec::new(), Some(AllocationPlace::START));
    while let Some(place) = from {
        let one = page(&plane, place, 1);
        assert!(one.found.len() <= 1);
        seen.extend(one.found);
        from = one.next;
    }
    // Their expiry is told by the wall clock, whose milliseconds are not those of the monotonic one.
    let names = |found: &[(ShardId, AllocationView)]| found.iter().map(|(shard, view)| (*shard, view.id)).collect();
    let (seen_names, whole_names): (Vec<_>, Vec<_>) = (names(&seen), names(&whole.found));
    assert_eq!(seen_names, whole_names);
    let mut addresses: Vec<_> = seen.iter().flat_map(|(_, view)| view.relayed.clone()).collect();
    addresses.sort_unstable();
    relayed.sort_unstable();
    assert_eq!(addresses, relayed);
    let of_one = wait(plane.handle.allocations_of("one", 100)).expect("an answer").found;
    assert_eq!(of_one.iter().filter(|(_, view)| view.session.as_deref() == Some("one")).count(), 3);
    assert_eq!(of_one.len(), 3);
}

#[test]
fn an_allocation_that_is_ended_gives_its_port_back_and_closes_its_connection() {
    let mut plane = Plane::start(settings());
    let (mut udp, mut tcp) = (plane.udp_client_on(0, "ended"), plane.tcp_client("ended"));
    let relayed = [udp.allocate(), tcp.allocate()];
    for (shard, view) in page(&plane, AllocationPlace::START, 100).found {
        assert_eq!(wait(plane.handle.end_allocation(shard, view.id)), Ok(true));
        assert_eq!(wait(plane.handle.end_allocation(shard, view.id)), Ok(false), "it has ended");
    }
    for address in relayed {
        std::net::UdpSocket::bind(address).expect("the relayed port is free");
    }
    tcp.wait_for_close();
    let ended = [plane.usage.try_recv(), plane.usage.try_recv()].map(|usage| usage.expect("a record").transport);
    assert!(ended.contains(&ClientTransport::Udp) && ended.contains(&ClientTransport::Tcp));
    udp.allocate();
    assert_eq!(wait(plane.handle.end_allocation(ShardId(9), AllocationId::new(0, 0))), Ok(false));
}

#[test]
fn shards_that_are_gone_answer_nobody() {
    let plane = Plane::start(settings());
    plane.handle.stop();
    assert_eq!(wait(plane.handle.allocations(AllocationPlace::START, 1)), Err(Unanswered::Gone));
}
