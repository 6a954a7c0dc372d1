//! Time and memory of a rerun with nothing to do, compared with a plain pass of the csv crate (byte records) over the
//! manifest and the results.
//!
//! `cargo bench --bench resume [-- ROWS]`, by default a million rows: once with ascending device IDs, such as serial
//! numbers, and once with the same IDs in random order, which need a table. Then the same with a torn record at the end
//! of the results, as after a power loss, which is cut off; and `plan`, with and without results. The plain pass and
//! the tool take turns, since the machine may be shared, and the best of each counts.

mod common;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Failure, device_number, pass_over, peak_of, rows_asked};

/// How often each of the two is run.
const TURNS: usize = 7;

/// The most that a rerun or a plan with nothing to do may take, in plain passes.
const MOST_PASSES: f64 = 3.0;

/// The limit of a rerun over a torn file, in reruns over a whole one.
const MOST_RERUNS: f64 = 1.2;

/// The most memory that a rerun of a million rows may take, in MB.
const MOST_MEMORY: f64 = 400.0;

/// The rows of a run that shows the memory of the program itself.
const FEW_ROWS: u32 = 10;

fn main() -> Result<(), Failure> {
    let rows = rows_asked();
    let folder = tempfile::tempdir()?;
    let few = Files::write(folder.path(), FEW_ROWS, Order::Ascending)?;
    let program = few.run()?;
    println!("{rows} rows, nothing to do; the best of {TURNS} turns each\n");
    let mut measured = Vec::new();
    for order in [Order::Ascending, Order::Mixed] {
        measured.push(measure(folder.path(), rows, order)?);
    }
    println!(
        "| device IDs | plain csv pass | kvs-fleet provision | ratio | at most {MOST_PASSES} |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for turn in &measured {
        println!(
            "| {} | {:.3} s | {:.3} s | {:.2} | {} |",
            turn.order,
            turn.plain.as_secs_f64(),
            turn.resume.as_secs_f64(),
            turn.passes(),
            judged(turn.passes(), MOST_PASSES),
        );
    }
    println!("\n| device IDs | whole file | torn file, repaired | ratio | at most {MOST_RERUNS} |");
    println!("| --- | --- | --- | --- | --- |");
    for turn in &measured {
        println!(
            "| {} | {:.3} s | {:.3} s | {:.2} | {} |",
            turn.order,
            turn.resume.as_secs_f64(),
            turn.recovery.as_secs_f64(),
            turn.reruns(),
            judged(turn.reruns(), MOST_RERUNS),
        );
    }
    println!(
        "\n| device IDs | plan of | plain csv pass | kvs-fleet plan | ratio | at most {MOST_PASSES} |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for turn in &measured {
        for (what, plain, plan, is_bounded) in [
            ("manifest and results", turn.plain, turn.plan, true),
            (
                "manifest alone",
                turn.plain_manifest,
                turn.plan_fresh,
                false,
            ),
        ] {
            let ratio = plan.as_secs_f64() / plain.as_secs_f64();
            let judged = if is_bounded {
                judged(ratio, MOST_PASSES)
            } else {
                "no limit".to_owned()
            };
            println!(
                "| {} | {what} | {:.3} s | {:.3} s | {ratio:.2} | {judged} |",
                turn.order,
                plain.as_secs_f64(),
                plan.as_secs_f64(),
            );
        }
    }
    let Some(program) = program else {
        println!("\nThis system does not tell a process's peak memory.");
        return Ok(());
    };
    println!(
        "\n| device IDs | peak memory | manifest, held whole | program | left: bytes a row | at most {MOST_MEMORY} MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for turn in &measured {
        let bytes = turn.bytes_a_row(program);
        println!(
            "| {} | {:.1} MB | {:.1} MB | {:.1} MB | {bytes:.1} | {} |",
            turn.order,
            turn.peak / 1e6,
            turn.manifest / 1e6,
            program / 1e6,
            judged(turn.peak / 1e6, MOST_MEMORY),
        );
    }
    println!(
        "\nPeak memory is the highest resident set, code and libraries included. What is taken off it: the manifest, \
         the one file that is held whole (the results are read through 1 MiB, which is not taken off); and the peak of \
         the same command over {FEW_ROWS} rows, which no row adds to."
    );
    Ok(())
}

fn judged(value: f64, most: f64) -> String {
    if value <= most {
        "met".to_owned()
    } else {
        format!("missed by {:.2}", value - most)
    }
}

/// The order of the device IDs.
#[derive(Clone, Copy)]
enum Order {
    Ascending,
    Mixed,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ascending => "ascending",
            Self::Mixed => "in no order",
        })
    }
}

/// The measurements for one order. Memory in bytes.
struct Measured {
    order: Order,
    rows: u32,
    plain: Duration,
    resume: Duration,
    recovery: Duration,
    plan: Duration,
    plain_manifest: Duration,
    plan_fresh: Duration,
    peak: f64,
    manifest: f64,
}

