//! The text of a configuration file: it is read, or everything wrong with it is told by line.
use std::fs;
use std::path::PathBuf;

use duologue::config::Config;
use duologue::config::Origin;
use duologue::config::Sources;

/// Reads the text as a configuration file. Returns whether it is one.
pub(crate) fn check(input: &[u8]) -> bool {
    // The configuration may name files with secrets; devices have no end.
    if ["/dev", "/proc", "/sys"].iter().any(|place| input.windows(place.len()).any(|part| part == place.as_bytes())) {
        return false;
    }
    let file = PLACE.with(|place| place.0.join("duologue.toml"));
    fs::write(&file, input).expect("write the configuration");
    let sources = Sources::default().with_file(Some(file.clone()));
    let Ok(text) = std::str::from_utf8(input) else {
        let problems = Config::load(sources).expect_err("not a text");
        assert_eq!(problems.iter().count(), 1);
        return false;
    };
    let config = match Config::load(sources) {
        Ok(config) => config,
        Err(problems) => {
            assert!(problems.iter().next().is_some(), "nothing is wrong with it, and it is refused");
            for problem in problems.iter() {
                match &problem.origin {
                    Some(Origin::File { path, line }) => {
                        assert_eq!(**path, *file);
                        // An error at the very end may stand behind the last line break.
                        assert!((1..=text.lines().count() + 1).contains(line), "line {line}");
                    }
                    // Nothing was written, so that a default clashes with something.
                    None => assert!(!problem.key.is_empty(), "{problem}"),
                    Some(origin) => panic!("there is only a file, and not {origin}"),
                }
                assert!(!problem.what.is_empty() && !problem.fix.is_empty());
                let shown = problem.to_string();
                assert!(!shown.contains('\n'), "{shown:?}");
            }
            return false;
        }
    };
    // What is printed is read again as the same, but for what is masked.
    let printed = config.to_toml();
    fs::write(&file, &printed).expect("write the configuration");
    let again = Config::load(Sources::default().with_file(Some(file)));
    let again = again.unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
    assert_eq!(again.to_toml(), printed);
    let _ = config.warnings();
    true
}

thread_local! {
    static PLACE: Place = Place::new();
}

/// A directory of this thread's own, in memory if that can be; gone with the thread.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "");
        let directory = base.join(format!("duologue-config-{}-{thread}", std::process::id()));
        fs::create_dir_all(&directory).expect("make a directory");
        Self(directory)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
