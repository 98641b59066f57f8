from __future__ import annotations

from django import forms


class SearchForm(forms.Form):
    picture = forms.FileField(
        widget=forms.ClearableFileInput(attrs={"accept": "image/*"}),
        help_text="A JPEG, PNG, WebP, GIF, BMP or TIFF. It is not kept.",
    )
