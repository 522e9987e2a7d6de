"""How often each check was made: Schemathesis' own reports say that only in hundreds of megabytes."""

import json
import os
from collections import Counter

from schemathesis import cli, engine
from schemathesis.checks import CHECKS


@cli.handler()
class ChecksReport(cli.EventHandler):
    def __init__(self, *args, **kwargs):
        self.made = Counter()

    def handle_event(self, ctx, event):
        if isinstance(event, engine.events.ScenarioFinished):
            self.made.update(check.name for checks in event.recorder.checks.values() for check in checks)

    def shutdown(self, ctx):
        # Those too that were never made.
        made = {check.__name__: self.made[check.__name__] for check in CHECKS.get_all()}
        with open(os.environ["BILLING_CHECKS_REPORT"], "w", encoding="utf-8") as report:
            json.dump(made, report)
