//! What things cost: the parts of benches, and the runners of `script/bench`.

pub mod arm;
pub mod crowd;
pub mod edges;
pub mod gate;
pub mod goals;
pub mod growth;
pub mod output;
pub mod overhead;
pub mod process;
pub mod receiver;
pub mod samples;
pub mod stage;
pub mod summary;
pub mod wire;
