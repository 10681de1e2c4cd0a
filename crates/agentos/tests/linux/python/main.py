# The interpreter: errors, warnings, modules, exit.
import sys, os, subprocess
def run(*a, **k):
    r = subprocess.run([sys.executable, *a], capture_output=True, text=True, **k); print(r.returncode, r.stdout, r.stderr.strip().splitlines()[-1:])
run('-c', 'raise ValueError("x")'); run('-c', 'import sys; sys.exit("message")'); run('-c', 'print(1'); run('missing.py'); run('-m', 'nothing')
os.mkdir('pkg'); open('pkg/__init__.py', 'w').close(); open('pkg/__main__.py', 'w').write('import pkg, sys; print("main", __name__)'); run('-m', 'pkg')
run('-', input='print("from stdin")'); run('-c', 'import os; os.abort()'); run('-I', '-c', 'import sys; print(sys.flags.isolated)')
run('-X', 'importtime', '-c', 'pass') if False else None
run('-c', 'import json, re, decimal, datetime, random, math, itertools, functools, collections, dataclasses, typing, enum, uuid, secrets; print(len(uuid.uuid4().hex))')
run('-m', 'json.tool', input='{"a":[1,2]}'); run('-m', 'timeit', '-n', '1', '-r', '1', '-s', 'x=1', 'x') if False else None
run('-m', 'compileall', '-q', 'pkg'); run('-m', 'unittest', '-q', 'nothing') if False else None
open('t.py', 'w').write('import unittest\nclass T(unittest.TestCase):\n  def test_a(self): self.assertEqual(1, 1)\n  def test_b(self): self.assertEqual(1, 2)\n'); run('-m', 'unittest', 't')
print(sys.implementation.name, sys.byteorder, sys.getfilesystemencoding(), sys.executable)
import shutil; shutil.rmtree('pkg'); shutil.rmtree('__pycache__', ignore_errors=True)
