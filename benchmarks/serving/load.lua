-- What wrk sends: one POST after the other, a body a line of the file, whole requests made before
-- the first is sent. Arguments: path, file of bodies. Prints one line of JSON at the end.
local requests, at = {}, 0

function init(args)
  local headers = { ["Content-Type"] = "application/json", ["Accept"] = "*/*" }
  for body in io.lines(args[2]) do
    headers["X-Request-Id"] = string.format("%032x", #requests)
    requests[#requests + 1] = wrk.format("POST", args[1], headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local failed = summary.errors
  if summary.requests == 0 then -- there is no percentile of nothing
    return io.write('{"requests": 0}\n')
  end
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "failed": %d, "p50_ms": %f, "p95_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
