-- Marks a guild stale until it is built again; a build that is under way no longer counts.
local guild = ARGV[1]
local generation = redis.call('GET', p .. guild .. ':gen')
if generation then
  local card = p .. guild .. ':' .. generation .. ':guild'
  if redis.call('EXISTS', card) == 1 then redis.call('HSET', card, 'stale', '1') end
end
redis.call('DEL', p .. guild .. ':building')
return {'ok'}
