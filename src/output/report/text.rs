//! The report as text on a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use super::facts::{Facts, STATUSES};
use super::outcomes::{self, OF_DEVICES};
use super::spread::Times;
use super::story::story;
use super::timeline::Timeline;
use crate::domain::device::shown;
use crate::domain::error_codes;
use crate::domain::format;
use crate::results::record::Status;

/// The most devices of an error code that are named.
const NAMED: usize = 5;

/// The lines of the report.
pub(crate) fn text(facts: &Facts) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_head(&mut text, facts);
    for sentence in story(facts) {
        let _ = writeln!(text, "{sentence}");
    }
    let _ = write_accounts(&mut text, facts);
    let _ = write_failures(&mut text, facts);
    let _ = write_times(&mut text, facts);
    let _ = write_runs(&mut text, facts);
    text
}

fn write_head(text: &mut String, facts: &Facts) -> std::fmt::Result {
    let regions = facts.region_names();
    write!(text, "{}: ", facts.results.display())?;
    text.push_str(&format::count(facts.rows.len() as u64, "row"));
    match facts.account_names().as_slice() {
        [] => {}
        [one] => write!(text, ", account {one}")?,
        several => write!(text, ", {}", format::count(several.len() as u64, "account"))?,
    }
    if !regions.is_empty() {
        write!(text, ", {}", regions.join(", "))?;
    }
    text.push('\n');
    if facts.is_emulated() {
        text.push_str("REHEARSAL: created by the emulator, not by AWS\n");
    }
    for status in STATUSES {
        let count = facts.count(status);
        if count > 0 || matches!(status, Status::Created | Status::Failed) {
            writeln!(text, "  {:<9}{count:>9}", status.as_str())?;
        }
    }
    Ok(())
}

/// A line for each account and Region, where there are several accounts.
fn write_accounts(text: &mut String, facts: &Facts) -> std::fmt::Result {
    if !facts.has_several_accounts() {
        return Ok(());
    }
    write!(text, "{:<13} {:<16}", "account", "Region")?;
    for status in OF_DEVICES {
        write!(text, "{:>10}", status.as_str())?;
    }
    text.push('\n');
    for ((account, region), counts) in outcomes::by_account_region(facts) {
        let account = if account.is_empty() {
            "unknown"
        } else {
            account
        };
        write!(text, "{account:<13} {region:<16}")?;
        for count in counts {
            write!(text, "{count:>10}")?;
        }
        text.push('\n');
    }
    Ok(())
}

fn write_failures(text: &mut String, facts: &Facts) -> std::fmt::Result {
    let failures = facts.failures();
    if failures.is_empty() {
        return Ok(());
    }
    text.push_str("failures\n");
    for (code, rows) in failures {
        let code = code.escape_debug();
        writeln!(
            text,
            "  {code}, {}: {}",
            rows.len(),
            error_codes::hint(&code.to_string())
        )?;
        let named: Vec<String> = rows
            .iter()
            .take(NAMED)
            .map(|row| shown(&row.device_id))
            .collect();
        writeln!(text, "    {}", format::first_of(rows.len(), &named))?;
    }
    Ok(())
}

fn write_times(text: &mut String, facts: &Facts) -> std::fmt::Result {
    let (timeline, times) = (Timeline::new(facts), Times::new(facts));
    if timeline.done.is_empty() {
        return Ok(());
    }
    let millis = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    let length = millis(timeline.length());
    write!(text, "working time  {}", format::took(length))?;
    #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
    let rate = timeline.done.len() as f64 / length.as_secs_f64();
    // A burst has no rate.
    if length >= Duration::from_secs(1) {
        write!(text, ", {} devices a second", format::rate(rate))?;
    }
    text.push('\n');
    if let (Some(median), Some(most), Some(longest)) = (
        times.percentile(50),
        times.percentile(99),
        times.percentile(100),
    ) {
        let [median, most, longest] = [median, most, longest].map(|at| format::took(millis(at)));
        writeln!(
            text,
            "a device      median {median}, 99 % within {most}, longest {longest}"
        )?;
    }
    Ok(())
}

fn write_runs(text: &mut String, facts: &Facts) -> std::fmt::Result {
    let Some(runs) = &facts.runs else {
        text.push_str("runs          unknown: there is no runs log beside the results\n");
        return Ok(());
    };
    for run in runs {
        let start = &run.start;
        write!(
            text,
            "{:<14}{}",
            start.command.escape_debug().to_string(),
            start.at.escape_debug()
        )?;
        if let Some(shard) = &start.shard {
            write!(text, ", shard {}", shard.escape_debug())?;
        }
        match &run.end {
            Some(end) => writeln!(
                text,
                ", {}, {} throttled, {}, exit code {}",
                format::took(Duration::from_millis(end.duration_ms)),
                format::count(end.throttles, "request"),
                end.reason.escape_debug(),
                end.exit_code
            )?,
            None => text.push_str(", killed, or still running\n"),
        }
    }
    Ok(())
}
