//! Who is busy when one api answers all that it can, and so what one more machine would buy.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Options;
use super::busy::{Part, Times, Used};
use super::replicas::{CLIENTS, failures, few};
use crate::crowd::{Crowd, Flow};
use crate::output::{self, table};
use crate::wire::{self, Made, Wires};

/// Pools fill and plans are made before anything counts.
const WARM: Duration = Duration::from_secs(1);
/// A machine that is busy for less than this part has processors left, and something else is waited for.
const FULL: f64 = 0.85;

/// What one flow took of the machine.
#[derive(Clone, Debug)]
pub(super) struct Saturated {
    flow: &'static str,
    clients: usize,
    /// Requests a second.
    rate: f64,
    /// Of so many that the rest says nothing.
    failures: Option<String>,
    /// Processors that each part kept busy.
    used: Vec<(Part, f64)>,
    cores: f64,
}

pub(super) async fn measure(options: &Options) -> Result<Vec<Saturated>> {
    let crowd = Crowd::gather().await?;
    let api = crowd.replica("growth", None).await?;
    let wires = Arc::new(Wires::to(api.address));
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| usize::from(cores) as f64);
    let mut all = Vec::new();
    for flow in [Flow::Get, Flow::List, Flow::Join] {
        // An overloaded api refuses, which is cheap: then fewer clients are the most.
        let mut clients = CLIENTS;
        let saturated = loop {
            let (made, used) = most(&crowd, &wires, flow, clients, options.lasts()).await?;
            let few = few(&made);
            if few || clients == 1 {
                let failures = (!few).then(|| failures(&made.failures));
                let (rate, used) = (made.rate(), busy(&used, made.within));
                break Saturated { flow: flow.name(), clients, rate, failures, used, cores };
            }
            clients /= 2;
        };
        eprintln!("growth: at most {:.0} {} a second by {clients} clients", saturated.rate, flow.name());
        all.push(saturated);
    }
    Ok(all)
}

/// As much as so many clients can make the api answer, and what that used.
async fn most(crowd: &Crowd, wires: &Arc<Wires>, flow: Flow, clients: usize, lasts: Duration) -> Result<(Made, Times)> {
    let requests = crowd.requests();
    let next = move |number| requests(flow, number);
    wire::saturate(wires, clients, WARM, next.clone()).await?;
    crowd.forget().await;
    let before = Used::so_far()?;
    let made = wire::saturate(wires, clients, lasts, next).await?;
    let used = Used::so_far()?.since(&before);
    wires.close();
    crowd.forget().await;
    Ok((made, used))
}

fn busy(used: &Times, within: Duration) -> Vec<(Part, f64)> {
    used.iter().map(|(part, time)| (*part, time.as_secs_f64() / within.as_secs_f64())).collect()
}

impl Saturated {
    fn of(&self, part: Part) -> f64 {
        self.used.iter().find(|(of, _)| *of == part).map_or(0.0, |(_, used)| *used)
    }

    fn all(&self) -> f64 {
        self.used.iter().map(|(_, used)| used).sum()
    }

