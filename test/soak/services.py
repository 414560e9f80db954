"""Servers of others that a site has only where a test adds them: verification and mail.

    services.add_verification(site)    # then site.start("verification")
    services.add_mail(site)            # then site.start("mail")
"""

from harness import mail, pki
from harness.verification import Verification

MAIL_FROM = "terms@provbox.example.com"


def add_verification(site):
    """For the setting verification = service."""
    site.verification = Verification(site.directory, site.pki)
    client = site.pki.billing.issue("verification-client", usages=[pki.CLIENT])
    token = site.directory / "token"
    pki.write_secret(token, f"{Verification.TOKEN}\n".encode())
    site.server.config.update(
        verification_url=site.verification.url, verification_trust=site.pki.billing.path,
        verification_certificate=client.path, verification_key=client.key_path,
        verification_token_file=token)


def add_mail(site):
    """For devices that have an address."""
    site.mail = mail.Mail(site.pki, is_implicit=True)
    credentials = site.directory / "mail.credentials"
    pki.write_secret(credentials, f"{mail.USER}:{mail.PASSWORD}\n".encode())
    site.server.config.update(mail_url=site.mail.url, mail_trust=site.mail.trust,
                              mail_from=MAIL_FROM, mail_credentials=credentials)
