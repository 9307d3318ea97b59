//! The one integration test binary: each module is about one promise.

mod conformance;
mod joins;
mod kills;
mod refusals;
mod services;
mod store;
mod stories;
mod tidy;
mod web;
