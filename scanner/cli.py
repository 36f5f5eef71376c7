"""The command line. The only composition root; heavy imports happen inside the commands."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from scanner import __version__
from scanner.errors import CardtrailError, ExitCode, Stopped
from scanner.text import printable

app = typer.Typer(
    name="cardtrail",
    help="Find cardholder data where it should not be; say whether it is protected, who could "
    "read it, who did, and whether anyone can tell.",
    epilog="Exit status: 0 clean, 1 findings, 2 usage, 3 something was not read, 4 both 1 and 3, "
    "5 nothing in scope, 70 internal error, 130 and 143 stopped (go on with scan --resume).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="CARDTRAIL_CONFIG",
        help="Configuration to use instead of the nearest cardtrail.toml.",
    ),
]
LedgerPath = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        metavar="FILE",
        envvar="CARDTRAIL_LEDGER",
        help="Ledger to use instead of the one of this folder in the state directory.",
    ),
]
Outputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write a report there; the format is that of --format or of the suffix "
        "(.html .json .csv .sarif). Repeatable. - is standard output.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", "-f", metavar="NAME", help="html, json, csv or sarif."),
]
FailOn = Annotated[
    str | None,
    typer.Option(
        "--fail-on",
        metavar="SEVERITY",
        envvar="CARDTRAIL_FAIL_ON",
        help="Exit 1 for findings at or above: critical, high, medium, low, info. [default: high]",
    ),
]
Excludes = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="PATTERN",
        help="Put names out of scope, in gitignore syntax. Repeatable; what it hides is counted.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET",
        help="Paths, s3://bucket/prefix, sqlite:///file.db. Without any: the stores of "
        "cardtrail.toml.",
        show_default=False,
    ),
]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"cardtrail {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="CARDTRAIL_DEBUG", help="Show a traceback for errors."),
    ] = False,
) -> None:
    if debug:
        os.environ["CARDTRAIL_DEBUG"] = "1"


@app.command()
def scan(
    targets: Targets = None,
    config: Config = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="CARDTRAIL_PROFILE",
            help="What to look for: card (card numbers and what belongs to them) or full (personal "
            "data and secrets as well). [default: card]",
        ),
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(
            metavar="CODES",
            help="Whose national ids and telephone numbers full looks for, as us,gb,in. "
            "[default: all]",
        ),
    ] = None,
    names: Annotated[
        bool | None,
        typer.Option(
            "--names/--no-names",
            help="With full: names of people and places too, in documents and text columns. Needs "
            "cardtrail[names].",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            envvar="CARDTRAIL_JOBS",
            help="Worker processes; 1 works in this process. [default: number of cores]",
        ),
    ] = None,
    format_name: Format = None,
    outputs: Outputs = None,
    fail_on: FailOn = None,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Findings do not change the exit status.")
    ] = False,
    exclude: Excludes = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(metavar="P", help="Write findings from this probability on. [default: 0.3]"),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="CARDTRAIL_KEY_FILE",
            help="Fingerprint key, a file of mode 0600 (make one with cardtrail key).",
        ),
    ] = None,
    ledger: LedgerPath = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Large tables of database servers: a first pass over a sample, the rest only "
            "where it found something. Says what it may miss; exit 3, as not all was read.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the last unfinished run, or with --run."),
    ] = False,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="ID", help="With --resume: this run; what failed is tried again."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no summary.")
    ] = False,
) -> None:
    """Scan stores and say what lies there unprotected."""
    from scanner import commands

    if jobs != 1:
        from scanner import engine

        engine.warm_up(targets or ())
    request = commands.ScanRequest(
        targets=targets or [],
        config=config,
        ledger=ledger,
        outputs=outputs or [],
        format_name=format_name,
        overrides={
            "profile": profile,
            "regions": regions,
            "names": names,
            "jobs": jobs,
            "fail_on": fail_on,
            "min_confidence": min_confidence,
            "quick": quick or None,
        },
        exclude=exclude or [],
        key_file=key_file,
        quiet=quiet,
        exit_zero=exit_zero,
    )
    if resume or run is not None:
        raise typer.Exit(commands.resume(request, run))
    raise typer.Exit(commands.scan(request))


@app.command()
def plan(
    targets: Targets = None,
    config: Config = None,
    exclude: Excludes = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, metavar="N")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List stores, units, bytes and estimated cost, without reading any content."""
    from scanner import commands

    request = commands.ScanRequest(
        targets=targets or [], config=config, exclude=exclude or [], overrides={"jobs": jobs}
    )
    raise typer.Exit(commands.plan(request, as_json=as_json))


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE")] = Path("cardtrail.toml"),
) -> None:
    """Write a commented cardtrail.toml to start from. Never replaces a file."""
    from scanner import commands

    commands.init(path)


