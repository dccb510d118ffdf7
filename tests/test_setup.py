"""tools/setup.sh with stand-in interpreters: what a person sees when something is missing, and what is installed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Behaves as a Python would for exactly the calls that the script makes; $WISHES names what should go wrong.
FAKE = """#!/bin/sh
version={version}
case "$*" in
    *version_info*) echo "$version" ;;
    *"import venv"*) case "$WISHES" in *no-venv*) exit 1 ;; esac ;;
    *"import pip"*) case "$WISHES" in *no-pip*) exit 1 ;; esac ;;
    "-m venv"*)
        case "$WISHES" in *full-venv*) echo "Error: [Errno 28] No space left on device: '.venv'"; exit 1 ;; esac
        case "$WISHES" in *bad-venv*) echo "Error: ensurepip returned non-zero exit status 1"; exit 1 ;; esac
        echo "venv" >>"$CALLS"
        mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip install"*)
        echo "pip $*" >>"$CALLS"
        case "$*" in *offline*) case "$WISHES" in *no-offline*) echo "ERROR: not found" >&2; exit 1 ;; esac ;; esac
        case "$WISHES" in
            *full-pip*) echo "ERROR: Could not install: [Errno 28] No space left on device" >&2; exit 1 ;;
            *bad-pip*) echo "ERROR: no matching distribution" >&2; exit 1 ;;
        esac ;;
    *) echo "unexpected call: $*" >&2; exit 9 ;;
esac
"""


@dataclass
class House:
    """A copy of the set-up with its own PATH of stand-ins."""

    root: Path
    bin: Path
    calls: Path
    env: dict[str, str] = field(default_factory=dict)

    def python(self, name: str, version: str) -> Path:
        path = self.bin / name
        path.write_text(FAKE.format(version=version))
        path.chmod(0o755)
        return path

    def setup(self, part: str = "app", wishes: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        every = {"PATH": f"{self.bin}:/usr/bin:/bin", "WISHES": wishes, "CALLS": str(self.calls), **env}
        command = ["sh", str(self.root / "tools" / "setup.sh"), part]
        return subprocess.run(command, env=every, capture_output=True, text=True, timeout=30, check=False)

    def installed(self) -> list[str]:
        """What was asked of venv and pip since the last look."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return lines


