-- One change: guild, kind, id, value. Into the current generation at once, and kept for one that is being built.
local guild, kind, id, value = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local generation = redis.call('GET', p .. guild .. ':gen')
if generation and redis.call('EXISTS', p .. guild .. ':' .. generation .. ':guild') == 1 then
  put(guild, p .. guild .. ':' .. generation, kind, id, value)
end
local building = redis.call('GET', p .. guild .. ':building')
if building then
  local deltas = p .. guild .. ':' .. building .. ':deltas'
  redis.call('RPUSH', deltas, cjson.encode({kind, id, value}))
  redis.call('EXPIRE', deltas, 600)
end
return {'ok'}
