"""Formats that only large libraries read are read in a process of their own, with limits of time and memory.

Whatever a hostile file makes a library do (loop, fill the memory, crash), it costs this process and one sentence. The process stays for
the documents that follow, because its imports take longer than most of them. It talks in JSON over pipes, may not use the
network, write files or start programs, and ends with its parent.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from classify.errors import DocumentError, MissingExtraError

# Seconds of the processor for one document: a very long article takes two or three.
SECONDS = 30.0
# By the clock, for a process that waits instead of working.
PATIENCE = 4
MEMORY = 2 * 1024**3
# Documents after which a process is replaced, so that what libraries keep does not grow for ever.
TERM = 500
EXTRAS = {"html": ("an HTML page", "web"), "docx": ("a Word document", "office"), "pdf": ("a PDF", "office")}

_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from classify.formats.sandbox import serve; serve()"


class _Process:
    """The reading process, started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._lock = threading.Lock()

    def ask(self, kind: str, data: bytes) -> dict[str, Any]:
        """The answer to one document; ``{"error": ...}`` where the process did not survive it."""
        with self._lock:
            if self._served >= TERM:
                self.close()
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            late = threading.Event()

            def stop() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(PATIENCE * SECONDS, stop)
            timer.daemon = True
            timer.start()
            try:
                header = {"kind": kind, "bytes": len(data), "seconds": SECONDS, "memory": MEMORY}
                process.stdin.write(json.dumps(header).encode() + b"\n" + data)
                process.stdin.flush()
                line = process.stdout.readline()
                answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
            except OSError:
                answer = {}
            except BaseException:
                self.close()
                raise
            finally:
                timer.cancel()
            self._served += 1
            if not answer or answer.get("last"):
                code = self.close()
                # Linux ends a process that used up its seconds by a signal of its own.
                slow = late.is_set() or -code == getattr(signal, "SIGXCPU", None)
                answer = answer or {"error": _slow() if slow else "cannot be read: it makes the library that reads it fail"}
            return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._served = 0
            # A fixed order of sets and dictionaries, so that the same page always gives the same text.
            environment = {**os.environ, "PYTHONHASHSEED": "0"}
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, *(path or os.getcwd() for path in sys.path)],  # noqa: PTH109
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        return self._process

    def close(self) -> int:
        """End the process, if one runs; returns its exit code."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            # One that was ended for its time is still to be collected.
            return process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _slow() -> str:
    return f"takes more than {SECONDS:.0f} seconds to read: divide it, or save it as plain text (.txt)"


_process = _Process()
atexit.register(_process.close)


def extract(kind: str, data: bytes, shown: str) -> dict[str, str]:
    """Text, title, date and outlet of a document of a kind in ``EXTRAS``; ``""`` where there is none.

    Raises:
        DocumentError: when it cannot be read within the limits; the message names it.
        MissingExtraError: when the library is not installed.
    """
    answer = _process.ask(kind, data)
    if answer.get("missing"):
        what, extra = EXTRAS[kind]
        raise MissingExtraError(f"reading {shown}, {what},", extra)
    if answer.get("memory"):
        raise DocumentError(f"{shown} needs more than {MEMORY // 1024**2} MB of memory to read: divide it, or save it as plain text (.txt)")
    if "error" in answer:
        raise DocumentError(f"{shown} {answer['error']}")
    return {name: str(answer.get(name, "")) for name in ("text", "title", "date", "outlet")}


# --------------------------------------------------------------------------------------------------------------------
# In the process


def serve() -> None:
    """Answer one document after the other until the parent closes the pipe."""
    # Ctrl-C is the parent's, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = sys.stdin.buffer
    # Whatever a library prints does not come between the answers.
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.addaudithook(_refuse)
    while header := source.readline():
        request = json.loads(header)
        data = source.read(request["bytes"])
        _limit(request["seconds"], request["memory"])
        answer = _answer(request["kind"], data)
        target.write(json.dumps(answer).encode() + b"\n")
        target.flush()
        if answer.get("last"):
            return


_FORBIDDEN = {
    "socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork",
    "os.remove", "os.rename",
}  # fmt: skip


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if event in _FORBIDDEN or writes:
        raise PermissionError(f"{event} is not allowed while a document is read")


def _limit(seconds: float, memory: int) -> None:
    """Give this process so many more seconds of the processor, and so much memory in all."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    for limit, value in (
        (resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        with suppress(ValueError, OSError):  # systems that do not know this limit
            resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _answer(kind: str, data: bytes) -> dict[str, Any]:
    from importlib import import_module

    try:
        reader = import_module(f"classify.formats.{kind}")
        found: dict[str, Any] = reader.extract(data)
    except ImportError:
        return {"missing": True, "last": True}
    except DocumentError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"memory": True, "last": True}
    # The libraries let through whatever goes wrong in a damaged file.
    except Exception as error:
        return {"error": f"is damaged, or not what its name says ({type(error).__name__}): save it anew, or as plain text (.txt)"}
    return found
