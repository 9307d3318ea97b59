-- Keeps a copy for a time, unless the mark of the end is there: a reader that is late revives nothing.
local ended, copy, lives = ARGV[1], ARGV[2], ARGV[3]
if redis.call('GET', KEYS[1]) == ended then return {'ended'} end
redis.call('SET', KEYS[1], copy, 'PX', lives)
return {'kept'}
