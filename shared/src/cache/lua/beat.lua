-- A shard is alive: shard, shards, seconds. Its session is gone where Redis lost its memory: then a new one begins.
local kept = redis.call('EXISTS', p .. 'session:' .. ARGV[1]) == 1
if not kept then redis.call('SET', p .. 'session:' .. ARGV[1], redis.call('INCR', p .. 'sessions')) end
redis.call('SET', p .. 'beat:' .. ARGV[1], redis.call('TIME')[1], 'EX', ARGV[3])
redis.call('SET', p .. 'shards', ARGV[2])
return {kept and 'ok' or 'lost'}
