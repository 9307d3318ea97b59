-- Fills the generation that is being built: guild, generation, kind, then ids and values.
local guild, generation, kind = ARGV[1], ARGV[2], ARGV[3]
if redis.call('GET', p .. guild .. ':building') ~= generation then return {'superseded'} end
local at = p .. guild .. ':' .. generation
for i = 4, #ARGV, 2 do put(guild, at, kind, ARGV[i], ARGV[i + 1]) end
return {'ok'}
