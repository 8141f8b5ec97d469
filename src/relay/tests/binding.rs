use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Method;
use crate::stun::TransactionId;

const ID: TransactionId = TransactionId([3; 12]);

fn from(remote: &str) -> ClientAddr {
    ClientAddr { via: Via::Udp(ListenerId(0)), local: address("10.9.0.1:3478"), remote: address(remote) }
}

#[test]
fn binding_tells_the_source_address_and_nothing_else() {
    let mut relay = Fixture::new();
    for remote in ["9.8.7.6:1234", "[2a00:1::5]:4321"] {
        let reply = relay.exchange(from(remote), &message(Class::Request, Method::BINDING, ID, |_| {})).unwrap();
        assert_eq!((reply.message().class(), reply.message().transaction_id()), (Class::Success, ID));
        assert_eq!(reply.types(), [AttributeType::XOR_MAPPED_ADDRESS]);
        let mapped = reply.message().xor_address(AttributeType::XOR_MAPPED_ADDRESS);
        assert_eq!(mapped, Some(Ok(address(remote))));
    }
    assert_eq!(relay.requests(RequestKind::Binding, RequestResult::Success), 2);
}

#[test]
fn a_reply_has_a_fingerprint_if_the_request_had_one() {
    let mut relay = Fixture::new();
    let plain = message(Class::Request, Method::BINDING, ID, |_| {});
    let marked = message(Class::Request, Method::BINDING, ID, |writer| {
        writer.fingerprint();
    });
    assert!(!relay.exchange(from("9.8.7.6:1"), &plain).unwrap().message().has_fingerprint());
    assert!(relay.exchange(from("9.8.7.6:1"), &marked).unwrap().message().has_fingerprint());
}

#[test]
fn unknown_required_attributes_are_listed_and_optional_ones_ignored() {
    let mut relay = Fixture::new();
    let request = message(Class::Request, Method::BINDING, ID, |writer| {
        writer.u32(AttributeType(0xFF05), 1);
        writer.u32(AttributeType(0x0003), 6);
        writer.u32(AttributeType(0x7FFF), 1);
    });
    let reply = relay.exchange(from("9.8.7.6:1"), &request).unwrap();
    assert_eq!(reply.code(), 420);
    assert_eq!(reply.message().attribute(AttributeType::UNKNOWN_ATTRIBUTES), Some(&[0, 3, 0x7F, 0xFF][..]));

    let request = message(Class::Request, Method::BINDING, ID, |writer| {
        writer.u32(AttributeType(0xFF05), 1);
    });
    assert_eq!(relay.exchange(from("9.8.7.6:1"), &request).unwrap().code(), 0);
}

#[test]
fn an_unknown_method_is_a_bad_request() {
    let mut relay = Fixture::new();
    for method in [Method::SEND, Method::DATA, Method::new(0x00A).unwrap(), Method::new(0xFFF).unwrap()] {
        let reply = relay.exchange(from("9.8.7.6:1"), &message(Class::Request, method, ID, |_| {})).unwrap();
        assert_eq!(reply.code(), 400, "{method:?}");
    }
}

#[test]
fn responses_and_foreign_indications_get_no_answer() {
    let mut relay = Fixture::new();
    for (class, method) in [
        (Class::Indication, Method::BINDING),
        (Class::Indication, Method::DATA),
        (Class::Success, Method::BINDING),
        (Class::Error, Method::ALLOCATE),
    ] {
        assert_eq!(relay.receive(from("9.8.7.6:1"), &message(class, method, ID, |_| {})).0, FromClient::Nothing);
    }
    assert_eq!(relay.dropped(DropReason::Unexpected), 4);
}

#[test]
fn a_short_reply_buffer_yields_no_answer() {
    let mut relay = Fixture::new();
    let request = message(Class::Request, Method::BINDING, ID, |_| {});
    let verdict = relay.server.handle_client(from("9.8.7.6:1"), &request, relay.now, &mut [0; 31]);
    assert_eq!((verdict, relay.dropped(DropReason::ReplyTooLong)), (FromClient::Nothing, 1));
    let verdict = relay.server.handle_client(from("9.8.7.6:1"), &request, relay.now, &mut [0; 32]);
    assert_eq!(verdict, FromClient::Reply { len: 32 });
}
