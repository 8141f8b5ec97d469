//! No bytes of a WebSocket client and no text of a configuration confuse their readers. The fuzz targets
//! `websocket_frame` and `config_text` run the same checks.
#[path = "../fuzz/choices.rs"]
mod choices;
#[path = "../fuzz/config_text.rs"]
mod config_text;
#[path = "support/random.rs"]
mod random;
#[path = "support/seeds.rs"]
mod seeds;
#[path = "../fuzz/websocket_frame.rs"]
mod websocket_frame;

use duologue::signal::Said;
use random::Random;
use seeds::seeds;

/// Parts of messages, sound and not.
const PARTS: [&str; 12] = [
    ",\"data\":{}",
    ",\"id\":9007199254740992",
    ",\"id\":-0",
    ",\"type\":\"bye\"",
    ",\"data\":[[[[",
    ",\"x\":1e999",
    ",\"x\":\"\\ud800\"",
    ",\"data\":{\"x\":{}}",
    " ",
    "}",
    "{",
    ",",
];

#[test]
fn kept_inputs_are_read_without_contradiction() {
    for input in seeds("websocket_frame") {
        websocket_frame::check(&input);
    }
    for text in seeds("config_text") {
        config_text::check(&text);
    }
}

#[test]
fn random_websocket_bytes_are_read_as_a_second_reader_reads_them() {
    let mut random = Random(5);
    let mut opened = 0;
    for _ in 0..30_000 {
        // Room for whole messages, and frames made of the rest, most of the time.
        let mut input = vec![4, 1 | random.byte()];
        for _ in 0..random.below(4) {
            let mut text = "{\"type\":\"hello\",\"id\":1".to_owned();
            for _ in 0..random.below(3) {
                text.push_str(PARTS[random.below(PARTS.len())]);
            }
            text.push('}');
            text.truncate(63);
            input.push(if random.below(4) == 0 { random.byte() } else { 0 });
            input.push(random.byte());
            input.push(u8::try_from(text.len()).expect("short"));
            input.extend_from_slice(text.as_bytes());
        }
        if random.below(2) == 0 {
            let at = random.below(input.len());
            input[at] = random.byte();
        }
        let transcript = websocket_frame::check(&input);
        opened += transcript.said.iter().filter(|said| matches!(said, Said::Message { envelope: Some(_), .. })).count();
    }
    assert!(opened > 5000, "{opened} messages opened");
}

#[test]
fn mutated_configurations_are_read_or_told_apart_by_line() {
    let default = include_str!("../config/default.toml");
    let lines: Vec<&str> = default.lines().filter(|line| !line.starts_with('#')).collect();
    let mut random = Random(6);
    let mut accepted = 0;
    for _ in 0..4000 {
        let mut text = String::new();
        let mut section = "";
        for line in &lines {
            if line.starts_with('[') {
                section = line;
            }
            // Most lines are left out, so that most files stay readable.
            if line.starts_with('[') || random.below(8) == 0 {
                text.push_str(line);
                text.push('\n');
            }
        }
        assert!(!section.is_empty());
        let mut bytes = text.into_bytes();
        for _ in 0..random.below(3) {
            if bytes.is_empty() {
                break;
            }
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.byte(),
                1 => bytes[at] = *random.choose(b"\"[]{}=,.:#\n0-9"),
                2 => _ = bytes.remove(at),
                _ => bytes.truncate(at),
            }
        }
        accepted += usize::from(config_text::check(&bytes));
    }
    assert!((400..3900).contains(&accepted), "{accepted} accepted");
}
