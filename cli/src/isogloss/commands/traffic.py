"""predict, load, feedback, drift: what users' requests look like from outside."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isogloss.clients.gateway import Gateway
from isogloss.clients.gateway import predict as predict_one
from isogloss.commands.target import target_of
from isogloss.failures import Misused
from isogloss.load.addresses import read_address
from isogloss.load.generator import LoadPlan
from isogloss.load.run import LoadRun, run_load
from isogloss.load.texts import read_texts
from isogloss.output import Format, FormatOption, Table, say, short, show

GatewayUrlOption = Annotated[
    str | None,
    typer.Option(envvar="ISOGLOSS_GATEWAY_URL", help="The gateway's address, else looked up."),
]
HostOption = Annotated[
    str | None, typer.Option(help="Host name that the model answers to, where it has one.")
]
drift_commands = typer.Typer(no_args_is_help=True, help="Has the language changed?")
feedback_commands = typer.Typer(no_args_is_help=True, help="True labels of answered requests.")


def add_to(application: typer.Typer) -> None:
    """Join this module's commands to the tree."""
    application.command(epilog="Example: isogloss predict 'A wonderful film.'")(predict)
    application.command(
        epilog="Example: isogloss load reviews.parquet --rate 100 --seconds 30 --feedback"
    )(load)


def predict(
    ctx: typer.Context,
    text: str,
    gateway_url: GatewayUrlOption = None,
    host: HostOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Send one text through the gateway, as a user does."""
    answer = predict_one(_gateway(ctx, gateway_url, host), text)
    rows = [(key, str(value)) for key, value in answer.items()]
    show(answer, output, lambda: Table(("answer", "value"), rows))


def load(
    ctx: typer.Context,
    texts: Annotated[Path, typer.Argument(help="A .parquet, .csv or .jsonl file with texts.")],
    rate: Annotated[float, typer.Option(min=0.1, max=20000, help="Requests a second.")] = 50,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="None: until stopped.")] = None,
    connections: Annotated[int, typer.Option(min=1, max=2000, help="At most at once.")] = 64,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one answer.")] = 10,
    skip: Annotated[int, typer.Option(min=0, help="Texts to begin after.")] = 0,
    slices: Annotated[
        list[str], typer.Option("--slice", metavar="KEY=VALUE", help="Sent as x-slice-KEY.")
    ] = [],  # noqa: B006 - typer reads the default, nobody changes it
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Send the true labels to the drift-monitor.")
    ] = False,
    result: Annotated[Path | None, typer.Option(help="Write the counts here as JSON.")] = None,
    gateway_url: GatewayUrlOption = None,
    host: HostOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Send texts through the gateway at a rate, and count what comes back.

    A request has failed unless its answer is 200. Exits 1 when any failed. Requests are due on a
    fixed schedule, so a slow server does not slow the load. SIGTERM and Ctrl-C end it with counts.
    """
    address = read_address(_gateway(ctx, gateway_url, host))
    named = dict(map(_slice, slices))
    plan = LoadPlan(address, rate, seconds, connections, timeout, named, skip)
    labels_to = ctx.with_resource(target_of(ctx).connect()).labels if feedback else None
    counts = run_load(LoadRun(plan, read_texts(texts), result, labels_to))
    show(counts, output, lambda: _load_table(counts))
    if counts["failures"] or counts["not_sent"]:
        say(f"{counts['failures']} failed, {counts['not_sent']} could not be sent in time")
        raise typer.Exit(1)


@feedback_commands.command(epilog="Example: isogloss feedback add 5f0c... positive")
def add(ctx: typer.Context, request_id: str, label: str) -> None:
    """Tell the drift-monitor the true label of one answered request."""
    answer = ctx.with_resource(target_of(ctx).connect()).drift.feedback([(request_id, label)])
    say(f"accepted {answer['accepted']}")


@drift_commands.command(epilog="Example: isogloss drift status sentiment -o json")
def status(ctx: typer.Context, model: str, output: FormatOption = Format.TABLE) -> None:
    """Show the drift signals of each version and the findings; exits 1 when there is one."""
    drift = ctx.with_resource(target_of(ctx).connect()).drift.drift(model)
    show(drift, output, lambda: signal_table(drift))
    for finding in drift["findings"]:
        if output is Format.TABLE:
            say(f"{finding['severity']}: {finding['text']}; {finding['because']}")
    if drift["findings"]:
        raise typer.Exit(1)


def signal_table(drift: Any) -> Table:
    """Return one row for each version, slice and detector."""
    columns = ("version", "slice", "detector", "n", "statistic", "z", "cusum", "threshold")
    numbers = ("statistic", "z", "cusum", "threshold")
    rows = [
        (
            short(version["digest"]),
            signal["slice"],
            signal["detector"],
            str(signal["n"]),
            *("-" if signal[key] is None else f"{signal[key]:.3f}" for key in numbers),
        )
        for version in drift["versions"]
        for signal in version["signals"]
    ]
    return Table(columns, rows)


def _gateway(ctx: typer.Context, url: str | None, host: str | None) -> Gateway:
    """Return the gateway that was named, else the platform's own."""
    if url is None:
        return target_of(ctx).gateway(host)
    if not url.startswith(("http://", "https://")):
        raise Misused(f"--gateway-url {url}: write it as http://HOST:PORT")
    return Gateway(url.rstrip("/"), host, "--gateway-url is where it was looked for")


def _slice(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key.replace("-", "").isalnum() and equals and value.isprintable()):
        raise Misused(f"--slice {text}: write it as KEY=VALUE, such as domain=imdb")
    return key, value


def _load_table(counts: Any) -> Table:
    columns = ("version", "requests", "not 200", "p50 ms", "p95 ms", "p99 ms", "max ms")
    rows = [
        (
            short(version),
            str(held["requests"]),
            str(held["requests"] - held["by_status"].get("200", 0)),
            *(str(held["latency_ms"][key]) for key in ("p50", "p95", "p99", "max")),
        )
        for version, held in counts["versions"].items()
    ]
    unanswered = sum(counts["unanswered"].values())
    return Table(columns, [*rows, ("unanswered", str(unanswered), str(unanswered), *["-"] * 4)])
