"""Runs the tests of one module of Python's own test-suite and writes what becomes of each to a file, line by line.

usage: tests.py MODULE RESULTS [--all] [--only NAME...] [--without NAME...]

A line `> TEST` says that a test begins, `RESULT TEST`, where RESULT is ok, skip, fail or error, how it ended. A test whose first line has no second
one took its process with it, or hung and was ended from outside; what is in the file already is not run again, so that starting this program
anew goes on behind it. The file is written through a descriptor of its own, whatever the tests do to the standard streams.
"""

import faulthandler
import importlib
import os
import sys
import unittest

# After so many seconds the stacks of a test that still runs are printed.
SLOW = 40


def identity(test):
    """The name of a test, or of what failed in its place (`setUpClass (module.Class)`)."""
    return test.id().replace('\n', ' ')


class Recorder(unittest.TestResult):
    """Writes results where they can be read whatever happens next."""

    def __init__(self, file):
        super().__init__()
        self.file = file
        self.failed = {}

    def write(self, word, test, error=None):
        os.write(self.file, f'{word} {test}\n'.encode('ascii', 'backslashreplace'))
        if error is not None:
            said = error if isinstance(error, str) else self._exc_info_to_string(error, unittest.FunctionTestCase(lambda: None))
            print(f'{word} {test}: {said}', file=sys.__stderr__, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.write('>', identity(test))
        faulthandler.dump_traceback_later(SLOW, file=sys.__stderr__)

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        name = identity(test)
        if name in self.failed:
            self.write(self.failed.pop(name), name)
        super().stopTest(test)

    def note(self, word, test, error):
        """Remembers what went wrong; of several in one test the last line is written when it stops."""
        name = identity(test)
        print(f'{word} {name}: {self._exc_info_to_string(error, test)}', file=sys.__stderr__, flush=True)
        if isinstance(test, unittest.TestCase):
            self.failed[name] = word
        else:
            self.write(word, name)

    def addSuccess(self, test):
        if identity(test) not in self.failed:
            self.write('ok', identity(test))

    def addFailure(self, test, error):
        self.note('fail', test, error)

    def addError(self, test, error):
        self.note('error', test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.note('fail', test, error)

    def addSkip(self, test, reason):
        if identity(test) not in self.failed:
            # A test that skips one of its parts says so for the part, and again how it ended itself.
            self.write('skip', identity(test), reason)

    def addExpectedFailure(self, test, error):
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test):
        self.write('fail', identity(test), 'succeeded unexpectedly')


class Left:
    """A suite like another one, less the tests that were run before."""

    def __init__(self, done, only):
        self.done, self.only = done, only

    def of(self, suite):
        kept = type(suite)()
        for test in suite:
            if isinstance(test, unittest.BaseTestSuite):
                kept.addTest(self.of(test))
            elif identity(test) not in self.done and (not self.only or any(name in identity(test) for name in self.only)):
                kept.addTest(test)
        return kept


def named(words, option):
    """The words after an option, to the next one."""
    if option not in words:
        return []
    found = words[words.index(option) + 1:]
    return found[:next((at for at, word in enumerate(found) if word.startswith('--')), len(found))]


def main():
    module, path, *rest = sys.argv[1:]
    only, without = named(rest, '--only'), named(rest, '--without')
    with open(path, 'a+') as results:
        results.seek(0)
        done = {line.rstrip('\n').partition(' ')[2] for line in results}
    done.update(without)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    recorder = Recorder(file)
    from test import support
    from test.support import os_helper
    support.use_resources = ['subprocess', 'cpu', 'curses'] if '--all' in rest else []
    support.verbose = False
    with os_helper.temp_cwd('suite'):
        try:
            suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module))
        except unittest.SkipTest as skipped:
            recorder.write('skip', module, str(skipped))
        else:
            Left(done, only).of(suite).run(recorder)
            support.reap_children()
    os.write(file, b'end\n')
    sys.stdout.flush()
    # A thread that a test left behind does not keep the process.
    os._exit(0)


if __name__ == '__main__':
    main()
