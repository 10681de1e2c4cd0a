// Clocks go forward, marks measure, delays are seen.
const { performance, PerformanceObserver, monitorEventLoopDelay, createHistogram } = require('perf_hooks');
const seen = [];
const observer = new PerformanceObserver((list) => seen.push(...list.getEntries().map((e) => [e.name, e.entryType, e.duration >= 0])));
observer.observe({ entryTypes: ['measure', 'function'] });
performance.mark('a');
const f = performance.timerify(function work() { return 1; });
f();
performance.mark('b');
performance.measure('a to b', 'a', 'b');
const h = createHistogram();
[1, 2, 3, 4].forEach((n) => h.record(n));
console.log(h.min, h.max, h.mean, h.percentile(50));
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const start = performance.now();
const timer = setInterval(() => {
  if (seen.length < 2 || delay.count === 0) return;
  clearInterval(timer);
  delay.disable();
  console.log(seen.sort(), delay.count > 0, performance.now() - start >= 1, performance.timeOrigin > 1e12, process.hrtime.bigint() > 0n);
  console.log(performance.eventLoopUtilization().utilization <= 1, process.cpuUsage().user > 0, process.resourceUsage().maxRSS > 0);
}, 2);
