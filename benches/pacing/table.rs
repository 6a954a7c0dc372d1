//! The figures of a scenario over its seeds as a row of a Markdown table.

use crate::goals::Goals;
use crate::measure::{Bad, Figures, Spread};
use crate::misses::{Figure, Miss, misses};
use crate::run::Contender;
use crate::scenario::Scenario;

/// The results of a scenario.
pub(crate) struct Results<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) ideal: f64,
    pub(crate) seeds: u64,
    pub(crate) goals: Goals,
    /// Each contender with its figures by seed.
    pub(crate) figures: Vec<(Contender, Vec<(u64, Figures)>)>,
}

pub(crate) fn print_head() {
    println!(
        "\
Median and, in brackets, worst of the seeds, which count from 1.
Makespan: until the last device has its channel, divided by the time of a client that knows everything and leaves a
neighbour what it sends; beside one that sends more than the quota, divided by the time at the share of the quota in
proportion to the ceilings. Ten minutes: instead the granted part of the quota, which a bucket that is full at first
raises above 100 %. Throttled: of our hosts' creates. Jain's index of fairness: over what each host was granted when the
first one finished, and the lowest in any 10 s before. Reclaim: seconds from a change, or from when one host was left,
until 2 s in a row bring 95 % of what can be granted. Bold: misses the goal. Fixed: a plain script with a limiter of its
own and jittered retries. AIMD: +1/s each second, × 0.85 once a round trip. Repeat a run: trace KEY SEED.
"
    );
    println!(
        "| scenario | seeds | ideal s | makespan | throttled % | Jain: first finish | Jain: any 10 s | reclaim s | goal | fixed: makespan, throttled | AIMD: makespan, throttled |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
}

impl Results<'_> {
    fn of(&self, contender: Contender) -> &[(u64, Figures)] {
        let found = self.figures.iter().find(|(who, _)| *who == contender);
        found.map_or(&[], |(_, runs)| runs)
    }

    /// The goals that the tool misses.
    pub(crate) fn misses(&self) -> Vec<Miss> {
        misses(&self.goals, self.of(Contender::Ours))
    }

    pub(crate) fn print_row(&self, misses: &[Miss]) {
        let runs = self.of(Contender::Ours);
        let ideal = format!("{:.1}", self.ideal);
        println!(
            "| `{}` {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.scenario.key,
            self.scenario.title,
            self.seeds,
            if self.ideal.is_finite() { &ideal } else { "" },
            makespan(runs, misses),
            throttled(runs, misses),
            lowest(runs, |f| f.jain, 3, is_missed(misses, Figure::Jain)),
            lowest(runs, |f| f.lowest_jain, 3, false),
            highest(runs, |f| f.reclaim, 1, is_missed(misses, Figure::Reclaim)),
            self.goals.show(),
            other(self.of(Contender::Fixed)),
            other(self.of(Contender::Aimd)),
        );
    }
}

fn is_missed(misses: &[Miss], figure: Figure) -> bool {
    misses.iter().any(|miss| miss.figure == figure)
}

/// Or the utilization.
fn makespan(runs: &[(u64, Figures)], misses: &[Miss]) -> String {
    if let Some(spread) = Spread::of(runs, |f| f.makespan, Bad::High) {
        let ratio = show(
            &spread,
            3,
            is_missed(misses, Figure::Makespan),
            is_missed(misses, Figure::WorstMakespan),
        );
        let is_lost = is_missed(misses, Figure::Lost);
        return format!("{ratio}{}", if is_lost { ", **devices lost**" } else { "" });
    }
    let is_missed = is_missed(misses, Figure::Utilisation);
    let percent = lowest(runs, |f| f.utilisation, 2, is_missed);
    format!("{percent} %")
}

fn throttled(runs: &[(u64, Figures)], misses: &[Miss]) -> String {
    let is_missed = is_missed(misses, Figure::Throttled);
    highest(runs, |f| Some(f.throttled), 1, is_missed)
}

fn other(runs: &[(u64, Figures)]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    format!("{}, {} %", makespan(runs, &[]), throttled(runs, &[]))
}

fn highest(
    runs: &[(u64, Figures)],
    of: fn(&Figures) -> Option<f64>,
    digits: usize,
    is_missed: bool,
) -> String {
    let spread = Spread::of(runs, of, Bad::High);
    spread.map_or(String::new(), |s| show(&s, digits, is_missed, false))
}

fn lowest(
    runs: &[(u64, Figures)],
    of: fn(&Figures) -> Option<f64>,
    digits: usize,
    is_missed: bool,
) -> String {
    let spread = Spread::of(runs, of, Bad::Low);
    spread.map_or(String::new(), |s| show(&s, digits, is_missed, false))
}

fn show(spread: &Spread, digits: usize, median_misses: bool, worst_misses: bool) -> String {
    let number = |value: f64, misses: bool| {
        let text = if value.is_finite() {
            format!("{value:.digits$}")
        } else {
            "never".to_owned()
        };
        if misses { format!("**{text}**") } else { text }
    };
    format!(
        "{} ({})",
        number(spread.median, median_misses),
        number(spread.worst, worst_misses)
    )
}
