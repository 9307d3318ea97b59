-- A member with the roles that are theirs: guild, user.
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
return out
