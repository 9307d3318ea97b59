//! The stage: after each step, what people see and the traces that the step made.
#![expect(clippy::print_stdout, reason = "the demo talks to the person who started it")]

use std::time::Duration;

use anyhow::Result;

use crate::discord::Message;
use crate::otlp::{Received, Span};
use crate::report::Step;
use crate::trace::{Story, Trace, gather};
use crate::world::World;

/// Telemetry is on the wire within a fraction of a second; this is for slow machines.
const ARRIVAL: Duration = Duration::from_secs(15);
/// The attributes that tell most.
const SHOWN: [&str; 4] =
    ["gamesched.interaction.outcome", "gamesched.outcome", "gamesched.delivery.outcome", "gamesched.attempt"];

/// Where the session is played.
pub(super) struct Stage<'world> {
    /// The world.
    pub(super) world: &'world World,
    steps: Vec<Step>,
    seen: Vec<String>,
    failed: usize,
}

/// What a step showed.
#[derive(Default)]
pub(super) struct Scene {
    /// Sentences about what happened.
    pub(super) told: Vec<String>,
    /// What people see in Discord: where, and what.
    pub(super) discord: Vec<(String, String)>,
    /// Whether it was what it should be; each is a sentence and its truth.
    pub(super) checks: Vec<(String, bool)>,
}

impl Scene {
    pub(super) fn tell(&mut self, text: impl Into<String>) {
        self.told.push(text.into());
    }

    pub(super) fn show(&mut self, place: &str, message: &Message) {
        self.discord.push((place.to_owned(), message.as_text()));
    }

    pub(super) fn check(&mut self, sentence: impl Into<String>, holds: bool) {
        self.checks.push((sentence.into(), holds));
    }
}

impl<'world> Stage<'world> {
    pub(super) fn new(world: &'world World) -> Self {
        println!();
        Self { world, steps: Vec::new(), seen: Vec::new(), failed: 0 }
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Ends a step: waits until nothing is on its way and the spans named in `expected` have arrived whole, then
    /// shows the scene and the new traces.
    pub(super) async fn show(&mut self, title: &str, expected: &[&str], scene: Scene) -> Result<()> {
        self.world.settled(Duration::from_secs(20)).await?;
        let prefix = format!("{}.", self.world.namespace);
        let seen = self.seen.clone();
        let arrived =
            self.world.sink.wait(title, ARRIVAL, |received| complete(received, &seen, expected, &prefix)).await;
        let (received, told) = match arrived {
            Ok(received) => (received, true),
            Err(fault) => {
                println!("{fault:#}");
                (self.world.sink.received(), false)
            }
        };
        let all = gather(&received.spans);
        let new: Vec<Trace> = all.iter().filter(|trace| !seen.contains(&trace.id)).cloned().collect();
        print_scene(self.steps.len() + 1, title, &scene);
        print!("{}", indented(&self.story(&all, &new)));
        let mut checks = scene.checks.clone();
        checks.push((format!("the traces hold {}", expected.join(", ")), told));
        for (sentence, holds) in &checks {
            println!("  {} {sentence}", if *holds { "✔" } else { "✘" });
        }
        println!();
        self.failed += usize::from(checks.iter().any(|(_, holds)| !holds));
        self.seen.extend(new.iter().map(|trace| trace.id.clone()));
        let told = scene.told.into_iter().chain(checks.into_iter().map(|(sentence, holds)| verdict(&sentence, holds)));
        self.steps.push(Step { title: title.into(), told: told.collect(), discord: scene.discord, traces: new });
        Ok(())
    }

    fn story(&self, all: &[Trace], new: &[Trace]) -> String {
        Story::of(all)
            .printing(|trace| new.iter().any(|new| new.id == trace.id))
            .show(&SHOWN)
            .strip(&format!("{}.", self.world.namespace))
            .durations(true)
            .text()
    }
}

/// Whether every expected span is among the new traces, and those are whole.
fn complete(received: &Received, seen: &[String], expected: &[&str], prefix: &str) -> bool {
    let new: Vec<Span> = received.spans.iter().filter(|span| !seen.contains(&span.trace_id)).cloned().collect();
    let named = |name: &str| new.iter().any(|span| span.name.replace(prefix, "") == name);
    expected.iter().all(|name| named(name)) && gather(&new).iter().all(Trace::whole)
}

fn print_scene(number: usize, title: &str, scene: &Scene) {
    println!("━━ {number}. {title} {}", "━".repeat(90_usize.saturating_sub(title.chars().count())));
    for text in &scene.told {
        println!("  {text}");
    }
    for (place, text) in &scene.discord {
        println!("  ┌ {place}");
        for line in text.lines() {
            println!("  │ {line}");
        }
        println!("  └");
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn verdict(sentence: &str, holds: bool) -> String {
    format!("{} {sentence}", if holds { "✔" } else { "✘" })
}
