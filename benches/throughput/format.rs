//! Time and processor time of this process, and formatting of figures.

use std::time::{Duration, Instant};

/// The cost of a run.
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Processor time of the whole process, if the system reports it.
    cpu: Option<Duration>,
}

impl Cost {
    /// Devices a second.
    pub(crate) fn speed(&self, devices: usize) -> f64 {
        count(devices as u64) / self.wall.as_secs_f64()
    }

    /// Microseconds of processor time for a device.
    pub(crate) fn cpu_micros(&self, devices: usize) -> Option<f64> {
        self.cpu
            .map(|cpu| cpu.as_secs_f64() * 1e6 / count(devices as u64))
    }
}

/// Measures from its creation on.
pub(crate) struct Meter {
    began: Instant,
    cpu: Option<Duration>,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            cpu: cpu_time(),
            began: Instant::now(),
        }
    }

    pub(crate) fn read(&self) -> Cost {
        Cost {
            wall: self.began.elapsed(),
            cpu: cpu_time()
                .zip(self.cpu)
                .map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// The processor time of this process so far: Linux counts it in hundredths of a second.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in brackets, which may contain anything: fields 3 and on; 14 and 15 are user and system time.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |index| fields.split_whitespace().nth(index)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// A count as a floating-point number.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of devices and requests are far below 2^52"
)]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}

pub(crate) fn best(figures: impl Iterator<Item = f64>) -> f64 {
    figures.fold(0.0, f64::max)
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure, or a dash if the system does not report it.
pub(crate) fn or_dash(figure: Option<f64>, digits: usize) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.digits$}"))
}
