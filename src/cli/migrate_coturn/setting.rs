//! The lines of a `turnserver.conf`.

/// One line: a key, and its value if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// Every setting in the order of the file. The value begins after the first `=` or white space, and may be quoted.
pub(super) fn read(text: &str) -> Vec<Setting<'_>> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let written = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    written
        .map(|(line, text)| {
            let end = text.find(|char: char| char == '=' || char.is_whitespace()).unwrap_or(text.len());
            let (key, rest) = text.split_at(end);
            let value = rest.trim_start_matches(|char: char| char == '=' || char.is_whitespace()).trim_end();
            let quoted = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
            // Old ones begin with the dashes of the command line.
            Setting { line, key: key.trim_start_matches('-'), value: quoted.unwrap_or(value) }
        })
        .collect()
}

impl Setting<'_> {
    /// Whether a flag is on: alone, or with a word for it.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.value.to_ascii_lowercase().as_str(), "0" | "no" | "off" | "false")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_keys_with_or_without_a_value() {
        let text =
            "# comment\n\n listening-port=3478\nfingerprint\nrealm = \"example.org\"\nuser=a:b=c\ncert /etc/x y.pem\n";
        let read: Vec<(usize, &str, &str)> =
            read(text).into_iter().map(|setting| (setting.line, setting.key, setting.value)).collect();
        assert_eq!(
            read,
            [
                (3, "listening-port", "3478"),
                (4, "fingerprint", ""),
                (5, "realm", "example.org"),
                (6, "user", "a:b=c"),
                (7, "cert", "/etc/x y.pem"),
            ]
        );
    }
}
