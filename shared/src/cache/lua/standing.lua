-- A member with the roles that are theirs, then, after an empty value, others: guild, user, others.
local at, card = fresh(ARGV[1])
if not at then return {card} end
local member = redis.call('HGET', at .. ':members', ARGV[2])
if not member then return {'ok', card} end
local read, kept = pcall(cjson.decode, member)
if not read then return {'unreadable'} end
local ids = kept.member.roles
ids[#ids + 1] = ARGV[1]
local out = {'ok', card, member}
for _, role in ipairs(redis.call('HMGET', at .. ':roles', unpack(ids))) do
  if role then out[#out + 1] = role end
end
if #ARGV > 2 then out[#out + 1] = '' end
for i = 3, #ARGV do
  local other = redis.call('HGET', at .. ':members', ARGV[i])
  if other then out[#out + 1] = other end
end
return out
