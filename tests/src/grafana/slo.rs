//! A promise, and the rules that measure it over every window that an alert or a panel asks for.

use serde::Deserialize;

/// The windows that alerts compare.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

const HEAD: &str = "# Written from slos.yaml by the spec that names it; change that file, not this one.
groups:
  - name: slo
    rules:
";

/// A promise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// Its name.
    pub slo: String,
    /// The share that keeps it, over 30 days.
    pub objective: f64,
    /// What it says to people.
    pub about: String,
    /// Series that count what kept it ...
    pub good: Option<String>,
    /// ... or what did not.
    pub bad: Option<String>,
    /// Series that count what it is about.
    pub valid: String,
}

impl Slo {
    /// The share that did not keep it, over a window.
    #[must_use]
    pub fn error_ratio(&self, window: &str) -> String {
        let sum = |series: &str| format!("(sum(rate({series}[{window}])) or vector(0))");
        let part = match (&self.good, &self.bad) {
            (Some(good), _) => format!("1 - {}", sum(good)),
            (None, bad) => sum(bad.as_deref().unwrap_or_default()),
        };
        format!("{part}\n          / sum(rate({}[{window}]))", self.valid)
    }

    /// The share that may go wrong.
    #[must_use]
    pub fn budget(&self) -> f64 {
        ((1.0 - self.objective) * 1e6).round() / 1e6
    }
}

/// The rules' file.
#[must_use]
pub(super) fn rules(slos: &[Slo]) -> String {
    let mut text = HEAD.to_owned();
    for slo in slos {
        text.push_str(&format!("      # {}\n", slo.about));
        text.push_str(&rule("slo:budget", &slo.slo, &format!("vector({})", slo.budget())));
        text.push_str(&rule("slo:valid:increase6h", &slo.slo, &format!("sum(increase({}[6h]))", slo.valid)));
        for window in WINDOWS {
            text.push_str(&rule(&format!("slo:error_ratio:rate{window}"), &slo.slo, &slo.error_ratio(window)));
        }
    }
    text
}

fn rule(name: &str, slo: &str, expression: &str) -> String {
    format!(
        "      - record: {name}\n        labels: {{ slo: {slo} }}\n        expr: |\n          {}\n",
        expression.replace("\n          ", "\n            ")
    )
}
