//! A stream of packets from one sender to one receiver through the server.
use std::net::SocketAddr;

use crate::bench::stamp::STAMP_LEN;
use crate::bench::stamp::Stamp;
use crate::bench::wire::PEERS;
use crate::bench::wire::Route;
use crate::bench::wire::Side;
use crate::bench::wire::Wire;
use crate::stun::AttributeType;
use crate::stun::ChannelNumber;
use crate::stun::Class;
use crate::stun::HEADER_LEN;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::Overflow;
use crate::stun::TransactionId;
use crate::stun::Writer;
use crate::stun::channel_data;
use crate::stun::pad_len;

/// Bytes before a payload at most: the head of a Send indication to an IPv6 peer.
const HEAD_MAX: usize = 48;

/// Room for all of a packet that is its own.
pub(super) const OWN_MAX: usize = HEAD_MAX + STAMP_LEN;

/// How a packet carries its payload.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It is nothing else.
    Plain,
    /// In ChannelData.
    Channel(ChannelNumber),
    /// In a Send or Data indication.
    Indication,
    /// There is none: a Binding request, whose transaction id is the stamp.
    Binding,
}

/// A stream of packets.
pub(super) struct Flow {
    pub(super) route: Route,
    pub(super) to: SocketAddr,
    /// The bytes before the payload.
    head: Vec<u8>,
    form: Form,
    /// Bytes of each packet as it leaves.
    pub(super) packet_len: usize,
    /// Zero bytes behind the payload.
    pub(super) pad: usize,
    receiver: Side,
    /// How it arrives.
    arrives: Form,
    number: u32,
    newest: Option<u32>,
}

impl Flow {
    /// Data of a client, to be received by `receiver`.
    ///
    /// # Errors
    ///
    /// [`Overflow`] if the payload is too long for an indication.
    pub(super) fn of_client(
        wire: &Wire,
        client: usize,
        form: Form,
        peer: SocketAddr,
        size: usize,
        receiver: Side,
        arrives: Form,
    ) -> Result<Flow, Overflow> {
        let route = wire.route(client);
        let head = match form {
            Form::Plain => Vec::new(),
            Form::Channel(number) => channel_data::header(number, u16::try_from(size).map_err(|_| Overflow)?).to_vec(),
            Form::Indication => send_head(peer, size)?,
            Form::Binding => {
                let mut bytes = [0; HEADER_LEN];
                Writer::new(&mut bytes, Class::Request, Method::BINDING, TransactionId([0; 12])).finish()?;
                bytes.to_vec()
            }
        };
        let pad = match (form, route) {
            (Form::Indication, _) | (Form::Channel(_), Route::Stream(_)) => pad_len(size),
            (Form::Plain | Form::Binding, _) | (Form::Channel(_), Route::Datagrams { .. }) => 0,
        };
        let payload = if form == Form::Binding { 0 } else { size };
        let packet_len = head.len() + payload + pad;
        Ok(Flow { route, to: wire.server(), head, form, packet_len, pad, receiver, arrives, number: 0, newest: None })
    }

    /// Data of the peer to a client's relayed address.
    pub(super) fn of_peer(relayed: SocketAddr, size: usize, arrives: Form) -> Flow {
        Flow {
            route: Route::Datagrams { port: PEERS, source: None },
            to: relayed,
            head: Vec::new(),
            form: Form::Plain,
            packet_len: size,
            pad: 0,
            receiver: Side::Client,
            arrives,
            number: 0,
            newest: None,
        }
    }

    /// Writes what is this packet's own, head and stamp, and returns its length.
    pub(super) fn stamp(&mut self, run: u32, flow: u32, sent_at: u64, out: &mut [u8; OWN_MAX]) -> usize {
        let head = self.head.len();
        out[..head].copy_from_slice(&self.head);
        if self.form == Form::Binding {
            out[8..12].copy_from_slice(&flow.to_be_bytes());
            out[12..20].copy_from_slice(&sent_at.to_be_bytes());
            return head;
        }
        let stamp = Stamp { run, flow, number: self.number, sent_at };
        self.number = self.number.wrapping_add(1);
        out[head..head + STAMP_LEN].copy_from_slice(&stamp.to_bytes());
        head + STAMP_LEN
    }

    /// Returns whether a packet that was heard is one of this flow, whole and in its right form.
    pub(super) fn owns(&self, side: Side, heard: &Heard<'_>, size: usize) -> bool {
        side == self.receiver
            && heard.form == self.arrives
            && (heard.form == Form::Binding || heard.payload.len() == size)
    }

    /// Takes notice of a packet's number; false if a later one was there before.
    pub(super) fn on_number(&mut self, number: u32) -> bool {
        let is_new = self.newest.is_none_or(|newest| number.wrapping_sub(newest).cast_signed() > 0);
        if is_new {
            self.newest = Some(number);
        }
        is_new
    }
}

