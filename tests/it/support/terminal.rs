//! A terminal with a number of columns, and what it shows.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::run::{Call, watch};

const ROWS: u16 = 48;

/// A process on a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: JoinHandle<()>,
    _watchdog: mpsc::Sender<()>,
}

impl Terminal {
    /// Starts a call on the terminal.
    pub(crate) fn start(call: Call, columns: u16) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: ROWS,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = call.on([end(), end(), end()]);
        drop(slave);
        let keyboard = File::from(keyboard);
        let mut from = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            NonZero::new(ROWS).unwrap(),
            NonZero::new(columns).unwrap(),
            0,
        )));
        let seen = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self {
            _watchdog: watch(child.id()),
            child,
            keyboard,
            screen,
            reader,
        }
    }

    /// Waits until the terminal shows a text.
    pub(crate) fn until_it_shows(&self, text: &str) {
        while !self
            .screen
            .lock()
            .unwrap()
            .screen()
            .contents()
            .contains(text)
        {
            assert!(!self.reader.is_finished(), "it ended:\n{}", self.view());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Types a line.
    pub(crate) fn say(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// What the terminal shows: the rows, and which words have a colour. Digits that differ from run to run are
    /// replaced by number signs.
    pub(crate) fn view(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        let columns = screen.size().1.get();
        let width = usize::from(columns);
        // As one line, since a number may be broken over two rows.
        let mut text: Vec<char> = Vec::new();
        for row in screen.rows(0, columns) {
            let mut cells: Vec<char> = row.chars().collect();
            cells.resize(width, ' ');
            text.extend(cells);
        }
        let text = unnumbered(&text.into_iter().collect::<String>());
        let cells: Vec<char> = text.chars().collect();
        let rows = cells.chunks(width).map(|row| {
            let row: String = row.iter().collect();
            row.trim_end().to_owned()
        });
        let rows: Vec<String> = rows.collect();
        let last = rows.iter().rposition(|row| !row.is_empty());
        let view = rows[..last.map_or(0, |last| last + 1)].join("\n");
        let coloured = coloured(screen);
        if coloured.is_empty() {
            return view;
        }
        format!("{view}\n\ncoloured: {}", coloured.join(", "))
    }

    /// Waits for the end: returns the exit code, and what the terminal shows then.
    pub(crate) fn end(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap();
        // A terminal has no more output once no process has it open. This process still has, so it waits for the child
        // instead.
        while !self.reader.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        (code, self.view())
    }
}

/// Each run of coloured cells, once.
fn coloured(screen: &vt100::Screen) -> Vec<String> {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for place in 0..rows * columns {
        let cell = screen.cell(place / columns, place % columns).unwrap();
        let is_coloured = cell.fgcolor() != vt100::Color::Default;
        if is_coloured {
            word.push_str(cell.contents());
        } else if !word.is_empty() {
            let found = format!("{:?}", std::mem::take(&mut word));
            if !words.contains(&found) {
                words.push(found);
            }
        }
    }
    words
}

/// Replaces digits that differ from run to run by the same number of number signs, so that the layout stays.
fn unnumbered(text: &str) -> String {
    const VARYING: &[&str] = &[
        r"127\.0\.0\.1:\d+",
        r"channel/[\w.-]+/\d{13}",
        r"\d+\.\d s",
        r"\d+(\.\d+)?/s",
        r"\d+\.\d of ",
        r"\d{4}-\d\d-\d\dT[\d:.]+Z",
        r"ETA \d+s",
    ];
    let mut text = text.to_owned();
    for pattern in VARYING {
        let pattern = regex::Regex::new(pattern).unwrap();
        text = pattern
            .replace_all(&text, |found: &regex::Captures<'_>| {
                let found = &found[0];
                let (kept, varying) = match found.strip_prefix("127.0.0.1:") {
                    Some(port) => ("127.0.0.1:", port),
                    None => match found.rsplit_once('/') {
                        Some((name, _)) if name.starts_with("channel") => {
                            found.split_at(name.len())
                        }
                        _ => ("", found),
                    },
                };
                let varying = varying.replace(|letter: char| letter.is_ascii_digit(), "#");
                format!("{kept}{varying}")
            })
            .into_owned();
    }
    text
}
