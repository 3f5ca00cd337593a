-- Publish messages of one queue that need more than a push.
--
-- KEYS  1 delayed; then for each message its list, its mark if it is unique, and its lock if it has one
-- ARGV  1 channel that wakes consumers; then for each message: ms of delay, 0: none; code of its list;
--       unique text; 1 if it has a mark, else 0; message; owner of its lock, empty: none; ms of its lock
-- Returns for each message 1, 0 if its mark was there already, or the owner of the lock that keeps it out

local now = now_ms()
local reply, place, wake = {}, 2, false
for at = 2, #ARGV, 7 do
  local ms, code, unique, marked, message = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local owner = ARGV[at + 5]
  local list, mark, lock = KEYS[place], nil, nil
  place = place + 1
  if marked == '1' then
    mark = KEYS[place]
    place = place + 1
  end
  if owner ~= '' then
    lock = KEYS[place]
    place = place + 1
  end
  local known = mark and redis.call('EXISTS', mark) == 1
  local other = not known and lock and holder(lock, owner)
  local fresh = not known and not other
  if fresh then
    if ms > 0 then
      delay(KEYS[1], code, now + ms, unique, message)
    else
      redis.call('LPUSH', list, message)
    end
    -- A consumer that waits looks at what is due each second anyway.
    wake = wake or (ms == 0 and code > 0) or (ms > 0 and ms < 1000)
    if mark then
      redis.call('SET', mark, '1', 'EX', 86400)
    end
    if lock then
      redis.call('SET', lock, owner, 'PX', ARGV[at + 6])
    end
  end
  reply[#reply + 1] = other or (fresh and 1 or 0)
end
if wake then
  redis.call('PUBLISH', ARGV[1], '')
end
return reply
