-- A shard has a new session: what was built before it no longer counts.
redis.call('SET', p .. 'session:' .. ARGV[1], redis.call('INCR', p .. 'sessions'))
redis.call('DEL', p .. 'settled:' .. ARGV[1])
return {'ok'}
