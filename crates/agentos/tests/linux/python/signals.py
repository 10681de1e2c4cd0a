# Signals: handlers, masks, waiting, timers, children.
import signal, os, time, subprocess
got = []
signal.signal(signal.SIGUSR1, lambda s, f: got.append(s)); os.kill(os.getpid(), signal.SIGUSR1); print(got)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); signal.signal(signal.SIGUSR2, lambda s, f: got.append(s))
os.kill(os.getpid(), signal.SIGUSR2); print(len(got), signal.SIGUSR2 in signal.sigpending())
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2]); print(len(got))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP]); os.kill(os.getpid(), signal.SIGHUP)
info = signal.sigwaitinfo([signal.SIGHUP]); print(info.si_signo, info.si_pid == os.getpid())
print(signal.sigtimedwait([signal.SIGHUP], 0.01))
signal.signal(signal.SIGALRM, lambda s, f: got.append(s)); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause(); print(got[-1])
def interrupted(s, f): raise InterruptedError
signal.signal(signal.SIGALRM, interrupted); signal.setitimer(signal.ITIMER_REAL, 0.02)
try: os.read(os.pipe()[0], 1)
except InterruptedError: print('interrupted')
signal.signal(signal.SIGCHLD, lambda s, f: got.append('chld')); p = subprocess.Popen(['true']); p.wait()
while got[-1] != 'chld': time.sleep(0.001)
print('chld'); signal.signal(signal.SIGCHLD, signal.SIG_DFL)
for s in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT):
    pid = os.fork()
    if pid == 0: signal.pause(); os._exit(0)
    os.kill(pid, s); st = os.waitpid(pid, 0)[1]; print(os.WIFSIGNALED(st), os.WTERMSIG(st))
pid = os.fork()
if pid == 0: os.kill(os.getpid(), signal.SIGSTOP); os._exit(4)
st = os.waitpid(pid, os.WUNTRACED)[1]; print(os.WIFSTOPPED(st), os.WSTOPSIG(st)); os.kill(pid, signal.SIGCONT); print(os.waitpid(pid, 0)[1] >> 8)
for bad in (lambda: os.kill(999999, 0), lambda: os.kill(os.getpid(), 99)):
    try: bad()
    except OSError as e: print(e.errno)
signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(os.getpid(), signal.SIGTERM); print('ignored', signal.getsignal(signal.SIGTERM).name)
# What /proc tells of signals is what the program has set; others may be ignored since before it began.
signal.signal(signal.SIGUSR2, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
own = signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH
for name, mask in sorted(l.split() for l in open('/proc/self/status') if l.startswith(('SigIgn', 'SigBlk'))):
    print(name, [s.name for s in own if int(mask, 16) >> s - 1 & 1])