/// Everything before the payload of a Send indication. RFC 8656 §11.1.
fn send_head(peer: SocketAddr, size: usize) -> Result<Vec<u8>, Overflow> {
    let payload = vec![0; size];
    let mut bytes = vec![0; HEAD_MAX + size + 3];
    let mut writer = Writer::new(&mut bytes, Class::Indication, Method::SEND, TransactionId(*b"bench-sends!"));
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, &payload);
    let len = writer.finish()?;
    bytes.truncate(len - size - pad_len(size));
    Ok(bytes)
}

/// A packet of the load as it arrived.
pub(super) struct Heard<'a> {
    pub(super) form: Form,
    pub(super) payload: &'a [u8],
    pub(super) stamp: Stamp,
}

impl<'a> Heard<'a> {
    /// Reads a message; `None` if it is none of the load.
    pub(super) fn read(side: Side, message: &'a [u8], run: u32) -> Option<Heard<'a>> {
        let (form, payload) = match (side, message.first()? >> 6) {
            (Side::Peer, _) => (Form::Plain, message),
            (Side::Client, 0b01) => {
                let found = channel_data::parse(message)?;
                (Form::Channel(ChannelNumber::new(found.number)?), message.get(found.payload)?)
            }
            (Side::Client, _) => {
                let parsed = Message::parse(message).ok()?;
                match (parsed.method(), parsed.class()) {
                    (Method::DATA, Class::Indication) => (Form::Indication, parsed.attribute(AttributeType::DATA)?),
                    (Method::BINDING, Class::Success) => {
                        let TransactionId([f0, f1, f2, f3, sent @ ..]) = parsed.transaction_id();
                        let flow = u32::from_be_bytes([f0, f1, f2, f3]);
                        let stamp = Stamp { run, flow, number: 0, sent_at: u64::from_be_bytes(sent) };
                        return Some(Heard { form: Form::Binding, payload: &[], stamp });
                    }
                    _ => return None,
                }
            }
        };
        let stamp = Stamp::of(payload).filter(|stamp| stamp.run == run)?;
        Some(Heard { form, payload, stamp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u32 = 7;

    fn packet(flow: &mut Flow, size: usize) -> Vec<u8> {
        let mut own = [0; OWN_MAX];
        let len = flow.stamp(RUN, 3, 99, &mut own);
        let rest = flow.packet_len - len;
        assert!(rest <= size);
        [&own[..len], &vec![0; rest]].concat()
    }

    fn flow(form: Form, size: usize) -> Flow {
        let relayed = "127.0.0.1:50000".parse().expect("an address");
        let mut flow = Flow::of_peer(relayed, size, form);
        flow.head = match form {
            Form::Plain | Form::Binding => Vec::new(),
            Form::Channel(number) => channel_data::header(number, size as u16).to_vec(),
            Form::Indication => send_head(relayed, size).expect("room"),
        };
        flow.pad = if form == Form::Indication { pad_len(size) } else { 0 };
        flow.packet_len = flow.head.len() + size + flow.pad;
        flow
    }

    #[test]
    fn a_send_indication_is_one_whatever_its_length() {
        for size in 20..28 {
            let mut flow = flow(Form::Indication, size);
            let bytes = packet(&mut flow, size);
            let message = Message::parse(&bytes).expect("a message");
            assert_eq!((message.method(), message.class()), (Method::SEND, Class::Indication));
            assert_eq!(message.attribute(AttributeType::DATA).map(<[u8]>::len), Some(size));
            let sent = message.attribute(AttributeType::DATA).and_then(Stamp::of);
            assert_eq!(sent, Some(Stamp { run: RUN, flow: 3, number: 0, sent_at: 99 }));
        }
    }

    #[test]
    fn a_packet_is_known_by_its_form_side_and_length() {
        let channel = Form::Channel(ChannelNumber::MIN);
        let mut flow = flow(channel, 100);
        let bytes = packet(&mut flow, 100);
        let heard = Heard::read(Side::Client, &bytes, RUN).expect("of the load");
        assert_eq!(heard.stamp.flow, 3);
        assert!(flow.owns(Side::Client, &heard, 100));
        assert!(!flow.owns(Side::Client, &heard, 101));
        assert!(!flow.owns(Side::Peer, &heard, 100));
        flow.arrives = Form::Indication;
        assert!(!flow.owns(Side::Client, &heard, 100));
        assert!(Heard::read(Side::Client, &bytes, RUN + 1).is_none(), "of another run");
        assert!(Heard::read(Side::Peer, b"\0", RUN).is_none());
    }

    #[test]
    fn later_packets_are_told_from_repeated_and_overtaken_ones() {
        let mut flow = flow(Form::Plain, 20);
        let told: Vec<bool> = [0, 1, 3, 2, 3, 4].into_iter().map(|number| flow.on_number(number)).collect();
        assert_eq!(told, [true, true, true, false, false, true]);
        assert!(!flow.on_number(u32::MAX), "before the first");
        flow.newest = Some(u32::MAX);
        assert!(flow.on_number(0), "numbers begin again");
    }
}
