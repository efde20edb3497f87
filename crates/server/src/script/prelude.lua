-- The world of a script: which names it finds, and that it cannot change any of them.
--
--   script ──▶ _G: empty, sealed ──▶ globals: the names below, KEYS, ARGV ──▶ "nonexistent global variable"
--                                     string, math, redis, …: each empty and sealed, in front of the real table
--
-- Lua 5.1 has no tables that cannot be written; a sealed one is an empty table whose metatable refers reads to the real one and refuses writes.
-- What goes round metatables (rawset, next, table.insert, …) is replaced by functions that know sealed tables.

local host = ...
local G = _G
local error, getmetatable, next, rawget, rawset = error, getmetatable, next, rawget, rawset
local select, setmetatable, tonumber, tostring, type = select, setmetatable, tonumber, tostring, type
local collectgarbage, pcall, xpcall, resume, loadstring = collectgarbage, pcall, xpcall, coroutine.resume, loadstring
local unpack, byte, concat, insert, remove, sort =
  unpack, string.byte, table.concat, table.insert, table.remove, table.sort
local explain = host.explain

local REFUSAL = 'Attempt to modify a readonly table'
local real_of = setmetatable({}, { __mode = 'k' })

local function refuse() error(REFUSAL, 2) end

local function seal(real)
  local sealed = setmetatable({}, { __index = real, __newindex = refuse })
  real_of[sealed] = real
  return sealed
end

local function copy(from)
  local to = {}
  for name, value in next, from do to[name] = value end
  return to
end

local function expect_table(value, name)
  if type(value) ~= 'table' then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(value) .. ')', 3)
  end
end

local function writable(value, name)
  if real_of[value] then error(REFUSAL, 0) end
  if type(value) ~= 'table' then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(value) .. ')', 3)
  end
end

-- An error of the server's own functions is an object that no script has seen: what scripts know is made of it, and an end is passed on.
local function plain(problem)
  if type(problem) == 'userdata' then
    local fatal, known = explain(problem)
    if fatal then error(problem, 0) end
    return known
  end
  return problem
end

local function settle(ok, ...)
  if ok then return true, ... end
  return false, plain((...))
end

local base = {}

-- Only here the table of a failed command is the text in it, as in Redis.
local function settle_as_text(ok, ...)
  if ok then return true, ... end
  local problem = plain((...))
  if type(problem) == 'table' and type(rawget(problem, 'err')) == 'string' then problem = problem.err end
  return false, problem
end

function base.pcall(...) return settle_as_text(pcall(...)) end

function base.xpcall(f, handler)
  return settle(xpcall(f, function(problem)
    if type(problem) == 'userdata' then
      local fatal, known = explain(problem)
      if fatal then return problem end
      problem = known
    end
    return handler(problem)
  end))
end

function base.pairs(t)
  if real_of[t] then return next, copy(real_of[t]), nil end
  expect_table(t, 'pairs')
  return next, t, nil
end

function base.next(t, key)
  expect_table(t, 'next')
  return next(real_of[t] or t, key)
end

function base.rawget(t, key)
  expect_table(t, 'rawget')
  return rawget(real_of[t] or t, key)
end

function base.rawset(t, key, value)
  writable(t, 'rawset')
  return rawset(t, key, value)
end

function base.setmetatable(t, meta)
  writable(t, 'setmetatable')
  return setmetatable(t, meta)
end

function base.loadstring(text, name)
  if type(text) == 'string' and byte(text, 1) == 27 then
    return nil, 'precompiled code is not loaded'
  end
  return loadstring(text, name)
end

