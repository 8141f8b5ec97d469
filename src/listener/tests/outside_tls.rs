//! Connections without TLS.
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::listener::front::BindError;

/// Whether the door has closed on us: an orderly end or a reset.
async fn closed(socket: &mut Trickle<TcpStream>) -> bool {
    matches!(socket.read(&mut [0; 1]).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn stun_goes_to_turn_with_the_bytes_read_so_far() {
    for door in [Door::Shared, Door::TurnTcp] {
        let mut fixture = Fixture::open(door);
        let mut client = fixture.connect().await;
        client.write_all(&BINDING).await.expect("sent");
        let turn = fixture.turn().await;
        assert_eq!(turn.early, BINDING);
        assert!(turn.tls.is_none());
        assert_eq!(turn.remote, client.inner.local_addr().expect("an address"));
        assert_eq!(turn.local, fixture.address);
    }
}

#[tokio::test]
async fn stun_arriving_byte_by_byte_loses_none() {
    let mut fixture = Fixture::open(Door::Shared);
    let mut client = fixture.connect().await;
    for byte in BINDING {
        client.write_all(&[byte]).await.expect("sent");
        tokio::task::yield_now().await;
    }
    let turn = fixture.turn().await;
    turn.socket.set_nonblocking(false).expect("a live socket");
    let mut got = turn.early;
    let mut rest = vec![0; BINDING.len() - got.len()];
    io::Read::read_exact(&mut &turn.socket, &mut rest).expect("what was not read stays in the socket");
    got.extend(rest);
    assert_eq!(got, BINDING);
}

#[tokio::test]
async fn the_given_socket_is_nonblocking() {
    let mut fixture = Fixture::open(Door::TurnTcp);
    let mut client = fixture.connect().await;
    client.write_all(&BINDING).await.expect("sent");
    let turn = fixture.turn().await;
    let error = io::Read::read(&mut &turn.socket, &mut [0; 1]).expect_err("nothing to read");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(turn.socket.nodelay().expect("a live socket"));
}

#[tokio::test]
async fn channel_data_goes_to_turn() {
    let mut fixture = Fixture::open(Door::Shared);
    let mut client = fixture.connect().await;
    client.write_all(&[0x40, 0, 0, 4, 1, 2, 3, 4]).await.expect("sent");
    assert_eq!(fixture.turn().await.early, [0x40, 0, 0, 4, 1, 2, 3, 4]);
}

#[tokio::test]
async fn http_goes_to_http_with_its_first_bytes_in_front() {
    for door in [Door::Shared, Door::Http] {
        let mut fixture = Fixture::open(door);
        let mut client = fixture.connect().await;
        client.trickling = true;
        client.write_all(GET).await.expect("sent");
        let mut http = fixture.http().await;
        assert!(!http.secure);
        assert_eq!((http.door, http.bind), (door, 0));
        let mut got = vec![0; GET.len()];
        http.io.read_exact(&mut got).await.expect("all of it");
        assert_eq!(got, GET);
        http.io.write_all(b"answer").await.expect("sent");
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.expect("answered");
        assert_eq!(&answer, b"answer");
    }
}

#[tokio::test]
async fn what_a_door_does_not_take_is_closed_and_counted() {
    let cases: [(Door, &[u8]); 7] = [
        (Door::Shared, b"SSH-2.0-x\r\n"),
        (Door::Shared, &[0, 1, 0, 0, 0xFF]),
        (Door::Http, &BINDING),
        (Door::Http, &[0x16, 3, 1]),
        (Door::TurnTcp, GET),
        (Door::TurnTcp, &[0x16, 3, 1, 0, 0xFF]),
        (Door::TurnTls, &BINDING),
    ];
    for (door, bytes) in cases {
        let fixture = Fixture::open(door);
        let mut client = fixture.connect().await;
        client.write_all(bytes).await.expect("sent");
        assert!(closed(&mut client).await, "{door:?} {bytes:?}");
        fixture.counted(Outcome::Garbage, 1).await;
    }
}

#[tokio::test]
async fn an_address_over_its_places_is_closed_until_one_is_free() {
    let mut fixture = Fixture::with_places(Door::TurnTcp, 1);
    let mut first = fixture.connect().await;
    first.write_all(&BINDING).await.expect("sent");
    let held = fixture.turn().await;
    let mut second = fixture.connect().await;
    assert!(closed(&mut second).await);
    fixture.counted(Outcome::Full, 1).await;
    assert_eq!(fixture.running.connections(), 1);
    drop(held);
    let mut third = fixture.connect().await;
    third.write_all(&BINDING).await.expect("sent");
    assert_eq!(fixture.turn().await.early, BINDING);
}

#[tokio::test]
async fn an_http_connection_holds_its_place_as_long_as_its_stream() {
    let mut fixture = Fixture::open(Door::Http);
    let mut client = fixture.connect().await;
    client.write_all(GET).await.expect("sent");
    let http = fixture.http().await;
    assert_eq!(fixture.running.connections(), 1);
    drop(http.io);
    assert_eq!(fixture.running.connections(), 0);
}

#[tokio::test]
async fn both_families_can_hold_the_same_port() {
    let limits = Limits { total: 1, per_address: 1, exempt: Vec::new() };
    let bind = |address: &str| Bind { door: Door::Http, address: address.parse().expect("an address") };
    let settings = |binds| Settings { binds, certificates: None, limits: limits.clone() };
    // Outside the kernel's own range: a connection of another test has no such number.
    let four = (18_000..19_000).find_map(|port| Front::bind(settings(vec![bind(&format!("0.0.0.0:{port}"))])).ok());
    let four = four.expect("a free port");
    let port = four.addresses()[0].1.port();
    let six = Front::bind(settings(vec![bind(&format!("[::]:{port}"))]));
    // A machine without IPv6 cannot show it.
    if let Err(BindError::Address { source, .. }) = six {
        assert_ne!(source.kind(), io::ErrorKind::AddrInUse);
    }
}

#[tokio::test]
async fn a_tls_door_without_a_certificate_does_not_open() {
    let settings = Settings {
        binds: vec![Bind { door: Door::TurnTls, address: SocketAddr::from(([127, 0, 0, 1], 0)) }],
        certificates: None,
        limits: Limits { total: 1, per_address: 1, exempt: Vec::new() },
    };
    assert!(matches!(Front::bind(settings).err(), Some(BindError::NoCertificate(_))));
}

#[tokio::test]
async fn stopping_closes_undecided_connections_and_the_port() {
    let fixture = Fixture::open(Door::Shared);
    let mut client = fixture.connect().await;
    client.write_all(b"G").await.expect("sent");
    fixture.running.stop().await;
    assert!(closed(&mut client).await);
    assert!(TcpStream::connect(fixture.address).await.is_err());
}
