//! A plan as text: lines of a label and a value that fit a narrow terminal.

use std::fmt::Write;

use super::outline::Outline;
use super::parts::{self, AccountPart, Part, RegionPart};
use crate::domain::device::{shown, visible};
use crate::domain::format;
use crate::fleet::plan::InvalidLine;

/// Invalid rows that are shown unless all are asked for.
const SHOWN_INVALID: usize = 20;
/// Where the second column begins.
const INDENT: usize = 15;

/// The plan in lines.
pub(super) fn of(plan: &Outline, all_invalid: bool) -> String {
    let mut lines = PlanText::default();
    devices(&mut lines, plan);
    if plan.accounts.is_empty() {
        for (account_region, part) in &plan.parts {
            in_region(&mut lines, account_region.region.as_str(), part);
        }
    }
    for account in &plan.accounts {
        of_account(&mut lines, account);
    }
    if plan.to_do() > 0 {
        let took = format::ahead(plan.duration());
        let rate = format::rate(plan.rate);
        lines.add(
            "takes",
            &format!("about {took}, at {rate} creates a second and Region"),
        );
        if let Some(address) = &plan.quota_server {
            lines.add(
                "quota server",
                &format!("{address}, by which hosts share the rate"),
            );
        }
        let price = &plan.monthly_usd;
        let most = format!(
            "0 to {:.2} USD a month: {} for each",
            price.most, price.per_channel
        );
        lines.add("costs", &most);
        lines.add("", "new channel that is used in the month");
    }
    tags(&mut lines, plan);
    if let Some(example) = &plan.example {
        let about = format!("for {}, in {}:", shown(&example.device_id), example.region);
        lines.add("first request", &about);
        lines.add("", &example.body.to_string());
    }
    for (nth, action) in plan.iam_actions.iter().enumerate() {
        lines.add(if nth == 0 { "IAM" } else { "" }, action);
    }
    invalid(&mut lines, &plan.invalid, all_invalid);
    lines.0
}

#[derive(Default)]
struct PlanText(String);

impl PlanText {
    fn add(&mut self, label: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{label:<INDENT$}{text}");
    }
}

fn devices(lines: &mut PlanText, plan: &Outline) {
    lines.add("manifest", &visible(&plan.manifest));
    lines.add("results", &visible(&plan.results));
    if let Some(account) = &plan.account {
        let caller = plan.caller.as_deref().unwrap_or("not known");
        lines.add("account", &format!("{account}, caller {caller}"));
    }
    if let Some(shard) = &plan.shard {
        let all = plan.listed + plan.other_shards;
        let part = format!(
            "{shard}: {} of {}",
            plan.listed,
            format::count(all, "device")
        );
        lines.add("shard", &part);
    }
    lines.add("listed", &format::count(plan.listed, "device"));
    for (label, many, text) in [
        ("done already", plan.done, "by the results"),
        ("to create", plan.to_create, ""),
        ("to try again", plan.to_try_again, "failed before"),
        ("for later", plan.behind_limit, "beyond --limit"),
        (
            "deleted",
            plan.deleted,
            "stay so without --recreate-deleted",
        ),
        (
            "not listed",
            plan.unlisted,
            "in the results only; their rows are kept",
        ),
        (
            "repeated",
            plan.repeated_lines,
            "identical lines; counted once",
        ),
        ("invalid", plan.invalid_rows(), "listed below"),
    ] {
        let is_always_shown = matches!(label, "done already" | "to create" | "invalid");
        if many > 0 || is_always_shown {
            let text = if many > 0 { text } else { "" };
            lines.add(label, format!("{many} {text}").trim_end());
        }
    }
}

fn of_account(lines: &mut PlanText, account: &AccountPart) {
    let (count, regions) = (account.to_do, account.regions.join(", "));
    let number = account.account.as_deref();
    let number = number.unwrap_or("that of the run's own credentials");
    let to_do = format!("{number}: {count} to do in {regions}");
    lines.add("account", &to_do);
    let took = format::ahead(parts::duration(account.seconds));
    let most = account.monthly_usd_most;
    lines.add("", &format!("about {took}, 0 to {most:.2} USD a month"));
    let mut said: Option<&str> = None;
    for RegionPart { region, part } in &account.parts {
        let trouble = part.trouble.as_deref();
        // What ends the account is the same in each of its Regions.
        if trouble.is_some() && trouble == said {
            continue;
        }
        said = trouble.or(said);
        let lead = format!("{region}: ");
        match trouble {
            Some(trouble) => lines.add("", &(lead + trouble)),
            None => room(lines, &lead, part),
        }
    }
}

fn in_region(lines: &mut PlanText, name: &str, region: &Part) {
    lines.add("Region", &format!("{name}: {} to do", region.to_do));
    if let Some(trouble) = &region.trouble {
        lines.add("", trouble);
        return;
    }
    room(lines, "", region);
    if !region.is_over() {
        lines.add("", &format!("an account may have {}", region.quota));
    }
}

/// What is there already, and what would be too much.
fn room(lines: &mut PlanText, lead: &str, region: &Part) {
    if let (Some(existing), Some(to_adopt)) = (region.existing, region.to_adopt) {
        let there = format!("{lead}{to_adopt} of them there, {existing} channels in all");
        lines.add("", &there);
    }
    if region.is_over() {
        let (then, quota) = (region.then(), region.quota);
        let over = format!("{lead}{then} channels are more than the account's {quota}");
        lines.add("", &over);
        lines.add(
            "",
            "(--channel-quota, --quotas): ask AWS support for more first",
        );
    }
}

fn tags(lines: &mut PlanText, plan: &Outline) {
    let keys: Vec<String> = plan.tag_keys.iter().map(|key| shown(key)).collect();
    for (nth, key) in keys.iter().enumerate() {
        lines.add(if nth == 0 { "tags" } else { "" }, key);
    }
}

fn invalid(lines: &mut PlanText, rows: &[InvalidLine], all: bool) {
    if rows.is_empty() {
        return;
    }
    lines.0.push_str("invalid rows\n");
    let shown = if all { rows.len() } else { SHOWN_INVALID };
    for row in rows.iter().take(shown) {
        let _ = writeln!(lines.0, "  {}", row.reason);
    }
    let more = rows.len().saturating_sub(shown);
    if more > 0 {
        let _ = writeln!(lines.0, "  and {more} more; -v shows all");
    }
}