impl Measured {
    fn passes(&self) -> f64 {
        self.resume.as_secs_f64() / self.plain.as_secs_f64()
    }

    fn reruns(&self) -> f64 {
        self.recovery.as_secs_f64() / self.resume.as_secs_f64()
    }

    fn bytes_a_row(&self, program: f64) -> f64 {
        (self.peak - self.manifest - program) / f64::from(self.rows.max(1))
    }
}

fn measure(folder: &Path, rows: u32, order: Order) -> Result<Measured, Failure> {
    let files = Files::write(folder, rows, order)?;
    let mut measured = Measured {
        order,
        rows,
        plain: Duration::MAX,
        resume: Duration::MAX,
        recovery: Duration::MAX,
        plan: Duration::MAX,
        plain_manifest: Duration::MAX,
        plan_fresh: Duration::MAX,
        peak: 0.0,
        manifest: bytes(std::fs::metadata(&files.manifest)?.len() / 1024),
    };
    for _ in 0..TURNS {
        let start = Instant::now();
        pass_over(&[&files.manifest, &files.results])?;
        measured.plain = measured.plain.min(start.elapsed());
        let start = Instant::now();
        pass_over(&[&files.manifest])?;
        measured.plain_manifest = measured.plain_manifest.min(start.elapsed());
        let start = Instant::now();
        files.plan(&files.results)?;
        measured.plan = measured.plan.min(start.elapsed());
        let start = Instant::now();
        files.plan(&folder.join("none.csv"))?;
        measured.plan_fresh = measured.plan_fresh.min(start.elapsed());
        let start = Instant::now();
        let peak = files.run()?;
        measured.resume = measured.resume.min(start.elapsed());
        measured.peak = measured.peak.max(peak.unwrap_or_default());
        let length = files.tear()?;
        let start = Instant::now();
        files.run()?;
        measured.recovery = measured.recovery.min(start.elapsed());
        if std::fs::metadata(&files.results)?.len() != length {
            return Err("the torn record was not cut off".into());
        }
    }
    Ok(measured)
}

/// Kibibytes in bytes.
fn bytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1024.0
}

/// A manifest and its results.
struct Files {
    manifest: PathBuf,
    results: PathBuf,
}

impl Files {
    fn write(folder: &Path, rows: u32, order: Order) -> Result<Self, Failure> {
        let files = Self {
            manifest: folder.join("devices.csv"),
            results: folder.join("devices.results.csv"),
        };
        let mut manifest = BufWriter::new(File::create(&files.manifest)?);
        let mut results = BufWriter::new(File::create(&files.results)?);
        writeln!(manifest, "device_id,line,serial")?;
        writeln!(results, "{}", kvs_fleet::results::record::COLUMNS.join(","))?;
        for row in 0..u64::from(rows) {
            let id = device_number(row, matches!(order, Order::Mixed));
            let (line, serial) = (row % 7, row * 7919 % 99_999_999);
            let made = 1_767_247_200_000 + row;
            writeln!(manifest, "CAM-{id:08},line-{line},SN{serial:08}")?;
            writeln!(
                results,
                "CAM-{id:08},CAM-{id:08},123456789012,eu-west-1,created,\
                 arn:aws:kinesisvideo:eu-west-1:123456789012:channel/CAM-{id:08}/{made},1,\
                 2026-01-01T06:00:00.000Z,2026-01-01T06:00:00.084Z,,,2c6a54d4-d20d-4456-9af4-{row:012x}"
            )?;
        }
        manifest.flush()?;
        results.flush()?;
        Ok(files)
    }

    /// Plans the manifest with these results.
    fn plan(&self, results: &Path) -> Result<(), Failure> {
        let status = Command::new(env!("CARGO_BIN_EXE_kvs-fleet"))
            .arg("plan")
            .arg(&self.manifest)
            .args(["--region", "eu-west-1", "--quiet", "--results"])
            .arg(results)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("kvs-fleet plan ended with {status}").into())
        }
    }

    /// Appends half a record to the results; returns their length without it.
    fn tear(&self) -> Result<u64, Failure> {
        let mut results = OpenOptions::new().append(true).open(&self.results)?;
        let length = results.metadata()?.len();
        results.write_all(b"CAM-00000000,CAM-00000000,eu-west-1,created,arn:aws:kine")?;
        results.sync_all()?;
        Ok(length)
    }

    /// Runs the tool; returns its peak memory in bytes, if the system reports it.
    fn run(&self) -> Result<Option<f64>, Failure> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvs-fleet"));
        command
            .arg("provision")
            .arg(&self.manifest)
            .args(["--region", "eu-west-1", "--quiet"])
            .env("AWS_EC2_METADATA_DISABLED", "true");
        Ok(peak_of(&mut command)?.map(bytes))
    }
}
