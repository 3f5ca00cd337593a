-- Settle, publish what follows, promote what is due, and lend the next messages to a consumer.
--
-- KEYS  1 state of the consumer; for each queue: delayed, inflight, lists in reading order; then keys that
--       instructions name by their place in KEYS
-- ARGV  1 id of the consumer   2 first running number of what is lent; 0: lend nothing
--       3 most messages to lend   4 most bytes   5 number of queues   6 a byte for each list: its code
--       7 place of the plain list in reading order   8 queue whose plain list goes first once, 0: none
--       9 milliseconds that results live, 0: for ever   10 and on: instructions
-- Returns {-1} if the consumer is dead, {0} if the running number was used or passed, else
--       {1, errors or false, ms until the next message is due or -1, {queue, code, first number, elements}...}

local state = KEYS[1]
begin(KEYS[3])
local known = redis.call('HMGET', state, 'seq', 'firsts')
local reached, firsts = known[1], known[2]
if not reached then
  return {-1}
end
local id, number, limit, room = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local queues, codes, plain = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local stride = #codes + 2
local live = ARGV[9]

local function delayed_key(q) return KEYS[q * stride + 2] end
local function inflight_key(q) return KEYS[q * stride + 3] end
local function list_key(q, rank) return KEYS[q * stride + 3 + rank] end
local function key_of(q, code) return list_key(q, string.find(codes, string.char(code), 1, true) or plain) end

-- Instructions. Each begins with its letter; those that move one message are guarded by H, so that a batch
-- that comes a second time has no second effect.

local errors = false
local guarded = 0
local now = nil
local function clock()
  now = now or now_ms()
  return now
end

local run = {}

-- A queue count receipts...: remove
function run.A(at)
  local count = tonumber(ARGV[at + 2])
  for first = at + 3, at + 2 + count, SLICE do
    redis.call('HDEL', inflight_key(tonumber(ARGV[at + 1])), unpack(ARGV, first, math.min(first + SLICE - 1, at + 2 + count)))
  end
  return at + 3 + count
end

-- R place count documents...: store these SUCCESS results under the keys from that place on
function run.R(at)
  local place, count = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  for i = 0, count - 1 do
    save(KEYS[place + i], ARGV[at + 3 + i], live)
  end
  return at + 3 + count
end

-- K place document: store this other state, unless the key holds a SUCCESS
function run.K(at)
  local key = KEYS[tonumber(ARGV[at + 1])]
  if not succeeded(key) then
    save(key, ARGV[at + 2], live)
  end
  return at + 3
end

-- H queue receipt length: skip the next `length` arguments if the message is not held
function run.H(at)
  guarded = at + 4 + tonumber(ARGV[at + 3])
  if redis.call('HEXISTS', inflight_key(tonumber(ARGV[at + 1])), ARGV[at + 2]) == 1 then
    return at + 4
  end
  return guarded
end

-- U place length: skip the next `length` arguments if the mark is there already
function run.U(at)
  if redis.call('EXISTS', KEYS[tonumber(ARGV[at + 1])]) == 0 then
    return at + 3
  end
  return at + 3 + tonumber(ARGV[at + 2])
end

-- M place: set the mark for a day
function run.M(at)
  redis.call('SET', KEYS[tonumber(ARGV[at + 1])], '1', 'EX', 86400)
  return at + 2
end

-- N place owner ms length: skip the next `length` arguments if another has the lock, else take it
function run.N(at)
  local lock, owner = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  if holder(lock, owner) then
    return at + 5 + tonumber(ARGV[at + 4])
  end
  redis.call('SET', lock, owner, 'PX', ARGV[at + 3])
  return at + 5
end

-- O place owner: end the lock
function run.O(at)
  unlock(KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2])
  return at + 3
end

