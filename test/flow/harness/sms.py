"""What a handset makes of a message part that came over the air."""

# 3GPP TS 23.038, 6.2.1 and 6.2.1.1; 0x1b leads to the extension table.
GSM7 = ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
        "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà")
EXTENSION = {0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
             0x40: "|", 0x65: "€"}


def decoded(part):
    """The text of one part, as smscsim gives it (doc/smsc.md)."""
    data = bytes.fromhex(part["data"])
    if part["dcs"] == 8:
        return data.decode("utf-16-be")
    septets = iter(data)
    return "".join(EXTENSION[next(septets)] if s == 0x1B else GSM7[s] for s in septets)
