//! Kept inputs of the fuzz targets: seeds of their corpus, and whatever once broke something.
use std::fs;
use std::path::Path;

/// Every kept input of a target.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let corpus = inputs(&fuzz.join("corpus").join(target), "seed-");
    assert!(!corpus.is_empty(), "{target} has lost its seeds");
    [corpus, inputs(&fuzz.join("regressions").join(target), "")].concat()
}

fn inputs(directory: &Path, prefix: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let is_meant = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    paths.filter(|path| is_meant(path)).map(|path| fs::read(path).expect("a readable seed")).collect()
}
