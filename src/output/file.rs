//! A file that the operator named: it is replaced as a whole, and checked before the run starts.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Replaces a file as a whole: a concurrent reader gets the old content or the new content. A file that is not a
/// regular one, such as a pipe, is written directly.
pub(crate) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    if file.metadata().is_ok_and(|there| !there.is_file()) {
        return OpenOptions::new()
            .write(true)
            .open(file)?
            .write_all(content);
    }
    let (file, temporary) = places(file);
    fs::write(&temporary, content)
        .and_then(|()| fs::rename(&temporary, &file))
        .inspect_err(|_| {
            // A partial temporary file is useless, and may not exist.
            let _ = fs::remove_file(&temporary);
        })
}

/// Checks that the file can be written, as far as possible without changing it.
pub(crate) fn try_place(file: &Path) -> io::Result<()> {
    match file.metadata() {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Opening a pipe would wait for its reader.
        Ok(there) if !there.is_file() => Ok(()),
        _ => {
            let (_, temporary) = places(file);
            fs::write(&temporary, b"").and_then(|()| fs::remove_file(&temporary))
        }
    }
}

/// The final path and the path of the temporary file.
fn places(file: &Path) -> (PathBuf, PathBuf) {
    // A symbolic link is kept.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".kvs-fleet-tmp");
    let temporary = file.with_file_name(name);
    (file, temporary)
}
