-- Those of the given users who are members: guild, then users.
local at, card = fresh(ARGV[1])
if not at then return {card} end
local out = {'ok', card}
for i = 2, #ARGV do
  local member = redis.call('HGET', at .. ':members', ARGV[i])
  if member then out[#out + 1] = member end
end
return out
