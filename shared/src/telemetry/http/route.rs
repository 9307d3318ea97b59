//! What telling of a route needs, made once for each.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::StringValue;
use opentelemetry::metrics::BoundHistogram;

use crate::telemetry::instruments::series::Series;

/// Method, scheme and status of requests whose durations are one series.
type Kind = (&'static str, &'static str, Option<u16>);

/// A route of the router, such as `/api/v1/games/{id}`.
#[derive(Debug)]
pub struct Route {
    pub(super) template: StringValue,
    pub(super) durations: Series<Kind, BoundHistogram<f64>>,
    names: Series<&'static str, &'static str>,
}

impl Route {
    fn new(template: &str) -> Self {
        Self { template: Arc::<str>::from(template).into(), durations: Series::new(), names: Series::new() }
    }

    /// Of its spans, as the conventions put it: method and template. It lives as long as the process, once for each.
    pub(super) fn name(&self, verb: &'static str) -> &'static str {
        self.names.get(verb, || format!("{verb} {}", self.template).leak())
    }
}

/// The routes of a router; only what a router has may be asked for, since none is ever forgotten.
#[derive(Clone, Debug, Default)]
pub struct Routes(Arc<RwLock<HashMap<String, Arc<Route>>>>);

impl Routes {
    /// The one with this template.
    #[must_use]
    pub fn get(&self, template: &str) -> Arc<Route> {
        if let Some(route) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(template) {
            return Arc::clone(route);
        }
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(template.to_owned()).or_insert_with(|| Arc::new(Route::new(template))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_made_once_and_named_once_for_each_method() {
        let routes = Routes::default();
        let (first, second) = (routes.get("/games/{id}"), routes.get("/games/{id}"));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &routes.get("/games")));
        assert_eq!(first.name("GET"), "GET /games/{id}");
        assert!(std::ptr::eq(first.name("GET"), second.name("GET")));
        assert_eq!(first.name("POST"), "POST /games/{id}");
    }
}
