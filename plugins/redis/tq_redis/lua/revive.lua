-- Put dead letters back into their queue, or drop them.
--
-- KEYS  1 dead   2 index of dead   3 and on: lists by code
-- ARGV  1 channel that wakes consumers   2 requeue or drop   3 and on: ids
-- Returns how many were there

begin(KEYS[1])
local count = 0
for a = 3, #ARGV do
  local record = redis.call('HGET', KEYS[1], ARGV[a])
  if record then
    if ARGV[2] == 'requeue' then
      local code, reason, stop = string.match(record, '^(%d+) %d+ %d+ (%d+)\n()')
      code = tonumber(code)
      if code == REDO then
        code = 0
      end
      redis.call('LPUSH', KEYS[3 + code], string.sub(record, stop + tonumber(reason)))
    end
    redis.call('HDEL', KEYS[1], ARGV[a])
    redis.call('ZREM', KEYS[2], ARGV[a])
    count = count + 1
  end
end
if count > 0 and ARGV[2] == 'requeue' then
  redis.call('PUBLISH', ARGV[1], '')
end
return count
