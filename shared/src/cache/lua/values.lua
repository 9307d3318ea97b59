-- The guild's card and all values of one kind: guild, kind ('' for the card alone).
local at, card = fresh(ARGV[1])
if not at then return {card} end
local out = {'ok', card}
if ARGV[2] ~= '' then
  for _, value in ipairs(redis.call('HVALS', at .. ':' .. ARGV[2])) do
    if value ~= '' then out[#out + 1] = value end
  end
end
return out
