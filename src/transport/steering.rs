//! Steering: which shard serves a client, decided in the kernel by the client's address and port.
//!
//! The kernel's own choice within an SO_REUSEPORT group is a hash of the 4-tuple scaled to the number of sockets. It is
//! stable while the group is whole, but its key is secret: nobody can say beforehand where a client lands. This program
//! is as stable and costs the same, and its choice can be computed, so tests can place clients on shards. Where it
//! cannot be attached the kernel's choice serves as well.
//!
//! The kernel runs it with the packet's data at the UDP payload, so the headers are reached through `SKF_NET_OFF`. The
//! result is an index into the group, in bind order.
use libc::sock_filter;

/// 2^32 divided by the golden ratio, made odd: multiplying by it spreads neighbours over the upper half.
const SPREAD: u32 = 0x9E37_79B1;

/// Where the network header starts, for the loads of a classic BPF program.
const NETWORK_HEADER: u32 = libc::SKF_NET_OFF as u32;

/// Returns the program for a group of `shards` IPv4 sockets (header: RFC 791 §3.1, options allowed).
pub(super) fn program_v4(shards: u32) -> Vec<sock_filter> {
    let mut program = vec![
        load(libc::BPF_W | libc::BPF_ABS, 12), // source address
        multiply(),
        keep(),
        // X = length of the header with its options
        op(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, NETWORK_HEADER),
        load(libc::BPF_H | libc::BPF_IND, 0), // source port
    ];
    program.extend(mix_into_kept());
    program.extend(choose(shards));
    program
}

/// Returns the program for a group of `shards` IPv6 sockets (header: RFC 8200 §3).
///
/// The port counts only when UDP follows the header directly; behind extension headers the address alone decides,
/// which is as stable.
pub(super) fn program_v6(shards: u32) -> Vec<sock_filter> {
    let mut program = vec![load(libc::BPF_W | libc::BPF_ABS, 8), multiply(), keep()];
    for offset in [12, 16, 20] {
        program.push(load(libc::BPF_W | libc::BPF_ABS, offset));
        program.extend(mix_into_kept());
        program.push(keep());
    }
    program.push(load(libc::BPF_B | libc::BPF_ABS, 6)); // next header
    program.push(sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: 5,
        k: libc::IPPROTO_UDP as u32,
    });
    program.push(load(libc::BPF_H | libc::BPF_ABS, 40)); // source port
    program.extend(mix_into_kept());
    program.push(op(libc::BPF_JMP | libc::BPF_JA, 1));
    program.push(op(libc::BPF_LD | libc::BPF_MEM, 0));
    program.extend(choose(shards));
    program
}

fn load(mode: u32, offset: u32) -> sock_filter {
    op(libc::BPF_LD | mode, NETWORK_HEADER.wrapping_add(offset))
}

fn multiply() -> sock_filter {
    op(libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K, SPREAD)
}

fn keep() -> sock_filter {
    op(libc::BPF_ST, 0)
}

/// A = (kept xor A) * SPREAD
fn mix_into_kept() -> [sock_filter; 3] {
    [op(libc::BPF_LDX | libc::BPF_MEM, 0), op(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_X, 0), multiply()]
}

/// Returns upper half of A modulo the number of sockets.
fn choose(shards: u32) -> [sock_filter; 3] {
    [
        op(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 16),
        op(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, shards.max(1)),
        op(libc::BPF_RET | libc::BPF_A, 0),
    ]
}

fn op(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Returns the shard that the programs choose for a client.
#[cfg(test)]
pub(super) fn shard_of(source: std::net::SocketAddr, shards: u32) -> u32 {
    let mix = |hash: u32, word: u32| (hash ^ word).wrapping_mul(SPREAD);
    let hash = match source.ip() {
        std::net::IpAddr::V4(address) => mix(0, address.to_bits()),
        std::net::IpAddr::V6(address) => {
            let bits = address.to_bits();
            [96, 64, 32, 0].into_iter().fold(0, |hash, shift| mix(hash, (bits >> shift) as u32))
        }
    };
    (mix(hash, u32::from(source.port())) >> 16) % shards.max(1)
}
