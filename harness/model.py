"""The nouns of the harness as plain typed records: they hold data, they do nothing.

What goes to disk or over a pipe is a msgspec struct; what only lives in a process is a dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from harness.codec import Codec, Dialect
from harness.toolchain import Tool


class Level(StrEnum):
    """How binding a requirement is (RFC 2119, and INFO for what is only told)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    INFO = "INFO"


class Verdict(StrEnum):
    """What came of a case, or of all the cases of an implementation."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"  # a SHOULD does not hold
    INFO = "info"  # told, not judged
    UNSUPPORTED = "unsupported"  # this machine or this server cannot be asked
    UNKNOWN = "unknown"  # could not tell
    BLOCKED = "blocked"  # what it depends on failed
    ERROR = "error"  # the harness's own fault


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One clause of a spec, as its text has it."""

    id: str
    level: Level
    origin: str
    text: str
    why: str
    right: str
    wrong: str
    bug: str


class Implementation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server: an executable that takes one argument, an address, and serves one spec.

    Attributes:
        name: what it is called on the command line and in the league.
        spec: the name of the spec it serves.
        language, style: e.g. "Python", "thread per connection".
        category: "idiomatic", "tuned" or "engine" ("class" in a manifest and in JSON).
        summary: one line for people.
        source: the file a reader should open; its lines are counted. None for a path given by hand.
        build: a command run once for each state of the sources, in the source's folder.
        run: the command, to which the address is appended. Empty: the source under this Python.
            `{build}` stands for the folder that `build` writes to.
        needs: what must be here, as "command:gcc", "python:twisted" or "library:liburing", or "command:rustc>=1.85".
        tools: what is known of those needs that the harness's table does not have, or has in another way.
        files: what else in the source's folder is this server's alone; the rest is for all servers of the folder.
        python: the interpreter that runs the source, where it is not this Python (`--python`).
    """

    name: str
    spec: str
    language: str = "?"
    style: str = "?"
    category: str = msgspec.field(default="idiomatic", name="class")
    summary: str = ""
    source: Path | None = None
    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    tools: dict[str, Tool] = {}
    files: tuple[str, ...] = ()
    python: str = ""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A protocol: its text, its codec and its cases.

    Attributes:
        name: e.g. "broadcast".
        prefix: what the ids of its requirements begin with, e.g. "BC".
        text: the Markdown file with the numbered requirements.
        cases: the folder with its `test_*.py`.
        codec: the protocol, sans I/O.
        shares: folders with cases for several specs. They name requirements without the prefix, and a spec takes
            those of which its text has all requirements; its own case takes the place of a shared one of that name.
        dialect: how people speak it in a terminal; None where a line is the body of a message.
        faults: for each kind of fault the judge of histories tells (see `harness.history`), and for "died" (the
            server's process ended in the middle), "silent" and "closed" (somebody who reads hears nothing, or was
            disconnected, in a case that is about what is heard) and, where the protocol tells who said something,
            "sender name" (it tells another), the requirement it breaks.
        mutants: a folder with `broken/` and `conforming/`: servers of which it is known what they are, for
            testing the cases (see `harness.conformance.selftest`); None where there are none.
        default: whether a bare path on the command line is taken for a server of this spec.
    """

    name: str
    prefix: str
    text: Path
    cases: Path
    codec: Codec
    shares: tuple[Path, ...] = ()
    dialect: Dialect | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    mutants: Path | None = None
    default: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An executable check of one or more requirements, as the collector found it.

    Attributes:
        smoke: one of the few cases that tell quickly whether a server works at all.
        gate: its place among the cases that must pass before all others run; 0 when it is none of them.
        slow: started first, because it takes long.
    """

    id: str
    number: int
    requirements: tuple[str, ...]
    level: Level
    smoke: bool = False
    gate: int = 0
    slow: bool = False


@dataclass(frozen=True)
class Usage:
    """What a process and all below it use at one moment.

    Attributes:
        rss_bytes: resident memory.
        cpu_s: user and system time so far.
    """

    rss_bytes: int
    descriptors: int
    threads: int
    processes: int
    cpu_s: float


class ServerUsage(msgspec.Struct, frozen=True):
    """What one server of a case used when it was ready, and when the case had ended."""

    before: Usage
    after: Usage


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a failure one that can be acted on.

    Attributes:
        expected: what should have been seen, where the case can say it better than its requirement.
        transcript: what went over the wire, a line an event, cut to what matters.
        drawing: for a fault of a history, its witnesses with the clients as columns.
        script: a Python program that shows the failure again, or "".
        file: a name for the file of that program.
        seed: of what was random in the case; None when nothing was.
    """

    expected: str = ""
    transcript: str = ""
    drawing: str = ""
    script: str = ""
    file: str = ""
    seed: int | None = None


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case on one implementation.

    Attributes:
        facts: what the case found out that stands in a column of a table, e.g. {"slow client": "drops new"}.
        used: for each server that the case started, what it used.
        evidence: for a case that did not pass, what to look at.
    """

    implementation: str
    spec: str
    id: str
    requirements: tuple[str, ...]
    level: Level
    verdict: Verdict
    message: str = ""
    seconds: float = 0.0
    states_cause: bool = False  # the message says itself what is likely wrong
    facts: dict[str, str] = {}
    used: tuple[ServerUsage, ...] = ()
    evidence: Evidence | None = None


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all the cases on one implementation."""

    implementation: str
    spec: str
    verdict: Verdict
    cases: tuple[CaseResult, ...] = ()
    message: str = ""

    def count(self, *verdicts: Verdict) -> int:
        """Return how many cases ended in one of these verdicts."""
        return sum(case.verdict in verdicts for case in self.cases)

    @property
    def passed(self) -> int:
        return self.count(Verdict.PASS)

    @property
    def total(self) -> int:
        """Cases that judge: what is only told, and what cannot be asked here, does not count."""
        return len(self.cases) - self.count(Verdict.INFO, Verdict.UNSUPPORTED)


class TrialPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One workload against one fresh server process.

    Attributes:
        block: the number of the block, from 0.
        parameters: what the profile says to the workload, e.g. {"clients": 100, "seconds": 2}.
        ghost: whether it is the second entry of the reference implementation, which shows what chance does.
        probe: of a workload that searches, the number of the step, from 0.
    """

    block: int
    implementation: str
    spec: str
    workload: str
    parameters: dict[str, float]
    is_control: bool = False
    probe: int = 0

    @property
    def key(self) -> tuple[int, str, str, str, bool, int]:
        return self.block, self.implementation, self.spec, self.workload, self.is_control, self.probe


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one trial: figures with their units in their names, or why it did not finish.

    Attributes:
        started: when, in ISO 8601, UTC.
        figures: name → value; the workload says which.
        histogram: latency in nanoseconds as an HDR histogram (its own base64 form), or "".
        did_not_finish: the reason, or "" when the trial counts.
        disturbed: why it does not count and is made again, or "": a third process took the processor, the load was
            sent too late. The rules are fixed before any figure is looked at.
    """

    plan: TrialPlan
    started: str
    seconds: float
    figures: dict[str, float] = {}
    histogram: str = ""
    did_not_finish: str = ""
    disturbed: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run was made."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    packages: dict[str, str]


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is: written before its first trial, and enough to go on with it.

    Attributes:
        reference: the server that shall have a ghost; "" for the first idiomatic one of each spec.
        pump: which core the load generator had, "native" or "python"; "" where that is not known.
        workloads: the only ones that are measured, beside the one that ranks; () for all.
        smoke: whether servers are checked with the few cases that tell quickly.
    """

    id: str
    started: str
    command: str
    version: str
    commit: str
    machine: Machine
    profile: str
    seed: int
    implementations: tuple[Implementation, ...]
    unavailable: dict[str, str]
    code_lines: dict[str, int]
    toolchains: dict[str, str]
    reference: str = ""
    engine: str = ""
    workloads: tuple[str, ...] = ()
    smoke: bool = False


@dataclass(frozen=True)
class Run:
    """A run as it stands on disk, whole or not."""

    info: RunInfo
    cases: Sequence[CaseResult]
    trials: Sequence[TrialResult]
