-- Remember revocations.
--
-- KEYS  1 version   2 revocations by version   3 the same by end of life
-- ARGV  1 ms to remember; then the revocations

local now = now_ms()
begin(KEYS[2])
while true do
  local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, SLICE)
  if #old > 0 then
    redis.call('ZREM', KEYS[2], unpack(old))
    redis.call('ZREM', KEYS[3], unpack(old))
  end
  if #old < SLICE then
    break
  end
end
for a = 2, #ARGV do
  redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[1]), ARGV[a])
  redis.call('ZADD', KEYS[3], 'GT', now + tonumber(ARGV[1]), ARGV[a])
end
return #ARGV - 1
