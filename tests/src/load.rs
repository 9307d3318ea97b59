//! Load in an open loop, and what it says of two services that got it side by side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

/// Resamplings of a bootstrap.
const RESAMPLINGS: usize = 1_000;

/// What one of the services that share a load answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// From the instant a request was due until its answer was read, whenever it was really sent: a service that
    /// stalls is charged for everybody who waits (coordinated omission).
    pub latencies: Vec<Duration>,
    /// Requests that were not answered with success, and why.
    pub failures: Vec<String>,
}

impl Answers {
    /// How many requests were sent.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.latencies.len() + self.failures.len()
    }
}

/// Sends `rate` requests a second to each of `services` for `lasts`, once in each turn, at constant distances and
/// whatever they answer. Two that share a load meet the same noise, so their ratio is of them alone; and the order of a
/// turn is drawn, so that nobody is always the first to send a request of some kind, or always follows the same other.
pub async fn offer<Send, Sent>(services: usize, rate: f64, lasts: Duration, send: Send) -> Vec<Answers>
where
    Send: Fn(usize, usize) -> Sent,
    Sent: Future<Output = Result<(), String>> + std::marker::Send + 'static,
{
    let mut beats = metronome(Duration::from_secs_f64(1.0 / (rate * services as f64)), lasts);
    let (mut under_way, mut random, mut order) = (JoinSet::new(), Random::default(), Vec::new());
    let mut number = 0;
    while let Some(due) = beats.recv().await {
        if number % services == 0 {
            order = random.order(services);
        }
        let (turn, service) = (number / services, order[number % services]);
        let sent = send(service, turn);
        under_way.spawn(async move {
            let answer = sent.await;
            (service, due.elapsed(), answer)
        });
        number += 1;
    }
    let mut answers = vec![Answers::default(); services];
    while let Some(done) = under_way.join_next().await {
        let (service, latency, answer) = done.expect("a request does not panic");
        match answer {
            Ok(()) => answers[service].latencies.push(latency),
            Err(why) => answers[service].failures.push(why),
        }
    }
    answers
}

/// The instants at which requests are due, each when it has come. By a thread of its own: the timers of a runtime tick in
/// milliseconds, and what they are late would be added to every latency.
fn metronome(distance: Duration, lasts: Duration) -> UnboundedReceiver<Instant> {
    let (beat, beats) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let start = Instant::now();
        let due = (0..).map(|number| start + distance * number).take_while(|due| *due < start + lasts);
        for due in due {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if beat.send(due).is_err() {
                break;
            }
        }
    });
    beats
}

/// The latency below which this part of all answers is, 0.99 for the 99th percentile.
#[must_use]
pub fn quantile(latencies: &[Duration], part: f64) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    at(&sorted, part)
}

fn at(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * part).round() as usize).copied().unwrap_or_default()
}

/// A ratio and the interval that holds it with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The lower bound.
    pub lower: f64,
    /// As measured.
    pub measured: f64,
    /// The upper bound.
    pub upper: f64,
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:.3} ({:.3} to {:.3})", self.measured, self.lower, self.upper)
    }
}

/// How the same quantile of two services compares, by a bootstrap over their answers.
#[must_use]
pub fn ratio(of: &Answers, to: &Answers, part: f64) -> Ratio {
    let (of, to) = (Arc::new(&of.latencies), Arc::new(&to.latencies));
    let mut random = Random::default();
    let compare = |of: &[Duration], to: &[Duration]| {
        quantile(of, part).as_secs_f64() / quantile(to, part).as_secs_f64().max(f64::EPSILON)
    };
    let mut ratios: Vec<f64> =
        (0..RESAMPLINGS).map(|_| compare(&random.resample(&of), &random.resample(&to))).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let bound = |part: f64| ratios[((RESAMPLINGS - 1) as f64 * part) as usize];
    Ratio { lower: bound(0.025), measured: compare(&of, &to), upper: bound(0.975) }
}

