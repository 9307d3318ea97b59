//! What a run says, or that it says nothing: the gates, the ratios with their intervals, the verdict.

use std::time::Duration;

use ::tests::load::{Ratio, interval, quantile};
use ::tests::otlp::Conduct;
use anyhow::{Result, bail};

use super::kind::Kind;
use super::{Measured, Options, Outcome, Slices, plot};
use crate::output::{self, machine, table};

/// A run of fewer rounds gives no verdict.
const ROUNDS: usize = 10;
/// Half of the widest interval that two equal apis may have.
const NARROW: f64 = 0.025;
/// What is added to the slowest of one of two equal apis, and must be seen.
const SLOWER: f64 = 1.06;
/// The part of the requests it is added to.
const SOME: f64 = 0.02;
/// Upper bounds for what telemetry may cost, and for what is excellent.
const BOUNDS: [f64; 2] = [1.05, 1.02];
/// Spans that may be missing, and requests that may fail: a machine that stands still for a moment fails some of any api.
const MISSING: f64 = 0.001;
/// Bytes that an api may hold more when its collector never answers.
const MEMORY: u64 = 64 << 20;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statistic {
    P50,
    P95,
    P99,
    Processor,
}

impl Statistic {
    const ALL: [Self; 4] = [Self::P50, Self::P95, Self::P99, Self::Processor];

    /// What a run can decide by, best first. Side by side an api without telemetry waits for the exports of the others,
    /// so that latencies tell apart only what a request itself has to wait for.
    fn deciding(options: &Options) -> &'static [Self] {
        if options.side_by_side && !options.troubles { &[Self::Processor] } else { &[Self::P99, Self::Processor] }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P50 => "P50",
            Self::P95 => "P95",
            Self::P99 => "P99",
            Self::Processor => "time on a processor a request",
        }
    }

    /// In seconds.
    fn of(self, slices: &Slices) -> f64 {
        let at = |part| quantile(&slices.latencies, part).as_secs_f64();
        match self {
            Self::P50 => at(0.5),
            Self::P95 => at(0.95),
            Self::P99 => at(0.99),
            Self::Processor => slices.each(),
        }
    }
}

/// How an arm compares with another, round by round.
fn compared(statistic: Statistic, of: &[Slices], to: &[Slices]) -> Ratio {
    let ratios: Vec<f64> =
        of.iter().zip(to).map(|(of, to)| statistic.of(of) / statistic.of(to).max(f64::MIN_POSITIVE)).collect();
    interval(&ratios)
}

/// Whether a statistic can tell anything in this run, and what shows it.
struct Gated {
    statistic: Statistic,
    equals: Ratio,
    slower: Ratio,
}

impl Gated {
    fn new(statistic: Statistic, off: &[Slices], again: &[Slices]) -> Self {
        let slowed: Vec<Slices> = again.iter().map(slowed).collect();
        Self { statistic, equals: compared(statistic, again, off), slower: compared(statistic, &slowed, off) }
    }

    fn is_narrow(&self) -> bool {
        self.equals.upper - self.equals.lower <= 2.0 * NARROW
    }

    fn open(&self) -> bool {
        let equal = self.equals.lower <= 1.0 && self.equals.upper >= 1.0;
        // The median does not move when the slowest do.
        let seen = self.statistic == Statistic::P50 || self.slower.lower > 1.0;
        equal && seen && self.is_narrow()
    }
}

/// With the slowest requests slower still, and with as much more time on a processor.
fn slowed(slices: &Slices) -> Slices {
    let from = quantile(&slices.latencies, 1.0 - SOME);
    let slow = |latency: &Duration| if *latency >= from { latency.mul_f64(SLOWER) } else { *latency };
    Slices {
        latencies: slices.latencies.iter().map(slow).collect(),
        on_processor: slices.on_processor.mul_f64(SLOWER),
        asked: slices.asked,
    }
}

pub(super) fn write(measured: &Measured) -> Result<()> {
    let [base, again, ..] = &measured.outcomes[..] else { bail!("nothing was measured twice") };
    let gates = Statistic::ALL.map(|statistic| Gated::new(statistic, &base.rounds, &again.rounds));
    let mut ratios = Vec::new();
    for outcome in &measured.outcomes[1..] {
        for statistic in Statistic::ALL {
            ratios.push((outcome.kind, statistic, compared(statistic, &outcome.rounds, &base.rounds)));
        }
    }
    let told = told(measured);
    let mut text = head(measured);
    text += &format!("## Verdict\n\n{}\n", verdict(measured, &gates, &ratios, &told));
    let base = base.kind.name;
    text += &format!("## Against {base}\n\n![ratios](overhead.svg)\n\n{}\n", against(base, &ratios));
    text += &format!("## Arms\n\n{}\n", arms(measured));
    text += &format!("## Gates\n\n{}\n{}\n", gated(measured, &gates), told.text);
    output::write("overhead.svg", &plot::ratios(&ratios))?;
    output::write("overhead.tsv", &raw(measured))?;
    eprintln!("\n{text}");
    output::report("overhead", &text).map(drop)
}

