"""Cases for several specs: they know clients, rooms and bodies, and no bytes of any protocol.

They name their requirements without a prefix ("ORDER-2"), and quote sentences that stand in the text of each spec
that takes them. A spec takes those cases of which its text has the requirements (`Spec.shares`).
"""

from pathlib import Path

FOLDER = Path(__file__).parent
