//! The one integration test binary: each module is about one promise.

mod counted;
mod faults;
mod joins;
mod kills;
mod refusals;
mod services;
mod signals;
mod store;
mod stories;
mod tidy;
mod web;
