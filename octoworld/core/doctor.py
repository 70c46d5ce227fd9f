"""Checks of the machine: each one is tried, not guessed, and a failed one says how to mend it."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from .cpus import usable_cpus
from .shadow import SUITE, find_shadows

Status = Literal["ok", "warn", "fail"]
EGL_VENDOR_FOLDERS = ("/usr/share/glvnd/egl_vendor.d", "/etc/glvnd/egl_vendor.d")


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    """What was checked."""
    status: Status
    """`warn`: something optional lacks; `fail`: octoworld does not work."""
    detail: str
    """What was found."""
    mend: str = ""
    """The command that mends it; empty when there is nothing to mend."""


def run_checks() -> list[Check]:
    """All checks, in the order of the report; slow ones run side by side in subprocesses."""
    groups: tuple[Callable[[], list[Check]], ...] = (
        check_machine,
        check_renderers,
        check_egl_vendor,
        check_gpu,
        check_names,
        check_packages,
        check_imports,
        check_pybullet,
        check_kernels,
        check_video,
    )
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return [check for found in pool.map(lambda group: group(), groups) for check in found]


def check_machine() -> list[Check]:
    """Python, platform, processor, memory, disk."""
    version = platform.python_version()
    is_new = sys.version_info >= (3, 11)
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return [
        Check("python", "ok" if is_new else "fail", f"{version} at {sys.executable}")
        if is_new
        else Check("python", "fail", f"{version}; 3.11 or newer is needed", "make clean setup"),
        Check("platform", "ok", platform.platform()),
        Check("processor", "ok", f"{platform.machine()}, {usable_cpus()} cores"),
        Check("memory", "ok", f"{memory:.1f} GiB")
        if memory >= 4
        else Check("memory", "warn", f"{memory:.1f} GiB; the demo wants 4", "close other programs"),
        Check("disk", "ok", f"{free:.0f} GiB free here")
        if free >= 5
        else Check(
            "disk", "warn", f"{free:.1f} GiB free; runs want 5", "make room or change folder"
        ),
    ]


_RENDER = """
import time, mujoco
from OpenGL import GL
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom size='.1' rgba='1 0 0 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 64, 64) as renderer:
    renderer.update_scene(data)
    first = renderer.render()
    assert first.std() > 1, "the frame is empty"
    began = time.perf_counter()
    for _ in range(20):
        renderer.update_scene(data)
        renderer.render()
    name = (GL.glGetString(GL.GL_RENDERER) or b"?").decode()
    print(f"{(time.perf_counter() - began) * 50:.1f} ms a frame, {name}")
"""

_RENDERERS = {
    "egl": "sudo apt-get install libegl1 libgl1 libgl1-mesa-dri",
    "osmesa": "sudo apt-get install libosmesa6",
    "glfw": "run in a graphical session, or under `xvfb-run`",
}


def check_renderers() -> list[Check]:
    """Draw a frame with each of MuJoCo's off-screen renderers; one that works is enough."""
    names = ("glfw",) if platform.system() == "Darwin" else tuple(_RENDERERS)
    checks = []
    for name in names:
        # MuJoCo leaves a MUJOCO_LOG.TXT where it fails
        with TemporaryDirectory() as folder:
            is_done, answer = _python(_RENDER, folder, MUJOCO_GL=name)
        mend = "" if is_done else _RENDERERS[name]
        checks.append(Check(f"render {name}", "ok" if is_done else "warn", answer, mend))
    if not any(check.status == "ok" for check in checks):
        mend = checks[0].mend
        checks.append(Check("render", "fail", "no off-screen renderer works: no images", mend))
    return checks


def check_egl_vendor() -> list[Check]:
    """NVIDIA's EGL library without its vendor file: EGL then draws on the CPU, silently."""
    try:
        ctypes.CDLL("libEGL_nvidia.so.0")
    except OSError:
        return []
    folders = EGL_VENDOR_FOLDERS
    files = [path for folder in folders for path in Path(folder).glob("*nvidia*.json")]
    if files or "__EGL_VENDOR_LIBRARY_FILENAMES" in os.environ:
        return [Check("egl vendor", "ok", f"{files[0] if files else 'set by the environment'}")]
    vendor = '{"file_format_version":"1.0.0","ICD":{"library_path":"libEGL_nvidia.so.0"}}'
    return [
        Check(
            "egl vendor",
            "warn",
            "libEGL_nvidia.so.0 is here but not announced to EGL: images are drawn on the CPU",
            f"sudo mkdir -p {folders[0]} && echo '{vendor}' | sudo tee {folders[0]}/10_nvidia.json",
        )
    ]


def check_gpu() -> list[Check]:
    """Whether there is a GPU, and whether PyTorch can use it."""
    code = "import torch; print(torch.__version__, torch.cuda.is_available())"
    is_done, answer = _python(code)
    if not is_done:
        return [Check("torch", "fail", answer, "make clean setup")]
    version, has_cuda = answer.split()
    smi = shutil.which("nvidia-smi")
    listed = subprocess.run([smi, "-L"], capture_output=True, text=True) if smi else None
    if listed is None or listed.returncode != 0:
        return [Check("gpu", "ok", f"no NVIDIA GPU; torch {version} computes on the CPU")]
    name = listed.stdout.split("(UUID")[0].strip()
    if has_cuda == "True":
        return [Check("gpu", "ok", f"{name}, torch {version}")]
    return [
        Check(
            "gpu",
            "warn",
            f"{name}, but torch {version} cannot use it (a CPU build, or an old driver)",
            f"{sys.executable} -m pip install --force-reinstall torch",
        )
    ]


