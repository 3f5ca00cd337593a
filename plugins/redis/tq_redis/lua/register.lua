-- Begin a consumer's life.
--
-- KEYS  1 state; consumers of each queue
-- ARGV  1 id   2 lease in ms   3 queues as JSON
-- Returns 1, or 0 if the id was used before

if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
begin(KEYS[2])
redis.call('HSET', KEYS[1], 'seq', 0, 'lease', ARGV[2], 'queues', ARGV[3])
local deadline = now_ms() + tonumber(ARGV[2])
for k = 2, #KEYS do
  redis.call('ZADD', KEYS[k], deadline, ARGV[1])
end
return 1
