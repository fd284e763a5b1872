"""A Python interpreter that has imported the package already, and forks for every command it is given.

Half of the time of a short command is the import of torch and MONAI. A command sees what it would see in a process of
its own: arguments, folder, environment, standard streams, and an exit of the interpreter with all that runs there.

    python warm_python.py SOCKET                 # the server
    python warm_python.py SOCKET -m MODULE ...   # a command
"""

import array
import atexit
import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
from importlib import import_module
from typing import NoReturn

STREAMS = 3


def serve(path: str) -> None:
    """Fork for each request, until killed."""
    import_module("monai.bundle")
    import monai_degia

    for name in monai_degia.__all__:
        getattr(monai_degia, name)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        print("ready", flush=True)
        while True:
            request, _ = server.accept()
            if os.fork() == 0:
                server.close()
                attend(request)
            request.close()
            while _reap():
                pass


def _reap() -> bool:
    """Whether a child that has ended was collected."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def attend(request: socket.socket) -> NoReturn:
    """Run a command in a child, and tell its exit status."""
    size = STREAMS * array.array("i").itemsize
    message, ancillary, *_ = request.recvmsg(1 << 20, socket.CMSG_SPACE(size))
    streams = array.array("i", ancillary[0][2][:size])
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        request.sendall(json.dumps(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    request.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    command = json.loads(message)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["environment"])
    start(command["arguments"])


def start(arguments: list[str]) -> NoReturn:
    """What the interpreter does with its arguments, options first, and at its end."""
    while arguments[0].startswith("-W"):  # in a name of its own, or with the value at once
        arguments = arguments[2:] if arguments[0] == "-W" else arguments[1:]
    for place in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if place and os.path.abspath(place) not in sys.path:
            sys.path.insert(1, os.path.abspath(place))
    status = 0
    try:
        if arguments[0] == "-c":
            sys.argv, sys.path[0] = ["-c", *arguments[2:]], os.getcwd()
            exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
        elif arguments[0] == "-m":
            sys.argv = arguments[1:]
            sys.path[0] = os.getcwd()
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    # To take all modules apart again, which the interpreter does at its end, takes seconds.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def ask(path: str, arguments: list[str]) -> int:
    """Have a command run, with this process's streams; gives its exit status."""
    command = {"arguments": arguments, "cwd": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        streams = array.array("i", range(STREAMS))
        server.sendmsg([json.dumps(command).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        status = int(json.loads(server.recv(64)))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    if len(sys.argv) == 2:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        serve(sys.argv[1])
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
