-- Remove what waits and what is delayed.
--
-- KEYS  1 delayed; then the lists
-- Returns how many messages that were

begin(KEYS[1])
local count = redis.call('ZCARD', KEYS[1])
for k = 2, #KEYS do
  count = count + redis.call('LLEN', KEYS[k])
end
redis.call('UNLINK', unpack(KEYS))
return count