@app.command()
def key(path: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Write a new fingerprint key to FILE, mode 0600. Never replaces a file."""
    from scanner.key import new_key_file

    new_key_file(path)
    typer.echo(
        f"wrote {path}; keep it: fingerprints of different keys cannot be compared", err=True
    )


@app.command()
def runs(config: Config = None, ledger: LedgerPath = None) -> None:
    """List the runs in the ledger."""
    from scanner import commands

    commands.runs(config, ledger)


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or last.")],
    format_name: Format = None,
    outputs: Outputs = None,
    config: Config = None,
    ledger: LedgerPath = None,
) -> None:
    """Draw the report of any past run again."""
    from scanner import commands

    commands.report(run, format_name, outputs or [], config, ledger)


access_app = typer.Typer(
    help="Who could read, who did, and can anyone tell: answered from the ledger.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(access_app, name="access")

StoreName = Annotated[
    str | None,
    typer.Option("--store", metavar="URI", help="One store, by its uri or a part of it."),
]
RunName = Annotated[
    str, typer.Option("--run", metavar="ID", help="A run's id, its beginning, or last.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@access_app.callback()
def access(
    context: typer.Context,
    store: StoreName = None,
    principal: Annotated[
        str | None, typer.Option(metavar="NAME", help="Principals whose name has this in it.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Who read from then on: 2026-03-01, 30d, 12h."),
    ] = None,
    object_name: Annotated[
        str | None,
        typer.Option("--object", metavar="NAME", help="Reads of objects or tables so named."),
    ] = None,
    run: RunName = "last",
    as_json: AsJson = False,
    config: Config = None,
    ledger: LedgerPath = None,
) -> None:
    """Who could read each store, who did, and how far the evidence reaches."""
    if context.invoked_subcommand is None:
        from scanner import commands

        if object_name is not None:
            commands.access_object(
                run, object_name, store, principal, since, config, ledger, as_json=as_json
            )
        else:
            commands.access(run, store, principal, since, config, ledger, as_json=as_json)


@access_app.command()
def incident(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Its uri, or a part of it.")],
    run: RunName = "last",
    as_json: AsJson = False,
    config: Config = None,
    ledger: LedgerPath = None,
) -> None:
    """The page for the response procedure of 12.10.7: what lay there, since when, who read it."""
    from scanner import commands

    commands.incident(run, store, config, ledger, as_json=as_json)


@app.command()
def row(
    store: Annotated[str, typer.Argument(metavar="STORE", help="The database, as it is scanned.")],
    unit: Annotated[str, typer.Argument(metavar="TABLE", help="As the report names it.")],
    sealed: Annotated[
        str, typer.Argument(metavar="KEY", help="Of the row: 'code = ~ghpm~' or '~ghpm~'.")
    ],
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="CARDTRAIL_KEY_FILE",
            help="The fingerprint key the scan had.",
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Tell where the row with a sealed key is: a statement that shows it, none of its values."""
    from scanner import commands

    request = commands.ScanRequest(targets=[store], config=config, key_file=key_file)
    commands.row(request, unit, sealed)


@app.command()
def schema(
    of_config: Annotated[
        bool, typer.Option("--config", help="The schema of cardtrail.toml instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of the run document."""
    from scanner import commands

    commands.schema(of_config=of_config)


def main() -> None:
    """Entry point: errors become one sentence and an exit status."""
    from scanner.hygiene import collect_seldom, keep_private

    keep_private()
    collect_seldom()
    # numpy comes with a library that starts threads for matrices: we have none
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except Stopped as stopped:
        _complain("stopped; what was done is kept, go on with: cardtrail scan --resume")
        code: int = stopped.exit_code
    except CardtrailError as error:
        _complain(str(error))
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except KeyboardInterrupt:
        code = ExitCode.SIGINT
    except Exception as error:
        # the text of an unforeseen error may hold data, so only its type is shown
        if os.environ.get("CARDTRAIL_DEBUG"):
            raise
        _complain(f"internal error ({type(error).__name__}); run again with --debug and report it")
        code = ExitCode.INTERNAL
    else:
        return
    finally:
        # the process ends: what it holds need not be looked through once more, but for DuckDB,
        # whose binding complains on standard error of every object that is left
        if "_duckdb" not in sys.modules:
            gc.freeze()
    sys.exit(code)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(ExitCode.SIGTERM)


def _complain(text: str) -> None:
    print("cardtrail: " + "\n".join(map(printable, text.split("\n"))), file=sys.stderr)
