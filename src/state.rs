//! The state directory and the secrets that outlive a restart.
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::auth::secret::Secret;

/// 256 bits, as much as the strongest MAC computed with them.
const SECRET_BYTES: usize = 32;

/// Characters of a secret in its file: base64url without padding. RFC 4648 §5.
const SECRET_CHARS: usize = 43;

const TURN_FILE: &str = "turn.secret";
const TOKEN_FILE: &str = "token.secret";
/// Where an operator moves [`TOKEN_FILE`] to have another key made.
const OLD_TOKEN_FILE: &str = "token.old.secret";
const NONCE_FILE: &str = "nonce.secret";
const INVITATION_FILE: &str = "invitation.secret";
const FILES_FILE: &str = "files.secret";

/// What other users may do with a file of ours: nothing.
const OTHERS: u32 = 0o077;
/// What they may not do with a directory that somebody else made: replace our files. The files guard themselves.
const OTHERS_WRITE: u32 = 0o022;

/// What a disk has left for whoever is not root.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Whether another file can be made.
    pub takes_files: bool,
}

/// Asks the disk of a directory, or of the nearest above it that is there, what it has left.
///
/// # Errors
///
/// What the system says.
pub fn room_left(directory: &Path) -> io::Result<Room> {
    let absolute = std::path::absolute(directory)?;
    let place = absolute.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/"));
    let room = rustix::fs::statvfs(place)?;
    let takes_files = room.f_files == 0 || room.f_favail > 0;
    Ok(Room { bytes: room.f_bavail.saturating_mul(room.f_frsize), takes_files })
}

/// Why the state directory cannot be used; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system refuses.
    #[error("cannot {action} {}: {source}; let the server's user own {}, or name another server.state_dir",
        path.display(), path.parent().unwrap_or(path).display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The name belongs to something else.
    #[error("{} is not a directory; move it away, or name another server.state_dir", path.display())]
    NotADirectory {
        /// The name.
        path: PathBuf,
    },
    /// Other users of the machine could read or replace what is inside.
    #[error("{} is open to other users (mode {mode:04o}); run: chmod {wanted:o} {}", path.display(), path.display())]
    TooOpen {
        /// The directory or file.
        path: PathBuf,
        /// Its present mode.
        mode: u32,
        /// The mode it must have.
        wanted: u32,
    },
    /// A secret was cut off or edited.
    #[error("{} does not hold a secret of {SECRET_CHARS} characters; restore it from a backup, or delete it to have a \
        new one made, which voids what the old one signed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No server has run with this directory.
    #[error("{} does not exist yet; start the server once, or check server.state_dir and the working directory",
        path.display())]
    Missing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// The secrets of this node, made at its first start.
#[derive(Clone, Debug)]
pub struct State {
    /// Mints and verifies TURN credentials, unless the configuration has secrets of its own.
    pub turn_secret: Secret,
    /// Signs client tokens.
    pub token_secret: Secret,
    /// Signed them before, if the operator has moved it aside.
    pub old_token_secret: Option<Secret>,
    /// The key of nonces is derived from it.
    pub nonce_secret: Secret,
    /// Signs invitations to rooms.
    pub invitation_secret: Secret,
    /// Signs the addresses of files.
    pub files_secret: Secret,
}

impl State {
    /// Opens the directory, creating it with mode 0700, and each secret that is not there yet with mode 0600.
    ///
    /// The bytes of a secret are the characters of its file, so that it can be pasted into other programs.
    ///
    /// # Errors
    ///
    /// [`StateError`]; nothing is ever replaced or deleted.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        create_directory(directory)?;
        Ok(Self {
            turn_secret: open_secret(directory, TURN_FILE)?,
            token_secret: open_secret(directory, TOKEN_FILE)?,
            old_token_secret: read_secret(&directory.join(OLD_TOKEN_FILE))?,
            nonce_secret: open_secret(directory, NONCE_FILE)?,
            invitation_secret: open_secret(directory, INVITATION_FILE)?,
            files_secret: open_secret(directory, FILES_FILE)?,
        })
    }

    /// Reads the TURN secret that a server made here, and makes nothing.
    ///
    /// # Errors
    ///
    /// [`StateError::Missing`] if no server has run with this directory; else as [`State::open`].
    pub fn existing_turn_secret(directory: &Path) -> Result<Secret, StateError> {
        existing_secret(directory, TURN_FILE)
    }

    /// Reads the key that signs client tokens, and makes nothing.
    ///
    /// # Errors
    ///
    /// As [`State::existing_turn_secret`].
    pub fn existing_token_secret(directory: &Path) -> Result<Secret, StateError> {
        existing_secret(directory, TOKEN_FILE)
    }
}

fn existing_secret(directory: &Path, name: &str) -> Result<Secret, StateError> {
    let path = directory.join(name);
    read_secret(&path)?.ok_or(StateError::Missing { path })
}

fn create_directory(directory: &Path) -> Result<(), StateError> {
    let io = |action, source| StateError::Io { action, path: directory.to_owned(), source };
    match fs::metadata(directory) {
        Ok(found) if !found.is_dir() => Err(StateError::NotADirectory { path: directory.to_owned() }),
        Ok(found) => refuse_open(directory, found.permissions().mode(), OTHERS_WRITE, 0o700),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            created.map_err(|error| io("create", error))
        }
        Err(error) => Err(io("look at", error)),
    }
}

fn refuse_open(path: &Path, mode: u32, refused: u32, wanted: u32) -> Result<(), StateError> {
    if mode & refused != 0 {
        return Err(StateError::TooOpen { path: path.to_owned(), mode: mode & 0o7777, wanted });
    }
    Ok(())
}

