"""The stand-in verification service as a process, and what it was asked."""

from harness import billing


class Verification(billing.Billing):
    """test/peers/verification.py; demands a client certificate and a token."""

    NAME = "verification"
    PATH = "/verifications"
    TOKEN = "s3cret-of-the-service"

    def options(self):
        return ["--client-trust", self.pki.billing.path, "--token", self.TOKEN]
