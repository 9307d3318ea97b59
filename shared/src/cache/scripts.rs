//! Scripts that Redis runs: several keys in one round trip, seen by nobody half done.

use std::sync::LazyLock;

use fred::types::scripts::Script;

/// A script, and what it needs in front of it.
macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::from_lua(concat!($(include_str!($file)),+)));)*

        /// All of them, to be loaded into every new connection's server.
        pub(super) fn all() -> impl Iterator<Item = &'static Script> {
            [$(&*$name),*].into_iter()
        }
    };
}

scripts! {
    PERMIT = "lua/cell.lua" "lua/permit.lua";
    ENTER = "lua/cell.lua" "lua/enter.lua";
    KEEP = "lua/keep.lua";

    STANDING = "lua/fresh.lua" "lua/standing.lua";
    VALUES = "lua/fresh.lua" "lua/values.lua";
    NAMES = "lua/fresh.lua" "lua/names.lua";
    SEARCH = "lua/fresh.lua" "lua/search.lua";
    GUILDS = "lua/fresh.lua" "lua/guilds.lua";
    MISSING = "lua/fresh.lua" "lua/missing.lua";

    BEGIN = "lua/fresh.lua" "lua/begin.lua";
    FILL = "lua/fresh.lua" "lua/put.lua" "lua/fill.lua";
    FLIP = "lua/fresh.lua" "lua/put.lua" "lua/flip.lua";
    DELTA = "lua/fresh.lua" "lua/put.lua" "lua/delta.lua";
    USERS = "lua/fresh.lua" "lua/users.lua";
    LEFT = "lua/fresh.lua" "lua/left.lua";
    DROP = "lua/fresh.lua" "lua/drop.lua";
    STALE = "lua/fresh.lua" "lua/stale.lua";
    IDENTIFIED = "lua/fresh.lua" "lua/identified.lua";
    SETTLED = "lua/fresh.lua" "lua/settled.lua";
    BEAT = "lua/fresh.lua" "lua/beat.lua";
}
