//! One form for texts that look the same: NFKC, no case, no characters that nobody sees, one space for any white space.
use std::iter::once;
use std::ops::Range;

use unicode_normalization::IsNormalized;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::is_nfc_quick;

/// Returns the text in that form.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_pieces(text, &mut folded, |_, _| {});
    folded
}

/// Where the pieces of a folded text come from.
pub(super) struct Origins {
    /// Where a piece begins in the folded text, and where it comes from.
    pieces: Vec<(usize, Range<usize>)>,
}

impl Origins {
    pub(super) fn of(text: &str) -> Self {
        let (mut folded, mut pieces) = (String::with_capacity(text.len()), Vec::new());
        fold_pieces(text, &mut folded, |at, from| pieces.push((at, from)));
        Self { pieces }
    }

    /// The part of the text that a part of the folded one comes from, whole pieces.
    pub(super) fn source(&self, folded: &Range<usize>) -> Option<Range<usize>> {
        let last = self.pieces.partition_point(|(at, _)| *at < folded.end).checked_sub(1)?;
        let first = self.pieces.partition_point(|(at, _)| *at <= folded.start).checked_sub(1)?;
        Some(self.pieces.get(first)?.1.start..self.pieces.get(last)?.1.end)
    }
}

/// Folds piece by piece: what composes with each other is one, so that each can be told from where it comes.
fn fold_pieces(text: &str, folded: &mut String, mut on_piece: impl FnMut(usize, Range<usize>)) {
    let mut begun = 0;
    let mut is_after_space = false;
    let mut end_piece = |piece: Range<usize>, folded: &mut String| {
        let Some(source) = text.get(piece.clone()).filter(|source| !source.is_empty()) else { return };
        let at = folded.len();
        let mut put = |c: char| {
            if c.is_whitespace() {
                if !is_after_space {
                    folded.push(' ');
                }
                is_after_space = true;
                return;
            }
            is_after_space = false;
            if c.is_ascii() {
                folded.push(c.to_ascii_lowercase());
            } else {
                // Up and down again: then "ß" is "ss", and both small sigmas are one.
                folded.extend(c.to_uppercase().flat_map(char::to_lowercase));
            }
        };
        match source.as_bytes() {
            // It is its own form already, and most of most texts.
            [byte] => put(char::from(*byte)),
            _ => source.chars().filter(|c| !is_unseen(*c)).nfkc().for_each(put),
        }
        if folded.len() > at {
            on_piece(at, piece);
        }
    };
    for (at, c) in text.char_indices() {
        if begins_piece(c) {
            end_piece(begun..at, folded);
            begun = at;
        }
    }
    end_piece(begun..text.len(), folded);
}

/// Whether nothing before a character can compose with it.
fn begins_piece(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    if is_unseen(c) {
        return false;
    }
    let Some(first) = once(c).nfkd().next() else { return true };
    canonical_combining_class(first) == 0 && is_nfc_quick(once(first)) != IsNormalized::Maybe
}

/// Characters that show nothing and part words for a machine alone: soft hyphens, joiners, marks of direction, variations.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Whether a character is part of a word.
pub(super) fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii() && canonical_combining_class(c) != 0
}
