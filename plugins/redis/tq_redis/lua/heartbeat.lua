-- Keep a consumer alive, and note what it runs instead of what counted as running before.
--
-- KEYS  1 state; consumers of each queue
-- ARGV  1 id   2 lease in ms   3 receipts that run, with commas
-- Returns 1, or 0 if the consumer is dead

begin(KEYS[2])
if redis.call('HEXISTS', KEYS[1], 'seq') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'running', ARGV[3], 'firsts', '', 'lease', ARGV[2])
local deadline = now_ms() + tonumber(ARGV[2])
for k = 2, #KEYS do
  redis.call('ZADD', KEYS[k], deadline, ARGV[1])
end
return 1
