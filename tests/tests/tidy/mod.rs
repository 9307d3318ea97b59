//! The invariants of ARCHITECTURE.md as tests over the project's own text: each states what is absent.

mod broken;
mod documents;
mod files;
mod layers;
mod manifests;
mod project;
mod rules;
mod traps;
mod words;
