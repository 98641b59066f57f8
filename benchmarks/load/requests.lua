-- For wrk: sends the requests of a file that the benchmark wrote, in turn, each thread its own share.
-- Each line: method, path, file of the body or "-", Authorization or "-", Date or "-"; by tabs.
local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

function init(args)
   lines, place, step = {}, number + 1, tonumber(args[2])
   bodies = {}
   for line in io.lines(args[1]) do lines[#lines + 1] = line end
end

function request()
   local method, path, file, authorization, date =
      lines[(place - 1) % #lines + 1]:match("([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)")
   place = place + step
   local headers = {}
   if authorization ~= "-" then
      headers["Authorization"], headers["Date"] = authorization, date
   end
   local body
   if file ~= "-" then
      if not bodies[file] then
         local opened = io.open(file, "rb")
         bodies[file] = opened:read("*a")
         opened:close()
      end
      body = bodies[file]
   end
   return wrk.format(method, path, headers, body)
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "us": %d, "p50": %d, "p99": %d, "most": %d, "errors": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      latency.max, e.connect + e.read + e.write + e.status + e.timeout))
end