fn open_secret(directory: &Path, name: &str) -> Result<Secret, StateError> {
    let path = directory.join(name);
    if let Some(secret) = read_secret(&path)? {
        return Ok(secret);
    }
    create_secret(directory, &path)?;
    // Read back: if two servers start at once, both use the one that was first.
    read_secret(&path)?.ok_or(StateError::Missing { path })
}

fn read_secret(path: &Path) -> Result<Option<Secret>, StateError> {
    let io = |action, source| StateError::Io { action, path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("open", error)),
    };
    let mode = file.metadata().map_err(|error| io("look at", error))?.permissions().mode();
    refuse_open(path, mode, OTHERS, 0o600)?;
    let damaged = || StateError::Damaged { path: path.to_owned() };
    let bytes = Zeroizing::new(fs::read(path).map_err(|error| io("read", error))?);
    let text = bytes.trim_ascii();
    let decoded = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| damaged())?;
    if text.len() != SECRET_CHARS || decoded.len() != SECRET_BYTES {
        return Err(damaged());
    }
    Ok(Some(Secret::new(text)))
}

/// Writes a new secret beside its place and links it there, so that no one ever sees half of it.
fn create_secret(directory: &Path, path: &Path) -> Result<(), StateError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(StateError::Random)?;
    let text = Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(bytes.as_slice())));
    let draft = path.with_extension(format!("draft.{}", std::process::id()));
    let io = |action, path: &Path, source| StateError::Io { action, path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|error| io("create", &draft, error))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| io("write", &draft, error))?;
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io("create", path, error)),
        Ok(()) | Err(_) => Ok(()),
    };
    fs::remove_file(&draft).map_err(|error| io("remove", &draft, error))?;
    linked?;
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| io("write", directory, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it exists").permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("we own it");
    }

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("a").join("state");
        (parent, directory)
    }

    #[test]
    fn the_first_start_makes_secrets_and_the_second_finds_them() {
        let (_parent, directory) = fresh();
        let first = State::open(&directory).expect("created");
        let second = State::open(&directory).expect("reopened");
        assert_eq!(first.turn_secret, second.turn_secret);
        assert_eq!(first.token_secret, second.token_secret);
        assert_eq!(first.nonce_secret, second.nonce_secret);
        assert_eq!(first.invitation_secret, second.invitation_secret);
        assert_eq!(first.files_secret, second.files_secret);
        assert_ne!(first.turn_secret, first.token_secret);
        assert_ne!(first.turn_secret, first.nonce_secret);
        assert_eq!(first.turn_secret.expose().len(), SECRET_CHARS);
        assert_eq!(State::existing_turn_secret(&directory).expect("made above"), first.turn_secret);
    }

    #[test]
    fn the_key_of_tokens_is_exchanged_by_moving_it_aside() {
        let (_parent, directory) = fresh();
        let first = State::open(&directory).expect("created");
        assert_eq!(first.old_token_secret, None);
        fs::rename(directory.join(TOKEN_FILE), directory.join(OLD_TOKEN_FILE)).expect("moved");
        let second = State::open(&directory).expect("reopened");
        assert_ne!(second.token_secret, first.token_secret);
        assert_eq!(second.old_token_secret, Some(first.token_secret));
    }

    #[test]
    fn only_the_owner_can_read_what_is_made() {
        let (_parent, directory) = fresh();
        State::open(&directory).expect("created");
        assert_eq!(mode(&directory), 0o700);
        let mut names = Vec::new();
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
        names.sort();
        assert_eq!(names, ["files.secret", "invitation.secret", "nonce.secret", "token.secret", "turn.secret"]);
    }

    #[test]
    fn what_others_can_open_is_refused_with_the_command_that_mends_it() {
        let (_parent, directory) = fresh();
        State::open(&directory).expect("created");
        set_mode(&directory, 0o775);
        let told = State::open(&directory).expect_err("too open").to_string();
        let shown = directory.display();
        assert_eq!(told, format!("{shown} is open to other users (mode 0775); run: chmod 700 {shown}"));
        set_mode(&directory, 0o755);
        State::open(&directory).expect("looking is harmless, the files are 0600");
        let secret = directory.join(TOKEN_FILE);
        set_mode(&secret, 0o640);
        let told = State::open(&directory).expect_err("too open").to_string();
        assert!(told.ends_with(&format!("(mode 0640); run: chmod 600 {}", secret.display())), "{told}");
    }

    #[test]
    fn a_damaged_secret_is_told_and_never_replaced() {
        let (_parent, directory) = fresh();
        State::open(&directory).expect("created");
        let secret = directory.join(NONCE_FILE);
        let whole = fs::read(&secret).expect("readable");
        let cases: [&[u8]; 4] = [b"", &whole[..20], b"not base64 at all but of the right length!!", &[0xff; 43]];
        for damage in cases {
            fs::write(&secret, damage).expect("writable");
            let told = State::open(&directory).expect_err("damaged").to_string();
            assert!(told.contains("nonce.secret does not hold a secret of 43 characters; restore it"), "{told}");
            assert_eq!(fs::read(&secret).expect("readable"), damage);
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_told() {
        let parent = tempfile::tempdir().expect("a directory");
        let file = parent.path().join("state");
        fs::write(&file, "").expect("writable");
        assert!(matches!(State::open(&file), Err(StateError::NotADirectory { .. })));
    }

    #[test]
    fn looking_for_the_secret_of_another_server_makes_nothing() {
        let (parent, directory) = fresh();
        assert!(matches!(State::existing_turn_secret(&directory), Err(StateError::Missing { .. })));
        assert_eq!(fs::read_dir(parent.path()).expect("a directory").count(), 0);
    }
}
