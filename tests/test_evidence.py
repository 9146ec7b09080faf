"""The evidence of a failure: the trace, the script that reproduces it and its shrinking, the transcript."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from harness import plugins
from harness.conformance.api.trace import Chunk, Step, Trace
from harness.conformance.pool import Watcher, open_pool
from harness.conformance.reproduce import short_script as short_scripts
from harness.conformance.reproduce.full_script import ORDERS, Symptom, full_script, program_script
from harness.conformance.reproduce.script_templates import CHECKS
from harness.conformance.reproduce.short_script import short_script
from harness.conformance.reproduce.shrink import ddmin
from harness.conformance.reproduce.transcript import transcript
from harness.history.fault import Fault, Observation
from harness.model import CaseResult, Evidence, Spec, Verdict
from harness.servers.launch import launch
from tests.zoo import CONFORMING, MUTANTS, implementation

BROADCAST = plugins.specs()["broadcast"]
HI = b"\x02hi"
BYTE_BY_BYTE = f"""#!{sys.executable}
import sys

sys.path[:0] = [{str(MUTANTS / "broken")!r}, {str(MUTANTS)!r}]
from server import main
from shared_parse_buffer import Mutant

Mutant.read_bytes = 1
main(Mutant)
"""
TALK = [
    Step("connect", (0,)),
    Step("connect", (3,)),
    Step("barrier", (0, 0, 3)),
    Step("send", (3,), HI, (1,)),
    Step("barrier", (3, 0, 3)),
]


def run(text: str, server: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script against a fresh server, as its reader would."""
    file = folder / "reproduce.py"
    file.write_text(text)

    async def against() -> subprocess.CompletedProcess[bytes]:
        async with launch(implementation(server), grace_s=0) as running:
            return await anyio.run_process(
                [sys.executable, "-I", str(file), str(running.address), str(running.pid)], check=False
            )

    ended = anyio.run(against)
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def test_equal_sends_in_a_row_are_one_step_and_a_silence_is_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(time, "monotonic_ns", lambda: int(now[0] * 1e9))
    trace = Trace()
    trace.record_step("connect", [0])
    for _ in range(3):
        trace.record_step("send", [0], HI)
    now[0] += 2
    trace.record_step("send", [0], HI)
    actions = [(step.action, step.numbers) for step in trace.steps]
    assert actions == [("connect", ()), ("send", (3,)), ("pause", (2.0,)), ("send", (1,))]


def test_a_trace_with_too_many_steps_has_none() -> None:
    trace = Trace()
    for turn in range(5000):
        trace.record_step("send", [0], b"%d" % turn)
    assert trace.steps == ()


