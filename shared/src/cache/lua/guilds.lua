-- The guilds a user is in; known only when every shard is alive and has built what it sees.
local shards = tonumber(redis.call('GET', p .. 'shards') or '')
if not shards then return {'missing'} end
for shard = 0, shards - 1 do
  local session = redis.call('GET', p .. 'session:' .. shard)
  if not session or redis.call('GET', p .. 'settled:' .. shard) ~= session then return {'stale'} end
  if redis.call('EXISTS', p .. 'beat:' .. shard) == 0 then return {'stale'} end
end
local out = {'ok', ''}
for _, guild in ipairs(redis.call('SMEMBERS', p .. 'user:' .. ARGV[1])) do
  local at, why = fresh(guild)
  -- Built before the shard's session and not since: the bot is no longer in it.
  if not at and why ~= 'old' then return {why} end
  if at and redis.call('HEXISTS', at .. ':members', ARGV[1]) == 1 then out[#out + 1] = guild end
end
return out
