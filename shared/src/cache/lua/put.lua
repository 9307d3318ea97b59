-- Puts one value into a generation, or takes it out where the value is empty; names and the user's guilds follow.
local function put(guild, at, kind, id, value)
  if kind == 'guild' then
    redis.call('HSET', at .. ':guild', 'card', value)
    return
  end
  local hash = at .. ':' .. kind
  if kind == 'members' then
    local old = redis.call('HGET', hash, id)
    if old then
      local read, kept = pcall(cjson.decode, old)
      if read then
        for _, name in ipairs(kept.names) do redis.call('ZREM', at .. ':names', name .. '\0' .. id) end
      end
    end
    if value == '' then
      redis.call('SREM', p .. 'user:' .. id, guild)
    else
      for _, name in ipairs(cjson.decode(value).names) do redis.call('ZADD', at .. ':names', 0, name .. '\0' .. id) end
      redis.call('SADD', p .. 'user:' .. id, guild)
    end
  end
  if value == '' then redis.call('HDEL', hash, id) else redis.call('HSET', hash, id, value) end
end
