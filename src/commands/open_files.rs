//! How many files this process may have open. Each request in flight needs one, and the end of the run needs some.

use std::fs::File;

use tracing::warn;

/// Files reserved for the end of a run: the temporary results file, its folder, the runs log, the summary, the report, and
/// what a library opens meanwhile.
const RESERVED: usize = 8;
/// Files that a run opens besides: results, runs log, lock, the threads of the runtime, name servers, credentials.
const OTHERS: usize = 16;
/// Files for a request in flight: its connection, and one more (a second address that is tried, or the emulator's end).
const FOR_A_REQUEST: usize = 2;

/// The most requests in flight in many accounts and Regions together, unless a flag asks for more.
pub(super) const MOST_IN_ALL: usize = 1_024;

/// As many as any run needs. Child processes inherit the limit, and some close every file that it allows: in a container
/// that may be a billion.
#[cfg(unix)]
const ENOUGH: u64 = 65_536;

/// Raises the limit as far as this user may and a run needs. The usual soft limit is 1,024 (Linux) or 256 (macOS).
pub(super) fn raise_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        /// The most that macOS accepts where it reports no limit.
        const OPEN_MAX: u64 = 10_240;

        let limit = getrlimit(Resource::Nofile);
        let raised = |current| Rlimit {
            current,
            maximum: limit.maximum,
        };
        let most = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
        for most in [most, OPEN_MAX] {
            let is_more = limit.current.is_some_and(|now| most > now);
            // A limit that cannot be raised caps the requests in flight.
            if !is_more || setrlimit(Resource::Nofile, raised(Some(most))).is_ok() {
                return;
            }
        }
    }
}

/// Refuses a limit that leaves no room for even one request.
pub(super) fn check_limit() -> Result<(), String> {
    let Some(limit) = limit() else { return Ok(()) };
    let needed = open_now() + RESERVED + OTHERS;
    if limit >= needed {
        return Ok(());
    }
    Err(format!(
        "this process may have only {limit} files open at once (ulimit -n), but needs {needed}; raise the limit, for \
         instance with: ulimit -n 1024"
    ))
}

/// How many files must be open at once to open so many more, and how many may be; none where the limit leaves room for them.
pub(super) fn lacking(files: usize) -> Option<(usize, usize)> {
    let limit = limit()?;
    let needed = open_now() + RESERVED + files;
    (needed > limit).then_some((needed, limit))
}

/// As many requests in flight as asked for, or as the limit leaves room for, which is reported.
pub(super) fn most_requests(asked: usize) -> usize {
    let Some(limit) = limit() else {
        return asked;
    };
    let most = capped(asked, limit, open_now());
    if most < asked {
        warn!(
            "{asked} requests in flight (--workers) need more open files than the {limit} that this process may have \
             (ulimit -n): at most {most} are in flight"
        );
    }
    most
}

/// The same where so many are asked for in each of these Regions, in all no more than [`MOST_IN_ALL`] for that.
pub(super) fn most_requests_each(asked: usize, regions: usize) -> usize {
    let regions = regions.max(1);
    let in_all = asked.saturating_mul(regions).min(MOST_IN_ALL.max(asked));
    (most_requests(in_all) / regions).max(1)
}

/// The requests in flight that so many open files leave room for.
fn capped(asked: usize, limit: usize, open: usize) -> usize {
    let left = limit.saturating_sub(open + RESERVED + OTHERS);
    asked.min((left / FOR_A_REQUEST).max(1))
}

#[cfg(unix)]
fn limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    usize::try_from(getrlimit(Resource::Nofile).current?).ok()
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// Files that are open now; where the system does not tell, as many as a process opens at its start.
fn open_now() -> usize {
    const AT_FIRST: usize = 16;
    std::fs::read_dir("/dev/fd").map_or(AT_FIRST, Iterator::count)
}

/// Open files that are closed when others are needed.
#[derive(Debug)]
pub(super) struct Reserve(Vec<File>);

impl Reserve {
    pub(super) fn new() -> Self {
        let nothing = if cfg!(unix) { "/dev/null" } else { "NUL" };
        Self(
            (0..RESERVED)
                .map_while(|_| File::open(nothing).ok())
                .collect(),
        )
    }

    pub(super) fn release(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_take_what_files_leave() {
        assert_eq!(capped(64, 1_024, 12), 64);
        assert_eq!(capped(600, 1_024, 12), (1_024 - 12 - 24) / 2);
        assert_eq!(capped(200, 64, 12), 14);
        for nothing_left in [0, 20, 36, 39] {
            assert_eq!(capped(200, nothing_left, 12), 1);
        }
        assert_eq!(capped(1, 64, 12), 1);
    }
}
