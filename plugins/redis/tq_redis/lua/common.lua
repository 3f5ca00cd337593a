-- Put before every script.
--
-- A receipt is (number * 256 + queue) * 32 + code: the running number in the consumer, the queue's place in
-- the consumer's list, the code of the list that the message came from. All stay exact below 2^53.
-- An element of the list "redo" is \0tq<attempt>\0<message>; every other element is the message itself.
-- A member of the set "delayed" is <code as a byte><unique text>\0<element>.

local REDO = 20
local SLICE = 256

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- From here on Redis accepts writes although it is out of memory: only finishing work frees memory.
local function begin(key)
  redis.call('PERSIST', key)
end

local function queue_of(receipt)
  return math.floor(receipt / 32) % 256
end

local function wrap(attempt, message)
  return '\0tq' .. string.format('%d', attempt) .. '\0' .. message
end

local function unwrap(code, element)
  if code ~= REDO then
    return 1, element
  end
  local stop = string.find(element, '\0', 4, true)
  return tonumber(string.sub(element, 4, stop - 1)), string.sub(element, stop + 1)
end

local function delay(delayed, code, due, unique, element)
  redis.call('ZADD', delayed, due, string.char(code) .. unique .. '\0' .. element)
end

-- Keep a dead letter: one field "<code> <attempt> <ms> <length of reason>\n<reason><message>".
local function bury(dead, index, id, code, element, reason, now)
  local attempt, message = unwrap(code, element)
  local head = string.format('%d %d %.0f %d\n', code, attempt, now, #reason)
  redis.call('HSET', dead, id, head .. reason .. message)
  -- Several come in one millisecond, and keep their order.
  local newest = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', index, math.max(now, (tonumber(newest) or 0) + 0.001), id)
end

-- Put what is due at the end of its list. `key_of` gives the list of a code.
local function promote(delayed, now, key_of)
  local bytes, count = 0, 0
  while bytes < 262144 and count < SLICE do
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 16)
    for _, member in ipairs(due) do
      local stop = string.find(member, '\0', 2, true)
      redis.call('LPUSH', key_of(string.byte(member)), string.sub(member, stop + 1))
      redis.call('ZREM', delayed, member)
      bytes = bytes + #member
    end
    count = count + #due
    if #due < 16 then
      break
    end
  end
  return count
end

-- The owner of a lock, if that is not `owner` itself.
local function holder(lock, owner)
  local found = redis.call('GET', lock)
  return found and found ~= owner and found or nil
end

-- End a lock, if it is its owner's still.
local function unlock(lock, owner)
  if redis.call('GET', lock) == owner then
    redis.call('DEL', lock)
  end
end

-- Wake consumers that wait; an empty channel is nobody's.
local function ring(channel)
  if channel ~= '' then
    redis.call('PUBLISH', channel, '')
  end
end

-- Keep a result document for `live` ms (0: for ever), and tell who waits for it.
local function save(key, document, live)
  if live == '0' then
    redis.call('SET', key, document)
  else
    redis.call('SET', key, document, 'PX', live)
  end
  redis.call('PUBLISH', key, document)
end

-- Whether a SUCCESS is stored. Documents begin with their status; decoding is for those of other programs.
local function succeeded(key)
  local document = redis.call('GET', key)
  if not document then
    return false
  end
  local status = string.match(document, '^{%s*"status"%s*:%s*"([^"]*)"')
  if not status then
    local readable, read = pcall(cjson.decode, document)
    status = readable and type(read) == 'table' and read.status
  end
  return status == 'SUCCESS'
end
