#!/usr/bin/env python3
"""Runs a test-suite of others on the host and in VMs, and compares what becomes of each test.

usage: compare.py AGENTOS SUITE [--all] [--chosen FILE] [--keep FOLDER] [--jobs N] [--only NAME]... [MODULE...]

SUITE holds what runs in both places. Of Python's suite that is the package `test` and `tests.py`, which is given one MODULE at a time. Of every other
suite it is `items`, a line `NAME<tab>COMMAND` for each of its programs, `variables`, a line `NAME=VALUE` for each variable of theirs, and `items.py`,
which is given some of the lines at a time; `@SUITE@` in them stands for the path of SUITE. FILE has the names of those that are run, or patterns of names, a line each.

Modules and batches of items run in an empty directory of the host as a user without rights, and in a VM with the host's programs. What passes on
the host must pass in the VM. `differences.txt` beside this file says where that is known not to hold, and is checked both ways: a listed test that
passes is a failure, too.

A test in which nothing happens for a while is ended together with its process, or VM, and the module or batch goes on behind it.
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
# A test of a module that takes longer has hung.
LIMIT = 30
# An item that takes longer is ended by `items.py`; if that does not happen, so is what runs it.
ITEM_LIMIT = 120
# The most items that one VM runs.
BATCH = 20
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


class Module:
    """A module of Python's own suite."""

    limit = LIMIT

    def __init__(self, options, name):
        self.options, self.name = options, name

    def prepare(self, folder, suite, results):
        """Writes what the place needs to a folder, which is called RESULTS there. Gives the words of a command, and more variables."""
        words = ['/usr/bin/python3', f'{suite}/tests.py', self.name, f'{results}/results']
        words += ['--all'] if self.options.all else []
        words += ['--only', *self.options.only] if self.options.only else []
        without = [name for name in self.options.known.without if name.startswith(self.name + '.')]
        return words + (['--without', *without] if without else []), {'PYTHONPATH': suite}


class Batch:
    """Some of the items of another suite."""

    limit = ITEM_LIMIT + LIMIT

    def __init__(self, options, name, lines):
        self.options, self.name, self.lines = options, name, lines

    def prepare(self, folder, suite, results):
        (folder / 'items').write_text(''.join(line.replace('@SUITE@', suite) + '\n' for line in self.lines))
        pairs = (self.options.suite / 'variables').read_text().replace('@SUITE@', suite).splitlines()
        words = ['/usr/bin/python3', f'{suite}/items.py', f'{results}/items', f'{results}/results', str(ITEM_LIMIT)]
        return words, dict(pair.split('=', 1) for pair in pairs)


