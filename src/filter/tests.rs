//! Rules on texts, without anybody who says them.
use std::sync::Arc;
use std::time::Duration;

use super::*;

fn rule(id: &str, action: Action) -> Rule {
    Rule { id: id.into(), words: Vec::new(), whole_words: true, pattern: None, action, kinds: Saying::ALL.to_vec() }
}

fn words(id: &str, action: Action, words: &[&str]) -> Rule {
    Rule { words: words.iter().map(|word| (*word).to_owned()).collect(), ..rule(id, action) }
}

fn pattern(id: &str, action: Action, pattern: &str) -> Rule {
    Rule { pattern: Some(pattern.into()), ..rule(id, action) }
}

fn filter(rules: Vec<Rule>) -> Filter {
    Filter::new(rules).expect("good rules")
}

fn is_met(filter: &Filter, text: &str) -> bool {
    filter.check(Saying::Chat, text).is_refused()
}

fn masked(filter: &Filter, text: &str) -> Option<String> {
    filter.check(Saying::Chat, text).masked
}

#[test]
fn a_word_is_met_however_it_is_written() {
    let filter = filter(vec![words("w", Action::Refuse, &["Straße", "two words", "плохо", "café"])]);
    for text in [
        "STRASSE",
        "in der straße.",
        "ｓｔｒａｓｓｅ",
        "stra\u{200b}s\u{ad}se",
        "two\n\t words",
        "tw\u{2060}o\u{a0}words!",
        "ПЛОХО",
        "cafe\u{301}",
        "CAFÉ",
        "«плохо»",
    ] {
        assert!(is_met(&filter, text), "{text}");
    }
    for text in ["", " ", "strassen", "twowords", "неплохо", "cafés", "cafe", "two other words"] {
        assert!(!is_met(&filter, text), "{text}");
    }
}

#[test]
fn a_word_may_count_within_others() {
    let inner = Rule { whole_words: false, ..words("w", Action::Refuse, &["bad", "坏"]) };
    let filter = filter(vec![inner]);
    assert!(is_met(&filter, "notbadatall"));
    assert!(is_met(&filter, "这很坏吗"));
    assert!(!is_met(&filter, "b a d"));
}

#[test]
fn what_ends_with_a_sign_needs_no_boundary_there() {
    let filter = filter(vec![words("w", Action::Refuse, &["t.me/", "@all"])]);
    assert!(is_met(&filter, "see t.me/somebody"));
    assert!(is_met(&filter, "hey@all"));
    assert!(!is_met(&filter, "chat.me/somebody"), "a letter touches the first one");
    assert!(!is_met(&filter, "@alles"));
}

#[test]
fn masks_cover_just_what_is_met_and_keep_the_number_of_characters() {
    let filter = filter(vec![
        words("w", Action::Mask, &["bad", "very bad"]),
        pattern("digits", Action::Mask, r"\d{4,}"),
        pattern("dotted", Action::Mask, r"e\x{301}vil|évil"),
    ]);
    for (text, expected) in [
        ("a bad day", "a *** day"),
        ("BAD, very  bad", "***, ****  ***"),
        ("b\u{200b}ad", "****"),
        ("call 0123-4567 now", "call ****-**** now"),
        ("ｂａｄ", "***"),
        ("x e\u{301}vil y", "x ***** y"),
        ("１２３４５", "*****"),
    ] {
        let masked = masked(&filter, text).expect("is met");
        assert_eq!(masked, expected);
        assert_eq!(masked.chars().count(), text.chars().count());
    }
    assert_eq!(masked(&filter, "a good day"), None);
}

#[test]
fn patterns_ignore_case_and_know_words_of_all_scripts() {
    let filter = filter(vec![
        pattern("link", Action::Refuse, r"https?://\S+"),
        pattern("word", Action::Refuse, r"\bПЛОХ\w*\b"),
        pattern("either", Action::Refuse, r"(?:kik|snap)\s*:\s*\w+"),
    ]);
    for text in ["HTTPS://X.example", "совсем плохой день", "Kik:  me", "SNAP : me"] {
        assert!(is_met(&filter, text), "{text}");
    }
    for text in ["https://", "неплохой", "kik me"] {
        assert!(!is_met(&filter, text), "{text}");
    }
}

/// A fixed part is only where to begin: what it finds must be what each pattern finds by itself.
#[test]
fn looking_for_fixed_parts_first_finds_what_trying_every_pattern_finds() {
    let patterns = [
        r"colou?r",
        r"\bx{3}\b",
        r"[a-c]bc\d",
        r"\w+\.com",
        r"(?:ab|cd)+",
        r"^hi\b",
        r"bye$",
        r"k\d",
        r"[^a]bc",
        r"s\w*t",
        r"fine|ss",
        r"a.*z",
    ];
    let alphabet = ["a", "b", "c", "d", "x", "k", "1", "z", "S", "ß", "ﬁ", "ne", "hi", "bye", ".com", " ", "olor", "t"];
    let all = filter(patterns.iter().map(|one| pattern(one, Action::Refuse, one)).collect());
    let alone: Vec<regex::Regex> =
        patterns.iter().map(|one| regex::Regex::new(&format!("(?i){one}")).expect("compiles")).collect();
    // A linear congruence is random enough, and the same every time.
    let mut state = 1_u64;
    for _ in 0..3_000 {
        let text: String = (0..8)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                alphabet[(state >> 33) as usize % alphabet.len()]
            })
            .collect();
        let expected: Vec<&str> = patterns
            .iter()
            .zip(&alone)
            .filter(|(_, regex)| regex.is_match(&fold::fold(&text)))
            .map(|(one, _)| *one)
            .collect();
        let found = all.check(Saying::Chat, &text).actions.len();
        assert_eq!(found, expected.len(), "{text:?} {expected:?}");
    }
}

