"""The prediction log: written beside the answers, read again by monitoring, labels and lineage."""
