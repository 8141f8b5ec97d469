//! A small disk that one program has for itself and that a test can fill.
use std::fs::File;
use std::io::ErrorKind;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use super::Server;

/// Bytes of the disk: the database as it begins, its log and a few small files.
const MIB: usize = 8;
/// The smallest piece that is given: a page of the kernel.
const PIECE: usize = 4096;
/// What takes the room that was left.
const FILLER: &str = "filler";
/// Runs in a shell: mounts the disk where only the program that follows sees it, and turns into that program.
const MOUNT: &str = "mount -t tmpfs -o size=${0}m,mode=0700 small \"$1\"; shift; exec \"$@\"";

/// The disk of a program; it goes with the program.
pub struct Disk {
    /// Where the program sees it.
    place: tempfile::TempDir,
    /// The same from outside.
    view: PathBuf,
}

impl Disk {
    /// Starts the program with its state on a disk of its own. `extra` makes further configuration of the directory as the
    /// program sees it; it must not begin the table `server`.
    pub fn under(extra: impl FnOnce(&str) -> String) -> (Server, Disk) {
        assert!(rustix::process::geteuid().is_root(), "a disk to fill needs root: sudo -E make test");
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().to_str().expect("UTF-8").to_owned();
        let size = MIB.to_string();
        let starter = ["unshare", "--mount", "sh", "-ec", MOUNT, &size, &path];
        let server = Server::start_by(
            &starter,
            &format!("{}\n[server]\nstate_dir = \"{path}\"\nmin_free_disk_bytes = 0\n", extra(&path)),
        );
        let disk = Disk { view: PathBuf::from(format!("/proc/{}/root{path}", server.pid())), place };
        let [inside, outside] =
            [&*disk.view, disk.place.path()].map(|directory| directory.read_dir().expect("it is there").count());
        assert!(inside > 0 && outside == 0, "the program alone sees its disk");
        (server, disk)
    }

    /// The path of something on it, as the test sees it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.view.join(name)
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut filler = File::create(self.path(FILLER)).expect("a file");
        for piece in 0.. {
            match filler.write_all(&[7; PIECE]) {
                Ok(()) => assert!(piece < MIB * 1024 * 1024 / PIECE, "the disk has an end"),
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives the room back.
    pub fn free(&self) {
        std::fs::remove_file(self.path(FILLER)).expect("it was full");
    }
}
