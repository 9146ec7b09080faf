"""Cases for several specs: they use clients, rooms and bodies, but not the bytes of any protocol.

They name their requirements without a prefix ("ORDER-2"), and quote sentences that occur in the text of each spec
that uses them. A spec uses those cases whose requirements are in its text (`Spec.shares`).
"""

from pathlib import Path

FOLDER = Path(__file__).parent
