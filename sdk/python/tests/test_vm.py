"""The package, as installed."""

import asyncio
import gc
import inspect
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import agentos
from agentos import AgentOs, AgentOsError, HostDir


class Vm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vm = AgentOs()

    @classmethod
    def tearDownClass(cls):
        cls.vm.dispose()

    def fails(self, kind, code, what, *args, **options):
        with self.assertRaises(kind) as caught:
            what(*args, **options)
        self.assertEqual(caught.exception.code, code)
        return caught.exception

    def test_commands(self):
        result = self.vm.exec("cat; echo err >&2; exit 3", stdin="hé", env={"A": "b"}, cwd="/tmp")
        self.assertEqual((result.exit_code, result.stdout, result.stderr, result.ok), (3, "hé", "err\n", False))
        self.assertEqual(self.vm.exec("printf '\\377'").stdout_bytes, b"\xff")
        self.assertEqual(self.vm.exec_argv(["echo", "$HOME"]).stdout, "$HOME\n")
        self.assertEqual(self.vm.exec("echo $A; pwd", env={"A": "b"}, cwd="/tmp").stdout, "b\n/tmp\n")
        late = self.vm.exec("sleep 1000", timeout=0.05)
        self.assertEqual((late.exit_code, late.timed_out), (124, True))
        self.fails(agentos.NotFound, "ENOENT", self.vm.exec_argv, ["no-such-program"])
        self.fails(agentos.InvalidArgument, "invalid_argument", self.vm.exec_argv, [])
        self.fails(agentos.InvalidArgument, "invalid_argument", self.vm.exec, "ls", timeout=-1)

    def test_files(self):
        vm = self.vm
        vm.mkdir("/home/user/a/b", parents=True)
        vm.write_file("/home/user/a/b/f", bytes(range(256)))
        vm.write_file("/home/user/a/b/f", "end", append=True)
        self.assertEqual(vm.read_file("/home/user/a/b/f"), bytes(range(256)) + b"end")
        self.assertEqual(vm.read_file("/home/user/a/b/f", offset=255, length=2), b"\xffe")
        self.assertEqual(vm.read_file("/home/user/a/b/f", offset=256), b"end")
        self.assertEqual((vm.stat("/home/user/a/b/f").size, vm.stat("/home/user/a").type), (259, "directory"))
        self.assertEqual([entry.path for entry in vm.readdir_recursive("/home/user/a", max_depth=0)], ["/home/user/a/b"])
        vm.move("/home/user/a/b/f", "/home/user/a/g")
        vm.chmod("/home/user/a/g", 0o600)
        self.assertEqual(vm.stat("/home/user/a/g").mode & 0o777, 0o600)
        self.assertEqual((vm.readdir("/home/user/a"), vm.exists("/home/user/a/b/f")), (["b", "g"], False))
        self.fails(AgentOsError, "ENOTEMPTY", vm.delete, "/home/user/a")
        vm.delete("/home/user/a", recursive=True)
        missing = self.fails(agentos.NotFound, "ENOENT", vm.read_file, "/none")
        self.assertEqual((missing.errno, missing.metadata["path"]), ("ENOENT", "/none"))
        self.fails(agentos.InvalidArgument, "invalid_params", vm.read_file, "relative")

    def test_processes(self):
        process = self.vm.spawn("sh", ["-c", "read line; echo got $line; echo err >&2; exit 4"])
        self.assertIsNone(process.poll())
        self.assertIn(process.pid, [each.pid for each in self.vm.processes()])
        process.write("hello\n")
        process.close_stdin()
        output = {}
        for piece in process:
            output[piece.stream] = output.get(piece.stream, b"") + piece.data
        self.assertEqual(output, {"stdout": b"got hello\n", "stderr": b"err\n"})
        self.assertEqual((process.wait(), process.poll()), (4, 4))
        sleeper = self.vm.spawn("sleep", ["1000"], stdin=False)
        sleeper.terminate()
        self.assertEqual(sleeper.wait(), 128 + 15)
        self.fails(agentos.InvalidArgument, "invalid_argument", sleeper.signal, "SIGNOTHING")

    def test_requests(self):
        self.vm.write_file("/home/user/page", "<p>hi")
        server = self.vm.spawn("httpd", ["-f", "-p", "8080", "-h", "/home/user"])
        while True:
            try:
                answer = self.vm.fetch(8080, "/page")
                break
            except AgentOsError as error:
                self.assertEqual(error.code, "no_listener")
                self.assertIsNone(server.poll())
        self.assertEqual((answer.status, answer.text), (200, "<p>hi"))
        self.assertIn("content-length", answer.headers)
        server.kill()
        self.fails(AgentOsError, "no_listener", self.vm.fetch, 9999)

    def test_policy(self):
        self.assertTrue(self.vm.explain("fs", "read", "/home/user/x").allowed)
        locked = AgentOs(permissions={"network": "deny"})
        self.assertFalse(locked.explain("network", "http", "tcp://1.1.1.1:80").allowed)

    def test_limits(self):
        with AgentOs(limits={"resources": {"maxFilesystemBytes": 1 << 20}}) as small:
            error = self.fails(agentos.LimitExceeded, "limit_exceeded", small.write_file, "/home/user/x", bytes(2 << 20))
            self.assertEqual((error.metadata["limit"], error.metadata["capacity"]), ("maxFilesystemBytes", 1 << 20))

    def test_options_are_checked(self):
        for options, words in [
            ({"limits": {"resources": {"maxProceses": 5}}}, "maxProcesses"),
            ({"permissions": {"fs": "perhaps"}}, "fs"),
            ({"software": ["nothing"]}, "nothing"),
            ({"cwd": "relative"}, "absolute"),
            ({"mounts": [HostDir("/no/such/directory", "/x")]}, "must exist"),
            ({"env": {"A=B": "c"}}, "A=B"),
            ({"loopback_exempt_ports": [70000]}, "70000"),
        ]:
            with self.assertRaises(AgentOsError, msg=str(options)) as caught:
                AgentOs(**options)
            self.assertIn(words, str(caught.exception))

    def test_mounts(self):
        with tempfile.TemporaryDirectory() as host:
            with open(os.path.join(host, "f"), "w", encoding="utf-8") as file:
                file.write("from the host")
            with AgentOs(mounts=[HostDir(host, "/mnt/host", read_only=True)]) as vm:
                self.assertEqual(vm.read_text("/mnt/host/f"), "from the host")
                self.fails(AgentOsError, "EROFS", vm.write_file, "/mnt/host/g", "x")
                vm.unmount("/mnt/host")
                self.assertFalse(vm.exists("/mnt/host/f"))
                vm.mount(HostDir(host, "/mnt/host"))
                self.assertEqual(vm.exec("cat /mnt/host/f").stdout, "from the host")

    def test_forks_share_nothing_that_changes(self):
        with AgentOs() as vm:
            vm.write_file("/home/user/x", "1")
            with vm.fork() as other:
                other.write_file("/home/user/x", "2")
                self.assertEqual((vm.read_text("/home/user/x"), other.read_text("/home/user/x")), ("1", "2"))

    def test_memory_mounts(self):
        scratch = agentos.Memory("/scratch", max_bytes=1 << 20, max_files=2)
        with AgentOs(mounts=[scratch]) as vm:
            vm.write_file("/scratch/a", "x")
            self.assertEqual(vm.exec("cat /scratch/a").stdout, "x")
            self.fails(AgentOsError, "limit_exceeded", vm.write_file, "/scratch/b", bytes(2 << 20))
            vm.mount(agentos.Memory("/more"))
            vm.write_file("/more/b", bytes(2 << 20))
        with self.assertRaises(TypeError):
            AgentOs(mounts=["/scratch"])

    def test_terminals(self):
        shell = self.vm.open_shell("sh", ["-c", "stty size; read line; echo got $line; stty size"], cols=40, rows=10)
        screen = b""
        while b"10 40" not in screen:
            screen += shell.read()
        shell.resize(50, 20)
        shell.write("hello\r")
        for piece in shell:
            screen += piece
        self.assertIn(b"got hello\r\n20 50", screen)
        self.assertEqual((shell.wait(), shell.poll()), (0, 0))
        open_one = self.vm.open_shell()
        open_one.write("exec sleep 1000\r")
        open_one.close()
        self.assertEqual(open_one.wait(), 128 + 1)
        self.fails(agentos.NotFound, "ENOENT", self.vm.open_shell, "no-such-program")
        self.fails(AgentOsError, "invalid_config", self.vm.open_shell, cols=0)

    def test_events(self):
        with AgentOs(permissions={"network": "deny"}, limits={"resources": {"maxFilesystemBytes": 1 << 20}}) as vm:
            events = iter(vm.events())
            vm.write_file("/home/user/x", bytes(900 << 10))
            warning = next(events)
            self.assertEqual((warning.event, warning.details["limit"]), ("limit_warning", "maxFilesystemBytes"))
            vm.exec("curl -s http://192.0.2.1/")
            denied = next(events)
            self.assertEqual((denied.event, denied.details["address"]), ("security.egress.denied", "192.0.2.1"))
            self.assertEqual(denied.missed, 0)

    def test_usage(self):
        with AgentOs() as vm:
            before = vm.usage()
            vm.write_file("/home/user/x", bytes(100_000))
            vm.exec("true")
            after = vm.usage()
            self.assertGreaterEqual(after.filesystem_bytes - before.filesystem_bytes, 100_000)
            self.assertEqual((before.processes_started, after.processes), (0, 0))
            self.assertGreater(after.processes_started, 0)
            self.assertIn("maxProcesses", [limit.name for limit in after.limits])

    def test_snapshots_are_bytes(self):
        with AgentOs() as vm:
            vm.exec("mkdir d; echo kept > d/f; chmod 600 d/f; ln -s d/f l")
            saved = vm.snapshot()
            vm.exec("echo later > d/f")
        with AgentOs(snapshot=saved) as vm:
            self.assertEqual(vm.exec("cat l; stat -c %a d/f").stdout, "kept\n600\n")
        self.fails(agentos.InvalidConfig, "invalid_config", AgentOs, snapshot=b"x" * 1024)

    def test_methods_describe_themselves(self):
        signature = str(inspect.signature(AgentOs.read_file))
        self.assertIn("path", signature)
        self.assertEqual((AgentOs.exec.__name__, AgentOs.exec.__qualname__), ("exec", "AgentOs.exec"))
        for kind in (AgentOs, agentos.AsyncAgentOs, agentos.Process, agentos.Shell):
            for name, value in vars(kind).items():
                if callable(value) and not name.startswith("_"):
                    self.assertTrue(value.__doc__, f"{kind.__name__}.{name}")

    def test_use_after_dispose(self):
        with AgentOs() as vm:
            process = vm.spawn("sleep", ["1000"])
        vm.dispose()
        self.fails(agentos.Disposed, "vm_disposed", vm.exec, "ls")
        self.assertEqual(process.wait(), 128 + 9)

    def test_errors_can_be_pickled(self):
        error = self.fails(agentos.NotFound, "ENOENT", self.vm.stat, "/none")
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), again.code, again.metadata), (type(error), error.code, error.metadata))

    def test_other_threads_run_while_one_waits(self):
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.vm.exec("sleep 0.2; echo x").stdout)) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.assertEqual(self.vm.exec("echo main").stdout, "main\n")
        for thread in threads:
            thread.join()
        self.assertEqual(results, ["x\n"] * 8)

    def test_an_interrupt_ends_the_wait_and_the_command(self):
        class Enough(Exception):
            pass

        def enough(_number, _frame):
            raise Enough

        before = signal.signal(signal.SIGALRM, enough)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(Enough):
                self.vm.exec("exec sleep 54321")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        while any("54321" in each.args for each in self.vm.processes() if each.exit_code is None):
            pass

    def test_a_forked_process_is_told(self):
        context = multiprocessing.get_context("fork")
        receive, send = context.Pipe()

        def child():
            try:
                self.vm.exec("ls")
            except AgentOsError as error:
                send.send(error.code)

        process = context.Process(target=child)
        process.start()
        self.assertEqual(receive.recv(), "forked")
        process.join()

    def test_many_vms_leave_nothing(self):
        for _ in range(300):
            AgentOs().write_file("/home/user/x", bytes(10_000))
        gc.collect()
        with open("/proc/self/status", encoding="ascii") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        for _ in range(1000):
            AgentOs().write_file("/home/user/x", bytes(10_000))
        gc.collect()
        with open("/proc/self/status", encoding="ascii") as status:
            after = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        self.assertLess(after - resident, 32 << 10, "kibibytes for 1000 VMs that are gone")


