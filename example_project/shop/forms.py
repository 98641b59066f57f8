from __future__ import annotations

from django import forms


class SearchForm(forms.Form):
    picture = forms.FileField(
        widget=forms.ClearableFileInput(attrs={"accept": "image/*"}),
        label_suffix="",
        help_text="Any common format. It is not kept.",
    )
