"""Each check of the doctor finds the fault it is for."""

from __future__ import annotations

from importlib import metadata

from octoworld.core import doctor


def test_wrong_mujoco_is_explained(monkeypatch):
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "4.0.0" if name == "mujoco" else real(name)
    )
    (check,) = [c for c in doctor.check_packages() if c.name == "mujoco"]
    assert check.status == "fail" and "4.0.0 solves contacts wrongly" in check.detail
    assert "pip install 'mujoco" in check.mend


def test_missing_package_fails_and_missing_extra_does_not(monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    checks = {check.name: check.status for check in doctor.check_packages()}
    assert checks["torch"] == "fail" and checks["ray [cluster]"] == "ok"


def test_no_renderer_at_all_fails(monkeypatch):
    monkeypatch.setattr(doctor, "_python", lambda *code, **environment: (False, "no display"))
    last = doctor.check_renderers()[-1]
    assert last.status == "fail" and last.mend


def test_unannounced_nvidia_egl_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda name: None)
    monkeypatch.setattr(doctor, "EGL_VENDOR_FOLDERS", (str(tmp_path),))
    monkeypatch.delenv("__EGL_VENDOR_LIBRARY_FILENAMES", raising=False)
    (check,) = doctor.check_egl_vendor()
    assert check.status == "warn" and "libEGL_nvidia" in check.mend
    (tmp_path / "10_nvidia.json").write_text("{}")
    assert doctor.check_egl_vendor()[0].status == "ok"


def test_shadowed_name_is_reported(monkeypatch, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    (check,) = doctor.check_names()
    assert check.status == "fail" and str(tmp_path / "tasks") in check.detail


def test_pybullet_without_numpy_is_reported(monkeypatch):
    monkeypatch.setattr(doctor, "_python", lambda *code, **environment: (True, "0"))
    (check,) = doctor.check_pybullet()
    assert check.status == "warn" and "--no-build-isolation" in check.mend


def test_a_crash_is_no_success():
    is_done, answer = doctor._python("import os; os.abort()")
    assert not is_done and "signal 6" in answer


def test_kernels_that_are_not_kept_are_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "empty"))
    (check,) = doctor.check_kernels()
    assert check.status == "warn" and check.mend == "make setup" and "10 s" in check.detail
    answers = {"True True /a b": "ok", "False True /a b": "warn", "False False /a b": "warn"}
    for answer, status in answers.items():
        monkeypatch.setattr(doctor, "_python", lambda code, answer=answer: (True, answer))
        (check,) = doctor.check_kernels()
        assert check.status == status and "/a b" in check.detail
    assert "NUMBA_CACHE_DIR" in check.mend
