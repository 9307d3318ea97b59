//! Who is on a processor: the services, the servers behind them, and whoever makes the load.

use std::collections::BTreeMap;
use std::time::Duration;

use ::tests::world::Service;
use anyhow::Result;

use crate::process;

/// A part of the whole that can run out of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Api,
    Postgres,
    Redis,
    RabbitMq,
    /// This process, which no installation has: it makes the load and plays Discord.
    Generator,
}

impl Part {
    pub(super) const ALL: [Self; 5] = [Self::Api, Self::Postgres, Self::Redis, Self::RabbitMq, Self::Generator];

    /// As in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
            Self::RabbitMq => "RabbitMQ",
            Self::Generator => "generator",
        }
    }

    /// By the name of a program.
    fn of(program: &str) -> Option<Self> {
        match program {
            "postgres" => Some(Self::Postgres),
            "redis-server" => Some(Self::Redis),
            "beam.smp" => Some(Self::RabbitMq),
            other => (other == Service::Api.name()).then_some(Self::Api),
        }
    }
}

/// Time on a processor by part.
pub(super) type Times = BTreeMap<Part, Duration>;

/// What all parts have used so far. Servers that are no children of this process are not seen.
pub(super) struct Used(BTreeMap<u32, (Part, Duration)>);

impl Used {
    pub(super) fn so_far() -> Result<Self> {
        let here = std::process::id();
        let others = process::descendants(here)?.into_iter().filter_map(|(pid, name)| Some((pid, Part::of(&name)?)));
        let all = others.chain([(here, Part::Generator)]);
        // One that has ended meanwhile used next to nothing: connections and services outlive what is measured.
        Ok(Self(all.filter_map(|(pid, part)| Some((pid, (part, process::on_processor(pid).ok()?)))).collect()))
    }

    /// What was used since then.
    pub(super) fn since(&self, before: &Self) -> Times {
        let mut times = Times::new();
        for (pid, (part, now)) in &self.0 {
            let then = before.0.get(pid).map_or(Duration::ZERO, |(_, then)| *then);
            *times.entry(*part).or_default() += now.saturating_sub(then);
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_of_the_part_and_of_the_time_between() {
        let used = |of: &[(u32, Part, u64)]| {
            Used(of.iter().map(|(pid, part, millis)| (*pid, (*part, Duration::from_millis(*millis)))).collect())
        };
        let before = used(&[(1, Part::Postgres, 100), (2, Part::Postgres, 50), (9, Part::Api, 10)]);
        let after = used(&[(1, Part::Postgres, 130), (3, Part::Postgres, 5), (9, Part::Api, 10)]);
        let expected = [(Part::Api, Duration::ZERO), (Part::Postgres, Duration::from_millis(35))];
        assert_eq!(after.since(&before), Times::from(expected));
    }

    #[test]
    fn this_process_makes_the_load() {
        assert!(Used::so_far().unwrap().0.get(&std::process::id()).is_some_and(|(part, _)| *part == Part::Generator));
    }
}
