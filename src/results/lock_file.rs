//! A file that is created for its lock, and removed while it is locked: the lock of a file that has lost its name counts for
//! nothing.

use std::io;
use std::path::Path;

use super::disk::{Access, Disk, DiskFile};

/// How often the file is opened: another process may create or remove it at the same time.
const MOST_OPENED: usize = 10;

/// The file, locked, and whether it was created; none where another process has the lock.
pub(crate) fn open_and_lock<D: Disk>(disk: &D, path: &Path) -> io::Result<Option<(D::File, bool)>> {
    for _ in 0..MOST_OPENED {
        let Some((mut file, is_new)) = open_or_create(disk, path)? else {
            continue;
        };
        // The process that had it locked may have removed it meanwhile: then it guards nothing any more.
        let is_named = file
            .try_lock()
            .and_then(|has_lock| has_lock.then(|| disk.names(path, &file)).transpose());
        let is_named = is_named.inspect_err(|_| {
            if is_new {
                // A share without locks, for one. Who opened it meanwhile finds its name gone.
                let _kept = disk.remove(path);
            }
        });
        match is_named? {
            None => return Ok(None),
            Some(true) => return Ok(Some((file, is_new))),
            Some(false) => {}
        }
    }
    Err(io::Error::other(
        "other processes make and remove it again and again",
    ))
}

/// The file, and whether it was created; none where another process created it at the same moment.
fn open_or_create<D: Disk>(disk: &D, path: &Path) -> io::Result<Option<(D::File, bool)>> {
    if let Some(file) = disk.open(path, Access::Write)? {
        return Ok(Some((file, false)));
    }
    match disk.create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        made => Ok(Some((made?, true))),
    }
}
