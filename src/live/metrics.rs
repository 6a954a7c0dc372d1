//! `/metrics`: the run's numbers for Prometheus, as `OpenMetrics` text or in Prometheus' older text format.

use std::fmt::{self, Debug};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _, prometheus_text, text,
};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};

use super::requests::OUTCOMES;
use super::run::Snapshot;
use crate::domain::device::AccountId;
use crate::output::stats::RegionNow;

/// What a scraper asks for in its `Accept` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    /// The text format 0.0.4, which every tool of Prometheus reads.
    PrometheusText,
}

impl Format {
    /// `OpenMetrics` is for those who name it, as Prometheus does.
    pub(super) fn of(accept: &str) -> Self {
        let is_open_metrics = |part: &str| {
            let mut parts = part.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            name == "application/openmetrics-text"
                && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        };
        if accept.split(',').any(is_open_metrics) {
            Self::OpenMetrics
        } else {
            Self::PrometheusText
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::PrometheusText => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The run at one instant as text.
pub(super) fn encode(snapshot: &Snapshot, format: Format) -> String {
    let mut registry = Registry::with_prefix("kvs_fleet");
    registry.register_collector(Box::new(Metrics(snapshot.clone())));
    let mut encoded = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut encoded, &registry, format);
    encoded
}

fn write(encoded: &mut String, registry: &Registry, format: Format) -> fmt::Result {
    match format {
        Format::OpenMetrics => text::encode(encoded, registry),
        Format::PrometheusText => {
            prometheus_text::encode(encoded, registry)?;
            // A comment in this format, and the proof of a whole answer for those who look for it.
            encoded.push_str("# EOF\n");
            Ok(())
        }
    }
}

#[derive(Debug)]
struct Metrics(Snapshot);

/// Writes metrics of one scrape.
struct Writer<'a, 'b>(&'a mut DescriptorEncoder<'b>);

type Labels = Vec<(&'static str, String)>;

impl Writer<'_, '_> {
    fn gauge<N>(&mut self, name: &str, help: &str, value: N) -> fmt::Result
    where
        N: EncodeGaugeValue,
        ConstGauge<N>: prometheus_client::encoding::EncodeMetric,
    {
        let gauge = ConstGauge::new(value);
        let kind = MetricType::Gauge;
        gauge.encode(self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        let kind = MetricType::Counter;
        counter.encode(self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn gauges<N: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, N)>,
    ) -> fmt::Result {
        let kind = <ConstGauge as TypedMetric>::TYPE;
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            let mut counter = family.encode_family(&labels)?;
            counter.encode_counter::<Labels, u64, u64>(&value, None)?;
        }
        Ok(())
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(&mut encoder);
        self.run(&mut writer)?;
        self.devices(&mut writer)?;
        self.requests(&mut writer)?;
        self.regions(&mut writer)?;
        self.quota_server(&mut writer)
    }
}

impl Metrics {
    fn run(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let Self(now) = self;
        let summary = &now.summary;
        let info = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("command", summary.command.to_owned()),
            ("account", summary.account.clone().unwrap_or_default()),
            ("emulator", summary.emulator.to_string()),
        ];
        let help = "The run.";
        writer
            .0
            .encode_descriptor("run", help, None, MetricType::Info)?
            .encode_info(&Labels::from(info))?;
        writer.gauge(
            "start_time_seconds",
            "When the run began, in seconds since the Unix epoch.",
            since_epoch(summary.started_at),
        )?;
        writer.gauge(
            "run_ended",
            "Whether the run has ended: 0 or 1.",
            u64::from(now.has_ended()),
        )?;
        if now.has_ended() {
            writer.gauge(
                "exit_code",
                "The exit code of the run, once it has ended.",
                u64::from(summary.exit_code),
            )?;
        }
        if let Some(ahead) = now.ahead {
            let help = "The time left, in seconds; absent if it is not known.";
            writer.gauge("eta_seconds", help, ahead.as_secs_f64())?;
        }
        writer.gauge(
            "offline_seconds",
            "For how long no request has got an answer, in seconds; 0 while answers arrive.",
            now.offline_for.unwrap_or_default().as_secs_f64(),
        )
    }

    fn devices(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let Self(now) = self;
        let (plan, counts) = (&now.summary.plan, &now.summary.counts);
        let label = |name: &'static str, value: &str| vec![(name, value.to_owned())];
        let states = [
            ("listed", plan.listed),
            ("done_before", plan.done),
            ("remaining", now.summary.remaining),
        ];
        let states = states.map(|(state, count)| (label("state", state), count));
        let help = "Devices of the batch: listed, finished before this run, and without a channel.";
        writer.gauges("devices", help, states)?;
        let finished = [
            ("created", counts.created),
            ("exists", counts.exists),
            ("failed", counts.failures()),
            ("invalid", counts.invalid),
            ("deleted", counts.deleted),
        ];
        let finished = finished.map(|(status, count)| (label("status", status), count));
        let help = "Devices whose row this run has written, by the row's status.";
        writer.counters("devices_finished", help, finished)?;
        let failed = counts.failed.iter();
        let failed = failed.map(|(code, count)| (label("code", code), *count));
        let help = "Devices that failed in this run, by error code.";
        writer.counters("devices_failed", help, failed)
    }

    fn requests(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let Self(now) = self;
        let requests = &now.recorded.requests;
        let answered = requests.used().flat_map(|(operation, requests)| {
            OUTCOMES.map(|(outcome, name)| {
                let labels = vec![
                    ("operation", operation.name().to_owned()),
                    ("outcome", name.to_owned()),
                ];
                (labels, requests.count(outcome))
            })
        });
        let help = "Requests with an answer, or given up, by operation and outcome.";
        writer.counters("requests", help, answered)?;
        let help = "Throttled requests of all operations.";
        writer.counter("throttles", help, now.summary.counts.throttled())?;
        let help = "Attempts of devices that failed and are repeated after a wait.";
        writer.counter("retries", help, now.recorded.retries)?;
        let help = "Requests without an answer yet.";
        writer.gauge("requests_in_flight", help, requests.in_flight())?;
        if let Some(at) = now.recorded.last_grant {
            let help = "When the last create was granted, in seconds since the Unix epoch.";
            let at = since_epoch(Some(at));
            writer.gauge("last_grant_timestamp_seconds", help, at)?;
        }
        let mut family = writer.0.encode_descriptor(
            "request_duration",
            "The time from sending a request to its answer.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (operation, requests) in requests.used() {
            let latency = requests.latency();
            let labels: Labels = vec![("operation", operation.name().to_owned())];
            family.encode_family(&labels)?.encode_histogram::<Labels>(
                latency.sum(),
                latency.count(),
                &latency.buckets(),
                None,
            )?;
        }
        Ok(())
    }

    fn regions(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let Self(now) = self;
        let all = &now.regions;
        let of_region =
            |value: fn(&RegionNow) -> u64| all.iter().map(move |one| (labels(one), value(one)));
        let help = "Devices to do in an account and Region.";
        writer.gauges("region_devices", help, of_region(|one| one.devices))?;
        let help = "Devices done in an account and Region by this run, failed ones included.";
        writer.counters(
            "region_devices_finished",
            help,
            of_region(|one| one.finished),
        )?;
        let help = "Create requests sent in an account and Region.";
        writer.counters("region_creates", help, of_region(|one| one.creates.sent))?;
        let help = "Create requests throttled in an account and Region.";
        let throttled = of_region(|one| one.creates.throttled);
        writer.counters("region_creates_throttled", help, throttled)?;
        let begun = || all.iter().filter(|one| one.has_begun && !one.has_ended);
        let rates = begun().map(|one| (labels(one), one.rate));
        let help = "The rate of creates in force, in requests a second.";
        writer.gauges("create_rate_limit", help, rates)?;
        let ceilings = begun().filter_map(|one| Some((labels(one), one.ceiling?)));
        let help = "The highest rate of creates allowed by --rate, in requests a second.";
        writer.gauges("create_rate_ceiling", help, ceilings)?;
        let grants = begun().filter_map(|one| Some((labels(one), one.grant?)));
        let help = "The rate that the service granted in the last five seconds, in requests a second; absent without \
                    throttles.";
        writer.gauges("create_rate_granted", help, grants)
    }

    fn quota_server(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let Self(now) = self;
        if now.summary.quota_server.is_none() {
            return Ok(());
        }
        let sharing = now.regions.iter();
        let sharing = || {
            let each = sharing.clone();
            each.filter_map(|one| Some((labels(one), one.sharing?)))
        };
        let joined = sharing().map(|(labels, sharing)| (labels, u64::from(sharing.is_joined)));
        let help = "Whether the quota server answers: 0 or 1.";
        writer.gauges("quota_server_joined", help, joined)?;
        let hosts = sharing()
            .filter_map(|(labels, sharing)| Some((labels, u64::from(sharing.last?.hosts))));
        let help = "Hosts that share the quota at present, this one included.";
        writer.gauges("quota_server_hosts", help, hosts)?;
        let help = "How often the quota server was lost.";
        let outages = now.summary.counts.quota_server_outages;
        writer.counter("quota_server_outages", help, outages)
    }
}

fn labels(region: &RegionNow) -> Labels {
    let account = region.account_region.account.as_ref();
    vec![
        ("account", account.map_or("", AccountId::as_str).to_owned()),
        ("region", region.account_region.region.to_string()),
    ]
}

fn since_epoch(at: Option<SystemTime>) -> f64 {
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.unwrap_or_default().as_secs_f64()
}
