//! The 20-byte header of every STUN message. RFC 8489 §5.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |0 0| class and method          | length without these 20 bytes |
//! | magic cookie 0x2112A442                                       |
//! | transaction id (96 bits)                                      |
//! ```

/// Bytes of a STUN header. RFC 8489 §5.
pub const HEADER_LEN: usize = 20;

/// The fixed value of bytes 4 to 7. RFC 8489 §5.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// The 96 bits that tie a response to its request. RFC 8489 §5.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct TransactionId(pub [u8; 12]);

/// What kind of message this is. RFC 8489 §5.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Gets no response.
    Indication,
    /// Answers a request that was done.
    Success,
    /// Answers a request that was refused.
    Error,
}

impl Class {
    /// The class bits C1 (0x100) and C0 (0x010) at their place in the message type.
    const fn bits(self) -> u16 {
        match self {
            Class::Request => 0x000,
            Class::Indication => 0x010,
            Class::Success => 0x100,
            Class::Error => 0x110,
        }
    }

    /// The class in the bits of a message type.
    const fn of_type(message_type: u16) -> Class {
        match (message_type & 0x100 != 0, message_type & 0x010 != 0) {
            (false, false) => Class::Request,
            (false, true) => Class::Indication,
            (true, false) => Class::Success,
            (true, true) => Class::Error,
        }
    }
}

/// A STUN method: 12 bits. RFC 8489 §18.2, RFC 8656 §17.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// Asks which address the server sees. RFC 8489 §3.
    pub const BINDING: Method = Method(0x001);
    /// Asks for a relayed address. RFC 8656 §7.
    pub const ALLOCATE: Method = Method(0x003);
    /// Prolongs or deletes an allocation. RFC 8656 §8.
    pub const REFRESH: Method = Method(0x004);
    /// Carries data to a peer (indication). RFC 8656 §11.
    pub const SEND: Method = Method(0x006);
    /// Carries data from a peer (indication). RFC 8656 §11.
    pub const DATA: Method = Method(0x007);
    /// Lets peers send to the allocation. RFC 8656 §10.
    pub const CREATE_PERMISSION: Method = Method(0x008);
    /// Gives a peer a channel number. RFC 8656 §12.
    pub const CHANNEL_BIND: Method = Method(0x009);

    /// The method with this number, if it fits into 12 bits.
    pub const fn new(number: u16) -> Option<Method> {
        if number <= 0xFFF { Some(Method(number)) } else { None }
    }

    /// The 12-bit number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The method bits at their place in the message type: M11-M7, C1, M6-M4, C0, M3-M0.
    const fn bits(self) -> u16 {
        (self.0 & 0xF80) << 2 | (self.0 & 0x070) << 1 | (self.0 & 0x00F)
    }

    /// The method in the bits of a message type.
    const fn of_type(message_type: u16) -> Method {
        Method((message_type >> 2) & 0xF80 | (message_type >> 1) & 0x070 | message_type & 0x00F)
    }
}

/// Splits a message type (its two top bits are zero) into class and method.
pub(super) const fn split_type(message_type: u16) -> (Class, Method) {
    (Class::of_type(message_type), Method::of_type(message_type))
}

/// Writes the header of a message with `length` bytes of attributes.
pub(super) fn write(out: &mut [u8; HEADER_LEN], class: Class, method: Method, length: u16, id: TransactionId) {
    let (fixed, id_bytes) = out.split_at_mut(8);
    let [t0, t1] = (class.bits() | method.bits()).to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    let [c0, c1, c2, c3] = MAGIC_COOKIE.to_be_bytes();
    fixed.copy_from_slice(&[t0, t1, l0, l1, c0, c1, c2, c3]);
    id_bytes.copy_from_slice(&id.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_method_survives_its_message_type() {
        for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
            for number in 0..=0xFFF {
                let method = Method::new(number).expect("12 bits");
                let message_type = class.bits() | method.bits();
                assert_eq!(message_type & 0xC000, 0);
                assert_eq!(split_type(message_type), (class, method));
            }
        }
    }

    #[test]
    fn known_types_have_their_registered_numbers() {
        let ty = |class: Class, method: Method| class.bits() | method.bits();
        assert_eq!(ty(Class::Request, Method::BINDING), 0x0001);
        assert_eq!(ty(Class::Success, Method::BINDING), 0x0101);
        assert_eq!(ty(Class::Error, Method::ALLOCATE), 0x0113);
        assert_eq!(ty(Class::Indication, Method::SEND), 0x0016);
        assert_eq!(ty(Class::Indication, Method::DATA), 0x0017);
    }

    #[test]
    fn a_method_has_12_bits() {
        assert_eq!(Method::new(0x1000), None);
    }
}
