-- Lead the beats of one schedule, or go on to.
--
-- KEYS  1 leader (hash: owner, fence, until, version)
-- ARGV  1 owner, 2 ms of lease
-- Returns fence (0: another one leads), ms that are left, version

local now = now_ms()
local owner, fence, till, version = unpack(redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until', 'version'))
fence, till, version = tonumber(fence or 0), tonumber(till or 0), tonumber(version or 0)
if owner ~= ARGV[1] then
  if owner and owner ~= '' and till > now then
    return {0, till - now, version}
  end
  fence = fence + 1
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', fence, 'until', string.format('%.0f', now + ARGV[2]))
return {fence, tonumber(ARGV[2]), version}
