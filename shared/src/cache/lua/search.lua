-- Members one of whose names begins so: guild, prefix, how many.
local at, card = fresh(ARGV[1])
if not at then return {card} end
local out, seen, most = {'ok', card}, {['-'] = true}, tonumber(ARGV[3])
local from, to = '[' .. ARGV[2], ARGV[2] == '' and '+' or '(' .. ARGV[2] .. '\255'
-- A member has up to three names.
for _, entry in ipairs(redis.call('ZRANGEBYLEX', at .. ':names', from, to, 'LIMIT', 0, most * 3 + 1)) do
  local id = string.match(entry, '%z(%d+)$')
  if id and not seen[id] and #out < most + 2 then
    seen[id] = true
    local member = redis.call('HGET', at .. ':members', id)
    if member then out[#out + 1] = member end
  end
end
return out
