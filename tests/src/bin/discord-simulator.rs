//! The Discord simulator as a process.

fn main() {}