#[test]
fn a_rule_holds_only_where_it_says() {
    let only_rooms = Rule { kinds: vec![Saying::RoomName], ..words("w", Action::Refuse, &["bad"]) };
    let link = Rule { kinds: vec![Saying::Room], ..pattern("p", Action::Refuse, r"\d\d") };
    let filter = filter(vec![only_rooms, link]);
    for saying in Saying::ALL {
        assert_eq!(filter.check(saying, "bad").is_refused(), saying == Saying::RoomName);
        assert_eq!(filter.check(saying, "42").is_refused(), saying == Saying::Room);
    }
}

#[test]
fn all_rules_that_are_met_have_their_say_and_the_longest_silence_counts() {
    let minutes = |minutes: u64| Action::Mute(Duration::from_secs(60 * minutes));
    let filter = filter(vec![
        words("flag", Action::Flag, &["one"]),
        words("mask", Action::Mask, &["one", "two"]),
        words("refuse", Action::Refuse, &["three"]),
        words("short", minutes(1), &["three"]),
        words("long", minutes(5), &["three"]),
    ]);
    let verdict = filter.check(Saying::Chat, "one two");
    assert_eq!(verdict.flagged_by, [RuleId::from("flag")]);
    assert_eq!(verdict.masked.as_deref(), Some("*** ***"));
    assert!(!verdict.is_refused());
    let verdict = filter.check(Saying::Chat, "three");
    assert_eq!(verdict.refused_by.as_deref(), Some("refuse"));
    assert_eq!(verdict.muted_by, Some(("long".into(), Duration::from_secs(300))));
    assert_eq!(verdict.actions.len(), 3);
}

#[test]
fn bad_rules_are_told_all_at_once_with_place_and_remedy() {
    let errors = Filter::new(vec![
        pattern("open", Action::Flag, "a(b"),
        pattern("empty", Action::Flag, "a*"),
        pattern("huge", Action::Flag, r"\w{900}{900}"),
        pattern("sharp", Action::Flag, "straße"),
        rule("nothing", Action::Flag),
        words("twice", Action::Flag, &["a"]),
        words("twice", Action::Flag, &["\u{200b}"]),
        Rule { kinds: Vec::new(), ..words("nowhere", Action::Flag, &["a"]) },
    ])
    .expect_err("none is good");
    let told: Vec<(usize, &str)> = errors.iter().map(|error| (error.at, error.key)).collect();
    let expected = [
        (0, "pattern"),
        (1, "pattern"),
        (2, "pattern"),
        (3, "pattern"),
        (4, "words"),
        (6, "id"),
        (6, "words"),
        (7, "kinds"),
    ];
    assert_eq!(told, expected, "{errors:#?}");
    assert_eq!(errors[3].fix, "write \"ss\"");
    assert!(errors.iter().all(|error| !error.what.contains('\n') && !error.fix.is_empty()));
}

#[test]
fn only_so_many_patterns_are_tried_on_every_text() {
    let loose = |count: usize| (0..count).map(|n| pattern(&n.to_string(), Action::Flag, &format!(r"\d{{{}}}", n + 1)));
    assert!(Filter::new(loose(32).collect()).is_ok());
    let errors = Filter::new(loose(34).collect()).expect_err("too many");
    assert_eq!((errors.len(), errors[0].at, errors[0].key), (1, 32, "pattern"));
    let fixed = (0..200).map(|n| pattern(&n.to_string(), Action::Flag, &format!(r"word{n}\d+")));
    assert!(Filter::new(fixed.collect()).is_ok());
}

#[test]
fn a_screen_counts_what_is_met_and_works_by_the_newest_rules() {
    let screen = Screen::new(Arc::new(filter(vec![words("w", Action::Mask, &["bad"])])));
    screen.check(Saying::Chat, "bad bad");
    screen.check(Saying::Chat, "good");
    screen.replace(Arc::new(filter(vec![words("w", Action::Refuse, &["good"])])));
    assert!(screen.check(Saying::Chat, "good").is_refused());
    assert_eq!(screen.check(Saying::Chat, "bad"), Verdict::default());
    assert_eq!(screen.met().collect::<Vec<_>>(), [("flag", 0), ("mask", 1), ("refuse", 1), ("mute", 0)]);
    assert_eq!(screen.rules(), 1);
}

/// Every place in a text leads back to whole characters of it, whatever it is made of.
#[test]
fn folding_and_masking_take_any_text() {
    let parts =
        ["a", "\u{301}", "ﷺ", "가", "\u{1100}\u{1161}\u{11a8}", "\u{200d}", "ｶﾞ", "İ", "ß", " ", "\u{fe0f}", "👩‍👩‍👧", "é"];
    let filter =
        filter(vec![Rule { whole_words: false, ..words("w", Action::Mask, &["a", "가", "ガ", "ss", "é"]) }]);
    for one in parts {
        for two in parts {
            for three in parts {
                let text = format!("{one}{two}{three}");
                let verdict = filter.check(Saying::Chat, &text);
                let shown = verdict.masked.unwrap_or_else(|| text.clone());
                assert_eq!(shown.chars().count(), text.chars().count(), "{text:?}");
            }
        }
    }
}
