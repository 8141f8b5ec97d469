//! A source file as the words and signs of its code, without comments and texts.
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

/// One file below `src`.
pub(crate) struct Source {
    name: String,
    tokens: Vec<Token>,
    /// How many inline modules each token stands in.
    inline_depths: Vec<usize>,
}

impl Source {
    /// Reads the code of the file `name`, relative to `src`.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let tokens = tokens(text);
        Self { name: name.to_owned(), inline_depths: inline_depths(&tokens), tokens }
    }

    /// The file, relative to `src`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The top-level module that the file belongs to.
    pub(crate) fn room(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many `super::` lead from the module of this place to the crate.
    fn depth(&self, at: usize) -> usize {
        let path = self.name.strip_suffix(".rs").unwrap_or(&self.name);
        path.strip_suffix("/mod").unwrap_or(path).split('/').count() + self.inline_depths[at]
    }

    /// The rooms that the code names by a path through the crate; `rooms` are all there are.
    pub(crate) fn rooms_named(&self, rooms: &BTreeSet<&str>) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let Some(behind) = self.behind_the_crate(at) else {
                at += 1;
                continue;
            };
            for name in self.branches_at(behind).into_iter().filter_map(|at| self.name_at(at)) {
                match name {
                    "*" => named.extend(rooms.iter().filter(|room| **room != self.room()).map(|room| room.to_string())),
                    name if rooms.contains(name) => drop(named.insert(name.to_owned())),
                    _ => {}
                }
            }
            at = behind;
        }
        named
    }

    /// The place behind `crate::`, `duologue::` or enough `super::` that starts here.
    fn behind_the_crate(&self, at: usize) -> Option<usize> {
        let path_sign = |at: usize| self.is_sign(at, ':') && self.is_sign(at + 1, ':');
        if self.is_word(at, "crate") || (self.room() == "main" && self.is_word(at, "duologue")) {
            return path_sign(at + 1).then_some(at + 3);
        }
        let mut behind = at;
        for _ in 0..self.depth(at) {
            if !(self.is_word(behind, "super") && path_sign(behind + 1)) {
                return None;
            }
            behind += 3;
        }
        Some(behind)
    }

    /// Where the names that follow a path begin: here, or at the start of each branch of a group.
    fn branches_at(&self, at: usize) -> Vec<usize> {
        if !self.is_sign(at, '{') {
            return vec![at];
        }
        let mut branches = Vec::new();
        let mut depth = 0;
        for at in at..self.tokens.len() {
            match &self.tokens[at] {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') if depth == 1 => break,
                Token::Sign('}') => depth -= 1,
                Token::Word(_) | Token::Sign(_) => {}
            }
            // A branch begins behind the bracket that opens the group and behind each of its commas.
            if depth == 1 && (self.is_sign(at, '{') || self.is_sign(at, ',')) {
                branches.push(at + 1);
            }
        }
        branches
    }

    /// The word or star at this place.
    fn name_at(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some(Token::Word(word)) => Some(word),
            Some(Token::Sign('*')) => Some("*"),
            Some(Token::Sign(_)) | None => None,
        }
    }

    /// Whether the code names `item` of the room by a path through the crate.
    pub(crate) fn names_item(&self, room: &str, item: &str) -> bool {
        let named = |at: usize| self.name_at(at).is_some_and(|name| name == item || name == "*");
        let in_room = |at: usize| {
            self.is_word(at, room)
                && self.is_sign(at + 1, ':')
                && self.is_sign(at + 2, ':')
                && self.branches_at(at + 3).into_iter().any(named)
        };
        let behind_the_crate = (0..self.tokens.len()).filter_map(|at| self.behind_the_crate(at));
        behind_the_crate.flat_map(|behind| self.branches_at(behind)).any(in_room)
    }

    /// Whether the word stands anywhere in the code.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        (0..self.tokens.len()).any(|at| self.is_word(at, word))
    }

    /// Whether the macro is called anywhere in the code.
    pub(crate) fn has_macro(&self, name: &str) -> bool {
        (0..self.tokens.len())
            .any(|at| self.is_word(at, name) && self.is_sign(at + 1, '!') && !self.is_sign(at + 2, '='))
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        matches!(self.tokens.get(at), Some(Token::Word(found)) if found == word)
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.tokens.get(at) == Some(&Token::Sign(sign))
    }
}

/// A `mod name {` begins an inline module; every other bracket keeps the depth.
fn inline_depths(tokens: &[Token]) -> Vec<usize> {
    let mut open_brackets: Vec<bool> = Vec::new();
    let mut depths = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        let is_module = at >= 2 && tokens[at - 2] == Token::Word("mod".to_owned());
        match token {
            Token::Sign('{') => open_brackets.push(is_module),
            Token::Sign('}') => drop(open_brackets.pop()),
            Token::Word(_) | Token::Sign(_) => {}
        }
        depths.push(open_brackets.iter().filter(|is_module| **is_module).count());
    }
    depths
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        match rest {
            ['/', '/', ..] => at += rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => at += block_comment(rest),
            ['"', ..] => at += quoted(rest),
            ['b' | 'c', '"', ..] => at += 1 + quoted(&rest[1..]),
            ['r', '"' | '#', ..] if raw_text(rest).is_some() => at += raw_text(rest).unwrap_or(1),
            ['b' | 'c', 'r', '"' | '#', ..] if raw_text(&rest[1..]).is_some() => {
                at += 1 + raw_text(&rest[1..]).unwrap_or(1);
            }
            // Behind `r#` the word is an ordinary name.
            ['r', '#', ..] => at += 2,
            ['\'', ..] => at += character_or_lifetime(rest),
            [c, ..] if is_word_sign(*c) => {
                let length = rest.iter().position(|&c| !is_word_sign(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..length].iter().collect()));
                at += length;
            }
            [c, ..] => {
                if !c.is_whitespace() {
                    tokens.push(Token::Sign(*c));
                }
                at += 1;
            }
            [] => break,
        }
    }
    tokens
}

fn is_word_sign(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the comment; comments nest.
fn block_comment(chars: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a text in double quotes.
fn quoted(chars: &[char]) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of `r"..."` or `r#"..."#`; `None` for a raw name like `r#type`.
fn raw_text(chars: &[char]) -> Option<usize> {
    let hashes = chars[1..].iter().take_while(|&&c| c == '#').count();
    if chars.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let body = 2 + hashes;
    let ends_here =
        |at: usize| chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    let end = (body..chars.len()).find(|&at| ends_here(at)).unwrap_or(chars.len());
    Some(end + 1 + hashes)
}

/// The length of `'x'`, `'\n'` or `'lifetime`.
fn character_or_lifetime(chars: &[char]) -> usize {
    match chars {
        ['\'', '\\', _, rest @ ..] => 3 + rest.iter().position(|&c| c == '\'').map_or(0, |end| end + 1),
        ['\'', _, '\'', ..] => 3,
        _ => 1 + chars[1..].iter().take_while(|&&c| is_word_sign(c)).count(),
    }
}
