//! The operator edge: a command is a root span, linked to what caused each thing that it changes.

use std::future::Future;

use opentelemetry::{Context, KeyValue};
use serde_json::Value;

use super::carry;
use super::span::{self, SpanKind};

/// Links of one span, as the SDK keeps them; of a longer list the first ones.
const LINKS: usize = 128;

/// What a command has done, as its span tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Things that it sent again.
    pub redriven: i64,
    /// The class of the fault that ended it, if one did.
    pub fault: Option<&'static str>,
}

/// Does the work of a command, such as `parked redrive`, in a trace of its own. `causes` are the contexts of what it
/// changes, as rows hold them.
pub async fn command<'a, T>(
    name: &'static str,
    causes: impl IntoIterator<Item = &'a Value>,
    work: impl Future<Output = T>,
    told: impl FnOnce(&T) -> Told,
) -> T {
    let causes = causes.into_iter().take(LINKS);
    let links = causes.flat_map(|cause| carry::link(carry::extract_row(cause), "retry_of")).collect();
    let span = span::begin(SpanKind::Internal, format!("operator {name}"), Vec::new, links, &Context::new());
    span::run(span, work, |span, result| {
        let told = told(result);
        span.set(KeyValue::new("gamesched.parked.redriven", told.redriven));
        if let Some(class) = told.fault {
            span.fail(class);
        }
    })
    .await
}
