"""Why a picture cannot be used, in the language of the user.

Errors, and the records that store them, have an English sentence and a code.
"""

from __future__ import annotations

from django.utils.translation import get_language, gettext_lazy

_SENTENCES = {
    "empty": gettext_lazy("The file is empty."),
    "undecodable": gettext_lazy("The file is not a readable picture."),
    "unsupported": gettext_lazy("The format of the file is not supported."),
    "too_large": gettext_lazy("The picture is too large."),
    "file_missing": gettext_lazy("The file is not in the storage."),
}


def translate_reason(code: str, reason: str) -> str:
    """Return why a picture cannot be used, in the current language.

    Args:
        code: the code, such as ``"too_large"``.
        reason: the English sentence. It says more, so English users see it; so does everyone if the
            code is unknown.
    """
    if code not in _SENTENCES or (get_language() or "en").partition("-")[0] == "en":
        return reason
    return str(_SENTENCES[code])
