//! Reads the files of a merge, and refuses what cannot be merged, with file and line.

use std::path::{Path, PathBuf};

use crate::domain::device::{AccountId, shown};
use crate::error::Error;
use crate::results::disk::RealDisk;
use crate::results::merge::{MergeRow, MergeRows};
use crate::results::read::{Entry, read_results};

/// The rows of all files that were read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) rows: MergeRows,
    files: Vec<PathBuf>,
    /// The account of the first ARN, and the file that it is in.
    account: Option<(Box<str>, PathBuf)>,
}

impl Reader {
    /// Reads a file. One that a killed run has left with an incomplete row is refused: only its own run knows what to do.
    pub(super) fn read(&mut self, path: &Path) -> Result<(), Error> {
        self.files.push(path.to_owned());
        self.rows.begin_file();
        let reading = read_results(&RealDisk, path, |entry| self.visit(path, &entry))?;
        let Some(torn) = reading.torn else {
            return Ok(());
        };
        Err(Error::refused(
            "results",
            format!(
                "{}, line {}: {torn}; repeat the command of the run that wrote it, which repairs the file, then merge",
                path.display(),
                torn.line
            ),
        ))
    }

    /// The file and the line that a row comes from.
    pub(super) fn origin(&self, file: u32, row: &MergeRow<'_>) -> String {
        let file = self.files.get(file as usize);
        let file = file.map_or_else(String::new, |file| file.display().to_string());
        format!("{file}, line {}", row.line_number())
    }

    fn visit(&mut self, path: &Path, entry: &Entry<'_>) -> Result<(), Error> {
        if let Some(account) = entry.record.account() {
            self.check_account(path, entry.line, account)?;
        }
        self.rows.push(&entry.record, entry.line);
        Ok(())
    }

    fn check_account(&mut self, path: &Path, line: u64, account: &str) -> Result<(), Error> {
        let Some((known, file)) = &self.account else {
            self.account = Some((account.into(), path.into()));
            return Ok(());
        };
        if **known == *account {
            return Ok(());
        }
        let is_emulated = [account, known].contains(&AccountId::EMULATOR);
        let problem = if is_emulated {
            "one of the two is the emulator's, whose channels no camera can use"
        } else {
            "results of two accounts cannot be resumed together"
        };
        let message = format!(
            "{}, line {line}: the ARN is of account {}, but those in {} are of {}; {problem}: merge them apart",
            path.display(),
            shown(account),
            file.display(),
            shown(known)
        );
        Err(Error::refused("wrong-account", message))
    }
}
