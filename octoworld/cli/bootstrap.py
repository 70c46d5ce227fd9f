"""Set-up: a virtual environment with everything in it, from nothing but Python and make.

Runs as a plain file with any Python 3, before anything is installed: standard library only, and no
import of octoworld. Running it again is quick: a stamp in `.venv` says what was installed.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "octoworld-setup"
BROWSER_STAMP = VENV / "octoworld-browser"
KERNEL_STAMP = VENV / "octoworld-kernels"
KERNELS = (
    "sim/rotors/compiled",
    "sim/rotors/constants.py",
    "sim/rotors/layout.py",
    "robots/control/flight",
)
"""What numba compiles, with what is compiled into it."""

OLDEST = (3, 11)
# 3.11 first: PyBullet's last wheels are for it
INTERPRETERS = ("python3.11", "python3.12", "python3.13", "python3.14", "python3")
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# MuJoCo's off-screen renderers: a shared library to look for, and Debian's packages that bring it
GL_LIBRARIES = {
    "libEGL.so.1": ("libegl1", "libgl1", "libgl1-mesa-dri"),
    "libOSMesa.so.8": ("libosmesa6",),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MAC_BROWSERS = ("/Applications/Google Chrome.app", "/Applications/Chromium.app")


class SetupError(Exception):
    """Set-up cannot go on; the message says what the user can do."""


def main(argv: list[str] | None = None) -> int:
    """Set everything up; 0 when `.venv` is ready, 1 with one line on stderr when it is not."""
    parser = argparse.ArgumentParser(prog="make setup", description="Set up .venv.")
    parser.add_argument("--browser", action="store_true", help="also a browser, for the GUI tests")
    arguments = parser.parse_args(argv)
    try:
        if not _is_current():
            install_gl()
            create_environment()
            install_packages()
            STAMP.write_text(_fingerprint())
            say(f"ready: {VENV.name}/bin/octoworld (see `octoworld doctor`)")
        compile_kernels()
        if arguments.browser and not BROWSER_STAMP.exists():
            install_browser()
            BROWSER_STAMP.touch()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def say(text: str) -> None:
    """One line of progress."""
    print(f"setup: {text}", flush=True)


def find_python() -> str:
    """Path of an interpreter that is new enough; raises SetupError naming what was found."""
    found = []
    for name in (*INTERPRETERS[:1], sys.executable, *INTERPRETERS[1:]):
        path = shutil.which(name)
        if path is None:
            continue
        code = "import sys; print(*sys.version_info[:2])"
        # a version manager's shim may exist for a version that is not installed
        answer = subprocess.run([path, "-c", code], capture_output=True, text=True)
        if answer.returncode == 0:
            version = tuple(map(int, answer.stdout.split()))
            if version >= OLDEST:
                return path
            found.append(f"{path} is {version[0]}.{version[1]}")
    raise SetupError(
        f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed ({'; '.join(found) or 'none found'}). "
        "Install one (macOS: `brew install python@3.11`; elsewhere: your package manager, pyenv or "
        "uv), then run make again, if need be as `make setup PYTHON=/path/to/python3.11`."
    )


def create_environment() -> None:
    """Make `.venv` unless a working one is there."""
    if PYTHON.exists() and _succeeds(
        [str(PYTHON), "-c", f"import sys, pip; assert sys.version_info >= {OLDEST}"]
    ):
        return
    python = find_python()
    if not _succeeds([python, "-c", "import ensurepip, venv"]):
        version = subprocess.check_output([python, "-c", _VERSION_CODE], text=True).strip()
        package = f"python{version}-venv"  # Debian ships venv apart from Python
        if not apt_install((package,)):
            raise SetupError(f"{python} has no venv module: {_apt_command((package,))}")
    say(f"creating {VENV.name} with {python}")
    _run([python, "-m", "venv", "--clear", str(VENV)])
    pip("install", "--upgrade", "pip")


def install_packages() -> None:
    """PyTorch in the build that fits the machine, then octoworld and what it needs."""
    say("installing Python packages (a few minutes, once)")
    if platform.system() == "Linux" and not has_nvidia_gpu():
        install_cpu_torch()
    else:
        pip("install", f"torch=={TORCH}")
    pip("install", "--editable", ".[dev]")


def compile_kernels() -> None:
    """Machine code of the drones' kernels, so that no flight waits for it; again when they change.

    Without it the first flight compiles, so a failure here is no failure of set-up.
    """
    digest = hashlib.sha256()
    for place in (ROOT / name for name in KERNELS):
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    if KERNEL_STAMP.exists() and KERNEL_STAMP.read_text() == digest.hexdigest():
        return
    say("compiling the physics of drones (10-20 s, once)")
    if _succeeds([str(PYTHON), "-m", "octoworld.recipes.machine_code"]):
        KERNEL_STAMP.write_text(digest.hexdigest())


def install_cpu_torch() -> None:
    """The build without CUDA: from the wheels pip is pointed at, else from PyTorch's CPU index."""
    wanted = f"torch=={TORCH}+cpu"
    if _succeeds([str(PYTHON), "-c", _TORCH_CODE]):
        return
    # a local folder of wheels (pip's find-links) answers at once and needs no network
    if pip("install", "--no-deps", "--no-index", wanted, check=False):
        return
    # two tries: where this host is not reachable, do not wait for pip's usual five
    index = ("--index-url", CPU_INDEX, "--retries", "1", "--timeout", "20")
    if pip("install", "--no-deps", *index, wanted, check=False):
        return
    say(f"{CPU_INDEX} does not answer: taking the ordinary PyTorch, with gigabytes of CUDA")
    pip("install", f"torch=={TORCH}")


