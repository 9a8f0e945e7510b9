"""The files of one run: written so that a killed run loses at most the round it was in, and can go on."""

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import jax

from experiments.config import Config, width

# Where a run was started from does not change its results.
INCIDENTAL = ("out", "command")
LIBRARIES = ("alfi", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "scikit-learn")


def write_atomically(path: Path, text: str) -> None:
    """The old file or the new one, never half of one."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def open_run(config: Config, command: str) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of a run and the rounds already in it.

    Raises
    ------
    ValueError
        If the folder holds a run of another configuration, or something else. Nothing is overwritten.
    """
    folder = Path(config.out) / config.name
    resolved = json.loads(json.dumps({**dataclasses.asdict(config), "command": command}))
    known = folder / "config.json"
    if known.is_file():
        try:
            before = json.loads(known.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{known} is not JSON ({error}): remove the folder, or choose another --name.") from error
        if isinstance(before, dict):  # an option that is younger than the folder had its default
            defaults = {f.name: f.default for f in dataclasses.fields(config) if f.default is not dataclasses.MISSING}
            before = {**json.loads(json.dumps(defaults)), **before}
        keys = [key for key in resolved if key not in INCIDENTAL and before.get(key) != resolved[key]]
        if keys:
            changes = "; ".join(f"{key}: {before.get(key)} there, {resolved[key]} now" for key in keys)
            raise ValueError(f"{folder} holds another run ({changes}): choose another --name, or remove the folder.")
        return folder, _rounds(folder / "rounds.jsonl")
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds files that no run wrote: choose another --name or --out.")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(known, json.dumps(resolved, indent=2) + "\n")
    return folder, []


def _rounds(path: Path) -> list[dict[str, Any]]:
    """Whole lines only: the last may have been cut by a kill."""
    if not path.is_file():
        return []
    rounds = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            rounds.append(json.loads(line))
        except json.JSONDecodeError as error:
            if any(rest.strip() for rest in lines[number:]):
                raise ValueError(
                    f"{path} line {number} is not JSON ({error}): repair it, or remove the folder."
                ) from error
    return rounds


class Appender:
    """Appends rounds to one file, each line on the disk before the next round begins."""

    def __init__(self, path: Path, kept: list[dict[str, Any]]):
        write_atomically(path, "".join(_line(record) for record in kept))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def append(self, records: list[dict[str, Any]]) -> None:
        data = "".join(_line(record) for record in records).encode()
        if os.write(self._file, data) != len(data):
            raise OSError("the disk is full: the round just finished was not recorded.")
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def dumps(value: dict[str, Any]) -> str:
    return json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"


def _line(record: dict[str, Any]) -> str:
    # JSON has no NaN: a number that is none is written as null
    return json.dumps(_finite(record), allow_nan=False, separators=(",", ":")) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


def environment(config: Config, compile_seconds: dict[str, float]) -> dict[str, Any]:
    """What the numbers depend on beside the configuration."""
    return {
        **machine(),
        "mode": config.mode,
        "seeds at once": width(config),
        "compile seconds": {name: round(seconds, 2) for name, seconds in compile_seconds.items()},
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def machine() -> dict[str, Any]:
    """Versions and hardware."""
    device = jax.devices()[0]
    return {
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "device": f"{device.device_kind} ({device.platform}), {jax.device_count()} of them",
    }
