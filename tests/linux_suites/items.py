"""Runs programs of a suite one after another and writes what becomes of each to a file, line by line, as `tests.py` does.

usage: items.py ITEMS RESULTS LIMIT

Each line of ITEMS is a name, a tab and a command for the shell. It runs in an empty directory; its status says what became of it: 0 ok, 77 skip,
anything else fail. After LIMIT seconds it is ended with all that it left in its session, and that is a failure as well. Where the variable SAME is
set a failure has a digest of what was printed in its word.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WORDS = {0: 'ok', 77: 'skip'}


def end(group):
    """Ends what an item left behind."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def remove(path):
    """Removes a directory, whatever rights its entries were left with."""
    for folder, _, _ in os.walk(path):
        try:
            os.chmod(folder, 0o700)
        except OSError:
            pass
    shutil.rmtree(path, ignore_errors=True)


def digest(printed, folder):
    """Of what was printed, without what is different each time: directories and numbers of processes."""
    text = printed.decode(errors='backslashreplace').replace(folder, 'FOLDER')
    text = re.sub(r'\(\d+\)|\b(?:pid|process) \d+', 'NUMBER', text.replace(os.path.dirname(os.path.abspath(__file__)), 'SUITE'))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run(name, command, limit):
    folder = tempfile.mkdtemp(prefix='item')
    print(f'\n=== {name}', flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(['/bin/sh', '-c', command], cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                   start_new_session=True, env=dict(os.environ, TMPDIR=folder))
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = 'too long'
        end(process.pid)
        process.wait()
        said.seek(0)
        printed = said.read()
    sys.stdout.buffer.write(printed)
    print(f'=== {name}: {status} after {time.monotonic() - begun:.2f} s', flush=True)
    remove(folder)
    word = WORDS.get(status, 'fail')
    return f'fail:{digest(printed, folder)}' if word == 'fail' and 'SAME' in os.environ else word


def main():
    items, path, limit = sys.argv[1:]
    with open(path) as results:
        done = {line.rstrip('\n').partition(' ')[2] for line in results}
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    for line in open(items):
        name, _, command = line.rstrip('\n').partition('\t')
        if name in done:
            continue
        os.write(file, f'> {name}\n'.encode())
        word = run(name, command, int(limit))
        os.write(file, f'{word} {name}\n'.encode())
    os.write(file, b'end\n')


if __name__ == '__main__':
    main()