function base.load(piece, name)
  local pieces = {}
  repeat
    local text = piece()
    pieces[#pieces + 1] = text
  until text == nil or text == ''
  return base.loadstring(concat(pieces), name or '=(load)')
end

local function number_or(value, default, at, name)
  if value == nil then return default end
  local number = tonumber(value)
  if not number then
    error('bad argument #' .. at .. " to '" .. name .. "' (number expected, got " .. type(value) .. ')', 3)
  end
  return number
end

-- The C library counts the results in 32 bits, and believes a count that has come round. It can return so many, its arguments included.
local MOST_RESULTS = 8000
function base.unpack(t, ...)
  expect_table(t, 'unpack')
  local first, last = ...
  first, last = number_or(first, 1, 2, 'unpack'), number_or(last, #t, 3, 'unpack')
  if first > last then return end
  if not (first >= -2147483648 and last < 2147483648 and last - first < MOST_RESULTS) then
    error('too many results to unpack', 2)
  end
  -- The arguments lie where the results go: no more of them than there are.
  return unpack(t, ...)
end

-- Functions of the C library that nothing could interrupt are the server's own.
local strings = host.strings
local search, substitute, sub = strings.search, strings.gsub, string.sub
for _, name in next, { 'rep', 'find', 'match', 'gmatch' } do string[name] = strings[name] end
string.gfind = strings.gmatch

local function call(by, from, to, ...)
  if from then return from, to, by(...) end
end

function string.gsub(text, pattern, by, most)
  local kind = type(text)
  if type(by) ~= 'function' or (kind ~= 'string' and kind ~= 'number') then
    local replaced, count = substitute(text, pattern, by, most)
    return replaced, count
  end
  text = text .. ''
  most = tonumber(most) or #text + 1
  local pieces, length, at, count = {}, 0, 0, 0
  local function add(piece)
    length = length + 1
    pieces[length] = piece
  end
  local anchored = type(pattern) == 'string' and byte(pattern, 1) == 94
  while count < most do
    local from, to, value = call(by, search(text, pattern, at))
    if not from then break end
    count = count + 1
    if from > at then add(sub(text, at + 1, from)) end
    if value == nil or value == false then
      value = sub(text, from + 1, to)
    elseif type(value) ~= 'string' and type(value) ~= 'number' then
      error('invalid replacement value (a ' .. type(value) .. ')', 2)
    end
    add(value)
    at = to
    if from == to then
      if at >= #text then break end
      at = at + 1
      add(sub(text, at, at))
    end
    if anchored then break end
  end
  add(sub(text, at + 1))
  return concat(pieces), count
end

base.string = seal(string)
base.struct, base.cjson, base.cmsgpack, base.bit =
  seal(host.struct), seal(host.cjson), seal(host.cmsgpack), seal(host.bit)
base.redis, base.server = seal(host.redis), seal(host.server)
base.os = seal({ clock = os.clock })

local maths = copy(math)
maths.random, maths.randomseed = host.random, host.randomseed
base.math = seal(maths)

local coroutines = copy(coroutine)
function coroutines.resume(...) return settle(resume(...)) end
base.coroutine = seal(coroutines)

local tables = copy(table)
function tables.insert(t, ...)
  writable(t, 'insert')
  -- The C library moves one element a step from the end to the place, however far that is.
  if select('#', ...) > 1 and not (number_or((...), 0, 2, 'insert') > -1000000) then
    error("bad argument #2 to 'insert' (position out of bounds)", 2)
  end
  return insert(t, ...)
end
function tables.remove(t, ...)
  writable(t, 'remove')
  return remove(t, ...)
end
function tables.sort(t, ...)
  writable(t, 'sort')
  return sort(t, ...)
end
base.table = seal(tables)

-- Collecting may be asked for, but not stopped.
function base.collectgarbage(option, ...)
  if option == 'stop' or option == 'setpause' or option == 'setstepmul' then return 0 end
  return collectgarbage(option, ...)
end

for _, name in next, {
  'assert', 'error', 'gcinfo', 'ipairs', 'rawequal', 'select', 'tonumber', 'tostring', 'type', '_VERSION',
} do
  base[name] = G[name]
end

local globals = base
for name in next, copy(G) do G[name] = nil end
globals._G = G
setmetatable(globals, {
  __index = function(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
  end,
})
local global_meta = { __index = globals, __newindex = refuse }
setmetatable(G, global_meta)
real_of[G] = globals

local global_view, string_view = seal({ __index = globals._G }), seal({ __index = base.string })
function base.getmetatable(value)
  if value == G then return global_view end
  if real_of[value] then return nil end
  if type(value) == 'string' then return string_view end
  return getmetatable(value)
end

-- The code of a library finds little while it is loaded; its functions find, in the same environment, what scripts find.
local function strict(names)
  return setmetatable(names, getmetatable(globals))
end
local while_loading = strict({
  redis = seal(strict(host.redis_while_loading)),
  server = seal(strict(host.server_while_loading)),
})
local library_meta = { __index = globals, __newindex = refuse }
local library = setmetatable({}, library_meta)
real_of[library] = globals

-- For the server: the names that scripts see, xpcall as it was, a function with its arguments, the environment of libraries, and its switch.
return globals, xpcall, function(f, keys, args)
  return function() return f(keys, args) end
end, library, function(loading)
  library_meta.__index = loading and while_loading or globals
end
