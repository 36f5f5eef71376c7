"""``make bench``: Cardtrail beside the other tools, in one run, on the same generated input.

Whole processes: start, read, detect, write the JSON report. Each pair is run in turn (ours, theirs,
ours, theirs ...) and the median of each is printed with the ratio, since machines drift. Memory is
the largest resident set of the process. The input is made from a seed: the same everywhere.

    make bench                          200 MB for panhunt's comparison, 1 GB for the others
    make bench BENCH="--size 200"       everything on 200 MB
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "bench-out"
MB = 1_000_000
CARD_EVERY = 20_000
"""one line in so many of the sparse log holds a card"""


# --- input ----------------------------------------------------------------------------------------


def sparse_line(rng: random.Random, i: int) -> str:
    """An application log line: times, paths, ids; a long number now and then, a card rarely."""
    clock = f"{i % 24:02d}:{i % 60:02d}:{rng.randint(0, 59):02d}.{i % 1000:03d}"
    stamp = f"2024-05-{1 + i % 28:02d}T{clock}Z"
    if i % CARD_EVERY == 77:
        return f"{stamp} DEBUG gateway card=4539{luhn_tail(rng)} exp=11/27\n"
    if i % 40 == 3:
        return f"{stamp} INFO orders order_id={rng.randint(10**15, 10**16 - 1)} state=paid\n"
    return (
        f"{stamp} INFO http request path=/api/v1/items/{rng.randint(1, 99999)} status=200 "
        f"bytes={rng.randint(100, 90000)} took={rng.randint(1, 900)}ms agent=Mozilla/5.0\n"
    )


def dense_line(rng: random.Random, i: int) -> str:
    """Three long numbers in every line: the worst an ordinary log does."""
    return (
        f"{1700000000000000 + i * 37} order={rng.randint(10**15, 10**16 - 1)} "
        f"ref={rng.randint(10**14, 10**15 - 1)} ok\n"
    )


def luhn_tail(rng: random.Random) -> str:
    body = "4539" + "".join(rng.choices("0123456789", k=11))
    total = 0
    for i, char in enumerate(reversed(body)):
        digit = int(char) * (2 if i % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return body[4:] + str(-total % 10)


def make_log(name: str, size: int, line: Callable[[random.Random, int], str]) -> Path:
    """A block of 20 MB of lines, repeated; every line of the block is its own."""
    path = OUT / name
    if path.exists() and path.stat().st_size >= size:
        return path
    rng, block, length, i = random.Random(7), [], 0, 0
    while length < min(size, 20 * MB):
        block.append(line(rng, i))
        length += len(block[-1])
        i += 1
    data = "".join(block).encode()
    with path.open("wb") as out:
        for _ in range(-(-size // len(data))):
            out.write(data)
    return path


# --- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    name: str
    words: list[str]
    cwd: Path = OUT
    megabytes: float = 0


@dataclass(frozen=True)
class Figure:
    seconds: float
    """median of the wall clock"""
    low: float
    high: float
    cpu: float
    memory: float
    """MB, the largest resident set of the process (children apart)"""
    code: int


def measure(commands: list[Command], runs: int) -> dict[str, Figure]:
    """Runs the commands in turn, one warm-up first."""
    seen: dict[str, list[tuple[float, float, float, int]]] = {c.name: [] for c in commands}
    for turn in range(runs + 1):
        for command in commands:
            figure = once(command)
            if turn:
                seen[command.name].append(figure)
    figures = {}
    for name, all_runs in seen.items():
        walls = sorted(run[0] for run in all_runs)
        figures[name] = Figure(
            seconds=statistics.median(walls),
            low=walls[0],
            high=walls[-1],
            cpu=statistics.median(run[1] for run in all_runs),
            memory=max(run[2] for run in all_runs),
            code=all_runs[-1][3],
        )
    return figures


def once(command: Command) -> tuple[float, float, float, int]:
    # an installed program has its bytecode beside it: a setting of this shell must not forbid that
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"XDG_STATE_HOME": str(OUT / "state"), "PYTHONPATH": str(ROOT)}
    reading, writing = os.pipe()
    with (OUT / "output.txt").open("wb") as out, os.fdopen(reading) as figures:
        # by way of a process that is small: the largest size of a process counts from its fork on,
        # and then it is as large as the one it was forked from
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCH, str(writing), *command.words],
            cwd=command.cwd,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
        )
        os.close(writing)
        seconds, cpu, kilobytes, code = figures.read().split()
        process.wait()
    return float(seconds), float(cpu), int(kilobytes) / 1000, int(code)


_LAUNCH = """
import os, sys, time
begin = time.perf_counter()
os.set_inheritable(int(sys.argv[1]), False)
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - begin
code = os.waitstatus_to_exitcode(status)
cpu = usage.ru_utime + usage.ru_stime
os.write(int(sys.argv[1]), f"{seconds} {cpu} {usage.ru_maxrss} {code}".encode())
"""


def show(title: str, figures: dict[str, Figure], sizes: dict[str, float], base: str) -> None:
    print(f"\n{title}")
    print(f"  {'':34} {'median s':>9} {'min-max':>13} {'MB/s':>7} {'MB mem':>7} {'ratio':>7}")
    speed = {name: sizes[name] / figure.seconds for name, figure in figures.items()}
    for name, figure in figures.items():
        spread = f"{figure.low:.2f}-{figure.high:.2f}"
        ratio = speed[name] / speed[base]
        print(
            f"  {name:34} {figure.seconds:9.2f} {spread:>13} {speed[name]:7.0f} "
            f"{figure.memory:7.0f} {ratio:6.2f}x"
        )


# --- the tools ------------------------------------------------------------------------------------


def cardtrail(path: Path, jobs: int) -> Command:
    words = [sys.executable, "-m", "scanner", "scan", str(path), "--profile", "card"]
    words += ["--jobs", str(jobs), "--format", "json", "--exit-zero"]
    return Command(f"cardtrail --jobs {jobs}", words)


def ripgrep(path: Path) -> Command:
    return Command("rg -a -c '[0-9]{13}'", ["rg", "-a", "-c", "[0-9]{13}", str(path)])


def panhunt(path: Path) -> Command | None:
    """In its own environment, so that nothing of it mixes with ours."""
    venv = OUT / "panhunt-env"
    if not (venv / "bin" / "panhunt").exists():
        print("bench: installing panhunt into bench-out/panhunt-env")
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [venv / "bin" / "pip", "install", "--quiet", "panhunt==2.2.0"]
        if subprocess.run(pip, check=False, stderr=subprocess.DEVNULL).returncode:
            print("bench: panhunt could not be installed: left out")
            return None
    work = OUT / "panhunt-out"
    work.mkdir(exist_ok=True)
    return Command("panhunt 2.2.0", [str(venv / "bin" / "panhunt"), "-q", str(path)], cwd=work)


def system() -> Iterator[str]:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    yield f"{model}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"
    yield f"Python {sys.version.split()[0]}"


def four_times(path: Path) -> Path:
    """A folder in which a log lies four times, without four times the disk."""
    folder = OUT / f"four-{path.stem}"
    folder.mkdir(exist_ok=True)
    for i in range(4):
        link = folder / f"{i}.log"
        link.unlink(missing_ok=True)
        link.hardlink_to(path)
    return folder


def show_jobs(what: str, one: Figure, two: Figure) -> None:
    """Starting takes as long with two workers as with one, so the ratio grows with the input."""
    print(
        f"  {what}: --jobs 2 is {one.seconds / two.seconds:.2f} times as fast as --jobs 1 "
        f"({one.seconds:.2f} s, {two.seconds:.2f} s)"
    )


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--size", type=int, default=1000, help="MB of each log [1000]")
    options.add_argument("--runs", type=int, default=5, help="counted runs of each command [5]")
    given = options.parse_args()
    OUT.mkdir(exist_ok=True)
    if shutil.which("rg") is None:
        print("bench: ripgrep (rg) is not installed and could not be; nothing to compare with")
        return 1
    print("; ".join(system()))

    small = make_log("app-200.log", 200 * MB, sparse_line)
    tenth = make_log("app-20.log", 20 * MB, sparse_line)
    tools = [cardtrail(small, 1), ripgrep(small)]
    sizes = {tool.name: 200.0 for tool in tools}
    rival = panhunt(tenth)
    if rival is not None:
        tools.append(rival)
        sizes[rival.name] = 20.0
    figures = measure(tools, given.runs)
    show("200 MB application log (panhunt: a tenth of it)", figures, sizes, tools[1].name)

    for name, line in (("sparse", sparse_line), ("dense", dense_line)):
        path = make_log(f"{name}-{given.size}.log", given.size * MB, line)
        tools = [cardtrail(path, 1), ripgrep(path), cardtrail(path, 2)]
        figures = measure(tools, given.runs)
        sizes = {tool.name: float(given.size) for tool in tools}
        what = "sparse" if name == "sparse" else "three long numbers a line"
        show(f"{given.size} MB application log, {what}", figures, sizes, tools[1].name)
        show_jobs("this log", figures[tools[0].name], figures[tools[2].name])
        folder = four_times(path)
        tools = [cardtrail(folder, 1), cardtrail(folder, 2)]
        figures = measure(tools, min(given.runs, 3))
        show_jobs("a folder with four of it", *(figures[tool.name] for tool in tools))
    return 0


if __name__ == "__main__":
    sys.exit(main())
