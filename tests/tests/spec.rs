//! The one integration test binary: each module is about one promise.

mod canary;
mod cardinality;
mod conformance;
mod counted;
mod faults;
mod housekeeping;
mod joins;
mod kills;
mod refusals;
mod reminders;
mod routes;
mod schedule;
mod services;
mod signals;
mod store;
mod stories;
mod tidy;
mod web;
mod wire;
