"""What a failure leaves behind: the journal, the script that shows it again, its shrinking, the transcript."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from harness import plugins
from harness.conformance.api.trace import Chunk, Trace, Step
from harness.conformance.pool import Watcher, open_pool
from harness.conformance.reproduce import short_script as briefly
from harness.conformance.reproduce.full_script import ORDERS, Symptom, program_script, full_script
from harness.conformance.reproduce.script_templates import CHECKS
from harness.conformance.reproduce.short_script import short_script
from harness.conformance.reproduce.shrink import ddmin
from harness.conformance.reproduce.transcript import transcript
from harness.history.fault import Fault, Observation
from harness.model import CaseResult, Evidence, Spec, Verdict
from harness.servers.launch import launch
from tests.zoo import HONEST, MUTANTS, implementation

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
    file = folder / "again.py"
    file.write_text(text)

    async def against() -> subprocess.CompletedProcess[bytes]:
        async with launch(implementation(server), grace_s=0) as one:
            return await anyio.run_process(
                [sys.executable, "-I", str(file), str(one.address), str(one.pid)], check=False
            )

    ended = anyio.run(against)
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def test_equal_sends_in_a_row_are_one_step_and_a_silence_is_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(time, "monotonic_ns", lambda: int(now[0] * 1e9))
    journal = Trace()
    journal.record_step("connect", [0])
    for _ in range(3):
        journal.record_step("send", [0], HI)
    now[0] += 2
    journal.record_step("send", [0], HI)
    deeds = [(step.action, step.numbers) for step in journal.steps]
    assert deeds == [("connect", ()), ("send", (3,)), ("pause", (2.0,)), ("send", (1,))]


def test_too_many_steps_are_none_at_all() -> None:
    journal = Trace()
    for turn in range(5000):
        journal.record_step("send", [0], b"%d" % turn)
    assert journal.steps == ()


@pytest.mark.parametrize("kind", sorted({*CHECKS, *ORDERS} - {"order"}))
def test_a_script_sees_nothing_on_an_honest_server(kind: str, tmp_path: Path) -> None:
    text = full_script(TALK, Symptom(kind, 3, b"hi"), BROADCAST.codec, title="it", name="again.py")
    ended = run(text, HONEST, tmp_path)
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
def test_a_script_sees_the_symptom_again(mutant: str, symptom: Symptom, steps: Sequence[Step], tmp_path: Path) -> None:
    text = full_script(steps, symptom, BROADCAST.codec, title="it", name="again.py", patience_s=1)
    ended = run(text, MUTANTS / "broken" / f"{mutant}.py", tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("REPRODUCED")


@pytest.mark.parametrize("kind", sorted(briefly.CHECKS))
def test_the_briefest_form_sees_nothing_on_an_honest_server(kind: str, tmp_path: Path) -> None:
    text = short_script(
        TALK, Symptom("disagreement" if kind == "order" else kind, 3, b"hi"), BROADCAST.codec, title="", name=""
    )
    assert text
    assert len(text.splitlines()) < 45
    ended = run(text, HONEST, tmp_path)
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
def test_the_briefest_form_sees_the_symptom_again(
    mutant: str, symptom: Symptom, steps: Sequence[Step], tmp_path: Path
) -> None:
    text = short_script(steps, symptom, BROADCAST.codec, title="", name="")
    assert text
    ended = run(text, MUTANTS / "broken" / f"{mutant}.py", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("REPRODUCED")


def test_there_is_no_brief_form_of_many_deeds_or_of_chatter() -> None:
    for steps in (TALK * 9, [*TALK, Step("chatter", (0, 3), numbers=(100, 5, 0))]):
        assert short_script(steps, Symptom("created"), BROADCAST.codec, title="", name="") is None


def test_a_script_has_only_the_pieces_that_it_needs_and_the_standard_library() -> None:
    text = full_script(TALK, Symptom("silent"), BROADCAST.codec, title='a """title"""', name="again.py")
    assert "def barrier" in text
    for piece in ("def pour", "def chatter", "def leave", "collections", "struct", "harness"):
        assert piece not in text
    compile(text, "again.py", "exec")


def test_a_script_of_a_program_tells_what_it_does(tmp_path: Path) -> None:
    file = tmp_path / "again.py"
    file.write_text(program_script(["nonsense"], title="it", name="again.py"))
    ended = subprocess.run([sys.executable, file, HONEST], capture_output=True, text=True, check=True)
    assert "the server ended with status 2" in ended.stdout
    assert "not an address" in ended.stdout


def test_ddmin_finds_the_two_that_matter() -> None:
    asked = []

    async def fails(some: Sequence[int]) -> bool:
        asked.append(list(some))
        return {3, 77} <= set(some)

    found = anyio.run(ddmin, list(range(100)), fails, time.monotonic() + 60)
    assert list(found) == [3, 77]
    assert len(asked) < 100


def test_the_framing_of_a_script_is_that_of_the_codec() -> None:
    for spec in plugins.specs().values():
        room: dict[str, object] = {}
        exec(spec.codec.standalone_source, room)
        encode, split = room["encode"], room["split"]
        assert callable(encode)
        assert callable(split)
        bodies = [b"", b"x", b"~" * spec.codec.max_body if spec.codec.is_text else bytes(range(spec.codec.max_body))]
        stream = b"".join(map(spec.codec.encode, bodies))
        assert [encode(body) for body in bodies] == [spec.codec.encode(body) for body in bodies]
        assert split(stream + stream[:1]) == (bodies, stream[:1]) or spec.codec.request_decoder().feed(stream[:1])
        delivered = b"".join(spec.codec.encode_delivery(body, 0) for body in bodies)
        assert split(delivered) == (bodies, b"")


def test_a_transcript_is_cut_to_what_a_fault_tells_of() -> None:
    chunks = [Chunk(at, 0, "←", 3 * at, 3, b"\x02%02d" % at) for at in range(100)]
    fault = Fault("duplicated", "", (0,), ("50",), (Observation(0, "receive", "50", 150, 50),))
    lines = transcript(chunks, (0,), fault).splitlines()
    assert [line.split("·")[-1] for line in lines if "·" in line] == ["48", "49", "50", "51", "52"]
    assert lines[1] == lines[-1] == "…"


def result_of(mutant: str, case: str, seed: int, spec: Spec) -> CaseResult:
    """Run one case on a mutant, with its script made as short as it can be."""

    async def check() -> list[CaseResult]:
        async with open_pool(spec, jobs=1, arguments=["-k", case], seed=seed, shrink=True) as pool:
            return await pool.check([implementation(MUTANTS / "broken" / f"{mutant}.py")], Watcher())

    (one,) = [result for result in anyio.run(check) if result.id == case]
    return one


def evidence_of(one: CaseResult) -> Evidence:
    assert one.verdict is Verdict.FAIL
    assert one.evidence
    return one.evidence


def test_a_random_failure_tells_its_seed_and_its_script_is_made_shorter(tmp_path: Path) -> None:
    found = evidence_of(result_of("shared_parse_buffer", "halves_of_two_clients_never_mix", 7, BROADCAST))
    assert found.seed == 7
    in_full, in_brief = ("send(", "connect(", "barrier(", "chatter("), (".sendall(", " = connect(")
    lines = found.script.splitlines()
    deeds = [one for one in lines if one.startswith(in_full) or any(word in one for word in in_brief)]
    assert 0 < len(deeds) < 60, found.script  # of some hundred; fewer where there is more time
    # Whether two halves meet in the server is chance, but where it takes a byte from each in turn.
    certain = tmp_path / "shared_parse_buffer.py"
    certain.write_text(BYTE_BY_BYTE)
    certain.chmod(0o700)
    assert run(found.script, certain, tmp_path).returncode == 1
    assert run(found.script, HONEST, tmp_path).returncode == 0


def test_a_fault_of_a_history_is_told_with_drawing_and_transcript() -> None:
    found = evidence_of(result_of("receivers_disagree", "a_senders_own_copies_stand_in_the_common_order", 1, BROADCAST))
    assert "client" in found.drawing
    assert "←" in found.transcript
    assert "order" in found.script.splitlines()[-1]
