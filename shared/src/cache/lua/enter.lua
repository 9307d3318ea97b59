-- What is known of a session, and if anything is, one of its window: both keys, then the window's cell and burst.
local session = redis.call('GET', KEYS[1])
if not session then return {} end
return {session, take(KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2]))}
