//! The binary as a child process: without any configuration of this machine, and killed at the end of its test.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// A child that takes longer than this hangs. No test comes near it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The binary before it is started.
pub(crate) struct Call {
    command: Command,
    folder: PathBuf,
    input: Option<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvs-fleet"));
        command.current_dir(folder).env_clear();
        for (name, value) in [
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("HOME", folder.into()),
            ("USERPROFILE", folder.into()),
            (
                "SYSTEMROOT",
                std::env::var_os("SYSTEMROOT").unwrap_or_default(),
            ),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ] {
            command.env(name, value);
        }
        Self {
            command,
            folder: folder.to_owned(),
            input: None,
        }
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Ignores the hangup signal, as `nohup` does.
    #[cfg(unix)]
    pub(crate) fn ignoring_hangup(self) -> Self {
        self.in_shell("trap '' HUP")
    }

    /// Limits files to this many bytes; for the process the disk is full beyond.
    #[cfg(unix)]
    pub(crate) fn with_largest_file(self, bytes: u64) -> Self {
        // POSIX counts in blocks of 512 bytes.
        self.in_shell(&format!("ulimit -f {}", bytes / 512))
    }

    /// A write beyond the largest file fails, also where the process does not handle SIGXFSZ.
    #[cfg(unix)]
    pub(crate) fn ignoring_file_size_signal(self) -> Self {
        self.in_shell("trap '' XFSZ")
    }

    /// Limits the number of open files.
    #[cfg(unix)]
    pub(crate) fn with_open_files(self, limit: &str) -> Self {
        self.in_shell(&format!("ulimit {limit}"))
    }

    /// Started by a shell that runs this first.
    #[cfg(unix)]
    fn in_shell(mut self, before: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before}; exec \"$@\""), "sh"]);
        command.arg(self.command.get_program());
        command.args(self.command.get_args());
        command.current_dir(&self.folder).env_clear();
        let variables = self.command.get_envs();
        command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// A variable whose value may be other than UTF-8.
    #[cfg(unix)]
    pub(crate) fn env_bytes(mut self, name: &str, value: &[u8]) -> Self {
        use std::os::unix::ffi::OsStrExt;
        self.command.env(name, std::ffi::OsStr::from_bytes(value));
        self
    }

    /// The bytes on standard input; none by default.
    pub(crate) fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Runs the process to its end.
    pub(crate) fn run(mut self) -> Done {
        let input = self.input.take().unwrap_or_default();
        let mut running = self.start();
        // It may end without reading.
        let _ = running.stdin.take().unwrap().write_all(&input);
        running.wait()
    }

    fn spawn(&mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts the process with these as standard input, output and error.
    #[cfg(unix)]
    pub(crate) fn on(mut self, [input, output, error]: [Stdio; 3]) -> Child {
        let command = self.command.stdin(input).stdout(output).stderr(error);
        command.spawn().unwrap()
    }

    /// Starts the process and does not read its output.
    pub(crate) fn start_unread(mut self) -> Unread {
        let child = self.spawn();
        Unread {
            watchdog: watch(child.id()),
            child,
        }
    }

    /// Starts the process; standard input stays open.
    pub(crate) fn start(mut self) -> Running {
        let shown = format!("{:?} in {}", self.command, self.folder.display());
        let mut child = self.spawn();
        let stderr = child.stderr.take().unwrap();
        Running {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: Stderr::read(stderr),
            watchdog: watch(child.id()),
            seen: String::new(),
            shown,
            child,
        }
    }
}

/// Standard error, read as it arrives.
struct Stderr {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stderr {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        let seen = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}

/// Kills the process when it takes too long, unless the sender is dropped first.
pub(super) fn watch(pid: u32) -> mpsc::Sender<()> {
    let (alive, watched) = mpsc::channel();
    std::thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            signal(pid, "KILL");
        }
    });
    alive
}

/// Sends a signal: `INT`, `TERM` or `KILL`.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(sent.unwrap().success(), "kill -{name} {pid}");
}

/// The running binary.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: Stderr,
    watchdog: mpsc::Sender<()>,
    seen: String,
    shown: String,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// The next line on standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "{}: output has ended", self.shown);
        self.seen.push_str(&line);
        line.trim_end().to_owned()
    }

    /// Waits until standard error contains this text.
    pub(crate) fn until_it_says(&mut self, text: &str) {
        while !self.stderr.so_far().contains(text) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "never said: {text:?}\n{}",
                self.stderr.whole()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The rest of the line that standard error has after this text, once it is there.
    pub(crate) fn until_it_names(&mut self, lead: &str) -> String {
        self.until_it_says(lead);
        loop {
            let text = self.stderr.so_far();
            let rest = text
                .split_once(lead)
                .and_then(|(_, rest)| rest.split_once('\n'));
            if let Some((named, _)) = rest {
                return named.trim_end().to_owned();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes to the process's standard input.
    pub(crate) fn say(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits for the process's end after closing its standard input.
    pub(crate) fn wait(mut self) -> Done {
        self.stdin = None;
        self.stdout.read_to_string(&mut self.seen).unwrap();
        self.ended()
    }

    /// Waits for the process's end without closing its standard input.
    pub(crate) fn wait_open(mut self) -> Done {
        self.stdout.read_to_string(&mut self.seen).unwrap();
        self.ended()
    }

    fn ended(&mut self) -> Done {
        let status = self.child.wait().unwrap();
        // An error means that the process was killed after its time limit.
        let hung = self.watchdog.send(()).is_err();
        Done {
            code: status.code(),
            stdout: std::mem::take(&mut self.seen),
            stderr: self.stderr.whole(),
            shown: if hung {
                format!("{} (killed: it hung)", self.shown)
            } else {
                self.shown.clone()
            },
        }
    }
}

/// The running binary, whose output nobody reads.
pub(crate) struct Unread {
    child: Child,
    watchdog: mpsc::Sender<()>,
}

impl Unread {
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for the end and returns the exit code; `None` if it hung and was killed.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        // An error means that the process was killed, which its status shows.
        let _ = self.watchdog.send(());
        status.code()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // An error means that the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The result of a run.
pub(crate) struct Done {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    shown: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\nexit code: {:?}\nstdout:\n{}\nstderr:\n{}",
            self.shown, self.code, self.stdout, self.stderr
        )
    }
}

impl Done {
    /// Asserts this exit code, and that there was no panic.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        self
    }

    /// Asserts that standard error contains this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "not said: {text:?}\n{self}");
        self
    }

    /// Asserts that standard error does not contain this text.
    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "said: {text:?}\n{self}");
        self
    }

    /// The JSON objects on standard output.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }
}