def parts(options):
    """What the suite is run in."""
    if options.modules:
        return [Module(options, name) for name in options.modules]
    lines = (options.suite / 'items').read_text().splitlines()
    lines = [line for line in lines if not options.only or any(name in line.partition('\t')[0] for name in options.only)]
    if options.chosen:
        chosen = [line for line in options.chosen.read_text().splitlines() if line and not line.startswith('#')]
        lines = [line for line in lines if options.known.find(chosen, line.partition('\t')[0])]
    lines = [line for line in lines if not options.known.find(options.known.without, line.partition('\t')[0])]
    size = max(1, min(BATCH, -(-len(lines) // options.jobs)))
    # Neighbours, which take about as long, go to different batches.
    count = -(-len(lines) // size)
    return [Batch(options, f'{options.suite.name} {number + 1} of {count}', lines[number::count]) for number in range(count)]


class Place:
    """Where tests run: a folder of their own, and how a program is started there."""

    def __init__(self, options, part, folder):
        self.options, self.part, self.folder = options, part, folder
        self.results = folder / 'results'
        folder.mkdir(parents=True)

    def variables(self, home, more):
        return {
            'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': f'{home}/home', 'TMPDIR': f'{home}/tmp', 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC',
            'USER': 'user', 'SHELL': '/bin/bash', 'PYTHONDONTWRITEBYTECODE': '1', **more,
        }

    def run(self):
        """Runs the part to its end, from where it stopped if it did. Gives what became of each test and how long it took."""
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
            elif time.monotonic() - since > self.part.limit:
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
            found[self.part.name] = 'given up'
        return found


class Host(Place):
    def start(self, said):
        work = self.folder / 'tmp'
        for folder in (work, self.folder / 'home'):
            folder.mkdir(exist_ok=True)
        words, more = self.part.prepare(self.folder, str(self.options.suite), str(self.folder))
        self.results.touch()
        user = {}
        if os.geteuid() == 0:
            for path in (self.folder, work, self.folder / 'home', self.results):
                os.chown(path, USER, USER)
            user = {'user': USER, 'group': USER, 'extra_groups': []}
        return subprocess.Popen(
            words, cwd=work, env=self.variables(self.folder, more),
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, **user)


class Vm(Place):
    def start(self, said):
        self.results.touch()
        os.chmod(self.folder, 0o777)
        os.chmod(self.results, 0o666)
        home = '/home/user/box'
        words, more = self.part.prepare(self.folder, '/suite', '/results')
        command = [self.options.agentos, 'run', '--image', 'host', '--mount', f'{self.options.suite}:/suite', '--mount', f'{self.folder}:/results:rw']
        for name, value in self.variables(home, more).items():
            command += ['--env', f'{name}={value}']
        script = f'mkdir -p {home}/home {home}/tmp && cd {home}/tmp && exec "$@"'
        command += ['--', '/bin/sh', '-c', script, 'sh', *words]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)


class Compared:
    """What was found in both places: the differences that are not listed, and of the listed ones those that were met."""

    def __init__(self, known):
        self.known, self.met, self.listed = known, set(), set()

    def compare(self, wanted, found):
        """Sentences about what differs and is not listed; the number of tests that are listed and do."""
        said, listed = [], 0
        for test in sorted(wanted.keys() | found.keys()):
            host, vm = wanted.get(test, 'nothing'), found.get(test, 'nothing')
            good = self.is_good(host, vm)
            if self.known.find(self.known.unsteady, test):
                continue
            entry = self.known.find(self.known.differs, test)
            if entry:
                self.met.add(entry)
            if not good and entry:
                self.listed.add(entry)
                listed += 1
            elif not good:
                said.append(f'{test}: {host} on the host, {vm} in the VM')
        return said, listed

    @staticmethod
    def is_good(host, vm):
        """Whether what became of a test in the VM is as it should be. A failure with a digest has to be the same in both."""
        if host in ('skip', 'nothing'):
            return vm in ('ok', 'skip')
        return vm == 'ok' or not host.startswith('fail:') and host != 'ok' or vm == host

    def same(self):
        """Sentences about what is listed and does not differ."""
        return [f'{name}: is listed as different ({self.known.differs[name]}), and is not' for name in sorted(self.met - self.listed)]


def both(options, compared, number, part):
    folder = options.work / f'{number}-{part.name.replace(" ", "-")}'
    wanted, host_took = Host(options, part, folder / 'host').run()
    found, vm_took = Vm(options, part, folder / 'vm').run()
    said, listed = compared.compare(wanted, found)
    passed = sum(word == 'ok' for word in found.values())
    print(f'{part.name}: {len(found)} tests, {passed} pass, {listed} known differences, {len(said)} others '
          f'({host_took:.1f} s on the host, {vm_took:.1f} s in the VM)', flush=True)
    for sentence in said:
        print(f'    {sentence}', flush=True)
    return len(found), len(said)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('agentos')
    parser.add_argument('suite', type=pathlib.Path)
    parser.add_argument('modules', nargs='*')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--chosen', type=pathlib.Path)
    parser.add_argument('--keep')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--only', action='append', default=[])
    options = parser.parse_args()
    options.known = Known(HERE / 'differences.txt')
    options.work = pathlib.Path(options.keep or tempfile.mkdtemp())
    options.work.mkdir(parents=True, exist_ok=True)
    options.work.chmod(0o755)
    compared, chosen = Compared(options.known), parts(options)
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(lambda numbered: both(options, compared, *numbered), enumerate(chosen)))
    finally:
        if not options.keep:
            shutil.rmtree(options.work, ignore_errors=True)
    empty = [part.name for part, (count, _) in zip(chosen, results) if count == 0]
    if empty or not chosen:
        sys.exit(f'no test was found in {" ".join(empty) or options.suite}')
    same = compared.same()
    print(''.join(f'    {sentence}\n' for sentence in same), end='')
    differ = sum(count for _, count in results) + len(same)
    print(f'{options.suite.name}: {sum(count for count, _ in results)} tests, {differ} unknown differences')
    sys.exit(differ > 0)


if __name__ == '__main__':
    main()
