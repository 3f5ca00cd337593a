-- Read revocations that are new.
--
-- KEYS  1 version   2 revocations by version   3 the same by end of life
-- ARGV  1 version that the caller knows
-- Returns {newest version, revocation...}

local newest, known = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(ARGV[1])
local reply = {newest}
if newest == known then
  return reply
end
-- A version from before the database was emptied says nothing.
local first = known > newest and 0 or known
local now = now_ms()
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. first, '+inf')) do
  if tonumber(redis.call('ZSCORE', KEYS[3], member)) > now then
    reply[#reply + 1] = member
  end
end
return reply
