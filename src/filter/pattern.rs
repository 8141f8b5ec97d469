//! A regular expression of a rule, and the fixed parts by which texts are found that it is worth trying on.
use regex::Regex;
use regex::RegexBuilder;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::ExtractKind;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::literal::Seq;
use unicode_normalization::UnicodeNormalization;

use crate::filter::fold::fold;
use crate::filter::rule::PATTERN_CHARS_MAX;

/// Bytes of a compiled pattern, and of what it keeps while it works.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// How deep a pattern may nest.
const NEST_MAX: u32 = 50;
/// A shorter fixed part is in too many texts to save any work.
const FIXED_BYTES_MIN: usize = 2;
/// Fixed parts of one pattern.
const FIXED_MAX: usize = 256;

/// A pattern that is good.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// One of these is in every text that it meets; empty: nobody can say.
    pub(super) fixed: Vec<Vec<u8>>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong, and the remedy.
    pub(super) fn new(text: &str) -> Result<Self, (String, String)> {
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err((format!("is longer than {PATTERN_CHARS_MAX} characters"), "make several rules of it".into()));
        }
        // As texts are when they are compared; case is ignored besides.
        let text: String = text.nfc().collect();
        if let Some(c) = text.chars().find(|c| !c.is_ascii() && !is_comparable(*c)) {
            let folded = fold(c.encode_utf8(&mut [0; 4]));
            let fix = match folded.as_str() {
                "" => "leave it out".to_owned(),
                folded => format!("write {folded:?}"),
            };
            return Err((format!("{c:?} is in no text when it is compared"), fix));
        }
        let mut parser = ParserBuilder::new().case_insensitive(true).nest_limit(NEST_MAX).build();
        let hir = parser.parse(&text).map_err(|error| (one_line(&error.to_string()), SYNTAX_FIX.to_owned()))?;
        if hir.properties().minimum_len().is_none_or(|len| len == 0) {
            let fix = "let it demand at least one character";
            return Err(("meets the empty text, and so every text".into(), fix.into()));
        }
        let mut builder = RegexBuilder::new(&text);
        builder.case_insensitive(true).nest_limit(NEST_MAX).size_limit(COMPILED_BYTES_MAX);
        let regex = builder.dfa_size_limit(COMPILED_BYTES_MAX).build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => (
                format!("takes more than {COMPILED_BYTES_MAX} bytes"),
                "repeat less, or make several rules of it".into(),
            ),
            error => (one_line(&error.to_string()), SYNTAX_FIX.to_owned()),
        })?;
        let extract = |kind| {
            let mut extractor = Extractor::new();
            extractor.kind(kind).limit_total(FIXED_MAX);
            usable(&extractor.extract(&hir))
        };
        let both = [ExtractKind::Prefix, ExtractKind::Suffix].map(extract);
        let shortest = |fixed: &Vec<Vec<u8>>| fixed.iter().map(Vec::len).min().unwrap_or(0);
        let fixed = both.into_iter().max_by_key(shortest).unwrap_or_default();
        Ok(Self { regex, fixed })
    }
}

const SYNTAX_FIX: &str = "see https://docs.rs/regex for the syntax; in TOML a pattern stands best in 'single quotes'";

/// Whether a character of a pattern can be met in a folded text, case aside.
fn is_comparable(c: char) -> bool {
    let folded = fold(c.encode_utf8(&mut [0; 4]));
    folded.chars().eq(std::iter::once(c)) || folded.chars().eq(c.to_lowercase())
}

/// The fixed parts that can be in a folded text, if they are worth looking for.
fn usable(found: &Seq) -> Vec<Vec<u8>> {
    let Some(literals) = found.literals() else { return Vec::new() };
    // Case is ignored by naming every way to write a letter; of a folded text one is left.
    let can_be = |bytes: &&[u8]| std::str::from_utf8(bytes).map_or(true, |text| fold(text) == *text);
    let usable: Vec<Vec<u8>> = literals.iter().map(|one| one.as_bytes()).filter(can_be).map(<[u8]>::to_vec).collect();
    if usable.iter().any(|fixed| fixed.len() < FIXED_BYTES_MIN) { Vec::new() } else { usable }
}

/// The last line of a message, which says what is wrong; those above draw it.
fn one_line(message: &str) -> String {
    let last = message.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(message).trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