def check_names() -> list[Check]:
    """Our generic package names, here and for a script of the current folder."""
    shadows = find_shadows()
    checks = [
        Check(f"package {name}", "fail", f"Python finds {path}", f"pip uninstall {name}")
        for name, path in shadows.items()
    ]
    # a script's own folder comes first on its path, unlike the `octoworld` command's
    is_done, answer = _python("import octoworld")
    if not is_done:
        checks.append(Check("import octoworld", "fail", answer, "mv the file that is named there"))
    return checks or [Check("package names", "ok", f"{', '.join(SUITE)} are octoworld's own")]


def check_packages() -> list[Check]:
    """Versions of what octoworld requires, and of its extras."""
    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(r) for r in metadata.requires("octoworld") or ()]
        extras = metadata.metadata("octoworld").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return [Check("octoworld", "fail", "runs from a folder, is not installed", "make setup")]
    checks = []
    for extra in ("", *extras):
        for requirement in requirements:
            marker = requirement.marker
            is_own = marker is None or marker.evaluate({"extra": extra})
            if not is_own or (extra and (marker is None or marker.evaluate({"extra": ""}))):
                continue
            missing: Status = "warn" if extra else "fail"
            try:
                found = metadata.version(requirement.name)
            except metadata.PackageNotFoundError:
                found = ""
            label = f"{requirement.name} [{extra}]" if extra else requirement.name
            if found and requirement.specifier.contains(found, prereleases=True):
                checks.append(Check(label, "ok", found))
                continue
            if not found and extra:
                checks.append(Check(label, "ok", f"not installed (extra `{extra}`)"))
                continue
            detail = f"{found or 'not installed'}; {requirement.specifier} is needed"
            if requirement.name == "mujoco" and found == "4.0.0":
                detail += " (4.0.0 solves contacts wrongly)"
            wanted = f"'{requirement.name}{requirement.specifier}'"
            mend = f"{sys.executable} -m pip install {wanted}"
            checks.append(Check(label, missing, detail, mend))
    return checks


def check_imports() -> list[Check]:
    """Whether the packages with compiled code load; system libraries may be missing."""
    failed = []
    for name in ("cv2", "av", "mujoco", "pyarrow", "pydantic_monty"):
        is_done, answer = _python(f"import {name}")
        if not is_done:
            mend = f"{sys.executable} -m pip install --force-reinstall {name}"
            failed.append(Check(f"import {name}", "fail", answer, mend))
    return failed or [Check("compiled packages", "ok", "all load")]


def check_pybullet() -> list[Check]:
    """PyBullet built without numpy returns images as tuples of integers: minutes, not seconds."""
    mend = f"{sys.executable} -m pip install --no-build-isolation --no-cache-dir pybullet"
    is_done, answer = _python("import pybullet; print(pybullet.isNumpyEnabled())")
    if not is_done:
        return [Check("pybullet", "warn", "the second physics engine is missing", mend)]
    if answer.split()[-1] == "1":
        return [Check("pybullet numpy", "ok", "camera images are numpy arrays")]
    return [Check("pybullet numpy", "warn", "built without numpy: slow camera images", mend)]


_KERNELS = """
import os, pathlib
from sim.rotors.compiled import step
folder = pathlib.Path(step._cache.cache_path)
there = next(p for p in (folder, *folder.parents) if p.exists())
print(any(folder.glob("**/*.nbc")), os.access(there, os.W_OK), folder)
"""


def check_kernels() -> list[Check]:
    """Machine code of the drones' physics: kept from set-up, or compiled at each start."""
    is_done, answer = _python(_KERNELS)
    if not is_done:
        mend = f"{sys.executable} -m pip install --force-reinstall numba"
        return [Check("numba cache", "fail", answer, mend)]
    is_kept, is_writable, folder = answer.split(" ", 2)
    if is_kept == "True":
        return [Check("numba cache", "ok", f"the drones' physics is compiled, in {folder}")]
    if is_writable == "True":
        detail = f"empty: the first flight compiles its physics, about 10 s, once, into {folder}"
        return [Check("numba cache", "warn", detail, "make setup")]
    detail = f"{folder} cannot be written: every start compiles the drones' physics, about 10 s"
    return [Check("numba cache", "warn", detail, 'export NUMBA_CACHE_DIR="$HOME/.cache/numba"')]


def check_video() -> list[Check]:
    """Encoders of datasets and videos."""
    names = ("libx264", "libsvtav1", "h264")
    code = f"import av; print(av.__version__, *(set({names}) & set(av.codecs_available)))"
    is_done, answer = _python(code)
    if not is_done:
        mend = f"{sys.executable} -m pip install --force-reinstall av"
        return [Check("video", "fail", answer, mend)]
    version, *encoders = answer.split()
    return [Check("video", "ok", f"PyAV {version}: {', '.join(sorted(encoders))}")]


def _python(code: str, folder: str = ".", **environment: str) -> tuple[bool, str]:
    """Run code in a fresh interpreter: (whether it succeeded, its last line of output)."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        return False, "no answer within 120 s"
    lines = (answer.stdout if answer.returncode == 0 else answer.stderr).strip().splitlines()
    if answer.returncode < 0:
        lines.append(f"crashed with signal {-answer.returncode}")
    return answer.returncode == 0, lines[-1] if lines else ""
