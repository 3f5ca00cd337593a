-- End a consumer's life and give back a slice of what it held. Called until it says that all is done; whoever
-- goes on with it keeps to what was decided first.
--
-- KEYS  1 state; for each queue: consumers, inflight, dead, index of dead, lists by code
-- ARGV  1 id   2 number of queues   3 place of the queue whose deadline must be over, -1: none
--       4 action for what runs: requeue, ack, dead   5 reason   6 most attempts
--       7 receipts that run, with commas; *: as the last heartbeat said, and the first of each batch since
--       8 most messages to move
--       9 and on: channel of each queue
-- Returns {1 if all is done or nothing is to do, receipt, element... of what went to the dead letters}

local state, id = KEYS[1], ARGV[1]
local queues, guard = tonumber(ARGV[2]), tonumber(ARGV[3])
local STRIDE = 25
local function key(q, place) return KEYS[1 + q * STRIDE + place] end
local now = now_ms()

-- While the server was away nobody could send a heartbeat: everybody gets one whole lease after its start.
local function just_started(lease)
  local info = redis.pcall('INFO', 'server')
  local up = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  return up and tonumber(up) * 1000 < lease
end

begin(key(0, 1))
if redis.call('HEXISTS', state, 'ended') == 1 then
  return {1}
end
local alive = redis.call('HEXISTS', state, 'seq') == 1
if guard >= 0 then
  local deadline = redis.call('ZSCORE', key(guard, 1), id)
  if not deadline then
    return {1}
  end
  if alive then
    if tonumber(deadline) > now or just_started(tonumber(redis.call('HGET', state, 'lease'))) then
      return {1}
    end
  end
end
if redis.call('HEXISTS', state, 'action') == 0 then
  local running = ARGV[7]
  if running == '*' then
    running = redis.call('HGET', state, 'running') or ''
  else
    redis.call('HDEL', state, 'firsts')
  end
  redis.call('HDEL', state, 'seq')
  redis.call('HSET', state, 'action', ARGV[4], 'reason', ARGV[5], 'most', ARGV[6], 'running', running)
end
local plan = redis.call('HMGET', state, 'action', 'reason', 'most', 'running', 'firsts')
local action, reason, most = plan[1], plan[2], tonumber(plan[3])
local running = {}
for receipt in string.gmatch(plan[4], '%d+') do
  running[receipt] = true
end
local firsts = {}
for number in string.gmatch(plan[5] or '', '%d+') do
  firsts[tonumber(number)] = true
end

local reply = {1}
local left = tonumber(ARGV[8])

local function back(q, receipt, element)
  local code = tonumber(receipt) % 32
  if not running[receipt] and not firsts[math.floor(tonumber(receipt) / 8192)] then
    redis.call('RPUSH', key(q, 5 + code), element)
    return
  end
  if action == 'ack' then
    return
  end
  local attempt, message = unwrap(code, element)
  if action == 'requeue' and attempt < most then
    redis.call('RPUSH', key(q, 5 + REDO), wrap(attempt + 1, message))
    return
  end
  bury(key(q, 3), key(q, 4), id .. ':' .. receipt, code, element, reason, now)
  reply[#reply + 1] = tonumber(receipt)
  reply[#reply + 1] = element
end

for q = 0, queues - 1 do
  local inflight = key(q, 2)
  local receipts = redis.call('HKEYS', inflight)
  -- Newest first, so that the oldest ends at the head.
  table.sort(receipts, function(a, b) return tonumber(a) > tonumber(b) end)
  for i = 1, math.min(left, #receipts) do
    back(q, receipts[i], redis.call('HGET', inflight, receipts[i]))
    redis.call('HDEL', inflight, receipts[i])
  end
  if #receipts > 0 then
    redis.call('PUBLISH', ARGV[9 + q], '')
  end
  if #receipts > left then
    reply[1] = 0
  end
  left = math.max(0, left - #receipts)
end
if reply[1] == 1 then
  for q = 0, queues - 1 do
    redis.call('ZREM', key(q, 1), id)
  end
  -- The id stays known for a day, so that nobody takes it again.
  redis.call('DEL', state)
  redis.call('HSET', state, 'ended', now)
  redis.call('PEXPIRE', state, 86400000)
end
return reply
