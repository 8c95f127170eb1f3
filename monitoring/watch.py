"""One monitoring pass over the release that Git deploys to an environment."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from monitoring.ledger import Ledger
from monitoring.previous import PreviousRelease
from monitoring.records import Decision
from monitoring.reference import REFERENCES
from monitoring.report.history import write_history
from monitoring.retraining import wall_clock
from monitoring.run import run_monitoring
from monitoring.signals.sources import Sources
from polymart.config import Settings, Suite
from polymart.data.example_index import read_examples_index
from polymart.errors import MonitoringError
from polymart.release.manifest import ReleaseManifest
from polymart.release.previous import fetch_previous
from polymart.release.promotion import current_manifest


@dataclass(frozen=True)
class Watch:
    """An environment and the release that it runs."""

    environment: str
    repository: str
    settings: Settings
    manifest: ReleaseManifest
    given: Suite | None = None

    @classmethod
    def over(cls, environment: str, settings: Settings, repository: str = "", suite: Suite | None = None) -> Watch:
        """The environment's current release.

        Args:
            environment: lower-case name, e.g. ``staging``.
            settings: folders and addresses.
            repository: deployment repository; empty for that of the settings.
            suite: what the release was trained with; None reads it from the release's checkpoint, where that is a
                folder of this machine.

        Raises:
            ReleaseError: it has none, or the deployment repository cannot be reached.
        """
        place = repository or settings.deployment_repository
        return cls(environment, place, settings, current_manifest(place, environment), suite)

    @property
    def ledger(self) -> Ledger:
        """The environment's store."""
        return Ledger(self.settings.work_dir / "monitoring" / self.environment)

    @property
    def suite(self) -> Suite:
        """The suite that the release was trained with."""
        if self.given:
            return self.given
        file = self._place("checkpoint") / "suite.json"
        if not file.is_file():
            raise MonitoringError(
                f"the suite of {self.manifest.release} must lie in {file}, found none",
                remedy="give it: polymart monitor --suite FILE",
            )
        return Suite.from_json(file.read_text(), origin=str(file))

    @property
    def report(self) -> Path:
        """Folder of the release's reports."""
        return self.ledger.folder / self.manifest.release

    def _place(self, name: str) -> Path:
        return Path(self.manifest.locations[name])

    def look(self, examples: Path | None = None, predictions: Path | None = None, out: Path | None = None) -> Decision:
        """Compare the newest windows with the training reference, report, decide.

        Args:
            examples: folder of newer examples; None for those of the release's run.
            predictions: folder of newer predictions; None for those of the release's run.
            out: report folder; None for the environment's own.

        Raises:
            MonitoringError: tables or ledger break their contract.
        """
        examples, predictions = examples or self._place("examples"), predictions or self._place("predictions")
        named = f"--environment {self.environment}"
        with tempfile.TemporaryDirectory(prefix="polymart-previous-") as scratch:
            fetch = partial(
                fetch_previous,
                self.repository,
                self.environment,
                self.settings.tracking_uri,
                Path(scratch) / "previous",
            )
            decision = run_monitoring(
                examples,
                predictions,
                self.suite,
                out or self.report,
                {name: task.data_origin for name, task in read_examples_index(examples).tasks.items()},
                f"polymart monitor retrain {named}",
                f"polymart deploy rollback {named}",
                release=self.manifest.release,
                ledger=self.ledger,
                previous=PreviousRelease(fetch, examples, predictions, self.suite).performance,
                sources=Sources.of_service(self._place("checkpoint")),
                references=self._place("predictions") / REFERENCES,
                clock=wall_clock(),
            )
        write_history(self.settings.work_dir)
        return decision

    def released(self, data_digest: str) -> str:
        """The release that a retraining on these data brought about; empty where the environment runs none of it."""
        newest = current_manifest(self.repository, self.environment)
        return newest.release if newest.data_version == data_digest else ""
