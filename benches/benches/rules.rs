//! Cost of the pure rules.

fn main() {}
