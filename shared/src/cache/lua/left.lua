-- Takes the guild from those users who are no members of it now: guild, gone ('all' or ''), then users.
local guild = ARGV[1]
local generation = redis.call('GET', p .. guild .. ':gen')
for i = 3, #ARGV do
  local member = generation and redis.call('HEXISTS', p .. guild .. ':' .. generation .. ':members', ARGV[i]) == 1
  if ARGV[2] == 'all' or not member then redis.call('SREM', p .. 'user:' .. ARGV[i], guild) end
end
return {'ok'}
