//! Files pass through the built program in pieces: their length is no matter of its memory.
mod support;

use serde_json::Value;
use support::caller::Call;

const FILE_BYTES: usize = 50 * 1024 * 1024;
/// A tenth of one file would be 5 MiB; buffers, the disk's and the network's, take less than this.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

/// The most memory that the program has ever had, in KiB.
fn highest_kib(call: &Call) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", call.server.pid())).expect("the program runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

#[tokio::test]
async fn fifty_megabytes_in_and_out_take_little_memory() {
    let mut call = Call::start("").await;
    let bytes: Vec<u8> = (0..FILE_BYTES).map(|at| (at / 7 % 253) as u8).collect();
    // What the first file of all brings along belongs to the program.
    call.show("file", "small", &bytes[..1_000_000], 1).await;
    let before = highest_kib(&call);
    let file: Value = call.show("file", "large", &bytes, 2).await["file"].clone();
    let got = call.get(&file["url"], &[]);
    assert!(got.body == bytes, "{} bytes came back", got.body.len());
    let after = highest_kib(&call);
    assert!(after - before < GROWTH_KIB_MAX, "{before} KiB before, {after} KiB after");
}
