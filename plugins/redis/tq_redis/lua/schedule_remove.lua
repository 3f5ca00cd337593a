-- Remove a row whose revision is still the one that was read.
--
-- KEYS  1 leader, 2 entries, 3 states
-- ARGV  1 name, 2 revision
-- Returns 1, or 0 if it is not there or has another revision

local known = redis.call('HGET', KEYS[3], ARGV[1])
if not known or string.match(known, '^(%d+):') ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('HINCRBY', KEYS[1], 'version', 1)
return 1
