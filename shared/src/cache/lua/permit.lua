-- One of a window: its key, then its cell and its burst.
return {take(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))}
