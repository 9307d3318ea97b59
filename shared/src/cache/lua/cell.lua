-- GCRA: how long a cell takes and how many may come at once, in microseconds; '0', or how long to wait.
local function take(key, cell, burst)
  local clock = redis.call('TIME')
  local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  local due = math.max(tonumber(redis.call('GET', key) or '') or 0, now)
  local early = due + cell - burst - now
  if early > 0 then return string.format('%.0f', early) end
  redis.call('SET', key, string.format('%.0f', due + cell), 'PX', math.ceil((due + cell - now) / 1000) + 1)
  return '0'
end
