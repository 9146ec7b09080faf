"""What the league and its worker for trials send to each other; the answer is a `harness.model.TrialResult`."""

from __future__ import annotations

import msgspec

from harness.model import Implementation, TrialPlan


class TrialRequest(msgspec.Struct, frozen=True):
    """A request to run a trial of an implementation."""

    plan: TrialPlan
    implementation: Implementation