def has_nvidia_gpu() -> bool:
    """Whether the driver answers and lists a GPU."""
    return _succeeds(["nvidia-smi", "-L"])


def install_gl() -> None:
    """System libraries for off-screen rendering, on Linux, when they are missing and we may."""
    if platform.system() != "Linux":
        return
    for library, packages in GL_LIBRARIES.items():
        if not _loads(library) and not (apt_install(packages) and _loads(library)):
            say(f"{library} is missing (off-screen rendering): {_apt_command(packages)}")


def install_browser() -> None:
    """A browser for the GUI tests; without one they are skipped."""
    if any(map(shutil.which, BROWSERS)) or any(map(os.path.exists, MAC_BROWSERS)):
        return
    # Ubuntu's package is only a pointer to a snap, which containers cannot run
    if _is_debian() and apt_install(("chromium",)):
        return
    say("no Chromium or Chrome: the tests of the GUI in a browser are skipped")


def apt_install(packages: tuple[str, ...]) -> bool:
    """Install Debian packages if this is Debian or Ubuntu and we may; whether it worked."""
    if shutil.which("apt-get") is None:
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not _succeeds([*prefix, "true"]):
        return False
    say(f"installing system packages: {' '.join(packages)}")
    prefix += ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    install = [*prefix, "install", "-y", "--no-install-recommends", *packages]
    return _succeeds(install) or (_succeeds([*prefix, "update"]) and _succeeds(install))


def pip(*arguments: str, check: bool = True) -> bool:
    """Run pip of the environment; with `check` a failure raises SetupError with its last lines."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet"]
    return _run(command, check=check)


_VERSION_CODE = "import sys; print('%d.%d' % sys.version_info[:2])"
_TORCH_CODE = f"from importlib.metadata import version; assert version('torch') == '{TORCH}+cpu'"


def _run(command: list[str], check: bool = True) -> bool:
    answer = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if answer.returncode != 0 and check:
        last = "\n".join((answer.stdout + answer.stderr).strip().splitlines()[-12:])
        raise SetupError(f"`{' '.join(command)}` failed:\n{last}")
    return answer.returncode == 0


def _succeeds(command: list[str]) -> bool:
    try:
        return _run(command, check=False)
    except FileNotFoundError:
        return False


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _apt_command(packages: tuple[str, ...]) -> str:
    return f"`sudo apt-get install {' '.join(packages)}`"


def _is_debian() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and "ID=debian" in release.read_text().splitlines()


def _fingerprint() -> str:
    """Changes whenever set-up has something to do: new requirements, new code, another place."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / "pyproject.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_current() -> bool:
    return STAMP.exists() and PYTHON.exists() and STAMP.read_text() == _fingerprint()


if __name__ == "__main__":
    sys.exit(main())
