//! The pipeline between the services and a backend: the configuration as text, and, where `ALLOY` names one, in a real
//! Alloy before a gateway that is as strict as Grafana Cloud's.

mod configuration;
mod infrastructure;
mod outages;
mod pipeline;
mod program;
mod recorded;
mod sampling;
mod stage;
mod stored;
