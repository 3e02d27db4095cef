"""Keep plugins that end or hang a process at import from doing so in every command.

A plugin that pip installed is unknown. It is first imported in a process of its own, with a time limit. If that process
ends, the plugin is left out from then on; if it hangs, for a day, because the machine may have been busy. Otherwise it
is imported here, now and later. While that happens, a file names it. A process that ends leaves this file behind, and
the next one then tries the plugin again as above.

All of this is noted in files of at most one sentence, in the user's cache folder. Several processes may do so at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from genzoo.errors import PluginError, PluginLeftOutWarning
from genzoo.plugins.cache import cache_home
from genzoo.plugins.discovery import InstalledPlugin

if sys.platform != "win32":
    import fcntl

SECONDS = 60
"""Time that an unknown plugin gets to be imported, and to register."""


_SILENT = 5
"""Seconds after which a message says what takes so long."""


_DAY = 86_400.0


_HOST = f"{zlib.crc32(platform.node().encode(errors='replace')):08x}"


_TOO_LONG = "took longer than"


_UNHARMED = 93
"""Exit code of a process that imported a plugin. Not 0, with which a plugin may end its process."""


_PROGRAM = f"""
import os, signal, sys
if hasattr(signal, "alarm"):
    signal.alarm({SECONDS + 5})  # if the process that waits for this one is killed
sys.path[:] = sys.argv[1].split(os.pathsep)
from genzoo.plugins.manager import load_alone
load_alone(sys.argv[2])
sys.exit({_UNHARMED})
"""


class _Notes:
    """What is known about the import of one plugin, in files of a folder that only this user can write to."""

    def __init__(self, plugin: InstalledPlugin) -> None:
        record = Path(plugin.folder, "RECORD")
        found = hashlib.sha256(f"{sys.version}\0{plugin.folder}\0{plugin.label}\0{plugin.version}\0".encode())
        with contextlib.suppress(OSError):
            found.update(record.read_bytes())
        self._folder = _folder()
        self._key = found.hexdigest()[:32]

    def _path(self, suffix: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{self._key}.{suffix}"

    def _write(self, suffix: str, text: str = "") -> None:
        if (path := self._path(suffix)) is not None:
            with contextlib.suppress(OSError):
                temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
                temporary.write_text(text, encoding="utf-8")
                temporary.replace(path)

    def remove(self, suffix: str) -> None:
        if (path := self._path(suffix)) is not None:
            with contextlib.suppress(OSError):
                path.unlink()

    @property
    def harm(self) -> str:
        """What importing it does to a process; empty if that is not known."""
        path = self._path("harmful")
        try:
            harm = path.read_text(encoding="utf-8") if path is not None else ""
            expired = path is not None and harm.startswith(_TOO_LONG) and _age(path) > _DAY
        except (OSError, UnicodeDecodeError):
            return ""
        return "" if expired else harm

    @property
    def is_harmless(self) -> bool:
        path = self._path("harmless")
        return path is not None and path.is_file()

    def note(self, harm: str) -> None:
        """Note what importing it does to a process: nothing if `harm` is empty."""
        self._write("harmful" if harm else "harmless", harm)
        self.remove("harmless" if harm else "harmful")

    def forget_ended_imports(self) -> None:
        """If a process ended while it imported the plugin, count the plugin as unknown again."""
        for path in self._folder.glob(f"{self._key}.importing-*") if self._folder is not None else ():
            _, host, process = path.name.rsplit("-", 2)
            with contextlib.suppress(OSError):
                # This process has not begun: an earlier one had its number, as the first one of every container does.
                own = process == str(os.getpid())
                # The folder may be shared by machines, and those know nothing of each other's processes.
                if _age(path) > _DAY if host != _HOST else own or not _is_alive(process):
                    self.remove("harmless")
                    path.unlink()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time try the plugin out; the others wait."""
        path = self._path("trying")
        with contextlib.ExitStack() as stack:
            if path is not None and sys.platform != "win32":
                with contextlib.suppress(OSError):
                    file = stack.enter_context(path.open("w"))
                    fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """Leave a file behind if the process ends inside."""
        suffix = f"importing-{_HOST}-{os.getpid()}"
        self._write(suffix)
        try:
            yield
        except KeyboardInterrupt:
            self.remove("harmless")  # it may hang: the next process tries it with a time limit
            raise
        finally:
            self.remove(suffix)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:  # it belongs to someone else
        return True
    return True


def _folder() -> Path | None:
    """Return the folder for notes, or `None` if there is none to write to."""
    for home in (cache_home, lambda: Path(tempfile.gettempdir(), f"genzoo-{_user()}")):
        with contextlib.suppress(OSError, RuntimeError):  # there may be no home folder, and no temporary one
            folder = home() / "plugins"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK) and folder.stat().st_uid == _user() == folder.parent.stat().st_uid:
                return folder
    return None


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


@contextlib.contextmanager
def guarded_import(plugin: InstalledPlugin) -> Iterator[None]:
    """Import a plugin inside only if that neither ends nor hangs the process.

    Raises:
        PluginError: it would. A warning says so, too.
    """
    notes = _Notes(plugin)
    notes.forget_ended_imports()
    harm = notes.harm
    if not harm and not notes.is_harmless:
        with notes.alone():
            harm = notes.harm  # another process may have tried it meanwhile
            if not harm and not notes.is_harmless:
                harm = _try_out(plugin)
                notes.note(harm)
    if harm:
        error = _left_out(plugin, harm)
        warnings.warn(f"{error} {error.remedy}", PluginLeftOutWarning, stacklevel=2)
        raise error
    with notes.importing():
        yield


@contextlib.contextmanager
def noted_import(plugin: InstalledPlugin, *, again: bool = False) -> Iterator[None]:
    """Import a plugin inside, in a process that may end, and note that it did not.

    Arguments:
        again: also try a plugin that is known to end or hang its process.

    Raises:
        PluginError: it is known to.
    """
    notes = _Notes(plugin)
    if not again and notes.harm:
        raise _left_out(plugin, notes.harm)
    yield
    notes.note("")


def _left_out(plugin: InstalledPlugin, harm: str) -> PluginError:
    name = plugin.distribution
    return PluginError(
        f"Plugin {name!r} was left out: importing it {harm}.",
        f"Remove it with `genzoo uninstall {name}`, or try it again with `genzoo plugins doctor {name}`.",
    )


def _try_out(plugin: InstalledPlugin) -> str:
    """Import a plugin in a process of its own; return what it did to that process, or nothing."""
    variables = {key: value for key, value in os.environ.items() if key != "GENZOO_STRICT_PLUGINS"}
    process = subprocess.Popen(  # noqa: S603 - this Python, with words of this file
        [sys.executable, "-c", _PROGRAM, os.pathsep.join(sys.path), plugin.label],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        try:
            code = process.wait(_SILENT)
        except subprocess.TimeoutExpired:
            if sys.__stderr__ is not None:
                message = (
                    f"Plugin {plugin.distribution!r} is new, and is imported for the first time. This is done once."
                )
                print(message, file=sys.__stderr__, flush=True)
            code = process.wait(SECONDS - _SILENT)
    except subprocess.TimeoutExpired:
        return f"{_TOO_LONG} {SECONDS} seconds"
    finally:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)  # also what it has started
        process.wait()
    if code == _UNHARMED:
        return ""
    return f"ended the process with {f'exit code {code}' if code >= 0 else _signal_name(-code)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