class AsyncVm(unittest.IsolatedAsyncioTestCase):
    async def test_calls(self):
        async with agentos.AsyncAgentOs(env={"A": "b"}) as vm:
            await vm.write_file("/home/user/x", "1")
            self.assertEqual((await vm.exec("cat /home/user/x; echo $A")).stdout, "1b\n")
            self.assertEqual(await vm.read_text("/home/user/x"), "1")
            with self.assertRaises(agentos.NotFound):
                await vm.stat("/none")
            with self.assertRaises(agentos.InvalidArgument):
                await vm.exec_argv([])
            many = await asyncio.gather(*(vm.exec(f"echo {number}") for number in range(50)))
            self.assertEqual([result.stdout for result in many], [f"{number}\n" for number in range(50)])

    async def test_processes(self):
        vm = await agentos.AsyncAgentOs()
        process = await vm.spawn("cat")
        await process.write("ab")
        self.assertEqual((await process.read()).data, b"ab")
        await process.close_stdin()
        self.assertEqual([piece async for piece in process], [])
        self.assertEqual(await process.wait(), 0)
        other = await vm.fork()
        self.assertEqual((await other.exec("echo forked")).stdout, "forked\n")
        await vm.dispose()
        await vm.dispose()
        with self.assertRaises(agentos.Disposed):
            await vm.exec("ls")

    async def test_terminals_and_events(self):
        async with agentos.AsyncAgentOs(mounts=[agentos.Memory("/scratch")]) as vm:
            shell = await vm.open_shell("sh", ["-c", "read line; echo got $line"])
            await shell.write("x\r")
            screen = b"".join([piece async for piece in shell])
            self.assertIn(b"got x", screen)
            self.assertEqual(await shell.wait(), 0)
            self.assertEqual((await vm.usage()).processes, 0)
            events = await vm.events()
            saved = await vm.snapshot()
            await vm.unmount("/scratch")
            async for event in events:
                self.assertEqual(event.event, "security.mount.unmounted")
                break
        async with agentos.AsyncAgentOs(snapshot=saved) as vm:
            self.assertEqual((await vm.exec("echo x")).stdout, "x\n")

    async def test_before_it_is_made(self):
        with self.assertRaises(agentos.Disposed):
            await agentos.AsyncAgentOs().exec("ls")
        with self.assertRaises(agentos.AgentOsError):
            await agentos.AsyncAgentOs(software=["nothing"])

    async def test_a_cancelled_task_cancels_its_command(self):
        async with agentos.AsyncAgentOs() as vm:
            task = asyncio.create_task(vm.exec("exec sleep 54321"))
            while not any("54321" in each.args for each in await vm.processes()):
                await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            while any("54321" in each.args for each in await vm.processes() if each.exit_code is None):
                await asyncio.sleep(0)

    def test_an_interpreter_ends_while_calls_are_under_way(self):
        program = (
            "import asyncio, agentos\n"
            "async def main():\n"
            "    vm = await agentos.AsyncAgentOs()\n"
            "    tasks = [asyncio.create_task(vm.exec('echo x')) for _ in range(50)]\n"
            "    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)\n"
            "asyncio.run(main())\n"
            "agentos.AgentOs().spawn('sleep', ['1000'])\n"
            "print('end')\n"
        )
        for _ in range(5):
            ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
            self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "end\n", ""))

    def test_loops_come_and_go(self):
        async def once():
            async with agentos.AsyncAgentOs() as vm:
                return (await vm.exec("echo x")).stdout

        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            self.assertEqual(asyncio.run(once()), "x\n")
        gc.collect()
        self.assertLess(len(os.listdir("/proc/self/fd")), before + 10)

    async def test_both_kinds_have_the_same_methods(self):
        kinds = ["AgentOs", "Process", "Shell", "Events"]
        for one, other in [(getattr(agentos, kind), getattr(agentos, f"Async{kind}")) for kind in kinds]:
            public = [{name for name in vars(kind) if not name.startswith("_")} for kind in (one, other)]
            self.assertEqual(*public)


if __name__ == "__main__":
    unittest.main()
