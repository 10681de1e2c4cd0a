#!/usr/bin/env python3
"""Runs modules of Python's own test-suite on the host and in VMs, and compares what becomes of each test.

usage: compare.py AGENTOS SUITE [--all] [--keep FOLDER] [--jobs N] [--only NAME...] MODULE...

SUITE holds the package `test` and `tests.py`, which runs in both places. Each module runs in an empty directory of the host as a user without
rights, and in a VM with the host's programs. What passes on the host must pass in the VM. `differences.txt` beside this file says where that is
known not to hold, and is checked both ways: a listed test that passes is a failure, too.

A test in which nothing happens for a while is ended together with its process, or VM, and the module goes on behind it.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# A test that takes longer has hung.
LIMIT = 30
# A module whose process ends so often in the middle of a test is given up.
STARTS = 12
# The user of the host's side, if this is run by root; a VM's programs have that number, too.
USER = 1000


class Known:
    """What is listed: NAME: REASON for a difference, `?` before it if it comes and goes, `-` if the test is not run at all."""

    def __init__(self, path):
        self.differs, self.unsteady, self.without = {}, {}, {}
        for line in path.read_text().splitlines():
            if not line or line.startswith('#'):
                continue
            name, separator, reason = line.partition(': ')
            if not separator or not reason:
                sys.exit(f'{path}: not NAME: REASON: {line}')
            lists = {'?': self.unsteady, '-': self.without}
            chosen = lists.get(name[0], self.differs)
            chosen[name.lstrip('?- ')] = reason

    @staticmethod
    def find(names, test):
        """The entry for a test: its own, or one for several (`test.test_x.Class.*`)."""
        if test in names:
            return test
        return next((name for name in names if '*' in name and fnmatch.fnmatchcase(test, name)), None)


class Place:
    """Where tests run: a folder of their own, and how a program is started there."""

    def __init__(self, options, module, folder):
        self.options, self.module, self.folder = options, module, folder
        self.results = folder / 'results'
        folder.mkdir(parents=True)

    def variables(self, home, suite):
        return {
            'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': f'{home}/home', 'TMPDIR': f'{home}/tmp', 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC',
            'USER': 'user', 'SHELL': '/bin/bash', 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONPATH': suite,
        }

    def words(self, suite, results):
        words = ['/usr/bin/python3', f'{suite}/tests.py', self.module, results]
        words += ['--all'] if self.options.all else []
        words += ['--only', *self.options.only] if self.options.only else []
        without = [name for name in self.options.known.without if name.startswith(self.module + '.')]
        return words + (['--without', *without] if without else [])

    def run(self):
        """Runs the module to its end, from where it stopped if it did. Gives what became of each test and how long it took."""
        begun = time.monotonic()
        with open(self.folder / 'said', 'wb') as said:
            for _ in range(STARTS):
                process = self.start(said)
                self.watch(process)
                if self.complete():
                    break
                with open(self.results, 'a') as results:
                    results.write('stopped\n')
        return self.found(), time.monotonic() - begun

    def watch(self, process):
        """Waits for the end, and makes one when nothing has been written for too long."""
        size, since = -1, time.monotonic()
        while True:
            try:
                process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                pass
            now = self.results.stat().st_size
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > LIMIT:
                break
        # What a test left behind ends, too.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def complete(self):
        return self.results.read_text().endswith('end\n')

    def found(self):
        found, running = {}, None
        for line in self.results.read_text().splitlines():
            word, _, test = line.partition(' ')
            if word == 'stopped' and running:
                found[running] = 'stopped'
            elif word == '>':
                running = test
            elif test:
                found[test] = word
                running = None
        if not self.complete():
            found[self.module] = 'given up'
        return found


class Host(Place):
    def start(self, said):
        work = self.folder / 'tmp'
        for folder in (work, self.folder / 'home'):
            folder.mkdir(exist_ok=True)
        self.results.touch()
        user = {}
        if os.geteuid() == 0:
            for path in (self.folder, work, self.folder / 'home', self.results):
                os.chown(path, USER, USER)
            user = {'user': USER, 'group': USER, 'extra_groups': []}
        return subprocess.Popen(
            self.words(self.options.suite, self.results), cwd=work, env=self.variables(self.folder, self.options.suite),
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, **user)


class Vm(Place):
    def start(self, said):
        self.results.touch()
        os.chmod(self.folder, 0o777)
        os.chmod(self.results, 0o666)
        home = '/home/user/box'
        command = [self.options.agentos, 'run', '--image', 'host', '--mount', f'{self.options.suite}:/suite', '--mount', f'{self.folder}:/results:rw']
        for name, value in self.variables(home, '/suite').items():
            command += ['--env', f'{name}={value}']
        script = f'mkdir -p {home}/home {home}/tmp && cd {home}/tmp && exec "$@"'
        command += ['--', '/bin/sh', '-c', script, 'sh', *self.words('/suite', '/results/results')]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)


def differences(module, wanted, found, known):
    """Sentences about what differs and is not listed, and about what is listed and does not differ; the number of listed ones that do."""
    said, listed = [], set()
    for test in sorted(wanted.keys() | found.keys()):
        host, vm = wanted.get(test, 'nothing'), found.get(test, 'nothing')
        good = vm in ('ok', 'skip') if host == 'skip' else vm == 'ok' if host == 'ok' else host != 'nothing' or vm in ('ok', 'skip')
        if known.find(known.unsteady, test):
            continue
        entry = known.find(known.differs, test)
        if not good and entry:
            listed.add(entry)
        elif not good:
            said.append(f'{test}: {host} on the host, {vm} in the VM')
    for name in known.differs:
        inside = name.startswith(module + '.') or name == module
        if inside and name not in listed and any(known.find([name], test) for test in wanted.keys() | found.keys()):
            said.append(f'{name}: is listed as different ({known.differs[name]}), and is not')
    return said, len(listed)


def both(options, module):
    wanted, host_took = Host(options, module, options.work / module / 'host').run()
    found, vm_took = Vm(options, module, options.work / module / 'vm').run()
    said, listed = differences(module, wanted, found, options.known)
    passed = sum(word == 'ok' for word in found.values())
    print(f'{module}: {len(found)} tests, {passed} pass, {listed} known differences, {len(said)} others '
          f'({host_took:.1f} s on the host, {vm_took:.1f} s in the VM)', flush=True)
    for sentence in said:
        print(f'    {sentence}', flush=True)
    return len(found), len(said)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('agentos')
    parser.add_argument('suite')
    parser.add_argument('modules', nargs='+')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--keep')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--only', action='append', default=[])
    options = parser.parse_args()
    options.known = Known(HERE / 'differences.txt')
    options.work = pathlib.Path(options.keep or tempfile.mkdtemp())
    options.work.mkdir(parents=True, exist_ok=True)
    options.work.chmod(0o755)
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(lambda module: both(options, module), options.modules))
    finally:
        if not options.keep:
            shutil.rmtree(options.work, ignore_errors=True)
    empty = [module for module, (count, _) in zip(options.modules, results) if count == 0]
    if empty:
        sys.exit(f'no test was found in {" ".join(empty)}')
    differ = sum(count for _, count in results)
    print(f'{sum(count for count, _ in results)} tests, {differ} unknown differences')
    sys.exit(differ > 0)


if __name__ == '__main__':
    main()
