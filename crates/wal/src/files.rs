//! [`Directory`]: what durability asks of a file system; [`Disk`] is the real one.
//!
//! Everything that reaches a device goes through these two traits, so that tests can make each call fail, fill the disk, and cut the power.
//!
//! # What is assumed
//! 1. What was appended before [`Append::sync`] returned without an error survives a power cut; what was appended later may be there in
//!    part, in any part, or not at all.
//! 2. A [`rename`](Directory::rename) is seen whole or not at all. It, a creation and a removal survive a power cut once
//!    [`Directory::sync`] has returned.
//! 3. After an error of [`Append::sync`] nothing is known of what was appended since the last one that succeeded; so nobody tries it again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A directory that holds the files of one store.
pub trait Directory: Send + Sync + 'static {
    /// The names of the files that are there, in no order.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// Makes a file, or empties the one of that name.
    ///
    /// # Errors
    /// It cannot be made.
    fn create(&self, name: &str) -> io::Result<Box<dyn Append>>;

    /// Cuts a file to `length` bytes, and opens it to append more.
    ///
    /// # Errors
    /// It cannot be opened or cut.
    fn extend(&self, name: &str, length: u64) -> io::Result<Box<dyn Append>>;

    /// Gives a file another name, in place of the file that has it.
    ///
    /// # Errors
    /// It cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Waits until creations, renames and removals are on the device.
    ///
    /// # Errors
    /// The device does not say so.
    fn sync(&self) -> io::Result<()>;
}

/// A file that grows at its end.
pub trait Append: Send {
    /// Hands all of `bytes` to the system.
    ///
    /// # Errors
    /// They may be in the file in part.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until what was appended is on the device.
    ///
    /// # Errors
    /// The device does not say so.
    fn sync(&mut self) -> io::Result<()>;
}

/// A directory of the file system, locked for this process.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    lock: File,
    /// The process that has locked it.
    process: u32,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // To close the file is not enough: a process that another thread is just starting has a copy of it until it executes its program. And the
        // copy of a forked process is not its own to unlock.
        if self.process == std::process::id() {
            let _closed_in_any_case = self.lock.unlock();
        }
    }
}

const LOCK: &str = "lock";

impl Disk {
    /// Makes the directory if it is not there, and locks it.
    ///
    /// # Errors
    /// It cannot be made, or ([`io::ErrorKind::WouldBlock`]) somebody else has it locked.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Disk> {
        let path = path.as_ref().to_owned();
        fs::create_dir_all(&path)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Disk { path, lock, process: std::process::id() }),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Directory for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not text is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.path.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(OnDisk(File::create(self.path.join(name))?)))
    }

    fn extend(&self, name: &str, length: u64) -> io::Result<Box<dyn Append>> {
        let mut file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Ok(Box::new(OnDisk(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

struct OnDisk(File);

impl Append for OnDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_closed_can_be_opened_though_a_process_that_begins_has_a_copy_of_the_lock() {
        let path = std::env::temp_dir().join(format!("stillpoint-copy-{}", std::process::id()));
        let disk = Disk::open(&path).unwrap();
        let copy = disk.lock.try_clone().unwrap();
        assert_eq!(Disk::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(disk);
        let again = Disk::open(&path).unwrap();
        drop((copy, again));
        fs::remove_dir_all(&path).unwrap();
    }
}
