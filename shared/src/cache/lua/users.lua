-- The user ids of a generation's members: where it lies, or '' and the guild for the current one.
local at = ARGV[1]
if at == '' then
  local generation = redis.call('GET', p .. ARGV[2] .. ':gen')
  if not generation then return {} end
  at = p .. ARGV[2] .. ':' .. generation
end
return redis.call('HKEYS', at .. ':members')