@pytest.fixture
def house(tmp_path: Path) -> House:
    root = tmp_path / "a clone with spaces"
    (root / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "setup.sh", root / "tools")
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-offline.txt"):
        shutil.copy(ROOT / name, root)
    binaries = tmp_path / "bin"
    binaries.mkdir()
    made = House(root, binaries, tmp_path / "calls")
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        made.python(name, "3.11")  # shadows whatever this machine has
    return made


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The error text; asserts that it is a single line and that the script failed."""
    assert result.returncode == 1, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_first_call_makes_everything_and_the_second_does_nothing(house: House) -> None:
    first = house.setup()
    assert first.returncode == 0, first.stderr
    calls = house.installed()
    assert calls[0] == "venv"
    assert "-r requirements.txt" in calls[1] and "dev" not in calls[1]
    assert "--no-deps" in calls[2] and "-r requirements-offline.txt" in calls[2]
    again = house.setup()
    assert (again.returncode, again.stdout, house.installed()) == (0, "", [])


def test_the_tests_get_the_development_packages_and_leave_the_app_ready(house: House) -> None:
    assert house.setup("dev").returncode == 0
    assert "-r requirements.txt -r requirements-dev.txt" in house.installed()[1]
    assert house.setup("app").stdout == ""
    assert house.installed() == []


def test_a_changed_requirement_installs_again_into_the_same_environment(house: House) -> None:
    house.setup()
    house.installed()
    with (house.root / "requirements.txt").open("a") as file:
        file.write("# one more line\n")
    assert house.setup().returncode == 0
    calls = house.installed()
    assert "venv" not in calls and len(calls) == 2


def test_an_old_python_is_said_in_one_line(house: House) -> None:
    old = house.python("python-old", "3.9")
    line = one_line(house.setup(PYTHON=str(old)))
    assert "Python 3.11 or newer is needed" in line and "is 3.9" in line and "PYTHON=" in line
    assert house.installed() == []


def test_python_2_and_no_python_at_all_are_said_in_one_line(house: House) -> None:
    assert "is 2.7" in one_line(house.setup(PYTHON=str(house.python("python2", "2.7"))))
    line = one_line(house.setup(PYTHON="no-such-python"))
    assert "No Python found (tried: no-such-python)" in line


def test_a_newer_python_beside_an_old_one_is_found(house: House) -> None:
    house.python("python3", "3.9")
    house.python("python3.13", "3.10")
    house.python("python3.12", "3.12")
    result = house.setup()
    assert result.returncode == 0 and "with Python 3.12" in result.stdout


def test_a_missing_venv_module_is_said_in_one_line(house: House) -> None:
    line = one_line(house.setup(wishes="no-venv"))
    assert "has no venv module" in line and "apt install python3.11-venv" in line
    assert not (house.root / ".venv").exists()


@pytest.mark.parametrize("moment", ["full-venv", "full-pip"])
def test_a_full_disk_is_said_in_one_line(house: House, moment: str) -> None:
    line = one_line(house.setup(wishes=moment))
    assert "The disk is full" in line and "Free about 3 GB" in line
    house.installed()
    assert house.setup().returncode == 0  # no stamp was left: the next call installs
    assert any("requirements.txt" in call for call in house.installed())


def test_a_full_disk_is_recognised_when_the_failing_tool_does_not_say_so(house: House) -> None:
    df, answer = house.bin / "df", "#!/bin/sh\necho Filesystem Blocks Used Available Capacity Mounted\necho /dev/x "
    df.write_text(answer + "5120 5100 20 99% /\n")
    df.chmod(0o755)
    assert "The disk is full" in one_line(house.setup(wishes="bad-venv"))
    df.write_text(answer + "9999999 1 9999998 1% /\n")
    assert "non-zero exit status" in house.setup(wishes="bad-venv").stderr


def test_another_failure_of_pip_keeps_its_words_and_leaves_no_stamp(house: House) -> None:
    result = house.setup(wishes="bad-pip")
    assert result.returncode == 1
    assert "no matching distribution" in result.stderr and "installing requirements.txt" in result.stderr
    assert not (house.root / ".venv" / ".sparsescope-app").exists()


def test_without_the_offline_package_the_app_is_ready_all_the_same(house: House) -> None:
    result = house.setup(wishes="no-offline")
    assert result.returncode == 0
    assert "could not be fetched" in result.stdout and "make offline" in result.stdout
    assert house.setup(wishes="no-offline").stdout == ""  # and it is not tried at every start
    house.installed()
    assert house.setup("offline").returncode == 0
    assert len(house.installed()) == 1
    assert house.setup("offline", wishes="no-offline").returncode == 1


def test_a_broken_environment_is_made_anew(house: House) -> None:
    house.setup()
    house.installed()
    (house.root / ".venv" / "bin" / "python").unlink()
    assert house.setup().returncode == 0
    assert house.installed()[0] == "venv"


def test_asking_for_another_python_makes_the_environment_anew(house: House) -> None:
    house.setup()
    house.installed()
    assert house.setup(PYTHON=str(house.bin / "python3")).stdout == ""  # the same version: nothing to do
    newer = house.python("python-newer", "3.12")
    assert house.setup(PYTHON=str(newer)).returncode == 0
    assert house.installed()[0] == "venv"


def test_a_part_that_is_not_there_is_refused_with_the_choices(house: House) -> None:
    assert one_line(house.setup("everything")).endswith("Choose app, dev or offline.")


def test_a_clone_that_lacks_a_list_is_said_in_one_line(house: House) -> None:
    (house.root / "requirements.txt").unlink()
    assert "requirements.txt is missing" in one_line(house.setup())


def test_make_runs_the_set_up_for_app_and_test() -> None:
    for target, part in (("app", "app"), ("test", "dev")):
        plan = subprocess.run(["make", "-n", target, "PYTHON=python3.12"], cwd=ROOT, capture_output=True, text=True,
                              check=True).stdout
        assert f"tools/setup.sh {part}" in plan
    app = subprocess.run(["make", "-n", "app"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--server.address 127.0.0.1" in app
