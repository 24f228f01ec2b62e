"""Programs that run in a stranger's environment, each in an interpreter of its own."""

from typing import Final

#: Asks each question in one of three ways, and prints the chunks of the answers.
ASK: Final = """
import json, sys
import anyio, streamkit

ref, way, settings, *questions = sys.argv[1:]
model = streamkit.get_model(ref, **json.loads(settings))

async def ask():
    return [[chunk async for chunk in model.stream(each)] for each in questions]

def ask_sync():
    return [list(model.stream(each)) for each in questions]

answers = ask_sync() if way == "sync" else anyio.run(ask, backend=way)
print(json.dumps([[chunk.model_dump(mode="json") for chunk in each] for each in answers]))
"""

#: Gives up a stream in the middle, in each way there is; tells of it and waits to be told to go on.
GIVE_UP: Final = """
import sys
import anyio, streamkit

way, address, question = sys.argv[1:]
model = streamkit.get_model("telegraph/morse", address=address)
kept = []  # so that nothing is closed because its last reference went

def told(how):
    print(how, flush=True)
    sys.stdin.readline()

def spoken(stream):
    kept.append(stream)
    return next(chunk for chunk in stream if chunk.type == "content")

async def spoken_async(stream):
    kept.append(stream)
    async for chunk in stream:
        if chunk.type == "content":
            return

async def read_on(has_spoken):
    kept.append(model.stream(question))
    async for chunk in kept[-1]:
        if chunk.type == "content":
            has_spoken.set()

def in_sync():
    with model.stream(question) as stream:
        spoken(stream)
    told("closed")
    stream = model.stream(question)
    spoken(stream)
    stream.stop()
    assert [chunk.type for chunk in stream] == ["end"]
    told("stopped")

async def in_async():
    async with model.stream(question) as stream:
        await spoken_async(stream)
    await anyio.to_thread.run_sync(told, "closed")
    has_spoken = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(read_on, has_spoken)
        await has_spoken.wait()
        group.cancel_scope.cancel()
    await anyio.to_thread.run_sync(told, "cancelled")

in_sync() if way == "sync" else anyio.run(in_async, backend=way)
"""

#: Asks with a plug-in of hooks installed, and prints what it did.
HOUSE: Final = """
import json, logging, sys
import streamkit

told = []
handler = logging.Handler()
handler.emit = lambda record: told.append(record.getMessage())
logging.getLogger("house").addHandler(handler)
logging.getLogger("house").setLevel("INFO")

model = streamkit.get_model("fast", base_url=sys.argv[1])
text = model.generate_sync("Hello", max_tokens=9000).text
print(json.dumps({"ref": model.ref, "text": text, "log": told}))
"""

#: Says which providers there are, what two of them answer, and what is said of a third.
LEFT: Final = """
import json, sys
import streamkit
from streamkit.registry.discovery import default_registry

echoed = streamkit.get_model("echo/echo").generate_sync("Still here").text
wired = streamkit.get_model("telegraph/morse", address=sys.argv[1]).generate_sync("Here too").text
try:
    streamkit.get_model("parrot/grey")
except streamkit.ConfigurationError as error:
    said = str(error)
registry = default_registry()
broken = [record.problem for record in registry.records() if record.problem]
print(json.dumps([registry.names(), echoed, wired, said, broken]))
"""
