"""From a request to what its response holds, one module per endpoint; the heads and the store do the rest."""
