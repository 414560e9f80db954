"""One device that asks what it is, again and again, and how long each answer took.

    probe = Probe(site, leaf)
    probe.begin()
    ...
    probe.end()
    probe.answers      # (when it was asked, seconds, status or None: cut off)
"""

import http.client
import threading
import time

PAUSE_S = 0.02
CUT_OFF = None


class Probe:
    def __init__(self, site, leaf):
        self.client = site.device(leaf)
        self.answers, self.wrong = [], []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def begin(self):
        self.thread.start()

    def end(self):
        self.ending.set()
        self.thread.join()
        self.client.close()

    def _run(self):
        while not self.ending.wait(PAUSE_S):
            at = time.monotonic()
            try:
                answer = self.client.get("/v1/device")
            except (OSError, http.client.HTTPException):
                self.client.close()
                status = CUT_OFF
            else:
                status = answer.status
                if status != 200 and not (status == 503 and answer.headers["Retry-After"]):
                    self.wrong.append((status, answer.body[:300]))
            self.answers.append((at, time.monotonic() - at, status))

    def between(self, begin, end):
        """The answers to what was asked in this time."""
        return [answer for answer in list(self.answers) if begin <= answer[0] < end]


def percentile(seconds, share):
    """Nearest rank."""
    ordered = sorted(seconds)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
