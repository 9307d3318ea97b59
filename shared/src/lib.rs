//! The library every service uses.

pub mod domain;
