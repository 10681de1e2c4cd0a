"""Does with FIFOs what the lines of its input say, as the toy program does, and says what came of each."""
import errno, os, sys

WAYS = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR}


def step(what, *words):
    if what == "fifo":
        return str(os.open(words[0], WAYS[words[1]] | (os.O_NONBLOCK if "now" in words else 0)))
    if what == "read":
        return os.read(int(words[0]), 4096).decode() or "end"
    if what == "write":
        return str(os.write(int(words[0]), words[1].encode()))
    os.close(int(words[0]))
    # The thread that opened it for this program, and may not have closed its own copy yet, answers this after that.
    os.stat("/")
    return "ok"


for line in sys.stdin:
    try:
        print(step(*line.split()), flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
