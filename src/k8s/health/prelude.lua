-- Runs before every health script: see lua.rs.
local type, rawget, native, sort, tostring_, error_ = type, rawget, next, table.sort, tostring, error
load, loadstring, loadfile, dofile, require, print, collectgarbage = nil, nil, nil, nil, nil, nil, nil

unpack = table.unpack
table.getn = function(list) return #list end
table.maxn = function(list)
  local most = 0
  for key in native, list do
    if type(key) == "number" and key > most then most = key end
  end
  return most
end

tostring = function(value)
  local kind = type(value)
  if kind == "table" or kind == "function" or kind == "thread" or kind == "userdata" then return kind end
  return tostring_(value)
end

local function before(a, b)
  local ka, kb = type(a), type(b)
  if ka ~= kb then return ka < kb end
  if ka == "number" or ka == "string" then return a < b end
  return tostring_(a) < tostring_(b)
end

local function keys_of(map)
  local keys, count = {}, 0
  for key in native, map do
    count = count + 1
    keys[count] = key
  end
  sort(keys, before)
  return keys
end

pairs = function(map)
  if type(map) ~= "table" then error_("bad argument #1 to 'pairs' (table expected, got " .. type(map) .. ")", 2) end
  local keys, at = keys_of(map), 0
  return function(map)
    while true do
      at = at + 1
      local key = keys[at]
      if key == nil then return nil end
      local value = rawget(map, key)
      if value ~= nil then return key, value end
    end
  end, map, nil
end

next = function(map, last)
  if type(map) ~= "table" then error_("bad argument #1 to 'next' (table expected, got " .. type(map) .. ")", 2) end
  if last == nil and native(map) == nil then return nil end
  local found = last == nil
  for _, key in ipairs(keys_of(map)) do
    if found then return key, rawget(map, key) end
    found = key == last
  end
  return nil
end

-- Days since 1970 of a date of the proleptic Gregorian calendar.
local function days(year, month, day)
  year = year + (month - 1 - (month - 1) % 12) / 12
  month = (month - 1) % 12 + 1
  if month <= 2 then year = year - 1 end
  local era = (year - year % 400) / 400
  local of_era = year - era * 400
  local months = (month + 9) % 12
  local of_year = (153 * months + 2 - (153 * months + 2) % 5) / 5 + day - 1
  return era * 146097 + of_era * 365 + (of_era - of_era % 4) / 4 - (of_era - of_era % 100) / 100 + of_year - 719468
end

os = {
  time = function(date)
    if type(date) ~= "table" then error_("os.time() is the clock, which a health script cannot see here", 2) end
    local function field(name, default)
      local value = tonumber(date[name] or default)
      if value == nil then error_("field '" .. name .. "' missing in date table", 3) end
      return value
    end
    return days(field("year"), field("month"), field("day")) * 86400
      + field("hour", 12) * 3600 + field("min", 0) * 60 + field("sec", 0)
  end,
  date = function() error_("os.date is not there for health scripts here", 2) end,
}

if math then math.random, math.randomseed = nil, nil end

if string then
  string.dump = nil
  local rep = string.rep
  string.rep = function(text, count, between)
    if count > 1e7 then error_("string.rep: too long", 2) end
    return rep(text, count, between)
  end
  -- Backtracking goes on inside one call, where no count of instructions sees it.
  local gsub, len = string.gsub, string.len
  local function bounded(native)
    return function(text, pattern, ...)
      if type(pattern) == "string" and len(pattern) > 3 then
        local _, repetitions = gsub(pattern, "[*+?-]", "")
        if repetitions > 12 or (repetitions > 3 and len(text) > 10000) then
          error_("the pattern has too many repetitions", 2)
        end
      end
      return native(text, pattern, ...)
    end
  end
  string.find, string.match, string.gmatch, string.gsub =
    bounded(string.find), bounded(string.match), bounded(string.gmatch), bounded(string.gsub)
end
