-- Begins a generation: guild, shard. What a dead writer leaves behind goes by itself.
local guild, shard = ARGV[1], ARGV[2]
local generation = redis.call('INCR', p .. guild .. ':next')
redis.call('EXPIRE', p .. guild .. ':next', 86400)
local at = p .. guild .. ':' .. generation
for _, kind in ipairs({':roles', ':channels', ':emojis', ':members'}) do
  redis.call('HSET', at .. kind, '-', '')
  redis.call('EXPIRE', at .. kind, 600)
end
redis.call('ZADD', at .. ':names', 0, '')
redis.call('EXPIRE', at .. ':names', 600)
redis.call('SET', p .. guild .. ':building', generation, 'EX', 600)
return {'ok', tostring(generation), redis.call('GET', p .. 'session:' .. shard) or ''}
