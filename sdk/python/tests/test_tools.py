"""Host tools."""

import json
import threading
import unittest
import warnings

import agentos
from agentos import AgentOs, AsyncAgentOs, Tool, ToolKit, UserError

OBJECT = {"type": "object"}


def echo(given, context):
    return given


async def later(given, context):
    return {"pid": context.pid}


def refuse(given, context):
    raise UserError("no more today", code="quota", metadata={"left": 0})


def fail(given, context):
    raise RuntimeError("hunter2")


class Tools(unittest.TestCase):
    def kit(self, **functions):
        tools = {name: Tool(function, OBJECT) for name, function in functions.items()}
        return ToolKit("k", "Functions of the test", tools)

    def called(self, vm, command):
        result = vm.exec(command)
        return result.exit_code, json.loads(result.stdout)

    def test_results_and_errors(self):
        with AgentOs(tool_kits=[self.kit(echo=echo, later=later, refuse=refuse, fail=fail, odd=lambda *_: object())]) as vm:
            given = {"a": [1, "x", None]}
            self.assertEqual(
                self.called(vm, f"echo '{json.dumps(given)}' | agentos-k echo"), (0, {"ok": True, "result": given})
            )
            self.assertGreater(self.called(vm, "agentos-k later")[1]["result"]["pid"], 1)
            refused = {"ok": False, "error": "EXECUTION_ERROR", "message": "no more today", "code": "quota"}
            self.assertEqual(self.called(vm, "agentos-k refuse"), (1, {**refused, "metadata": {"left": 0}}))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for name in ("fail", "odd"):
                    code, reply = self.called(vm, f"agentos-k {name}")
                    self.assertEqual((code, reply["error"]), (1, "EXECUTION_ERROR"))
                    self.assertRegex(reply["message"], r"^Internal error\. .*correlation id [0-9a-f]{32}")
                    self.assertNotIn("hunter2", json.dumps(reply))
            with vm.fork() as copy:
                self.assertEqual(self.called(copy, "agentos-k echo")[0], 0)

    def test_a_call_that_nobody_waits_for_is_told(self):
        began, ended = threading.Event(), threading.Event()

        def hang(given, context):
            began.set()
            context.cancelled.wait()
            ended.set()

        with AgentOs(tool_kits=[self.kit(hang=hang)]) as vm:
            process = vm.spawn("agentos-k", ["hang"])
            process.close_stdin()
            began.wait()
            process.kill()
            self.assertEqual(process.wait(), 137)
            ended.wait()

    def test_schemas_and_options(self):
        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        tool = Tool(echo, schema, "Forecast", examples=[("one", {"city": "Rome"})], timeout=5)
        with AgentOs(tool_kits=[ToolKit("weather", "Weather", {"forecast": tool})]) as vm:
            self.assertEqual(self.called(vm, "agentos-weather forecast --city Rome")[1]["result"], {"city": "Rome"})
            code, reply = self.called(vm, "agentos-weather forecast")
            self.assertEqual((code, reply["message"]), (2, "Missing required flag: --city"))
            self.assertIn("agentos-weather forecast --city Rome", vm.exec("agentos-weather forecast --help").stdout)
        with self.assertRaises(agentos.InvalidConfig) as caught:
            AgentOs(tool_kits=[ToolKit("Not a name", "", {})])
        self.assertIn("toolKits[0].name", str(caught.exception))


class Loops(unittest.IsolatedAsyncioTestCase):
    async def test_with_an_event_loop(self):
        kit = ToolKit("k", "", {"echo": Tool(echo, OBJECT)})
        async with AsyncAgentOs(tool_kits=[kit]) as vm:
            result = await vm.exec("agentos-k echo")
            self.assertEqual(json.loads(result.stdout), {"ok": True, "result": {}})


if __name__ == "__main__":
    unittest.main()
