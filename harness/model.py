"""The nouns of the harness as plain typed records, without behaviour.

A record that goes to disk or over a pipe is a msgspec struct; one that stays in a process is a dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from harness.blocks import BlockResult
from harness.codec import Codec, Dialect
from harness.machines import Machine
from harness.network import Network
from harness.toolchain import Tool

FORMAT = 3  # of a run on disk; increased when a name in it changes or goes


class Level(StrEnum):
    """How binding a requirement is (RFC 2119; INFO for behaviour that is only reported)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    INFO = "INFO"


class Verdict(StrEnum):
    """The result of a case, or of all the cases of an implementation."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"  # a SHOULD does not hold
    INFO = "info"  # reported, not judged
    UNSUPPORTED = "unsupported"  # the case cannot run on this machine or with this server
    UNKNOWN = "unknown"  # the case could not decide
    BLOCKED = "blocked"  # a case that it depends on failed
    ERROR = "error"  # a fault of the harness


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement of a spec, as its text states it."""

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
        name, spec: its name on the command line and in the league; the name of the spec it serves.
        language: e.g. "Python".
        style: its concurrency style, one of `harness.styles.STYLES`.
        category: one of `harness.styles.CATEGORIES` ("class" in a manifest and in JSON).
        summary: one line for people.
        source: the file to read first; its lines are counted. None for a path given on the command line.
        build: a command that runs in the source's folder, once per state of the sources; `{python}` is this Python.
        run: the command, to which the address is appended; empty to run the source with this Python.
            `{build}` stands for the folder that `build` writes to.
        needs: what must be installed, as "command:gcc", "python:twisted", "library:liburing" or "command:rustc>=1.85".
        tools: facts about these needs that the harness's own table lacks, or that replace its facts.
        files: the other files in the source's folder that belong to this server alone; the rest is shared.
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

    @property
    def key(self) -> str:
        """Its spec and name, "spec/name": by these a run describes its servers."""
        return f"{self.spec}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A protocol: its text, its codec and its cases.

    Attributes:
        name: e.g. "broadcast".
        prefix: the beginning of the ids of its requirements, e.g. "BC".
        text: the Markdown file with the numbered requirements.
        cases: the folder with its `test_*.py`.
        codec: the protocol, sans I/O.
        shares: folders with cases for several specs, which name requirements without the prefix. A spec takes the cases
            whose requirements its text has; its own case replaces a shared one of the same name.
        dialect: how people type messages of it in a terminal; None where a line is the body of a message.
        faults: for each kind of fault the requirement that it breaks. The kinds are those of the judge of histories
            (see `harness.history`), "died" (the server's process ended during the case), "silent" and "closed" (a
            client that reads receives nothing, or was disconnected, in a case about deliveries) and, where the protocol
            names senders, "sender name" (a delivery names the wrong one).
        mutants: a folder with `broken/` and `conforming/` servers, whose verdicts are known, to test the cases with
            (see `harness.conformance.selftest`); None where there are none.
        default: whether a bare path on the command line is assumed to be a server of this spec.
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
    """An executable check of one or more requirements, as pytest collected it.

    Attributes:
        id: the name of its function without "test_".
        number: its position among the cases of the spec.
        requirements: the ids of the requirements that it checks.
        smoke: whether it is one of the few cases that quickly show whether a server works at all.
        gate: its place among the cases that must pass before all others run; 0 when it is none of them.
        slow, long: whether it starts first because it takes long; over a minute, so that only full checks run it.
    """

    id: str
    number: int
    requirements: tuple[str, ...]
    level: Level
    smoke: bool = False
    gate: int = 0
    slow: bool = False
    long: bool = False


@dataclass(frozen=True)
class Usage:
    """What a process and its descendants use at one moment.

    Attributes:
        rss_bytes, cpu_s: resident memory; user and system time so far.
    """

    rss_bytes: int
    descriptors: int
    threads: int
    processes: int
    cpu_s: float