fn head(measured: &Measured) -> String {
    let options = &measured.options;
    let load = if options.side_by_side {
        let lasts = options.beside().as_secs_f64();
        format!("All apis share the load for {lasts} s, {} rounds.", options.rounds)
    } else {
        format!(
            "One api has load at a time, in slices of {} s in drawn and mirrored order; {} rounds. Time on a processor is \
             of a slice of twice that length, in which all share the load.",
            options.seconds, options.rounds
        )
    };
    format!(
        "# What telemetry costs under load\n\n`script/bench overhead --rounds {} --seconds {}{}`\n\n{}; {}.\n\n\
         Of ten requests five read a game, two list fifty, two join, one creates. Open loop, {:.0} requests a second \
         ({:.0} % of the {:.0} that sixteen clients which wait were answered), latency from the instant at which a \
         request was due. {load} Every arm has a database, a virtual host and a part of Redis of its own.\n\n",
        options.rounds,
        options.seconds,
        options.more(),
        machine(),
        measured.servers,
        measured.rate,
        100.0 * measured.rate / measured.most.max(1.0),
        measured.most,
    )
}

/// Whether everything that was asked was told.
struct Told {
    text: String,
    complete: bool,
}

fn told(measured: &Measured) -> Told {
    let mut told = Told { text: String::new(), complete: true };
    for outcome in &measured.outcomes {
        let Some(received) = outcome.received else { continue };
        let missing = outcome.asked as f64 - received.servers as f64;
        told.complete &= missing.abs() <= MISSING * outcome.asked as f64;
        let each = |count: u64| count as f64 / outcome.asked.max(1) as f64;
        told.text += &format!(
            "Requests to the api that is {}: {}; SERVER spans that arrived: {}. {:.1} spans and {:.0} bytes a request \
             left it.\n",
            outcome.kind.name,
            outcome.asked,
            received.servers,
            each(received.spans),
            each(received.bytes),
        );
    }
    told
}

type Ratios = [(Kind, Statistic, Ratio)];

fn find(ratios: &Ratios, kind: Kind, statistic: Statistic) -> Option<Ratio> {
    ratios.iter().find(|(of, by, _)| (*of, *by) == (kind, statistic)).map(|(_, _, ratio)| *ratio)
}

fn verdict(measured: &Measured, gates: &[Gated], ratios: &Ratios, told: &Told) -> String {
    let failures: usize = measured.outcomes.iter().map(|outcome| outcome.failures.len()).sum();
    let void = |why: &str| format!("**Void**: {why}. This run proves nothing.\n");
    if measured.options.rounds < ROUNDS {
        return void(&format!("{} rounds, and {ROUNDS} are the least", measured.options.rounds));
    }
    let asked: usize = measured.outcomes.iter().map(|outcome| outcome.asked).sum();
    if failures as f64 > MISSING * asked as f64 {
        let first = measured.outcomes.iter().find_map(|outcome| outcome.failures.first());
        return void(&format!("{failures} requests failed, the first with {:?}", first.map_or("", |why| why)));
    }
    if !told.complete {
        return void("more or fewer spans arrived than requests were made");
    }
    let open = |statistic: &&Statistic| gates.iter().any(|gate| gate.statistic == **statistic && gate.open());
    let deciding = Statistic::deciding(&measured.options);
    let Some(&by) = deciding.iter().find(open) else {
        return void("two equal apis differ too much in whatever could decide, or a slower one is not seen");
    };
    let why = match (by, deciding) {
        (Statistic::Processor, [Statistic::P99, ..]) => " (two equal apis differ too much in P99, which says nothing)",
        _ => "",
    };
    let mut text = String::new();
    for outcome in &measured.outcomes[2..] {
        let Some(ratio) = find(ratios, outcome.kind, by) else { continue };
        let word = if ratio.upper < BOUNDS[1] {
            "excellent"
        } else if ratio.upper < BOUNDS[0] {
            "passed"
        } else {
            "NOT passed"
        };
        text += &format!(
            "* {}: **{word}** by {}{why}: {ratio}, the upper bound is to be below 1.05, better 1.02.\n",
            outcome.kind.name,
            by.name()
        );
    }
    text + &memory(measured)
}

fn memory(measured: &Measured) -> String {
    let base = &measured.outcomes[0];
    let troubled = |outcome: &&Outcome| !matches!(outcome.kind.collector, None | Some(Conduct::Open));
    let line = |outcome: &Outcome| {
        let more = outcome.memory.peak.saturating_sub(base.memory.peak);
        let word = if more <= MEMORY { "passed" } else { "NOT passed" };
        let (name, base) = (outcome.kind.name, base.kind.name);
        format!("* memory, {name}: **{word}**, {} MiB more than {base}, at most {} MiB.\n", more >> 20, MEMORY >> 20)
    };
    measured.outcomes.iter().filter(troubled).map(line).collect()
}

