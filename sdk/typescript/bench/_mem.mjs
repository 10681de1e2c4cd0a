import { readFileSync } from "node:fs";
const snap = () => { globalThis.gc?.(); const m = new Map(); let name=""; for (const line of readFileSync("/proc/self/smaps","utf8").split("\n")) { const h=line.match(/^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+\s*(.*)$/); if (h) { name=(h[2]||"[anon]")+" "+h[1]; continue; } const f=line.match(/^(Rss|Pss|Anonymous|Private_Dirty|Private_Clean):\s+(\d+)/); if (f) { const e=m.get(name)??{}; e[f[1]]=(e[f[1]]??0)+Number(f[2]); m.set(name,e);} } return m; };
const diff=(a,b,title)=>{ console.log("==",title); const t={}; const rows=[]; for (const [n,e] of b) { const o=a.get(n)??{}; const d={}; for (const k of Object.keys(e)) { d[k]=e[k]-(o[k]??0); t[k]=(t[k]??0)+d[k]; } if (Math.abs(d.Rss)>=100) rows.push([d.Rss,n,d]); } rows.sort((x,y)=>y[0]-x[0]); for (const [,n,d] of rows.slice(0,14)) console.log(n.slice(-80), JSON.stringify(d)); console.log("total", JSON.stringify(t)); };
const s0=snap();
const { AgentOs } = await import("@agentos/core");
const s1=snap(); diff(s0,s1,"import");
const { addon } = await import("@agentos/native"); addon?.().commands;
const s2=snap(); diff(s1,s2,"load addon");
const vm = await AgentOs.create({ software: ["common"] });
const s3=snap(); diff(s2,s3,"first VM");
await vm.exec("echo hello");
const s4=snap(); diff(s3,s4,"first exec");
const vms=[]; for (let i=0;i<10;i++) { vms.push(await AgentOs.create({ software: ["common"] })); }
const s5=snap(); diff(s4,s5,"ten more VMs");
process.exit();