-- P place channel message: publish to a list. If that fails, its settlement is left undone.
function run.P(at)
  local pushed = redis.pcall('LPUSH', KEYS[tonumber(ARGV[at + 1])], ARGV[at + 3])
  if type(pushed) == 'table' then
    errors = errors or {}
    errors[#errors + 1] = pushed.err
    return guarded
  end
  ring(ARGV[at + 2])
  return at + 4
end

-- D place channel ms code unique message: publish with a delay
function run.D(at)
  local due = clock() + tonumber(ARGV[at + 3])
  delay(KEYS[tonumber(ARGV[at + 1])], tonumber(ARGV[at + 4]), due, ARGV[at + 5], ARGV[at + 6])
  ring(ARGV[at + 2])
  return at + 7
end

-- X queue receipt: remove
function run.X(at)
  redis.call('HDEL', inflight_key(tonumber(ARGV[at + 1])), ARGV[at + 2])
  return at + 3
end

-- Q queue receipt channel: back to the head of the list it came from
function run.Q(at)
  local q, receipt = tonumber(ARGV[at + 1]), ARGV[at + 2]
  local element = redis.call('HGET', inflight_key(q), receipt)
  redis.call('RPUSH', key_of(q, tonumber(receipt) % 32), element)
  redis.call('HDEL', inflight_key(q), receipt)
  ring(ARGV[at + 3])
  return at + 4
end

-- Z queue receipt channel ms: back to its list after a delay
function run.Z(at)
  local q, receipt = tonumber(ARGV[at + 1]), ARGV[at + 2]
  local element = redis.call('HGET', inflight_key(q), receipt)
  delay(delayed_key(q), tonumber(receipt) % 32, clock() + tonumber(ARGV[at + 4]), id .. receipt, element)
  redis.call('HDEL', inflight_key(q), receipt)
  ring(ARGV[at + 3])
  return at + 5
end

-- T queue receipt reason place: to the dead letters, whose hash and index are the keys from that place on
function run.T(at)
  local q, receipt, place = tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 4])
  local element = redis.call('HGET', inflight_key(q), receipt)
  bury(KEYS[place], KEYS[place + 1], id .. ':' .. receipt, tonumber(receipt) % 32, element, ARGV[at + 3], clock())
  redis.call('HDEL', inflight_key(q), receipt)
  return at + 5
end

local at = 10
while ARGV[at] do
  at = run[ARGV[at]](at)
end

if number == 0 then
  return {1, errors, -1}
end
if number <= tonumber(reached) then
  return {0, errors}
end
-- The first of each batch since the last heartbeat counts as running, while it is held: here its number, with a
-- comma. Up to 64 bytes Redis keeps the hash in its cheap form, so only longer ones are looked through.
firsts = (firsts or '') .. ARGV[2] .. ','
if #firsts > 64 then
  local held = {[number] = true}
  for q = 0, queues - 1 do
    for _, receipt in ipairs(redis.call('HKEYS', inflight_key(q))) do
      held[math.floor(tonumber(receipt) / 8192)] = true
    end
  end
  firsts = string.gsub(firsts, '(%d+),', function(each) return not held[tonumber(each)] and '' or nil end)
end
redis.call('HSET', state, 'seq', ARGV[2], 'firsts', firsts)

-- Lend. What is read is recorded first and removed from its list last.

local reply = {1, errors, -1}
local lent, bytes = 0, 0

local function take(q, rank, want)
  local key, code = list_key(q, rank), string.byte(codes, rank)
  local step = 4
  while want > 0 and bytes < room do
    local ask = math.min(want, step)
    local found = redis.call('LRANGE', key, -ask, -1)
    if #found == 0 then
      return
    end
    local record, elements, full = {inflight_key(q)}, {}, false
    for i = #found, 1, -1 do
      local element = found[i]
      if lent > 0 and bytes + #element > room then
        full = true
        break
      end
      record[#record + 1] = ((number + lent) * 256 + q) * 32 + code
      record[#record + 1] = element
      elements[#elements + 1] = element
      bytes = bytes + #element
      lent = lent + 1
    end
    if #elements > 0 then
      redis.call('HSET', unpack(record))
      redis.call('LTRIM', key, 0, -(#elements + 1))
      reply[#reply + 1] = {q, code, number + lent - #elements, elements}
    end
    if full or #found < ask then
      return
    end
    want = want - #elements
    step = math.min(SLICE, math.max(1, math.floor((room - bytes) * lent / bytes)))
  end
end

local more = {}
for q = 0, queues - 1 do
  promote(delayed_key(q), clock(), function(code) return key_of(q, code) end)
  local others = {}
  for rank = 1, #codes do
    if rank ~= plain then
      others[#others + 1] = list_key(q, rank)
    end
  end
  more[q] = redis.call('EXISTS', unpack(others)) > 0
end

local first = tonumber(ARGV[8])
if first > 0 then
  take(first - 1, plain, 1)
end
for rank = 1, #codes do
  for q = 0, queues - 1 do
    if (rank == plain or more[q]) and lent < limit then
      take(q, rank, limit - lent)
    end
  end
end

if lent == 0 then
  for q = 0, queues - 1 do
    local next_one = redis.call('ZRANGE', delayed_key(q), 0, 0, 'WITHSCORES')
    if next_one[2] then
      local left = math.max(0, tonumber(next_one[2]) - clock())
      if reply[3] < 0 or left < reply[3] then
        reply[3] = left
      end
    end
  end
end
return reply
