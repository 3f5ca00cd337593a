-- Publish messages of one queue that need more than a push.
--
-- KEYS  1 delayed; then for each message its list, and its mark if it is unique
-- ARGV  1 channel that wakes consumers; then for each message: ms of delay, 0: none; code of its list;
--       unique text; 1 if it has a mark, else 0; message
-- Returns for each message 1, or 0 if its mark was there already

local now = now_ms()
local reply, place, wake = {}, 2, false
for at = 2, #ARGV, 5 do
  local ms, code, unique, marked, message = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local list = KEYS[place]
  place = place + 1
  local fresh = true
  if marked == '1' then
    fresh = redis.call('EXISTS', KEYS[place]) == 0
  end
  if fresh then
    if ms > 0 then
      delay(KEYS[1], code, now + ms, unique, message)
    else
      redis.call('LPUSH', list, message)
    end
    -- A consumer that waits looks at what is due each second anyway.
    wake = wake or (ms == 0 and code > 0) or (ms > 0 and ms < 1000)
    if marked == '1' then
      redis.call('SET', KEYS[place], '1', 'EX', 86400)
    end
  end
  if marked == '1' then
    place = place + 1
  end
  reply[#reply + 1] = fresh and 1 or 0
end
if wake then
  redis.call('PUBLISH', ARGV[1], '')
end
return reply