class ServerUsage(msgspec.Struct, frozen=True):
    """What one server of a case used when it was ready, and at the end of the case."""

    before: Usage
    after: Usage


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence of a failure, to act on.

    Attributes:
        expected: what was expected, where the case can say it better than its requirement.
        transcript: what went over the wire, a line for each event, cut to what matters.
        drawing: for a fault of a history, its witnesses with the clients as columns.
        script, file: a Python program that reproduces the failure, or ""; a name for its file.
        seed: the random seed of the case; None when nothing was random.
    """

    expected: str = ""
    transcript: str = ""
    drawing: str = ""
    script: str = ""
    file: str = ""
    seed: int | None = None


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one case on one implementation.

    Attributes:
        message: what happened, for people.
        states_cause: whether the message itself says what is likely wrong.
        facts: findings of the case that stand in a column of a table, e.g. {"slow client": "drops new"}.
        used: for each server that the case started, what it used.
        evidence: what to look at, for a case that did not pass.
    """

    implementation: str
    spec: str
    id: str
    requirements: tuple[str, ...]
    level: Level
    verdict: Verdict
    message: str = ""
    seconds: float = 0.0
    states_cause: bool = False
    facts: dict[str, str] = {}
    used: tuple[ServerUsage, ...] = ()
    evidence: Evidence | None = None


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The results of all cases on one implementation."""

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
        """How many cases passed."""
        return self.count(Verdict.PASS)

    @property
    def total(self) -> int:
        """How many cases judge: all except those that only report, and those that cannot run here."""
        return len(self.cases) - self.count(Verdict.INFO, Verdict.UNSUPPORTED)


class TrialPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One workload against one fresh server process.

    Attributes:
        block, probe: the number of the block; for a workload that searches, that of the step; from 0.
        parameters: the workload's parameters, from the profile, e.g. {"clients": 100, "seconds": 2}.
        network: what was set between the server's machine and those of the load; None for what there is.
    """

    block: int
    implementation: str
    spec: str
    workload: str
    parameters: dict[str, float]
    probe: int = 0
    network: Network | None = None

    @property
    def key(self) -> tuple[int, str, str, str, int]:
        """What distinguishes it from all other trials of the run."""
        return self.block, self.implementation, self.spec, self.workload, self.probe


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one trial: its figures, or why it did not finish.

    Attributes:
        started: when it started, in ISO 8601, UTC.
        figures: the figures by name (see `harness.figures`).
        histogram: latency in nanoseconds as an HDR histogram in its own base64 form, or "".
        did_not_finish: the reason, or "" when it finished.
        disturbed: why it does not count and is made again, or "" (see `harness.league.disturbance`).
        machine, load_machines: of a cluster, by name: the server's and those of the load; "" and () without one.
    """

    plan: TrialPlan
    started: str
    seconds: float
    figures: dict[str, float] = {}
    histogram: str = ""
    did_not_finish: str = ""
    disturbed: str = ""
    machine: str = ""
    load_machines: tuple[str, ...] = ()


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a run: written before its first trial, and enough to resume it.

    Attributes:
        id, started: its name, of the date, the time and a random part; when it started, in ISO 8601, UTC.
        commit: the commit of the harness, or "".
        seed: the random seed of the order of trials, and of the statistics.
        unavailable, unbuilt: "spec/server" → why it cannot run on this machine; why its build failed.
        code_lines, sources: "spec/server" → its lines of code; a digest of its source.
        toolchains: language → the version of its toolchain.
        reference: the first server with an A/A control; "" for the first idiomatic one of each spec.
        engine: the engine of the load generator, "native" or "python"; "" where that is unknown.
        workloads: the workloads that are measured beside the league; () for those of the profile.
        smoke, sandbox: whether servers are checked with the smoke cases only; whether they run in a sandbox.
        references: the products that stand beside the servers and are not ranked.
        machines: those of the cluster on which it was made, by name; empty where it was `machine`.
        format: the number of the format of the run on disk (see `harness.results`).
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
    sandbox: bool = False
    references: tuple[Implementation, ...] = ()
    machines: dict[str, Machine] = {}
    sources: dict[str, str] = {}
    unbuilt: dict[str, str] = {}
    format: int = FORMAT


@dataclass(frozen=True)
class Run:
    """A run as it stands on disk, complete or not."""

    info: RunInfo
    cases: Sequence[CaseResult]
    trials: Sequence[TrialResult] = ()
    blocks: Sequence[BlockResult] = ()
