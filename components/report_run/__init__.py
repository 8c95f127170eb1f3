"""Say how a run ended, whatever happened in it; on a cluster this step runs last."""
