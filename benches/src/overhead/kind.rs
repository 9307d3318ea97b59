//! The ways in which apis differ whose cost is compared.

use ::tests::otlp::Conduct;
use anyhow::{Context as _, Result};

/// In which way an api differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How its collector behaves; without one, `OTEL_SDK_DISABLED=true`.
    pub(crate) collector: Option<Conduct>,
    /// What else it is told, by the names of variables.
    pub(super) settings: &'static [(&'static str, &'static str)],
}

impl Kind {
    const fn off(name: &'static str) -> Self {
        Self { name, collector: None, settings: &[] }
    }

    const fn on(name: &'static str, conduct: Conduct) -> Self {
        Self { name, collector: Some(conduct), settings: &[] }
    }

    /// Kinds live as long as the program, and so does what its command says of them.
    pub(super) fn with(settings: &str) -> Result<Self> {
        let name: &'static str = settings.to_owned().leak();
        let pairs = name.split_whitespace().map(|pair| pair.split_once('='));
        let pairs = pairs.collect::<Option<Vec<_>>>().with_context(|| format!("{name:?} is not NAME=VALUE"))?;
        Ok(Self { settings: pairs.leak(), ..Self::on(name, Conduct::Open) })
    }

    /// Whether every span arrives.
    pub(crate) fn is_complete(self) -> bool {
        self.collector == Some(Conduct::Open) && self.settings.is_empty()
    }
}

const ONE_OF_TEN: [(&str, &str); 2] =
    [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.1")];
/// What others are compared with, the same once more (whatever is found between the two is noise), and the others.
pub(super) const TELEMETRY: [Kind; 5] = [
    Kind::off("off"),
    Kind::off("off again"),
    Kind::on("on", Conduct::Open),
    Kind { settings: &ONE_OF_TEN, ..Kind::on("on, one trace of ten", Conduct::Open) },
    Kind::on("black hole", Conduct::Hung),
];
/// In the same order.
pub(super) const TROUBLES: [Kind; 8] = [
    Kind::on("on", Conduct::Open),
    Kind::on("on again", Conduct::Open),
    Kind::on("absent", Conduct::Absent),
    Kind::on("refuses", Conduct::Refusing),
    Kind::on("resets connections", Conduct::Resetting),
    Kind::on("never answers", Conduct::Hung),
    Kind::on("packets dropped", Conduct::Unreachable),
    Kind::on("slow", Conduct::Slow),
];
