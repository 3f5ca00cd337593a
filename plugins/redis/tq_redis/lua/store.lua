-- Store states that are not final, unless a SUCCESS is there already.
--
-- KEYS  a key for each document
-- ARGV  1 ms to live, 0: for ever; then the documents
-- Returns how many were stored

local count = 0
for k, key in ipairs(KEYS) do
  if not succeeded(key) then
    save(key, ARGV[k + 1], ARGV[1])
    count = count + 1
  end
end
return count
