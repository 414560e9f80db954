"""Both ends of the landnet in the next version of the protocol, as doc/landnet.md has it
("Versions"): each of its messages says `v` 2 and has a member that version 1 has not.
"""

from harness.stand_in import StandIn

OURS = 2
MORE = {"regions": ["home"]}


class NextServer(StandIn):
    """Answers in the version of the request; one that it no longer speaks, it refuses."""

    def __init__(self, site, *, versions=(1, OURS), **settings):
        self.versions = versions
        super().__init__(site, **settings)

    def answer(self, request):
        response = super().answer(request)
        asked = request.json() if request.method == "POST" else {}
        version = asked.get("v")  # what a device asks for has none
        if version and version not in self.versions:
            response.status = 400
            response.headers = {"Content-Type": "application/problem+json"}
            response.body = {"type": "about:blank", "title": "Bad Request", "status": 400,
                             "reason": "version_unsupported", "versions": self.versions}
        elif version == OURS and isinstance(response.body, dict):
            response.body = {**response.body, "v": OURS, **MORE}
        return response


class NextGateway:
    """Asks in its own version until the server says that it does not speak it."""

    def __init__(self, link):
        self.link = link
        self.version = OURS
        self.refusals = []

    def _post(self, target, message):
        if self.version == OURS:
            message = {**message, "v": OURS, **MORE}
        return self.link.request("POST", target, message, {"Provbox-Grant": None})

    def post(self, target, message):
        """The answer, and what it took: one exchange more, once."""
        answer = self._post(target, message)
        if answer.status == 400 and answer.json()["reason"] == "version_unsupported":
            self.refusals.append(answer.json())
            self.version = max(v for v in answer.json()["versions"] if v <= OURS)
            answer = self._post(target, message)
        return answer
