//! RFC 6455 as this server speaks it: text messages both ways, limits that depend on the state of the connection.
//!
//! The header codec is tungstenite's. Its message stream is not used: its limits are fixed at the start and it judges
//! fragments only when they are complete, but a message must be refused on its header, with a lower limit before
//! `hello` (rule 8). It also keeps a read buffer for every idle socket.
use std::io::Cursor;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Control;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

/// Bytes taken from the socket at once; the buffer is on the stack and no idle connection keeps one.
const READ_AT_ONCE: usize = 4096;
/// Payload of a control frame. RFC 6455 §5.5.
const CONTROL_PAYLOAD_MAX: u64 = 125;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A whole text message.
    Text(Utf8Bytes),
    /// A fragment of one: proof of life.
    Fragment,
    /// To be answered with the same payload.
    Ping(Bytes),
    Pong,
    /// The client ends the connection, with that code.
    Close(Option<u16>),
}

/// Why reading cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A breach of RFC 6455: close 1002.
    Breach,
    /// A binary message, or text that is not UTF-8: close 4400.
    NotText,
    /// A message over the limit: close 4413.
    TooBig,
    /// The end of the stream, or an error of the socket.
    Lost,
}

/// Reads frames and puts messages together.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: BytesMut,
    /// The fragments so far, if a message has begun.
    message: Option<BytesMut>,
}

impl Reader {
    /// Reads until something is complete. `limit` is for whole messages, in bytes.
    pub(crate) fn poll_received<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        limit: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<Received, Fault>> {
        loop {
            if let Some(received) = self.next_frame(limit)? {
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                return Poll::Ready(Ok(received));
            }
            let mut space = [std::mem::MaybeUninit::uninit(); READ_AT_ONCE];
            let mut chunk = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut *socket).poll_read(context, &mut chunk));
            if read.is_err() || chunk.filled().is_empty() {
                return Poll::Ready(Err(Fault::Lost));
            }
            self.buffer.extend_from_slice(chunk.filled());
        }
    }

    /// Takes the next frame out of the buffer, if it is complete; what is wrong is found on the header.
    fn next_frame(&mut self, limit: usize) -> Result<Option<Received>, Fault> {
        let mut cursor = Cursor::new(&self.buffer[..]);
        let Some((header, payload_len)) = FrameHeader::parse(&mut cursor).map_err(|_| Fault::Breach)? else {
            return Ok(None);
        };
        let header_len = usize::try_from(cursor.position()).map_err(|_| Fault::Breach)?;
        // The shortest length encoding is mandatory, as is a mask. RFC 6455 §5.2, §5.1.
        if header.rsv1 || header.rsv2 || header.rsv3 || header_len != header.len(payload_len) {
            return Err(Fault::Breach);
        }
        let Some(mask) = header.mask else { return Err(Fault::Breach) };
        self.check_header(&header, payload_len, limit)?;
        let payload_len = usize::try_from(payload_len).map_err(|_| Fault::TooBig)?;
        if self.buffer.len() - header_len < payload_len {
            return Ok(None);
        }
        self.buffer.advance(header_len);
        let mut payload = self.buffer.split_to(payload_len);
        for word in payload.chunks_mut(mask.len()) {
            for (byte, mask) in word.iter_mut().zip(mask) {
                *byte ^= mask;
            }
        }
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Some(Received::Ping(payload.freeze()))),
            OpCode::Control(Control::Pong) => Ok(Some(Received::Pong)),
            OpCode::Control(Control::Close) => close_code(&payload).map(|code| Some(Received::Close(code))),
            OpCode::Control(Control::Reserved(_)) => Err(Fault::Breach),
            OpCode::Data(_) => self.on_data(payload, header.is_final).map(Some),
        }
    }

    fn check_header(&self, header: &FrameHeader, payload_len: u64, limit: usize) -> Result<(), Fault> {
        match (header.opcode, &self.message) {
            (OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)), _) => Err(Fault::Breach),
            (OpCode::Control(_), _) if !header.is_final || payload_len > CONTROL_PAYLOAD_MAX => Err(Fault::Breach),
            (OpCode::Control(_), _) => Ok(()),
            (OpCode::Data(Data::Continue), None) | (OpCode::Data(Data::Text | Data::Binary), Some(_)) => {
                Err(Fault::Breach)
            }
            (OpCode::Data(Data::Binary), None) => Err(Fault::NotText),
            (OpCode::Data(Data::Text | Data::Continue), message) => {
                let so_far = message.as_ref().map_or(0, BytesMut::len);
                let room = u64::try_from(limit.saturating_sub(so_far)).unwrap_or(u64::MAX);
                if payload_len > room { Err(Fault::TooBig) } else { Ok(()) }
            }
        }
    }

    fn on_data(&mut self, payload: BytesMut, is_final: bool) -> Result<Received, Fault> {
        let message = match self.message.take() {
            None => payload,
            Some(mut message) => {
                message.extend_from_slice(&payload);
                message
            }
        };
        if !is_final {
            self.message = Some(message);
            return Ok(Received::Fragment);
        }
        Utf8Bytes::try_from(message.freeze()).map(Received::Text).map_err(|_| Fault::NotText)
    }
}

/// Reads the payload of a close frame. RFC 6455 §5.5.1, §7.4.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Fault::Breach) };
    };
    let code = u16::from_be_bytes(*code);
    let is_allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if is_allowed && std::str::from_utf8(reason).is_ok() { Ok(Some(code)) } else { Err(Fault::Breach) }
}

/// Frames on their way into the socket.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    buffer: BytesMut,
    needs_flush: bool,
}

impl Writer {
    /// Bytes not yet taken by the socket.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(crate) fn text(&mut self, payload: &[u8]) {
        self.frame(OpCode::Data(Data::Text), payload);
    }

    pub(crate) fn ping(&mut self) {
        self.frame(OpCode::Control(Control::Ping), &[]);
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.frame(OpCode::Control(Control::Pong), payload);
    }

    /// A close frame; `reason` has at most 123 bytes.
    pub(crate) fn close(&mut self, code: Option<u16>, reason: &str) {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        self.frame(OpCode::Control(Control::Close), &payload);
    }

    fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let header = FrameHeader { is_final: true, opcode, ..FrameHeader::default() };
        let written = header.format(payload.len() as u64, &mut (&mut self.buffer).writer());
        written.expect("a growing buffer takes any header");
        self.buffer.extend_from_slice(payload);
        self.needs_flush = true;
    }

    /// Writes until everything is in the socket.
    pub(crate) fn poll_written<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        while !self.buffer.is_empty() {
            match ready!(Pin::new(&mut *socket).poll_write(context, &self.buffer)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Fault::Lost)),
                Ok(written) => self.buffer.advance(written),
            }
        }
        self.buffer = BytesMut::new();
        if self.needs_flush {
            ready!(Pin::new(socket).poll_flush(context)).map_err(|_| Fault::Lost)?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
