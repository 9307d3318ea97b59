-- Drops a guild with all it has.
local guild = ARGV[1]
for _, pointer in ipairs({':gen', ':building'}) do
  local generation = redis.call('GET', p .. guild .. pointer)
  if generation then
    local at = p .. guild .. ':' .. generation
    redis.call('UNLINK', at .. ':guild', at .. ':roles', at .. ':channels', at .. ':emojis', at .. ':members',
      at .. ':names', at .. ':deltas')
  end
  redis.call('DEL', p .. guild .. pointer)
end
return {'ok'}
