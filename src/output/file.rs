//! A file that a person named for this tool to write: replaced as a whole, and tried before it is needed. Knows nothing
//! of what is in it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Writes a file, which is replaced as a whole: who reads it meanwhile finds the old one or the new one. What is no
/// ordinary file, such as a pipe, is written to.
pub fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
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
            // What is left of it is of no use, and may not even be there.
            let _ = fs::remove_file(&temporary);
        })
}

/// Whether the file can be written, as far as that can be known before it is. Changes nothing.
pub fn try_place(file: &Path) -> io::Result<()> {
    match file.metadata() {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // To open a pipe is to wait for its reader.
        Ok(there) if !there.is_file() => Ok(()),
        _ => {
            let (_, temporary) = places(file);
            fs::write(&temporary, b"").and_then(|()| fs::remove_file(&temporary))
        }
    }
}

/// Where the file stands in the end, and where it is written before that.
fn places(file: &Path) -> (PathBuf, PathBuf) {
    // A link stays one.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".kvs-fleet-tmp");
    let temporary = file.with_file_name(name);
    (file, temporary)
}