/// The geometric mean of what was measured again and again, by a bootstrap over the measurements.
#[must_use]
pub fn interval(measured: &[f64]) -> Ratio {
    let mut random = Random::default();
    let logarithms: Vec<f64> = measured.iter().map(|ratio| ratio.max(f64::MIN_POSITIVE).ln()).collect();
    let mean = |values: &[f64]| (values.iter().sum::<f64>() / values.len().max(1) as f64).exp();
    let mut means: Vec<f64> = (0..RESAMPLINGS).map(|_| mean(&random.resample(&logarithms))).collect();
    means.sort_unstable_by(f64::total_cmp);
    let bound = |part: f64| means[((RESAMPLINGS - 1) as f64 * part).round() as usize];
    Ratio { lower: bound(0.025), measured: mean(&logarithms), upper: bound(0.975) }
}

/// `xorshift64*`: the same numbers in every run, so that a verdict can be repeated.
#[derive(Debug)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    /// The numbers below `count`, in an order that is drawn.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap_or_default() % limit.max(1)
    }

    fn resample<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        (0..all.len()).map(|_| all[self.below(all.len())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(slower: f64) -> Answers {
        let latencies = (0..2_000_u32).map(|number| {
            let spread = f64::from(number.wrapping_mul(2_654_435_761) % 1_000) / 1_000.0;
            Duration::from_secs_f64((0.010 + 0.010 * spread) * slower)
        });
        Answers { latencies: latencies.collect(), failures: Vec::new() }
    }

    #[test]
    fn equals_are_told_from_one_that_is_slower() {
        let same = ratio(&answers(1.0), &answers(1.0), 0.99);
        assert!(same.lower <= 1.0 && same.upper >= 1.0 && same.upper < 1.05, "{same}");
        let slower = ratio(&answers(1.2), &answers(1.0), 0.99);
        assert!(slower.lower > 1.05 && (slower.measured - 1.2).abs() < 0.05, "{slower}");
    }

    #[test]
    fn the_mean_of_many_ratios_lies_in_an_interval_that_narrows_with_their_number() {
        let around = |ratio: f64, count: u32| -> Vec<f64> {
            (0..count).map(|number| ratio * if number % 2 == 0 { 1.04 } else { 1.0 / 1.04 }).collect()
        };
        let (few, many) = (interval(&around(1.0, 10)), interval(&around(1.0, 40)));
        assert!((few.measured - 1.0).abs() < 1e-9 && few.lower < 1.0 && few.upper > 1.0, "{few}");
        assert!(many.upper - many.lower < few.upper - few.lower, "{many} is not narrower than {few}");
        assert!(interval(&around(1.06, 40)).lower > 1.03, "a ratio of 1.06 is seen");
    }

    #[test]
    fn everybody_has_a_turn_and_nobody_always_the_same_place() {
        let mut random = Random::default();
        let mut places = vec![[0; 4]; 4];
        for _ in 0..400 {
            let order = random.order(4);
            order.iter().enumerate().for_each(|(place, &who)| places[who][place] += 1);
        }
        assert!(places.iter().all(|of| of.iter().sum::<i32>() == 400), "{places:?}");
        assert!(places.iter().flatten().all(|times| (60..140).contains(times)), "{places:?}");
    }

    #[tokio::test]
    async fn a_stall_is_charged_to_everybody_who_waits() {
        let sent = |service: usize, _: usize| async move {
            tokio::time::sleep(Duration::from_millis(if service == 0 { 1 } else { 50 })).await;
            if service == 2 { Err("no".to_owned()) } else { Ok(()) }
        };
        let answers = offer(3, 50.0, Duration::from_millis(400), sent).await;
        assert!(quantile(&answers[0].latencies, 0.5) < quantile(&answers[1].latencies, 0.5));
        assert!(answers[1].latencies.len() >= 19 && answers[2].failures.len() >= 19, "{answers:?}");
    }
}