    /// The busiest part of the product. The generator is none: an installation does not have it.
    fn busiest(&self) -> Option<(Part, f64)> {
        let product = self.used.iter().filter(|(part, _)| *part != Part::Generator).copied();
        product.max_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// The busiest that there is only one of: replicas of the api can stand anywhere.
    fn single(&self) -> Option<(Part, f64)> {
        let single = self.used.iter().filter(|(part, _)| !matches!(part, Part::Generator | Part::Api)).copied();
        single.max_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// The most requests a second for so many machines like this one without a generator, as far as processors go; and
    /// whether that one part alone is the limit, which no further machine lifts.
    fn bound(&self, machines: f64) -> Option<(f64, Option<Part>)> {
        let product = self.all() - self.of(Part::Generator);
        let (single, alone) = self.single()?;
        let (together, apart) = (machines * self.cores / product, self.cores / alone);
        Some(if together <= apart { (self.rate * together, None) } else { (self.rate * apart, Some(single)) })
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.flow.to_owned(), self.clients.to_string(), format!("{:.0}", self.rate)];
        cells.extend(Part::ALL.map(|part| format!("{:.2}", self.of(part))));
        cells.push(format!("{:.2} of {}", self.all(), self.cores));
        cells.extend([1.0, 2.0].map(|machines| match self.bound(machines) {
            Some((rate, Some(part))) => format!("{rate:.0}, by {} alone", part.name()),
            Some((rate, None)) => format!("{rate:.0}"),
            None => "unknown".to_owned(),
        }));
        cells
    }

    fn sentence(&self) -> Result<String> {
        if let Some(failures) = &self.failures {
            return Ok(format!("* {}: says nothing{failures}.\n", self.flow));
        }
        let (part, used) = self.busiest().context("nothing ran")?;
        let full = self.all() >= FULL * self.cores;
        let first = if full {
            format!("the machine's processors saturate first, and of them **{}** takes most", part.name())
        } else {
            format!("the machine is not full, so something is waited for; **{}** is the busiest", part.name())
        };
        let what = format!(
            "* {}: {first} ({used:.2} of {} cores, {} a request).",
            self.flow,
            self.cores,
            output::time(1e9 * used / self.rate)
        );
        let Some(((one, _), (two, limit))) = self.bound(1.0).zip(self.bound(2.0)) else {
            return Ok(format!("{what} The servers are no children of this process and were not seen.\n"));
        };
        let buys = format!(
            " One more machine like this for replicas of the api buys {:.0} % more requests at most",
            100.0 * (two / one - 1.0)
        );
        let ends = match (limit, self.single()) {
            (Some(part), _) => format!("; then {} has a machine for itself and is the limit.", part.name()),
            (None, Some((part, alone))) => format!(
                "; {} is the limit only at {:.0} a second, on a machine of its own.",
                part.name(),
                self.rate * self.cores / alone
            ),
            (None, None) => ".".to_owned(),
        };
        Ok(format!("{what}{buys}{ends}\n"))
    }
}

/// The section of the report, from what was measured.
pub(super) fn told(all: &[Saturated]) -> Result<String> {
    let mut head = vec!["flow", "clients", "requests a second"];
    head.extend(Part::ALL.map(Part::name));
    head.extend(["in use", "one machine without generator, at most", "two, at most"]);
    let rows: Vec<_> = all.iter().map(Saturated::cells).collect();
    let sentences: String = all.iter().map(Saturated::sentence).collect::<Result<_>>()?;
    Ok(format!(
        "One api, clients that each wait for their answer. Columns of parts are processors kept busy. The last \
         two are bounds by time on processors alone, with everything but the api on one machine: a network between \
         them costs more than is counted here.\n\n{}\n{sentences}",
        table(&head, &rows)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saturated(api: f64, postgres: f64, generator: f64) -> Saturated {
        let used = vec![(Part::Api, api), (Part::Postgres, postgres), (Part::Generator, generator)];
        Saturated { flow: "get", clients: 16, rate: 1_000.0, failures: None, used, cores: 2.0 }
    }

    #[test]
    fn a_generator_is_taken_away_before_anything_is_promised() {
        let get = saturated(1.0, 0.25, 0.75);
        assert_eq!(get.bound(1.0), Some((1_600.0, None)));
        assert_eq!(get.bound(2.0), Some((3_200.0, None)));
        let told = get.sentence().unwrap();
        assert!(told.contains("processors saturate first, and of them **api** takes most (1.00 of 2 cores, 1.00 ms"));
        assert!(
            told.contains("buys 100 % more") && told.contains("Postgres is the limit only at 8000 a second"),
            "{told}"
        );
    }

    #[test]
    fn what_there_is_one_of_ends_it() {
        let list = saturated(0.4, 1.5, 0.1);
        let (rate, by) = list.bound(2.0).unwrap();
        assert!((rate - 1_000.0 * 2.0 / 1.5).abs() < 1e-6 && by == Some(Part::Postgres), "{rate} {by:?}");
        let told = list.sentence().unwrap();
        assert!(told.contains("**Postgres** takes most") && told.contains("buys 27 % more"), "{told}");
        assert!(told.contains("then Postgres has a machine for itself"), "{told}");
    }

    #[test]
    fn a_machine_with_processors_left_is_not_called_full_and_unseen_servers_promise_nothing() {
        assert!(saturated(0.5, 0.2, 0.1).sentence().unwrap().contains("not full"));
        let failures = Some(", and 9 failed, first it answered 503".to_owned());
        let refused = Saturated { failures, ..saturated(1.0, 0.2, 0.8) };
        assert_eq!(refused.sentence().unwrap(), "* get: says nothing, and 9 failed, first it answered 503.\n");
        let unseen = Saturated { used: vec![(Part::Api, 1.0), (Part::Generator, 1.0)], ..saturated(0.0, 0.0, 0.0) };
        assert!(unseen.sentence().unwrap().contains("were not seen"));
        assert!(unseen.cells().ends_with(&["unknown".to_owned(), "unknown".to_owned()]));
    }
}
