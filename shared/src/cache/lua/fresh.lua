-- KEYS[1] is the prefix of the projection; a guild's generation is only known in here, so its keys are made in here.
local p = KEYS[1]

-- Where a fresh guild's generation lies and what it calls itself, or nil and why not.
local function fresh(guild)
  local generation = redis.call('GET', p .. guild .. ':gen')
  if not generation then return nil, 'missing' end
  local at = p .. guild .. ':' .. generation
  local card = redis.call('HMGET', at .. ':guild', 'card', 'shard', 'session', 'stale')
  if not card[1] then return nil, 'missing' end
  if card[4] then return nil, 'stale' end
  if redis.call('GET', p .. 'session:' .. card[2]) ~= card[3] then return nil, 'old' end
  if redis.call('EXISTS', p .. 'beat:' .. card[2]) == 0 then return nil, 'stale' end
  if redis.call('EXISTS', at .. ':roles', at .. ':channels', at .. ':emojis', at .. ':members', at .. ':names') < 5 then
    return nil, 'missing'
  end
  return at, card[1]
end
