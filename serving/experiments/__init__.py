"""Several releases side by side: a sticky split of households, canary weights, shadow traffic.

Each server holds one release, its own variant. A file that all servers share names the variants and where they are;
whichever server a request reaches hands it to the variant that its household belongs to (`split`), and answers
itself where that variant cannot. See `docs/adr/0010-variants-are-servers.md`.
"""

from serving.experiments.config import own_variant
from serving.experiments.middleware import Experiments

__all__ = ["Experiments", "own_variant"]
