-- Every guild of the shard's session has been built or marked stale.
local session = redis.call('GET', p .. 'session:' .. ARGV[1])
if not session then return {'lost'} end
redis.call('SET', p .. 'settled:' .. ARGV[1], session)
return {'ok'}
