-- Do what time asks for in one queue.
--
-- KEYS  1 delayed   2 consumers   3 and on: lists by code
-- ARGV  1 channel that wakes consumers   2 most consumers to name
-- Returns the server's time in ms, and the ids of consumers whose lease is over

local now = now_ms()
begin(KEYS[1])
if promote(KEYS[1], now, function(code) return KEYS[3 + code] end) > 0 then
  redis.call('PUBLISH', ARGV[1], '')
end
return {string.format('%.0f', now), unpack(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2]))}
