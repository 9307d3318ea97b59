-- Replays what changed meanwhile and makes the generation the current one: guild, generation, shard, session, card.
local guild, generation = ARGV[1], ARGV[2]
local at = p .. guild .. ':' .. generation
local keys = {at .. ':roles', at .. ':channels', at .. ':emojis', at .. ':members', at .. ':names'}
if redis.call('GET', p .. guild .. ':building') ~= generation or redis.call('EXISTS', unpack(keys)) < 5 then
  return {'superseded'}
end
redis.call('HSET', at .. ':guild', 'card', ARGV[5], 'shard', ARGV[3], 'session', ARGV[4])
for _, delta in ipairs(redis.call('LRANGE', at .. ':deltas', 0, -1)) do
  put(guild, at, unpack(cjson.decode(delta)))
end
redis.call('DEL', at .. ':deltas', p .. guild .. ':building')
for _, key in ipairs(keys) do redis.call('PERSIST', key) end
local old = redis.call('GETSET', p .. guild .. ':gen', generation)
if not old then return {'ok'} end
local before = p .. guild .. ':' .. old
for _, kind in ipairs({':guild', ':roles', ':channels', ':emojis', ':members', ':names'}) do
  redis.call('EXPIRE', before .. kind, 60)
end
return {'ok', before}