@pytest.mark.parametrize("kind", sorted({*CHECKS, *ORDERS} - {"order"}))
def test_a_script_reproduces_nothing_on_a_conforming_server(kind: str, tmp_path: Path) -> None:
    text = full_script(TALK, Symptom(kind, 3, b"hi"), BROADCAST.codec, title="it", name="reproduce.py")
    ended = run(text, CONFORMING, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("mutant", "symptom", "steps"),
    [
        ("greets", Symptom("created"), TALK),
        ("sender_left_out", Symptom("silent"), [*TALK[:1], Step("barrier", (0, 0))]),
        ("sender_left_out", Symptom("lost", 3, b"hi"), TALK[:2] + TALK[3:4]),
        ("dies_of_a_reset", Symptom("died"), [*TALK, Step("reset", (3,)), Step("pause", (), b"", (0.5,))]),
    ],
)
def test_a_script_reproduces_the_symptom(mutant: str, symptom: Symptom, steps: Sequence[Step], tmp_path: Path) -> None:
    text = full_script(steps, symptom, BROADCAST.codec, title="it", name="reproduce.py", patience_s=1)
    ended = run(text, MUTANTS / "broken" / f"{mutant}.py", tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("REPRODUCED")


@pytest.mark.parametrize("kind", sorted(short_scripts.CHECKS))
def test_a_short_script_reproduces_nothing_on_a_conforming_server(kind: str, tmp_path: Path) -> None:
    text = short_script(
        TALK, Symptom("disagreement" if kind == "order" else kind, 3, b"hi"), BROADCAST.codec, title="", name=""
    )
    assert text
    assert len(text.splitlines()) < 45
    ended = run(text, CONFORMING, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("mutant", "symptom", "steps"),
    [
        ("greets", Symptom("created"), TALK),
        ("sender_left_out", Symptom("silent"), [*TALK[:1], Step("barrier", (0, 0))]),
        ("sender_left_out", Symptom("lost", 3, b"hi"), TALK[:4]),
        ("dies_of_a_reset", Symptom("died"), [*TALK[:3], Step("reset", (3,))]),
    ],
)
def test_a_short_script_reproduces_the_symptom(
    mutant: str, symptom: Symptom, steps: Sequence[Step], tmp_path: Path
) -> None:
    text = short_script(steps, symptom, BROADCAST.codec, title="", name="")
    assert text
    ended = run(text, MUTANTS / "broken" / f"{mutant}.py", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("REPRODUCED")


def test_there_is_no_short_script_of_many_steps_or_of_chatter() -> None:
    for steps in (TALK * 9, [*TALK, Step("chatter", (0, 3), numbers=(100, 5, 0))]):
        assert short_script(steps, Symptom("created"), BROADCAST.codec, title="", name="") is None


def test_a_script_has_only_the_parts_that_it_needs_and_the_standard_library() -> None:
    text = full_script(TALK, Symptom("silent"), BROADCAST.codec, title='a """title"""', name="reproduce.py")
    assert "def barrier" in text
    for part in ("def pour", "def chatter", "def leave", "collections", "struct", "harness"):
        assert part not in text
    compile(text, "reproduce.py", "exec")


def test_a_script_of_a_program_prints_how_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "reproduce.py"
    file.write_text(program_script(["nonsense"], title="it", name="reproduce.py"))
    ended = subprocess.run([sys.executable, file, CONFORMING], capture_output=True, text=True, check=True)
    assert "the server ended with status 2" in ended.stdout
    assert "not an address" in ended.stdout


def test_ddmin_finds_the_two_items_that_matter() -> None:
    asked = []

    async def fails(some: Sequence[int]) -> bool:
        asked.append(list(some))
        return {3, 77} <= set(some)

    shortest = anyio.run(ddmin, list(range(100)), fails, time.monotonic() + 60)
    assert list(shortest) == [3, 77]
    assert len(asked) < 100


def test_the_framing_of_a_script_is_that_of_the_codec() -> None:
    for spec in plugins.specs().values():
        names: dict[str, object] = {}
        exec(spec.codec.standalone_source, names)
        encode, split = names["encode"], names["split"]
        assert callable(encode)
        assert callable(split)
        bodies = [b"", b"x", b"~" * spec.codec.max_body if spec.codec.is_text else bytes(range(spec.codec.max_body))]
        stream = b"".join(map(spec.codec.encode, bodies))
        assert [encode(body) for body in bodies] == [spec.codec.encode(body) for body in bodies]
        assert split(stream + stream[:1]) == (bodies, stream[:1]) or spec.codec.request_decoder().feed(stream[:1])
        delivered = b"".join(spec.codec.encode_delivery(body, 0) for body in bodies)
        assert split(delivered) == (bodies, b"")


def test_a_transcript_is_cut_to_the_observations_of_a_fault() -> None:
    chunks = [Chunk(at, 0, "←", 3 * at, 3, b"\x02%02d" % at) for at in range(100)]
    fault = Fault("duplicated", "", (0,), ("50",), (Observation(0, "receive", "50", 150, 50),))
    lines = transcript(chunks, (0,), fault).splitlines()
    assert [line.split("·")[-1] for line in lines if "·" in line] == ["48", "49", "50", "51", "52"]
    assert lines[1] == lines[-1] == "…"


def result_of(mutant: str, case: str, seed: int, spec: Spec) -> CaseResult:
    """Run one case on a mutant, with its script shortened."""

    async def check() -> list[CaseResult]:
        async with open_pool(spec, jobs=1, arguments=["-k", case], seed=seed, shrink=True) as pool:
            return await pool.check([implementation(MUTANTS / "broken" / f"{mutant}.py")], Watcher())

    (result,) = [result for result in anyio.run(check) if result.id == case]
    return result


def evidence_of(result: CaseResult) -> Evidence:
    assert result.verdict is Verdict.FAIL
    assert result.evidence
    return result.evidence


def test_a_random_failure_has_its_seed_and_its_script_is_shortened(tmp_path: Path) -> None:
    evidence = evidence_of(result_of("shared_parse_buffer", "halves_of_two_clients_never_mix", 7, BROADCAST))
    assert evidence.seed == 7
    in_full, in_short = ("send(", "connect(", "barrier(", "chatter("), (".sendall(", " = connect(")
    lines = evidence.script.splitlines()
    steps = [line for line in lines if line.startswith(in_full) or any(word in line for word in in_short)]
    assert 0 < len(steps) < 60, evidence.script  # of some hundred; fewer when there is more time
    # Whether two halves meet in the server is chance, except when it reads a byte from each in turn.
    certain = tmp_path / "shared_parse_buffer.py"
    certain.write_text(BYTE_BY_BYTE)
    certain.chmod(0o700)
    assert run(evidence.script, certain, tmp_path).returncode == 1
    assert run(evidence.script, CONFORMING, tmp_path).returncode == 0


def test_a_fault_of_a_history_has_a_drawing_and_a_transcript() -> None:
    evidence = evidence_of(
        result_of("receivers_disagree", "a_senders_own_copies_stand_in_the_common_order", 1, BROADCAST)
    )
    assert "client" in evidence.drawing
    assert "←" in evidence.transcript
    assert "order" in evidence.script.splitlines()[-1]