fn against(base: &str, ratios: &Ratios) -> String {
    let rows: Vec<_> = ratios
        .iter()
        .map(|(kind, statistic, ratio)| vec![kind.name.to_owned(), statistic.name().to_owned(), ratio.to_string()])
        .collect();
    table(&["telemetry", "what", &format!("ratio to {base} (95 %)")], &rows)
}

fn arms(measured: &Measured) -> String {
    let row = |outcome: &Outcome| {
        let middle = |statistic: Statistic| {
            let mut values: Vec<f64> = outcome.rounds.iter().map(|slices| statistic.of(slices)).collect();
            values.sort_unstable_by(f64::total_cmp);
            output::time(1e9 * values.get(values.len() / 2).copied().unwrap_or_default())
        };
        let alone = |slices: &Slices| if measured.options.side_by_side { 0 } else { slices.latencies.len() };
        let answers: usize = outcome.rounds.iter().map(|slices| alone(slices) + slices.asked).sum();
        let mut cells = vec![outcome.kind.name.to_owned(), answers.to_string(), outcome.failures.len().to_string()];
        cells.extend(Statistic::ALL.map(middle));
        let (now, peak) = (outcome.memory.resident >> 20, outcome.memory.peak >> 20);
        cells.push(format!("{now} MiB, {peak} at most"));
        cells
    };
    let mut head = vec!["telemetry", "requests", "failures"];
    head.extend(Statistic::ALL.map(Statistic::name));
    head.push("resident memory");
    table(&head, &measured.outcomes.iter().map(row).collect::<Vec<_>>())
}

fn gated(measured: &Measured, gates: &[Gated]) -> String {
    let rows: Vec<_> = gates
        .iter()
        .map(|gate| {
            let word = if gate.open() { "open" } else { "shut: says nothing" };
            let name = gate.statistic.name().to_owned();
            vec![name, gate.equals.to_string(), gate.slower.to_string(), word.to_owned()]
        })
        .collect();
    let [base, again] = [0, 1].map(|place| measured.outcomes[place].kind.name);
    let equals = format!("{again} to {base}: to hold 1, ± 2.5 % at most");
    table(&["what", &equals, "the slowest 2 % by 6 % slower: to be seen", "gate"], &rows)
}

/// Every round of every arm, for who wants to look with other eyes.
fn raw(measured: &Measured) -> String {
    let mut text = String::from("arm\tround\trequests\tp50 s\tp95 s\tp99 s\ton a processor a request s\n");
    for outcome in &measured.outcomes {
        for (round, slices) in outcome.rounds.iter().enumerate() {
            let values = Statistic::ALL.map(|statistic| format!("{:.6}", statistic.of(slices))).join("\t");
            text += &format!("{}\t{round}\t{}\t{values}\n", outcome.kind.name, slices.asked);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(slower: f64, noise: f64) -> Vec<Slices> {
        (0..20)
            .map(|round| {
                let weather = 1.0 + noise * f64::from(round * 7 % 20 - 10) / 10.0;
                let latency =
                    |number: u32| Duration::from_secs_f64(0.001 * f64::from(number % 997 + 1) * slower * weather);
                let on_processor = Duration::from_secs_f64(0.5 * slower * weather);
                Slices { latencies: (0..4_000).map(latency).collect(), on_processor, asked: 4_000 }
            })
            .collect()
    }

    #[test]
    fn the_gate_opens_for_equals_in_fair_weather_and_shuts_in_a_storm() {
        let fair = Gated::new(Statistic::P99, &rounds(1.0, 0.0), &rounds(1.0, 0.01));
        assert!(fair.open(), "{} {}", fair.equals, fair.slower);
        assert!((fair.slower.measured - 1.06).abs() < 0.02, "{}", fair.slower);
        let storm = Gated::new(Statistic::P99, &rounds(1.0, 0.0), &rounds(1.0, 0.5));
        assert!(!storm.open(), "{} {}", storm.equals, storm.slower);
        let unequal = Gated::new(Statistic::Processor, &rounds(1.0, 0.0), &rounds(1.1, 0.0));
        assert!(!unequal.open(), "{}", unequal.equals);
    }

    #[test]
    fn latencies_side_by_side_decide_only_where_every_api_exports() {
        let by = |side_by_side, troubles| {
            let (with, only) = (Vec::new(), Vec::new());
            let options = Options { rounds: 10, seconds: 4.0, rate: None, troubles, with, only, side_by_side };
            Statistic::deciding(&options)[0]
        };
        assert_eq!(by(true, false), Statistic::Processor, "one without telemetry waits for the exports of the others");
        assert_eq!([by(true, true), by(false, false), by(false, true)], [Statistic::P99; 3]);
    }
}
