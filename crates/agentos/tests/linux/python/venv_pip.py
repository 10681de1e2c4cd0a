# A virtual environment, and a package installed from a wheel that is made here.
import subprocess, sys, zipfile, os, hashlib, base64, shutil
def wheel(name, version, code, requires=''):
    path = f'{name}-{version}-py3-none-any.whl'; info = f'{name}-{version}.dist-info'
    files = {f'{name}/__init__.py': code, f'{name}/__main__.py': f'import {name}; print({name}.value)',
             f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}',
             f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
             f'{info}/entry_points.txt': f'[console_scripts]\n{name}-cli = {name}:main\n'}
    record = ''.join(f'{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b"=").decode()},{len(t)}\n' for n, t in files.items())
    files[f'{info}/RECORD'] = record + f'{info}/RECORD,,\n'
    with zipfile.ZipFile(path, 'w') as z: [z.writestr(n, t) for n, t in files.items()]
os.mkdir('wheels'); os.chdir('wheels')
wheel('first', '1.0', 'value = 41\ndef main(): print("cli", value)\n')
wheel('second', '2.0', 'import first\nvalue = first.value + 1\ndef main(): print("second", value)\n', 'Requires-Dist: first\n')
os.chdir('..')
run = lambda *a: subprocess.run(a, capture_output=True, text=True)
done = run(sys.executable, '-m', 'venv', 'env'); print(done.returncode, done.stderr[-400:])
done = run('env/bin/pip', 'install', '--no-index', '--disable-pip-version-check', '--find-links', 'wheels', 'second'); print(done.returncode, done.stderr[-400:], done.stdout.splitlines()[-1:])
print(run('env/bin/python', '-m', 'second').stdout, run('env/bin/first-cli').stdout, run('env/bin/second-cli').stdout)
print(run('env/bin/pip', 'freeze').stdout)
print(run('env/bin/python', '-c', 'import sys; print(sys.prefix != sys.base_prefix)').stdout)
print(run('env/bin/pip', 'uninstall', '-y', 'first').returncode, run('env/bin/python', '-c', 'import first').returncode)
shutil.rmtree('env'); shutil.rmtree('wheels')
