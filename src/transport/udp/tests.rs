//! How addresses and pieces of memory look to the kernel.
use super::*;

#[test]
fn addresses_survive_the_kernel_form() {
    for address in ["192.0.2.1:3478", "[2001:db8::7]:49152", "0.0.0.0:0", "[::]:65535"] {
        let address: SocketAddr = address.parse().expect("an address");
        let mut name = [0xff; 32];
        encode_name(address, &mut name);
        assert_eq!(decode_name(&name), Some(address));
    }
}

#[test]
fn an_unknown_family_has_no_address() {
    assert_eq!(decode_name(&[0xff; 32]), None);
}

#[test]
fn neighbours_in_memory_leave_as_one_piece() {
    let bytes = [0; 12];
    let to = "192.0.2.1:3478".parse().expect("an address");
    let class = TrafficClass::default();
    let mut sender = Sender::new();
    let mut batch = sender.batch();
    for (ranges, pieces) in [([0..4, 4..4, 4..9], 1), ([0..4, 5..9, 9..12], 2), ([4..8, 0..4, 8..12], 3)] {
        let before = batch.parts;
        let envelope = Envelope { to, source: None, class, dont_fragment: false, segment: None };
        batch.push(&envelope, ranges.into_iter().map(|range| &bytes[range]));
        assert_eq!(batch.parts - before, pieces);
    }
}

#[test]
fn a_link_local_address_keeps_its_interface() {
    let address = SocketAddrV6::new("fe80::1".parse().expect("an address"), 9, 0, 4);
    let mut name = [0; 32];
    assert_eq!(encode_name(address.into(), &mut name), 28);
    assert_eq!(decode_name(&name), Some(address.into()));
}
